"""Estimates of tokens, for messages that the API has not counted yet."""

import json
import re
from collections.abc import Mapping
from typing import Any

from core.messages import Block, ChatMessage

FILE_TOKENS = 1500
"""The tokens of an image or of a page of a file, about."""
FILE_BYTES = 5
"""The bytes of a PDF per token: a book without pictures has about six, a scan fifty."""
MOST_FILE_TOKENS = 1_000_000
"""The most tokens of a file; no model reads more."""

_DENSE = re.compile(
    r"[A-Za-z0-9+/=_-]{32,}"  # hexadecimal, Base64, keys: longer than words
    r"|[0-9<>{}\[\]|\\/@#$%^&*+=~_`]+"  # digits and the signs of code
    r"|[\U00010000-\U0010ffff]+"  # emoji and rare scripts
)
"""Text with up to one token per byte."""


def estimate(message: ChatMessage) -> int:
    """Estimate the tokens of a message, from above."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return _text_tokens(content) + sum(map(_call_tokens, message.get("tool_calls", ())))
    return sum(map(_block_tokens, content))


def _block_tokens(block: Block) -> int:
    if "text" in block:
        return _text_tokens(block["text"])
    if "file" not in block:
        return FILE_TOKENS
    size = str(block["file"]["file_data"]).rpartition(":")[2]
    tokens = int(size) // FILE_BYTES if size.isdecimal() else 0
    return min(max(FILE_TOKENS, tokens), MOST_FILE_TOKENS)


def _call_tokens(call: Mapping[str, Any]) -> int:
    return _text_tokens(json.dumps(call, ensure_ascii=False))


def _text_tokens(text: str) -> int:
    """Count one token for three bytes, which no language exceeds; for text without words, one
    token for each byte."""
    dense = sum(len(found.encode()) for found in _DENSE.findall(text))
    return (len(text.encode(errors="replace")) + 2 * dense) // 3 + 8
