"""One endpoint, asked until it answers or until asking is of no use."""

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from core.errors import ModelBusy, ModelError, ModelUnavailable
from core.llm._answer import Again, Answer, Answering, Event, Lost, micro_dollars
from core.llm._events import BodyReader, EventReader
from core.llm._faults import UNUSABLE, WRONG_KEY, HungUp, NoSuchModel, TryOnce, refuse_status
from core.llm._lineup import Lineup
from core.messages import ChatMessage, Text

log = logging.getLogger(__name__)

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""An unbounded keep-alive pool makes httpx quadratic under many streams."""

CONNECT_SECONDS = 10.0
LAST_WORDS_SECONDS = 5.0
"""After the answer's end: how long to wait for its usage."""
DRAIN_SECONDS = 0.25
"""After that: how long to wait for the response's end, for then the connection can be kept."""
LONGEST_PAUSE = 15.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is and how it is asked; times in seconds."""

    url: str
    key: str = field(repr=False)
    model: str
    max_completion_tokens: int
    fallbacks: tuple[str, ...] = ()
    """Models to ask while the ones before keep failing."""
    temperature: float | None = None
    top_p: float | None = None
    first_token_seconds: float = 60
    """For the first token, whatever the server sends meanwhile; later from token to token too."""
    stall_seconds: float = 30
    """For silence after the first token; comments that keep the connection alive break it."""
    patience_seconds: float = 60
    """For tries that fail before the first token."""
    pause_seconds: float = 0.5
    """About how long to wait before the second try; later pauses grow."""


class LLM:
    """The models behind an OpenAI-compatible API."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._clock = clock
        self._lineup = Lineup((endpoint.model, *endpoint.fallbacks), clock)

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        request_id: str,
        model: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The answer as it comes: Answering, then Text, ToolCall, Usage if it is told, Finish.

        `model` is asked before the endpoint's own, if it is given. A request that went wrong after
        something of it came is told as Lost; then come either an error, or Again and an answer.

        Raises ModelBusy, ModelUnavailable or ModelRejected before the first of them, after
        retries where one may help, and ModelBroke later.
        """
        tries = _Tries(self._clock() + self._endpoint.patience_seconds, self._pauses())
        while True:
            asked = tries.ask(self._lineup.current(model))
            answering = lost = False
            try:
                attempt = self._attempt(self._request(asked, messages, tools, request_id), asked)
                async with aclosing(attempt) as events:
                    async for event in events:
                        if isinstance(event, Lost):
                            lost = True
                        elif not answering:
                            answering = True
                            self._lineup.answered(asked)
                            yield Answering(asked)
                        yield event
                return
            except (ModelBusy, NoSuchModel) as error:
                pause = self._after(error, asked, tries, model)
            if lost:
                yield Again()
            log.debug("%s: asking again in %.2f s", request_id, pause)
            await asyncio.sleep(pause)

    def _after(
        self, error: ModelBusy | NoSuchModel, asked: str, tries: "_Tries", chosen: str | None
    ) -> float:
        """Seconds until the next try; raises the error if there should be none."""
        if tries.forgive(error):
            return 0.0
        pause = tries.pause(error, self._clock())
        self._lineup.failed(asked, error, for_good=pause is None)
        if self._lineup.current(chosen) not in tries.asked:
            return 0.0
        if pause is None:
            raise error
        return pause

    def _pauses(self) -> Iterator[float]:
        """Growing pauses with jitter, without end."""
        pause = self._endpoint.pause_seconds
        while True:
            yield pause * random.uniform(0.5, 1.5)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _attempt(self, request: httpx.Request, model: str) -> AsyncGenerator[Event, None]:
        answer = Answer(self._endpoint.key)
        try:
            async with aclosing(self._texts(request, model, answer)) as texts:
                async for text in texts:
                    yield text
            for event in answer.end():
                yield event
        except ModelError:
            for lost in answer.lost(model):
                yield lost
            raise

    async def _texts(
        self, request: httpx.Request, model: str, answer: Answer
    ) -> AsyncGenerator[Text, None]:
        """What an answer says, until it is whole; a fault when it never was."""
        began = asyncio.get_running_loop().time()
        try:
            async with (
                self._response(request, model, began) as response,
                aclosing(self._data(response, answer, began)) as events,
            ):
                async for data in events:
                    for text in answer.feed(data):
                        yield text
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            # Once the model has said why it stopped, its answer stands without the rest.
            if not answer.is_whole:
                raise answer.fault(_told(error)) from error

    @asynccontextmanager
    async def _response(
        self, request: httpx.Request, model: str, began: float
    ) -> AsyncIterator[httpx.Response]:
        """The response to a request, if it is an answer."""
        try:
            async with asyncio.timeout_at(began + self._endpoint.first_token_seconds):
                response = await self._client.send(request, stream=True)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            raise HungUp(_told(error)) from error
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
            # Not chained: the error may quote the header with the key.
            raise ModelUnavailable(UNUSABLE) from None
        try:
            await refuse_status(response, model, self._endpoint.key)
            yield response
        finally:
            await response.aclose()

    async def _data(
        self, response: httpx.Response, answer: Answer, began: float
    ) -> AsyncGenerator[str, None]:
        """The data of each event; TimeoutError when the model has been silent for too long."""
        clock = asyncio.get_running_loop().time
        reader = _reader(response)
        answer.cost = micro_dollars(response.headers.get("x-aimlapi-usd-spent"))
        moved_at, moves = began, 0
        pieces = response.aiter_bytes()
        piece = None
        while piece != b"" and not answer.done:
            now = clock()
            if answer.moves != moves:
                # Counted from here: the time that somebody took for an event is not silence.
                moved_at, moves = now, answer.moves
            async with asyncio.timeout_at(self._deadline(answer, moved_at, now)):
                piece = await anext(pieces, b"")
            for data in reader.feed(piece):
                yield data
        answer.done = answer.done or isinstance(reader, BodyReader)
        with suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await anext(pieces, b"")

    def _deadline(self, answer: Answer, moved_at: float, now: float) -> float:
        first, stall = self._endpoint.first_token_seconds, self._endpoint.stall_seconds
        if not answer.moves:
            return moved_at + first
        if answer.finish_reason:
            return moved_at + min(stall, LAST_WORDS_SECONDS)
        return min(now + stall, moved_at + max(first, stall))

    def _request(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        tools: Sequence[Mapping[str, Any]],
        request_id: str,
    ) -> httpx.Request:
        body = {
            "model": model,
            "messages": messages,
            "max_completion_tokens": self._endpoint.max_completion_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self._endpoint.temperature,
            "top_p": self._endpoint.top_p,
            "tools": tools or None,
        }
        told = {name: value for name, value in body.items() if value is not None}
        try:
            return self._client.build_request(
                "POST",
                f"{self._endpoint.url}/chat/completions",
                # Half a surrogate pair, as people manage to type it, becomes a question mark.
                content=json.dumps(told, ensure_ascii=False).encode(errors="replace"),
                headers=self._headers(request_id),
                # Silence is watched read by read in `_data`, for its limit changes on the way.
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise ModelUnavailable(UNUSABLE) from None

    def _headers(self, request_id: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            # Compression would hold tokens back.
            "Accept-Encoding": "identity",
            **self._authorization(),
        }
        # The service drops an id with any other character, or a longer one, without a word.
        if known := re.sub(r"[^A-Za-z0-9._:-]", "-", request_id)[:128]:
            headers["X-Client-Request-Id"] = known
        return headers

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._endpoint.key}"} if self._endpoint.key else {}

    async def check(self, *, seconds: float = 5.0) -> str | None:
        """A sentence for the operator when the key or the URL is wrong; costs no credits.

        None where all is well, and where the endpoint has no such thing to ask."""
        url = re.sub(r"/v\d+$", "", self._endpoint.url) + "/v2/billing"
        try:
            async with asyncio.timeout(seconds):
                response = await self._client.get(url, headers=self._authorization(), timeout=None)
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            return "MODEL_API_URL is wrong or its server is down: no connection"
        except (httpx.HTTPError, TimeoutError, UnicodeEncodeError):
            return None
        return WRONG_KEY if response.status_code == 401 else None


@dataclass(slots=True)
class _Tries:
    """What was tried for one answer."""

    give_up: float
    pauses: Iterator[float]
    asked: set[str] = field(default_factory=set)
    _forgiven: bool = False
    _repeated: bool = False

    def ask(self, model: str) -> str:
        """Note that a model is asked."""
        self.asked.add(model)
        return model

    def forgive(self, error: ModelError) -> bool:
        """Whether a try does not count: a server may close an idle connection at any moment."""
        forgiven = isinstance(error, HungUp) and not self._forgiven
        self._forgiven = self._forgiven or forgiven
        return forgiven

    def pause(self, error: ModelError, now: float) -> float | None:
        """Seconds to wait before the same model is asked again; None if it should not be."""
        if not isinstance(error, ModelBusy) or (isinstance(error, TryOnce) and self._repeated):
            return None
        self._repeated = self._repeated or isinstance(error, TryOnce)
        # Told to come back at the same moment, a thousand streams still must not.
        pause = (error.retry_after or 0.0) + next(self.pauses)
        return pause if now + pause <= self.give_up else None


def _reader(response: httpx.Response) -> EventReader | BodyReader:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "text/event-stream":
        return EventReader()
    if media_type == "application/json":
        return BodyReader()
    raise ValueError(f"an answer of type {media_type[:50]!r}")


def _told(error: Exception) -> str:
    """An error for the log: what a library says may quote a header."""
    match error:
        case TimeoutError():
            return "silence"
        case ValueError():
            return f"malformed: {error}"
        case _:
            return type(error).__name__
