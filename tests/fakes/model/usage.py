"""The tokens and the cost of a request: a stand-in tokenizer, prompt cache and price list."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

TOKEN = re.compile(r"\s{0,4}\w{1,6}|\s{0,4}[^\w\s]{1,2}|\s{1,4}")
ATTACHMENT_TOKENS = 256
LONG_CONTEXT = 128_000
# Hundredths of a micro-dollar per token, so that every sum is a whole number.
INPUT, CACHED, OUTPUT = 20, 5, 50
CREDITS_PER_USD = 2_000_000


def tokens(text: str) -> list[str]:
    """A text as the pieces a model would say it in: words and parts of words."""
    return TOKEN.findall(text)


def weight(text: str) -> int:
    """The tokens of a text in a prompt: a quarter of its bytes, rounded up."""
    return -(-len(text.encode()) // 4)


def weigh(message: dict[str, Any]) -> int:
    """The tokens of a message in a prompt."""
    content = message.get("content", "")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    calls = message.get("tool_calls", [])
    called = [call["function"]["name"] + call["function"]["arguments"] for call in calls]
    return 4 + sum(weigh_part(part) for part in parts) + sum(weight(text) for text in called)


def weigh_part(part: dict[str, Any]) -> int:
    """The tokens of a content part."""
    if part["type"] in ("image_url", "file"):
        return ATTACHMENT_TOKENS
    text: str = part.get("text", "") or part.get("refusal", "")
    return weight(text)


def weigh_images(message: dict[str, Any]) -> int:
    """The part of a message's tokens that its images have."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return ATTACHMENT_TOKENS * len([part for part in parts if part["type"] == "image_url"])


@dataclass(frozen=True, slots=True)
class Prompt:
    """The usage of a request, in tokens."""

    total: int
    cached: int
    images: int
    prefixes: list[bytes]


class PromptCache:
    """Prefixes seen before. A prefix is tools and whole messages, byte for byte, of one key."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def measure(self, key: str, body: dict[str, Any]) -> Prompt:
        """Weigh a prompt, and the part of it that an earlier request had in front."""
        total, cached = weight(json.dumps(body["tools"])) if body.get("tools") else 0, 0
        digests = list(prefixes(key, body))
        for message, digest in zip(body["messages"], digests, strict=True):
            total += weigh(message)
            if digest in self._seen:
                cached = total
        return Prompt(total, cached, sum(map(weigh_images, body["messages"])), digests)

    def remember(self, prompt: Prompt) -> None:
        """Keep the prefixes of a request for those that follow."""
        self._seen.update(prompt.prefixes)


def prefixes(key: str, body: dict[str, Any]) -> Iterator[bytes]:
    """A digest for the prompt up to and with each message."""
    front = json.dumps([key, body["model"], body.get("tools", [])])
    digest = hashlib.blake2b(front.encode(), digest_size=16)
    for message in body["messages"]:
        digest.update(json.dumps(message).encode() + b"\n")
        yield digest.digest()


def report(prompt: Prompt, completion: int) -> dict[str, Any]:
    """The `usage` object of an answer."""
    return {
        "prompt_tokens": prompt.total,
        "completion_tokens": completion,
        "total_tokens": prompt.total + completion,
        "prompt_tokens_details": {
            "text_tokens": prompt.total - prompt.images,
            "audio_tokens": 0,
            "image_tokens": prompt.images,
            "cached_tokens": prompt.cached,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "num_sources_used": 0,
    }


def price(usage: dict[str, Any]) -> Decimal:
    """Return the exact cost of a usage in USD at list price."""
    prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
    details = usage.get("prompt_tokens_details") or {}
    cached = min(details.get("cached_tokens") or 0, prompt)
    amount = (prompt - cached) * INPUT + cached * CACHED + completion * OUTPUT
    return Decimal(amount * (2 if prompt >= LONG_CONTEXT else 1)).scaleb(-8)


def credits_for(usd: Decimal) -> int:
    """The provider's own currency, in whole credits."""
    return -int(-usd * CREDITS_PER_USD // 1)
