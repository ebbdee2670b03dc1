"""The wire forms of the model API (chat completions). Messages are stored as they were sent."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

Role = Literal["system", "user", "assistant", "tool"]
Block = dict[str, Any]
"""One block of a message's content (the API calls it a content part): text, image_url or file."""


class ChatMessage(TypedDict):
    """One message in the API's form. It is never rewritten: it is sent again byte for byte."""

    role: Role
    content: NotRequired[str | list[Block]]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file in a block of a request: `prefix`, then its bytes in Base64.

    The bytes are read while the request is sent, so that they are never in memory as a whole.
    """

    prefix: str
    size: int
    """The number of bytes before they are encoded."""
    read: Callable[[], AsyncGenerator[bytes, None]]
    """Yields the bytes in pieces whose lengths, except the last, are multiples of 3."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer, as it streams in."""

    text: str


@dataclass(frozen=True, slots=True)
class Unseen:
    """A piece of the answer that is charged but not shown: of a thought or of a tool call."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; `arguments` is JSON text, not yet validated."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of a call: tokens as the API counts them, `cost` in micro-dollars if reported.

    `cached_tokens` may exceed `prompt_tokens`: the API's figures need not add up.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer: `stop`, `length`, `content_filter`, `tool_calls` or `refusal`."""

    reason: str


def user(text: str) -> ChatMessage:
    """A message of the person."""
    return {"role": "user", "content": text}


def assistant(text: str) -> ChatMessage:
    """A message of the model."""
    return {"role": "assistant", "content": text}


def system(text: str) -> ChatMessage:
    """An instruction of the operator."""
    return {"role": "system", "content": text}
