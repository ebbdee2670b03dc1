"""Our transport of httpx keeps HTTP's rules with servers of every kind, and leaks no connection."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from bots.transport import Transport
from bots.trust import trust

LIMITS = httpx.Limits(max_connections=2, max_keepalive_connections=2, keepalive_expiry=60)
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Server:
    """A server that plays what a test tells it."""

    url: str = ""
    connections: int = 0
    open: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


Play = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def take(server: Server, reader: asyncio.StreamReader) -> None:
    """Read one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    server.heads.append(head)
    length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    size = int(length[0].split(b":")[1]) if length else 0
    server.bodies.append(await reader.readexactly(size))


async def politely(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer every request."""
    while True:
        await take(server, reader)
        writer.write(HELLO)


def saying(*answers: bytes, close: bool = False) -> Play:
    """Answer the requests of a connection by these bytes; close it, or be silent then."""

    async def play(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await take(server, reader)
            writer.write(answer)
        if not close:
            await reader.read()

    return play


@asynccontextmanager
async def serving(play: Play, trust: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on loopback."""
    server = Server()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        server.open += 1
        try:
            await play(server, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has closed the connection
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            server.open -= 1

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=trust)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http{'s' if trust else ''}://127.0.0.1:{port}/path?and=query"
    try:
        yield server
    finally:
        listener.close()


@asynccontextmanager
async def client(limits: httpx.Limits = LIMITS) -> AsyncIterator[httpx.AsyncClient]:
    """A client on the transport; a read ends after a minute, which only ends a hang."""
    transport = Transport(trust(), limits)
    async with httpx.AsyncClient(transport=transport, timeout=60, trust_env=False) as made:
        yield made


async def all_closed(server: Server) -> None:
    """Wait until the server has no open connection, and the client knows it."""
    async with asyncio.timeout(120):
        while server.open:  # noqa: ASYNC110 - a socket raises no event
            await asyncio.sleep(0.01)
    for _ in range(3):  # steps of the loop: it hears of the end, and tells the connection
        await asyncio.sleep(0)


async def test_a_connection_carries_one_request_after_the_other() -> None:
    async with serving(politely) as server, client() as http:
        for number in range(3):
            answer = await http.post(server.url, content=f"question {number}")
            assert (answer.status_code, answer.reason_phrase, answer.text) == (200, "OK", "hello")
    assert server.connections == 1
    assert server.bodies == [b"question 0", b"question 1", b"question 2"]
    assert server.heads[0].startswith(b"POST /path?and=query HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_all_connections_are_closed_with_the_client() -> None:
    async with serving(politely) as server:
        async with client() as http:
            await asyncio.gather(http.get(server.url), http.get(server.url))
        await all_closed(server)
    assert server.connections == 2


async def test_a_large_body_goes_out_while_the_server_reads_slowly() -> None:
    async def slowly(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        size = 0
        while size < 5_000_000:
            size += len(await reader.read(300_000))
            await asyncio.sleep(0)
        writer.write(HELLO)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    async with serving(slowly) as server, client() as http:
        length = {"Content-Length": "5000000"}
        answer = await http.post(server.url, content=pieces(), headers=length)
    assert answer.text == "hello"


async def test_a_body_is_not_held_in_memory_before_it_is_read() -> None:
    sent = 0

    async def pour(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await take(server, reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with (
        serving(pour) as server,
        client() as http,
        http.stream("GET", server.url) as answer,
    ):
        before = -1
        while sent != before:  # until the server has to wait
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 20_000_000
        assert sum([len(piece) async for piece in answer.aiter_raw()]) == 50_000_000


async def test_chunks_come_as_they_are_sent() -> None:
    go_on = asyncio.Event()

    async def play(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await take(server, reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        await politely(server, reader, writer)

    async with serving(play) as server, client() as http:
        async with http.stream("GET", server.url) as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"one"
            go_on.set()
            assert [piece async for piece in pieces] == [b"two"]
        assert (await http.get(server.url)).text == "hello"
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HELLO,
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;a=b\r\nhello\r\n0\r\n\r\n",
    ],
    ids=[
        *("hints first", "no length", "an old server", "the last one", "no reason", "bare lines"),
        *("spaces and trailers", "two lengths"),
    ],
)
async def test_every_kind_of_response_is_read(answer: bytes) -> None:
    async with serving(saying(answer, close=True)) as server, client() as http:
        for _ in range(2):
            assert (await http.get(server.url)).text == "hello"
            await all_closed(server)
    assert server.connections == 2


FAULTS: dict[str, tuple[bytes, type[httpx.TransportError]]] = {
    "no answer": (b"", httpx.RemoteProtocolError),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", httpx.RemoteProtocolError),
    "no HTTP": (b"220 mail.example.com ESMTP\r\n\r\n", httpx.RemoteProtocolError),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", httpx.RemoteProtocolError),
    "half a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel",
        httpx.RemoteProtocolError,
    ),
    "no last chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        httpx.RemoteProtocolError,
    ),
    "a chunk without a size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhel\r\n",
        httpx.RemoteProtocolError,
    ),
    "no status": (b"HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello", httpx.RemoteProtocolError),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nhello",
        httpx.RemoteProtocolError,
    ),
    "endless head": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000, httpx.RemoteProtocolError),
    "endless hints": (b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n" * 5000, httpx.RemoteProtocolError),
}


@pytest.mark.parametrize(("answer", "error"), FAULTS.values(), ids=FAULTS)
async def test_a_broken_response_is_an_error_and_its_connection_is_closed(
    answer: bytes, error: type[httpx.TransportError]
) -> None:
    async with serving(saying(answer, close=True)) as server, client() as http:
        for _ in range(3):  # more than there may be connections
            with pytest.raises(error):
                await http.get(server.url)
        await all_closed(server)


async def test_a_response_before_the_whole_request_tells_more_than_the_broken_connection() -> None:
    async def refuse(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()
        writer.write_eof()
        while await reader.read(100_000):
            pass

    async with serving(refuse) as server, client() as http:
        answer = await http.post(server.url, content=b"x" * 3_000_000)
    assert answer.status_code == 413


async def test_silence_ends_a_read() -> None:
    async with serving(saying()) as server, client() as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(server.url, timeout=httpx.Timeout(60, read=0.05))
        await all_closed(server)


async def test_a_server_that_takes_nothing_ends_a_write() -> None:
    async def deaf(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await ended.wait()

    ended = asyncio.Event()
    async with serving(deaf) as server, client() as http:
        late = httpx.Timeout(60, write=0.05)
        with pytest.raises(httpx.WriteTimeout):
            await http.post(server.url, content=b"x" * 20_000_000, timeout=late)
        ended.set()


@pytest.mark.parametrize("seconds", [None, 5.0])
async def test_a_time_out_of_the_system_is_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    async def too_late(*_: object, **__: object) -> None:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", too_late)
    async with client() as http:
        with pytest.raises(httpx.ConnectError, match="timed out"):
            await http.get("http://parley.test", timeout=seconds)


async def test_nobody_listens() -> None:
    async with serving(politely) as server:
        pass
    async with client() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(server.url)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///path"])
async def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    async with client() as http:
        with pytest.raises(httpx.UnsupportedProtocol):
            await http.get(url)


async def test_a_header_that_http_does_not_allow_is_not_sent() -> None:
    async with serving(politely) as server, client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.get(server.url, headers={"Authorization": "Bearer two\nlines"})
        assert (await http.get(server.url)).text == "hello"
    assert len(server.heads) == 1


@pytest.mark.parametrize("length", [4, 6])
async def test_a_body_of_another_length_than_its_head_tells_is_not_sent(length: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"hello"

    async with serving(politely) as server, client() as http:
        headers = {"Content-Length": str(length)}
        with pytest.raises(httpx.LocalProtocolError):
            await http.post(server.url, content=pieces(), headers=headers)
        await all_closed(server)
    assert not server.bodies


async def test_a_body_of_unknown_length_goes_out_in_chunks() -> None:
    async def play(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
        server.bodies.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(HELLO)
        await politely(server, reader, writer)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"", b"eleven more"):
            yield piece

    async with serving(play) as server, client() as http:
        assert (await http.post(server.url, content=pieces())).text == "hello"
        assert (await http.get(server.url)).text == "hello"
    assert server.bodies == [b"3\r\none\r\nb\r\neleven more\r\n0\r\n\r\n", b""]
    assert server.connections == 1


@pytest.mark.parametrize("more", [HELLO, b"nonsense", b"HTTP/1.1"], ids=str)
async def test_what_comes_behind_a_response_is_the_answer_to_nothing(more: bytes) -> None:
    async with serving(saying(HELLO + more, HELLO)) as server, client() as http:
        for _ in range(2):
            assert (await http.get(server.url)).text == "hello"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_a_response_without_a_body_ends_with_its_head(method: str, answer: bytes) -> None:
    async with serving(saying(*[answer] * 2)) as server, client() as http:
        for _ in range(2):
            assert (await http.request(method, server.url)).content == b""


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    async with serving(saying(HELLO, close=True)) as server, client() as http:
        for _ in range(3):
            assert (await http.get(server.url)).text == "hello"
            await all_closed(server)
    assert server.connections == 3


async def test_an_old_connection_is_not_used_again() -> None:
    limits = httpx.Limits(max_connections=2, keepalive_expiry=-1)
    async with serving(politely) as server, client(limits) as http:
        for _ in range(2):
            assert (await http.get(server.url)).text == "hello"
    assert server.connections == 2


async def test_no_more_connections_stay_than_the_limit() -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=1)
    async with serving(politely) as server, client(limits) as http:
        await asyncio.gather(*(http.get(server.url) for _ in range(5)))
        async with asyncio.timeout(120):
            while server.open > 1:  # noqa: ASYNC110 - a socket raises no event
                await asyncio.sleep(0.01)
        assert server.open == 1


async def test_a_request_waits_until_a_connection_is_free_but_not_for_ever() -> None:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=60)
    async with serving(politely) as server, client(limits) as http:
        async with http.stream("GET", server.url):
            with pytest.raises(httpx.PoolTimeout):
                await http.get(server.url, timeout=httpx.Timeout(60, pool=0.05))
            waiting = asyncio.create_task(http.get(server.url))
            await asyncio.sleep(0)
        assert (await waiting).text == "hello"


async def test_what_is_cancelled_at_any_moment_takes_no_connection_along() -> None:
    async with serving(politely) as server, client() as http:
        for steps in range(40):
            asking = asyncio.create_task(http.get(server.url))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (await http.get(server.url)).text == "hello", steps


async def test_a_response_that_nobody_reads_frees_its_connection() -> None:
    unread = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    async with serving(unread) as server, client() as http:
        for _ in range(3):
            async with http.stream("GET", server.url):
                pass
        await all_closed(server)
