"""One request to the model and its answer on the wire."""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

import httpx

from core.errors import ModelError, ModelUnavailable
from core.llm._answer import Answer, Reported
from core.llm._body import Body
from core.llm._chunk import micro_dollars
from core.llm._events import Reader
from core.llm._faults import UNUSABLE, HungUp, is_compressed, refuse_status
from core.llm._stream import Event

CONNECT_SECONDS = 10.0
USER_AGENT = {"User-Agent": f"python-httpx/{httpx.__version__}"}
"""The header by which a client of httpx makes itself known."""
LAST_WORDS_SECONDS = 5.0
"""The time to wait for the usage after the end of the answer."""
DRAIN_SECONDS = 0.25
"""The time to wait then for the end of the response, so that the connection can be reused."""
COSTS = ("x-aimlapi-usd-spent", "x-litellm-response-cost")
"""The headers that tell the cost of a whole answer in USD. They say nothing of a stream."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of the model and the parameters of every request; times in seconds."""

    url: str
    key: str = field(repr=False)
    model: str
    max_completion_tokens: int
    fallbacks: tuple[str, ...] = ()
    """The models to ask, in this order, while the earlier ones keep failing."""
    offered: tuple[str, ...] = ()
    """The models that people may choose."""
    sees: bool | tuple[str, ...] = True
    """True or False for all models, or the models that look at images."""
    temperature: float | None = None
    top_p: float | None = None
    first_token_seconds: float = 60
    """The limit for the first token or thought, and for the time from one to the next. Comments
    that keep the connection alive do not extend it."""
    stall_seconds: float = 30
    """The limit for silence after the first token. Any byte, even a comment, ends a silence."""
    patience_seconds: float = 1800
    """The time in which tries that fail before the first token are repeated."""
    pause_seconds: float = 0.5
    """The pause before the second try, about; later pauses grow."""

    @property
    def models(self) -> tuple[str, ...]:
        """Return every model that may answer, without doubles."""
        return tuple(dict.fromkeys((self.model, *self.fallbacks, *self.offered)))

    @property
    def authorization(self) -> dict[str, str]:
        """The header with the key, if there is one."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


_url = cache(httpx.URL)
"""The parsed URL of an endpoint."""
# Each read has a limit of its own, because the limit changes during the answer.
_TIMEOUT = {"timeout": httpx.Timeout(None, connect=CONNECT_SECONDS).as_dict()}


def build(endpoint: Endpoint, body: Body, request_id: str) -> httpx.Request:
    """Return a request for an answer; raises ModelUnavailable if URL or key cannot be sent."""
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Accept": "text/event-stream, application/json",
        # Compression would hold tokens back.
        "Accept-Encoding": "identity",
        **USER_AGENT,
        **endpoint.authorization,
    }
    # The service silently drops an id that is longer or has any other character.
    if known := re.sub(r"[^A-Za-z0-9._:-]", "-", request_id)[:128]:
        headers["X-Client-Request-Id"] = known
    try:
        url = _url(f"{endpoint.url}/chat/completions")
        headers |= login(url)
        return httpx.Request("POST", url, content=body, headers=headers, extensions=_TIMEOUT)
    except (httpx.InvalidURL, UnicodeEncodeError):
        raise ModelUnavailable(UNUSABLE) from None


def login(url: httpx.URL) -> dict[str, str]:
    """Return the header with the name and the password in a URL, if there are any."""
    if not (url.username or url.password):
        return {}
    both = f"{url.username}:{url.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}


async def exchange(
    way: httpx.AsyncBaseTransport, endpoint: Endpoint, request: httpx.Request, answer: Answer
) -> AsyncGenerator[Event, None]:
    """Send a request and yield its answer; raises a ModelError, after Lost if a part had come."""
    try:
        async with aclosing(_heard(way, endpoint, request, answer)) as events:
            async for event in events:
                yield event
        for last in answer.end():
            yield last
    except ModelError:
        for lost in answer.lost():
            yield lost
        raise


async def _heard(
    way: httpx.AsyncBaseTransport, endpoint: Endpoint, request: httpx.Request, answer: Answer
) -> AsyncGenerator[Event, None]:
    """Send a request and yield what comes of its answer; raises a ModelError if that is cut."""
    began = asyncio.get_running_loop().time()
    try:
        async with (
            _response(way, endpoint, request, answer, began) as response,
            aclosing(_data(response, endpoint, answer, began)) as events,
        ):
            async for data in events:
                for event in answer.feed(data):
                    yield event
    except Reported as error:
        raise await answer.fault_in(error) from None
    except (httpx.HTTPError, TimeoutError, ValueError) as error:
        # A finish reason makes the answer complete; the rest of the stream is not needed.
        if not answer.is_whole:
            raise answer.fault(_told(error)) from error


@asynccontextmanager
async def _response(
    way: httpx.AsyncBaseTransport,
    endpoint: Endpoint,
    request: httpx.Request,
    answer: Answer,
    began: float,
) -> AsyncIterator[httpx.Response]:
    """Send a request and open its response. Raise a ModelError if that is not an answer."""
    try:
        async with asyncio.timeout_at(began + endpoint.first_token_seconds):
            response = await way.handle_async_request(request)
    except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
        raise HungUp(_told(error)) from error
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
        # Not chained: the error may quote the header with the key.
        raise ModelUnavailable(UNUSABLE) from None
    try:
        await refuse_status(response, answer.model, endpoint.key, answer.said)
        yield response
    finally:
        await response.aclose()


async def _data(
    response: httpx.Response, endpoint: Endpoint, answer: Answer, began: float
) -> AsyncGenerator[str, None]:
    """Yield the data of each event. Raise TimeoutError after too long a silence."""
    clock = asyncio.get_running_loop().time
    if is_compressed(response):
        raise ValueError("a compressed answer")
    reader = Reader()
    moved_at, moves = began, 0
    pieces = response.aiter_raw()
    piece = None
    while piece != b"" and not answer.done:
        now = clock()
        if answer.moves != moves:
            # Measured from now: the time that the consumer took is not the model's silence.
            moved_at, moves = now, answer.moves
        async with asyncio.timeout_at(_deadline(endpoint, answer, moved_at, now)):
            piece = await anext(pieces, b"")
        for data in reader.feed(piece):
            if reader.is_body:
                told = (response.headers.get(name) for name in COSTS)
                answer.cost = next(filter(None, map(micro_dollars, told)), None)
            yield data
    if reader.is_body:
        answer.done = True
    elif not answer.is_whole:
        answer.close()
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await anext(pieces, b"")


def _deadline(endpoint: Endpoint, answer: Answer, moved_at: float, now: float) -> float:
    first, stall = endpoint.first_token_seconds, endpoint.stall_seconds
    if not answer.moves:
        return moved_at + first
    if answer.finish_reason:
        return moved_at + min(stall, LAST_WORDS_SECONDS)
    return min(now + stall, moved_at + max(first, stall))


def _told(error: Exception) -> str:
    """Describe an error for the log without the library's message, which may quote a header."""
    match error:
        case TimeoutError():
            return "silence"
        case ValueError():
            return f"malformed: {error}"
        case _:
            return type(error).__name__
