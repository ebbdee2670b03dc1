"""The values that a test and the model server share: answers, faults, requests."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the model to one request, with every fault that it can have.

    The `…_after` faults count characters of the text; a stream takes the first one that is set.
    """

    text: str
    finish_reason: str = field(default="stop", kw_only=True)
    """With tool calls, "stop" becomes "tool_calls"."""
    tool_calls: Sequence[Mapping[str, Any] | tuple[str, Any]] = field(default=(), kw_only=True)
    """In the API's form, or as pairs of name and arguments (JSON text or a dict)."""
    pieces: Sequence[str] | None = field(default=None, kw_only=True)
    """The deltas, where the tokens of `text` will not do; `text` is then ignored."""
    usage: bool | dict[str, Any] = field(default=True, kw_only=True)
    """A dict is sent as it is and decides the cost."""
    cost: bool | float = field(default=True, kw_only=True)
    """A number (USD) replaces the cost at list price."""
    done: bool = field(default=True, kw_only=True)
    """True if `data: [DONE]` ends a stream."""
    cut_after: int | None = field(default=None, kw_only=True)
    """Then the connection is cut."""
    stall_after: int | None = field(default=None, kw_only=True)
    """Then nothing comes until the client leaves."""
    error_after: int | None = field(default=None, kw_only=True)
    """Then an `{"error": …}` event ends the stream."""
    malformed_after: int | None = field(default=None, kw_only=True)
    """Then comes an event that is no JSON, then the rest."""
    crlf: bool = field(default=False, kw_only=True)
    comments: bool = field(default=False, kw_only=True)
    """Comment and empty lines between the events."""
    chunk: int | None = field(default=None, kw_only=True)
    """Bytes per write: events, lines and UTF-8 characters are split anywhere."""
    pace: float | None = field(default=None, kw_only=True)
    """Seconds between deltas, instead of the server's."""
    first_token: float | None = field(default=None, kw_only=True)
    """Seconds before the first delta, instead of the server's."""
    refusal: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that is none: an error status, silence, or a connection that just closes."""

    status: int = 503
    message: str = field(default="The service cannot answer", kw_only=True)
    retry_after: float | None = field(default=None, kw_only=True)
    """Seconds, for the `Retry-After` header."""
    retry_after_date: float | datetime | None = field(default=None, kw_only=True)
    """The same header as an HTTP date: a time, or seconds from now (rounded up to whole ones)."""
    html: bool = field(default=False, kw_only=True)
    """Answer as a proxy in between would: with a page instead of JSON."""
    stall: bool = field(default=False, kw_only=True)
    """Never answer; the client has to leave."""
    drop: bool = field(default=False, kw_only=True)
    """Close the connection without a response."""
    body: bytes | None = field(default=None, kw_only=True)
    """The body of the error, instead of the service's own."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Any bytes in place of an answer."""

    body: bytes
    status: int = field(default=200, kw_only=True)
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"Content-Type": "text/event-stream"}, kw_only=True
    )


Reply = str | Answer | Fault | Raw


@dataclass(slots=True)
class ModelRequest:
    """A POST that arrived, with its outcome. Times are `time.monotonic()`."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    request_id: str | None
    """The client's `X-Client-Request-Id`, unless it was dropped as malformed."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    started: float = field(default_factory=time.monotonic)
    first_token_at: float | None = None
    last_token_at: float | None = None
    finished: bool = False
    """The answer, or the error, was sent to its end."""
    cut: bool = False
    """The connection ended before that: the client went away, or a fault closed it."""
    status: int | None = None
    """None until the response begins, and where it never did."""
    usd_spent: Decimal = Decimal(0)
    """The cost that the service charged."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as they were sent."""
        messages: list[dict[str, Any]] = self.body.get("messages", [])
        return messages

    @property
    def text(self) -> str:
        """The last message of the person."""
        said = self.said
        return said[-1] if said else ""

    @property
    def said(self) -> list[str]:
        """The text of every user message, oldest first."""
        return [text_of(message) for message in self.messages if message["role"] == "user"]


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whether its content is a string or parts."""
    content = message.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")
