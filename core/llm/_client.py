"""The client of one endpoint, with its retries."""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from core.errors import ModelBusy, ModelError, ModelUnavailable
from core.llm._answer import Again, Answer, Answering, Event, Lost, micro_dollars
from core.llm._body import Body
from core.llm._events import BodyReader, EventReader
from core.llm._faults import (
    UNUSABLE,
    WRONG_KEY,
    HungUp,
    NoSuchModel,
    TryOnce,
    is_compressed,
    refuse_status,
    said_in,
)
from core.llm._lineup import Lineup
from core.messages import ChatMessage, Text, Unseen

log = logging.getLogger(__name__)

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Limits of the connection pool. An unbounded keep-alive pool makes httpx quadratic."""

CONNECT_SECONDS = 10.0
LAST_WORDS_SECONDS = 5.0
"""The time to wait for the usage after the end of the answer."""
DRAIN_SECONDS = 0.25
"""The time to wait then for the end of the response, so that the connection can be reused."""
LONGEST_PAUSE = 15.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of the model and the parameters of every request; times in seconds."""

    url: str
    key: str = field(repr=False)
    model: str
    max_completion_tokens: int
    fallbacks: tuple[str, ...] = ()
    """The models to ask, in this order, while the earlier ones keep failing."""
    temperature: float | None = None
    top_p: float | None = None
    first_token_seconds: float = 60
    """The limit for the first token, and for the time from one token to the next. Comments that
    keep the connection alive do not extend it."""
    stall_seconds: float = 30
    """The limit for silence after the first token. Any byte, even a comment, ends a silence."""
    patience_seconds: float = 60
    """The time in which tries that fail before the first token are repeated."""
    pause_seconds: float = 0.5
    """The pause before the second try, about; later pauses grow."""


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
        """Yield the answer as it comes: Answering, Text, ToolCall, Usage if reported, Finish.

        Unseen may come at any time, also before Answering: the model may yet answer nothing.

        `model`, if given, is asked before the endpoint's own models. A request that fails after
        some of its answer has come yields Lost; then follows an error, or Again and an answer.

        Raises ModelBusy, ModelUnavailable or ModelRejected before the first text, after retries
        where they may help, and ModelBroke after it.
        """
        tries = _Tries(self._clock() + self._endpoint.patience_seconds, self._pauses())
        while True:
            asked = tries.ask(self._lineup.current(model))
            answering = lost = False
            try:
                body = self._body(asked, messages, tools)
                attempt = self._attempt(self._request(body, request_id), asked)
                async with aclosing(body), aclosing(attempt) as events:
                    async for event in events:
                        if isinstance(event, Lost):
                            lost = True
                        elif not (answering or isinstance(event, Unseen)):
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
        """Return the seconds until the next try, or raise the error if there is to be none."""
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
        answer = Answer(self._endpoint.key, partial(said_in, request))
        try:
            async with aclosing(self._pieces(request, model, answer)) as pieces:
                async for piece in pieces:
                    yield piece
            for event in answer.end():
                yield event
        except ModelError:
            for lost in answer.lost(model):
                yield lost
            raise

    async def _pieces(
        self, request: httpx.Request, model: str, answer: Answer
    ) -> AsyncGenerator[Text | Unseen, None]:
        """Yield the pieces of an answer. Raise ModelBusy or ModelBroke if it never completes."""
        began = asyncio.get_running_loop().time()
        try:
            async with (
                self._response(request, model, began) as response,
                aclosing(self._data(response, answer, began)) as events,
            ):
                async for data in events:
                    for piece in answer.feed(data):
                        yield piece
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            # A finish reason makes the answer complete; the rest of the stream is not needed.
            if not answer.is_whole:
                raise answer.fault(_told(error)) from error

    @asynccontextmanager
    async def _response(
        self, request: httpx.Request, model: str, began: float
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and open its response. Raise a ModelError if that is not an answer."""
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
        """Yield the data of each event. Raise TimeoutError after too long a silence."""
        clock = asyncio.get_running_loop().time
        reader = _reader(response)
        answer.cost = micro_dollars(response.headers.get("x-aimlapi-usd-spent"))
        moved_at, moves = began, 0
        pieces = response.aiter_raw()
        piece = None
        while piece != b"" and not answer.done:
            now = clock()
            if answer.moves != moves:
                # Measured from now: the time that the consumer took is not the model's silence.
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

    def _body(
        self, model: str, messages: Sequence[ChatMessage], tools: Sequence[Mapping[str, Any]]
    ) -> Body:
        told = {
            "model": model,
            "messages": messages,
            "max_completion_tokens": self._endpoint.max_completion_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self._endpoint.temperature,
            "top_p": self._endpoint.top_p,
            "tools": tools or None,
        }
        return Body({name: value for name, value in told.items() if value is not None})

    def _request(self, body: Body, request_id: str) -> httpx.Request:
        try:
            return self._client.build_request(
                "POST",
                f"{self._endpoint.url}/chat/completions",
                content=body,
                headers={**self._headers(request_id), "Content-Length": str(len(body))},
                # `_data` limits each read, because the limit changes during the answer.
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
        # The service silently drops an id that is longer or has any other character.
        if known := re.sub(r"[^A-Za-z0-9._:-]", "-", request_id)[:128]:
            headers["X-Client-Request-Id"] = known
        return headers

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._endpoint.key}"} if self._endpoint.key else {}

    async def check(self, *, seconds: float = 5.0) -> str | None:
        """Check the key and the URL without spending credits.

        Return a sentence for the operator if one is wrong. Return None if both are right, or if
        the endpoint has no billing to ask about.
        """
        url = re.sub(r"/v\d+$", "", self._endpoint.url) + "/v2/billing"
        try:
            async with asyncio.timeout(seconds):
                request = self._client.build_request(
                    "GET", url, headers=self._authorization(), timeout=None
                )
                response = await self._client.send(request, stream=True)
                await response.aclose()  # nothing of the body is needed
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            return "MODEL_API_URL is wrong or its server is down: no connection"
        except (httpx.HTTPError, TimeoutError, UnicodeEncodeError):
            return None
        return WRONG_KEY if response.status_code == 401 else None


@dataclass(slots=True)
class _Tries:
    """The tries for one answer so far."""

    give_up: float
    pauses: Iterator[float]
    asked: set[str] = field(default_factory=set)
    _forgiven: bool = False
    _repeated: bool = False

    def ask(self, model: str) -> str:
        """Note that a model is asked, and return it."""
        self.asked.add(model)
        return model

    def forgive(self, error: ModelError) -> bool:
        """Return True for a try that does not count: the first one that met a closed connection.

        A server may close an idle connection at any moment.
        """
        forgiven = isinstance(error, HungUp) and not self._forgiven
        self._forgiven = self._forgiven or forgiven
        return forgiven

    def pause(self, error: ModelError, now: float) -> float | None:
        """Return the seconds to wait before asking the same model again, or None to give up."""
        if not isinstance(error, ModelBusy) or (isinstance(error, TryOnce) and self._repeated):
            return None
        self._repeated = self._repeated or isinstance(error, TryOnce)
        # Spread the retries: the server may tell a thousand streams the same moment.
        pause = (error.retry_after or 0.0) + next(self.pauses)
        return pause if now + pause <= self.give_up else None


def _reader(response: httpx.Response) -> EventReader | BodyReader:
    """Return a reader for the answer. Raise ValueError for one that was not asked for."""
    if is_compressed(response):
        raise ValueError("a compressed answer")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "text/event-stream":
        return EventReader()
    if media_type == "application/json":
        return BodyReader()
    raise ValueError(f"an answer of type {media_type[:50]!r}")


def _told(error: Exception) -> str:
    """Describe an error for the log without the library's message, which may quote a header."""
    match error:
        case TimeoutError():
            return "silence"
        case ValueError():
            return f"malformed: {error}"
        case _:
            return type(error).__name__
