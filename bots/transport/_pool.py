"""The connections of a client: some are in use, and some wait for the next request."""

import asyncio
import math
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import nullcontext

import httpx

from bots.transport._exchange import Connection
from bots.transport._stream import connect

Origin = tuple[str, str, int]
"""Scheme, host and port of a server."""
PORTS = {"http": 80, "https": 443}


class Transport(httpx.AsyncBaseTransport):
    """A transport with no more connections at once than its limits allow."""

    def __init__(self, trust: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._trust = trust
        trust.set_alpn_protocols(["http/1.1"])
        self._limits = limits
        many = limits.max_connections
        self._free = asyncio.Semaphore(many) if many is not None else None
        self._idle: dict[Origin, deque[Connection]] = defaultdict(deque)
        """The connections that nobody uses, in the order of their last use."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response once its head is there.

        Raises an httpx.TransportError.
        """
        timeouts = request.extensions.get("timeout", {})
        origin = _origin(request.url)
        await self._begin(timeouts.get("pool"))
        connection = None
        try:
            connection = self._take(origin) or await self._connect(origin, timeouts.get("connect"))
            await connection.send(request, timeouts.get("write"))
            head = await connection.head(timeouts.get("read"))
        except BaseException:
            self.give_back(origin, connection)
            raise
        return httpx.Response(
            head.status,
            headers=head.headers,
            stream=_Body(self, origin, connection, timeouts.get("read")),
            extensions={"reason_phrase": head.reason},
        )

    async def aclose(self) -> None:
        """Close the connections that nobody uses; the others are closed with their responses."""
        for connections in self._idle.values():
            while connections:
                connections.pop().close()
        self._limits = httpx.Limits(max_keepalive_connections=0)

    async def _begin(self, seconds: float | None) -> None:
        if self._free is None:
            return
        try:
            async with asyncio.timeout(seconds) if self._free.locked() else nullcontext():
                await self._free.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout(f"no connection became free in {seconds:g} s") from error

    def _take(self, origin: Origin) -> Connection | None:
        """Return a connection that can be used once more, if there is one."""
        connections, now = self._idle[origin], asyncio.get_running_loop().time()
        while connections and connections[0].expires < now:
            connections.popleft().close()
        while connections:
            connection = connections.pop()
            if connection.is_usable:
                return connection
            connection.close()
        return None

    async def _connect(self, origin: Origin, seconds: float | None) -> Connection:
        scheme, host, port = origin
        trust = self._trust if scheme == "https" else None
        return Connection(await connect(host, port, trust, seconds))

    def give_back(self, origin: Origin, connection: Connection | None) -> None:
        """End the use of a connection, which is closed unless its exchange has come to its end."""
        if self._free is not None:
            self._free.release()
        if connection is None:
            return
        if not connection.end():
            connection.close()
            return
        expiry, most = self._limits.keepalive_expiry, self._limits.max_keepalive_connections
        connection.expires = (
            math.inf if expiry is None else asyncio.get_running_loop().time() + expiry
        )
        self._idle[origin].append(connection)
        if most is not None and len(self._idle[origin]) > most:
            self._idle[origin].popleft().close()


class _Body(httpx.AsyncByteStream):
    """The body of a response; closing it ends the use of its connection."""

    def __init__(
        self, pool: Transport, origin: Origin, connection: Connection, seconds: float | None
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._connection: Connection | None = connection
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._connection is None:
            raise httpx.StreamClosed
        async for piece in self._connection.body(self._seconds):
            yield piece

    async def aclose(self) -> None:
        """Give the connection back, once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(self._origin, connection)


def _origin(url: httpx.URL) -> Origin:
    """Return the server of a URL; raises httpx.UnsupportedProtocol if HTTP does not lead there."""
    if url.scheme not in PORTS or not url.host:
        raise httpx.UnsupportedProtocol("not of the form https://host/path")
    return url.scheme, url.raw_host.decode("ascii"), url.port or PORTS[url.scheme]
