"""A network between the bot and a server that can be slow, go silent, or fall apart."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CHUNK = 65_536
Target = tuple[str, int] | str
"""A host and a port, or the path of a socket."""


@dataclass(eq=False)
class _Line:
    """One connection through the proxy."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    frozen: bool = False

    def reset(self) -> None:
        """End both sides at once, without a good-bye."""
        for side in (self.near, self.far):
            _reset(side)


@dataclass
class Proxy:
    """Carries bytes to a server and back, as well as it is told to."""

    target: Target
    port: int = 0
    latency: float = 0.0
    """Seconds that every piece takes on its way."""
    rate: int = 0
    """Bytes a second that a connection carries; 0 is without limit."""
    cut_after: bytes = b""
    """The next piece to the server that ends with this arrives; its answer does not."""
    cuts: int = 0
    """The number of times that it has happened."""
    _silent: bool = False
    _lines: set[_Line] = field(default_factory=set)

    def reset(self) -> None:
        """Break every connection there is."""
        for line in list(self._lines):
            line.reset()

    def freeze(self) -> None:
        """Let every connection there is carry nothing more, though it stands: half-open."""
        for line in self._lines:
            line.frozen = True

    def silence(self) -> None:
        """A black hole: connections are accepted, and nothing is carried any more."""
        self._silent = True

    def heal(self) -> None:
        """Return to normal: send on the bytes held back, and break half-open connections."""
        self._silent = False
        self.latency, self.rate = 0.0, 0
        for line in [line for line in self._lines if line.frozen]:
            line.reset()

    async def serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """Carry one connection from its beginning to its end."""
        try:
            back, far = await self._connect()
        except OSError:
            _reset(near)
            return
        line = _Line(near, far)
        self._lines.add(line)
        ways = [
            asyncio.create_task(self._carry(line, reader, far, outward=True)),
            asyncio.create_task(self._carry(line, back, near, outward=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._lines.discard(line)
            for side in (near, far):
                side.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _carry(
        self, line: _Line, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, outward: bool
    ) -> None:
        try:
            while data := await source.read(min(CHUNK, self.rate // 10 or CHUNK)):
                await self._travel(line)
                to.write(data)
                await to.drain()
                if outward and self.cut_after and self.cut_after in data:
                    await self._cut(line)
        except OSError:
            line.reset()

    async def _travel(self, line: _Line) -> None:
        await asyncio.sleep(self.latency or (0.1 if self.rate else 0))
        while self._silent or line.frozen:  # noqa: ASYNC110 - nothing happens, that is the point
            await asyncio.sleep(0.05)

    async def _cut(self, line: _Line) -> None:
        """Cut a line after the server got the bytes and before anybody gets its answer."""
        self.cut_after = b""
        self.cuts += 1
        line.frozen = True
        await asyncio.sleep(0.2)
        line.reset()


def _reset(side: asyncio.StreamWriter) -> None:
    plug = side.get_extra_info("socket")
    if plug is not None and plug.fileno() >= 0 and plug.family != socket.AF_UNIX:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    side.transport.abort()


@asynccontextmanager
async def proxy(target: Target) -> AsyncIterator[Proxy]:
    """A proxy on loopback in front of a server."""
    between = Proxy(target)
    server = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        between.reset()


Trouble = Callable[[Proxy, float], Awaitable[None]]
"""Something goes wrong for so many seconds."""


async def _slow_way(between: Proxy, seconds: float) -> None:
    between.latency = 0.4
    await asyncio.sleep(seconds)


async def _resets(between: Proxy, seconds: float) -> None:
    for _ in range(int(seconds / 0.6)):
        await asyncio.sleep(0.6)
        between.reset()


async def _half_open(between: Proxy, seconds: float) -> None:
    between.freeze()
    await asyncio.sleep(seconds)


async def _trickle(between: Proxy, seconds: float) -> None:
    between.rate = 20_000
    await asyncio.sleep(seconds)


async def _black_hole(between: Proxy, seconds: float) -> None:
    between.silence()
    await asyncio.sleep(seconds)


TROUBLES: dict[str, Trouble] = {
    "latency": _slow_way,
    "resets": _resets,
    "half-open": _half_open,
    "slow reads": _trickle,
    "black hole": _black_hole,
}
CUTTING = ("resets", "half-open", "black hole")
"""Those in which a message may arrive and its answer does not."""
