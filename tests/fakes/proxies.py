"""A proxy that speaks HTTP (absolute addresses and CONNECT) and SOCKS5, as a company's network has
one; it notes where it was sent to."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_VERSION, _NO_PASSWORD, _DOMAIN, _IPV4 = 5, 0, 3, 1


@dataclass
class ProxyServer:
    """A proxy on a port of its own."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The `host:port` of each connection, in order."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ProxyServer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(1)
            if first[0] == _VERSION:
                far = await self._socks(reader, writer)
            else:
                far = await self._http(first, reader, writer)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_carry(reader, far[1]))
                ways.create_task(_carry(far[0], writer))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one side went away
        finally:
            writer.close()

    async def _open(self, host: str, port: int) -> Line:
        self.asked.append(f"{host}:{port}")
        return await asyncio.open_connection(host, port)

    async def _http(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Line:
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            far = await self._open(host, int(port))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            return far
        split = urlsplit(target.decode())
        far = await self._open(split.hostname or "", split.port or 80)
        far[1].write(head)
        return far

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Line:
        [methods] = await reader.readexactly(1)
        await reader.readexactly(methods)
        writer.write(bytes((_VERSION, _NO_PASSWORD)))
        _, _, _, kind = await reader.readexactly(4)
        assert kind in (_DOMAIN, _IPV4)
        if kind == _DOMAIN:
            [length] = await reader.readexactly(1)
            host = (await reader.readexactly(length)).decode()
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        [port] = struct.unpack(">H", await reader.readexactly(2))
        far = await self._open(host, port)
        writer.write(bytes((_VERSION, 0, 0, _IPV4, 0, 0, 0, 0, 0, 0)))
        return far


async def _carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(65_536):
            to.write(piece)
            await to.drain()
    finally:
        to.close()
