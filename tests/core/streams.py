"""A model to ask, and bytes for it to answer with: exactly those, cut exactly there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from bots import transport
from core.llm import LIMITS, LLM, Endpoint, Event
from core.messages import Text, Unseen, user
from tests.fakes.model import MODEL

KEY = "test-key"
EVENT_STREAM = "text/event-stream; charset=utf-8"


def endpoint(url: str, **more: Any) -> Endpoint:
    """An endpoint that is asked again soon."""
    given = {"key": KEY, "model": MODEL, "max_completion_tokens": 1000, "pause_seconds": 0.01}
    return Endpoint(url=url, **{**given, **more})


@asynccontextmanager
async def asking(
    url: str, *, clock: Callable[[], float] | None = None, **more: Any
) -> AsyncIterator[LLM]:
    """The model behind a URL."""
    async with transport.to(url, LIMITS) as way:
        given = endpoint(url, **more)
        yield LLM(way, given) if clock is None else LLM(way, given, clock=clock)


async def hear(llm: LLM, said: str = "Go", **more: Any) -> list[Event]:
    """All that an answer consists of."""
    heard: list[Event] = []
    await listen(llm, heard, said, **more)
    return heard


async def listen(llm: LLM, heard: list[Event], said: str = "Go", **more: Any) -> None:
    """Add the events to `heard` as they come: it holds them even if the answer breaks.

    Pieces that nobody sees are left out: tool calls come whole at the end.
    """
    stream = llm.stream([user(said)], **{"request_id": "test", **more})
    async with aclosing(stream) as events:
        async for event in events:
            if not isinstance(event, Unseen):
                heard.append(event)  # noqa: PERF401 - an error must leave what came before it


def text_of(events: Iterable[Event]) -> str:
    """Return the text of an answer."""
    return "".join(event.text for event in events if isinstance(event, Text))


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk that adds to an answer."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def sse(*chunks: Any, done: bool = True) -> bytes:
    """Chunks as an event stream, in UTF-8 without escapes; a string is sent as it is."""
    datas = [
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in chunks
    ]
    datas += ["[DONE]"] if done else []
    lines = (data.replace("\n", "\ndata: ") for data in datas)
    return "".join(f"data: {data}\n\n" for data in lines).encode()


class Pieces(httpx.AsyncByteStream):
    """A body that arrives in these pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            yield piece


@asynccontextmanager
async def receiving(
    *pieces: bytes, headers: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[LLM]:
    """A model whose answers all arrive in these pieces."""
    given = {"Content-Type": EVENT_STREAM, **(headers or {})}
    scripted = httpx.MockTransport(
        lambda request: httpx.Response(200, headers=given, stream=Pieces(pieces))
    )
    async with scripted as way:
        yield LLM(way, endpoint("http://model", **{"patience_seconds": 0.0, **more}))


async def heard_from(*pieces: bytes, **more: Any) -> list[Event]:
    """The events of an answer that arrives in these pieces."""
    async with receiving(*pieces, **more) as llm:
        return await hear(llm)


Step = bytes | float | None
"""Bytes to send, seconds to pause unless the client leaves, or None: close the connection."""


@dataclass
class RawServer:
    """A server that answers each request with the given bytes."""

    url: str = ""
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client goes away while the server pauses."""
    requests: list[bytes] = field(default_factory=list)
    script: Iterator[Iterable[Step]] = field(default_factory=lambda: iter(()))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:] if line)
        body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        self.requests.append(head + body)
        for step in next(self.script):
            if step is None:
                return False
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif await self._is_left(reader, step):
                return False
        return True

    async def _is_left(self, reader: asyncio.StreamReader, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await reader.read(1)
                self.left.set()
                return True
        return False


@asynccontextmanager
async def raw(*script: Iterable[Step]) -> AsyncIterator[RawServer]:
    """A server for so many requests."""
    told = RawServer(script=iter(script))
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    told.url = "http://{}:{}/v1".format(*server.sockets[0].getsockname())
    try:
        yield told
    finally:
        server.close()


def head(status: str = "200 OK", **headers: str) -> bytes:
    """The head of a response that is an event stream unless it is told otherwise."""
    given = {"Content-Type": EVENT_STREAM, "Transfer-Encoding": "chunked"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in {**given, **named}.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """A chunk of a response's body; an empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)
