"""A connection to a server, as bytes that come and go."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

import httpx
from aiohappyeyeballs import start_connection

HELD = 256 * 1024
"""The bytes that nobody has read yet from which on the server has to wait."""
NEXT_ADDRESS = 0.25
"""The seconds after which the next address of a host is tried beside the one before."""


async def connect(
    host: str, port: int, trust: ssl.SSLContext | None, seconds: float | None
) -> "Stream":
    """Connect to the first address of a host that answers, with TLS if `trust` is given.

    Raises httpx.ConnectTimeout and httpx.ConnectError.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds) as bound:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            connected = await start_connection(
                found, happy_eyeballs_delay=NEXT_ADDRESS, interleave=1
            )
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            name = host if trust else None
            _, stream = await loop.create_connection(
                Stream, sock=connected, ssl=trust, server_hostname=name
            )
    except OSError as error:
        if bound.expired():
            raise httpx.ConnectTimeout(f"no connection in {seconds:g} s") from error
        raise httpx.ConnectError(str(error)) from error  # the system's own time-out, too
    return stream


class Stream(asyncio.Protocol):
    """A connection to a server, and what has come and is not read yet."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()
        self._is_paused = False
        self._is_over = False
        self._fault: Exception | None = None
        self._came: asyncio.Future[None] | None = None
        self._taken: asyncio.Future[None] | None = None

    @property
    def is_silent(self) -> bool:
        """True if nothing came that is not read yet, not even the end."""
        return not (self._held or self._is_over)

    async def read(self, seconds: float | None) -> bytes:
        """Return what has come, as soon as anything has; b"" at the end.

        Raises httpx.ReadTimeout, and httpx.ReadError if the connection broke.
        """
        if self.is_silent:
            self._came = self._loop.create_future()
            try:
                await self._in_time(self._came, seconds, httpx.ReadTimeout)
            finally:
                self._came = None
        if not self._held and self._fault is not None:
            raise httpx.ReadError(str(self._fault)) from self._fault
        data = bytes(self._held)
        self._held.clear()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send bytes, and wait while the server takes none.

        Raises httpx.WriteTimeout, and httpx.WriteError if the connection is closed.
        """
        if self._is_over or self._transport.is_closing():
            raise httpx.WriteError(str(self._fault or "the server has closed the connection"))
        self._transport.write(data)
        if self._taken is not None:
            await self._in_time(self._taken, seconds, httpx.WriteTimeout)

    def close(self) -> None:
        """Close the connection at once; what is not sent yet is lost."""
        self._transport.abort()

    async def _in_time(
        self, event: "asyncio.Future[None]", seconds: float | None, late: Callable[[str], Exception]
    ) -> None:
        # A timer of our own costs a third of what `asyncio.timeout` does.
        alarm = (
            self._loop.call_later(seconds, _fail, event, late("")) if seconds is not None else None
        )
        try:
            await event
        finally:
            if alarm is not None:
                alarm.cancel()

    # The event loop calls the following.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the way out."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is read."""
        self._held += data
        if len(self._held) > HELD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        _set(self._came)

    def eof_received(self) -> None:
        """Note the end; the event loop closes the connection then."""
        self._is_over = True
        _set(self._came)

    def connection_lost(self, error: Exception | None) -> None:
        """Wake everybody who waits for the server."""
        self._is_over = True
        self._fault = error
        _set(self._came)
        if self._taken is not None:
            _fail(self._taken, httpx.WriteError(str(error)))

    def pause_writing(self) -> None:
        """Let the next `write` wait: much is not sent yet."""
        self._taken = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let writing go on."""
        _set(self._taken)
        self._taken = None


def _set(event: "asyncio.Future[None] | None") -> None:
    if event is not None and not event.done():
        event.set_result(None)


def _fail(event: "asyncio.Future[Any]", error: Exception) -> None:
    if not event.done():
        event.set_exception(error)
