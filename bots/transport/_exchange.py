"""A request and its response on a connection."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

from bots.transport._response import Reader, Response
from bots.transport._stream import Stream

TOGETHER = 64 * 1024
"""The bytes of a request that are sent at once."""
_HEAD = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.1(\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*)*")
"""The head of a request that HTTP allows."""


class Connection:
    """A connection to a server, which carries one exchange after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._reader = Reader()
        self._is_open = False
        self._is_sent = False
        self.expires = 0.0
        """The time of the loop's clock at which it is too old to be used again."""

    @property
    def is_usable(self) -> bool:
        """True while no exchange is open, and the server has not closed the connection."""
        return not self._is_open and self._stream.is_silent

    def close(self) -> None:
        """Close the connection at once."""
        self._stream.close()

    async def send(self, request: httpx.Request, seconds: float | None) -> None:
        """Send a request; raises httpx.LocalProtocolError for one that HTTP does not allow.

        A server may answer and close the connection before it has read everything: that is no
        error here, because its response tells more.
        """
        self._is_open, self._is_sent = True, False
        self._reader.expect(has_body=request.method != "HEAD")
        length = request.headers.get("Content-Length")
        left = int(length) if length is not None else None
        ready = _head(request)
        with suppress(httpx.WriteError):
            # A body for a synchronous client never comes here.
            async for piece in request.stream:  # type: ignore[union-attr]
                if left is not None:
                    left -= len(piece)
                    ready += piece
                elif piece:
                    ready += b"%x\r\n%b\r\n" % (len(piece), piece)
                if len(ready) > TOGETHER:
                    await self._stream.write(ready, seconds)
                    ready = b""
            if left:
                raise httpx.LocalProtocolError(f"the body has not the {length} bytes of its head")
            if "Transfer-Encoding" in request.headers:
                ready += b"0\r\n\r\n"
            if ready:
                await self._stream.write(ready, seconds)
            self._is_sent = True

    async def head(self, seconds: float | None) -> Response:
        """Return the response once its head is there."""
        while not self._reader.has_head:
            self._reader.feed(await self._stream.read(seconds))
        return self._reader.response

    async def body(self, seconds: float | None) -> AsyncIterator[bytes]:
        """Yield the body of the response as it comes."""
        while True:
            for piece in self._reader.take():
                yield piece
            if self._reader.is_whole:
                return
            self._reader.feed(await self._stream.read(seconds))

    def end(self) -> bool:
        """Return whether the exchange is over, so that another one may begin."""
        self._is_open = not (self._is_sent and self._reader.may_go_on)
        return not self._is_open


def _head(request: httpx.Request) -> bytes:
    line = b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)
    head = b"\r\n".join([line, *(b"%b: %b" % header for header in request.headers.raw)])
    if not _HEAD.fullmatch(head):  # its parts may be secrets
        raise httpx.LocalProtocolError(
            "the head has a line break, or another byte that none may have"
        )
    return head + b"\r\n\r\n"
