"""The model: a stream of events out of one request, retried until its first token."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from core.errors import ModelBroke, ModelBusy, ModelError, ModelRejected, ModelUnavailable
from core.messages import ChatMessage, Finish, Text, ToolCall, Usage
from core.settings import MICRO

Event = Text | ToolCall | Usage | Finish

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""An unbounded keep-alive pool makes httpx quadratic under many streams."""

PATIENCE = 60.0
"""Seconds for which a request is repeated before its first token."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is and how it is asked; times in seconds."""

    url: str
    key: str
    model: str
    max_completion_tokens: int
    first_token_seconds: float = 60
    stall_seconds: float = 30


class LLM:
    """One model behind an OpenAI-compatible API."""

    def __init__(self, client: httpx.AsyncClient, endpoint: Endpoint) -> None:
        self._client = client
        self._endpoint = endpoint

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        request_id: str,
    ) -> AsyncGenerator[Event, None]:
        """The answer as it comes: Text and ToolCall, then Usage where it is told, then Finish.

        Raises ModelBusy, ModelUnavailable or ModelRejected before the first of them, after
        retries where one may help, and ModelBroke later.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + PATIENCE
        for pause in _pauses():
            try:
                async with aclosing(self._attempt(messages, tools, request_id)) as events:
                    async for event in events:
                        yield event
                return
            except ModelBusy as busy:
                wait = pause if busy.retry_after is None else busy.retry_after
                if clock() + wait > give_up:
                    raise
            await asyncio.sleep(wait)

    async def _attempt(
        self, messages: Sequence[ChatMessage], tools: Sequence[Mapping[str, Any]], request_id: str
    ) -> AsyncGenerator[Event, None]:
        answer = _Answer()
        try:
            async with self._client.stream(
                "POST",
                f"{self._endpoint.url}/chat/completions",
                json=self._body(messages, tools),
                headers={
                    "Authorization": f"Bearer {self._endpoint.key}",
                    "Accept": "text/event-stream",
                    "X-Client-Request-Id": request_id,
                },
                # The first token may take long; silence is watched event by event below.
                timeout=httpx.Timeout(10, read=self._endpoint.first_token_seconds),
            ) as response:
                await _raise_for_status(response)
                async for sse in self._events(response, answer):
                    for event in answer.feed(sse.data):
                        yield event
        except (httpx.HTTPError, SSEError, TimeoutError, ValueError) as error:
            raise answer.fault(f"{type(error).__name__} while streaming") from error
        for event in answer.end():
            yield event

    async def _events(
        self, response: httpx.Response, answer: "_Answer"
    ) -> AsyncIterator[ServerSentEvent]:
        events = EventSource(response).aiter_sse()
        while not answer.done:
            seconds = (
                self._endpoint.stall_seconds
                if answer.started
                else self._endpoint.first_token_seconds
            )
            async with asyncio.timeout(seconds):
                event = await anext(events, None)
            if event is None:
                return
            yield event

    def _body(
        self, messages: Sequence[ChatMessage], tools: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": messages,
            "max_completion_tokens": self._endpoint.max_completion_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = tools
        return body


@dataclass(slots=True)
class _Answer:
    """What the chunks of one stream add up to."""

    started: bool = False
    done: bool = False
    finish_reason: str | None = None
    refused: bool = False
    usage: Usage | None = None
    calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def feed(self, data: str) -> Iterator[Event]:
        """The events of one chunk; ModelBusy or ModelBroke when the server reports an error."""
        if data.strip() == "[DONE]":
            self.done = True
            return
        if not data.strip():
            return
        chunk = json.loads(data)
        if not isinstance(chunk, dict):
            raise ValueError("a chunk that is no object")
        if chunk.get("error"):
            raise self.fault("an error event in the stream")
        self._count(chunk)
        for choice in chunk.get("choices") or ():
            yield from self._choose(choice)

    def _choose(self, choice: Mapping[str, Any]) -> Iterator[Event]:
        delta = choice.get("delta") or {}
        for key in ("content", "refusal"):
            if text := delta.get(key):
                self.started = True
                self.refused = self.refused or key == "refusal"
                yield Text(str(text))
        for piece in delta.get("tool_calls") or ():
            self._collect(piece)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def _collect(self, piece: Mapping[str, Any]) -> None:
        call = self.calls.setdefault(
            int(piece.get("index") or 0), {"id": "", "name": "", "arguments": ""}
        )
        function = piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["name"] = function.get("name") or call["name"]
        call["arguments"] += function.get("arguments") or ""

    def _count(self, chunk: Mapping[str, Any]) -> None:
        meta = ((chunk.get("meta") or {}).get("usage") or {}).get("usd_spent")
        cost = _micro_dollars(meta)
        if told := chunk.get("usage"):
            details = told.get("prompt_tokens_details") or {}
            self.usage = Usage(
                prompt_tokens=int(told.get("prompt_tokens") or 0),
                completion_tokens=int(told.get("completion_tokens") or 0),
                cached_tokens=int(details.get("cached_tokens") or 0),
                cost=cost,
            )
        elif cost is not None and self.usage is not None:
            self.usage = Usage(
                self.usage.prompt_tokens,
                self.usage.completion_tokens,
                self.usage.cached_tokens,
                cost,
            )

    def end(self) -> Iterator[Event]:
        """The events that stand only when the stream is over; a fault when it ended too soon."""
        if self.finish_reason is None and not self.done:
            raise self.fault("the stream ended in the middle")
        if not self.started and not self.calls:
            raise self.fault("an empty answer")
        for index in sorted(self.calls):
            yield ToolCall(**self.calls[index])
        if self.usage is not None:
            yield self.usage
        yield Finish("refusal" if self.refused else self.finish_reason or "stop")

    def fault(self, message: str) -> ModelError:
        """The error for a stream that went wrong here."""
        return ModelBroke(message) if self.started else ModelBusy(message)


async def _raise_for_status(response: httpx.Response) -> None:
    status = response.status_code
    if status < 400:
        return
    if status in (401, 403, 404):
        raise ModelUnavailable(_ADVICE[status])
    if status in (408, 429) or status >= 500:
        raise ModelBusy(f"status {status}", _retry_after(response))
    # The body of a refused request names the field that was refused, no content: log it short.
    body = (await response.aread()).decode(errors="replace")[:500]
    raise ModelRejected(f"status {status}: {body}")


_ADVICE = {
    401: "MODEL_API_KEY is missing or wrong: the model API answers 401; set a valid key",
    403: "the account behind MODEL_API_KEY is out of credits or not allowed: the model API"
    " answers 403; top it up",
    404: "MODEL_API_URL or MODEL is wrong: the model API answers 404",
}


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds from a `Retry-After` header, written as seconds or as an HTTP date."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _pauses() -> Iterator[float]:
    """Growing pauses with jitter, without end."""
    pause = 0.5
    while True:
        yield pause * random.uniform(0.5, 1.5)
        pause = min(2 * pause, 15.0)


def _micro_dollars(value: object) -> int | None:
    if value is None:
        return None
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or dollars < 0:
        return None
    return int((dollars * MICRO).to_integral_value(rounding=ROUND_CEILING))
