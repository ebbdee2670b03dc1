"""Responses of a server, read from the bytes that come."""

from dataclasses import dataclass, field

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

LARGEST_HEAD = 100 * 1024
"""The most bytes of the head of a response."""
_LENGTH = {b"content-length", b"transfer-encoding"}
"""The headers that tell where a body ends."""


@dataclass
class Response:
    """The head of a response."""

    status: int = 0
    reason: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Reader:
    """Reads one response after the other; the parser calls the methods `on_...`."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        # Old servers and proxies send what these allow, and a client is not misled by it.
        self._parser.set_dangerous_leniencies(
            lenient_chunked_length=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._may_go_on = True
        self.expect(has_body=True)

    def expect(self, *, has_body: bool) -> None:
        """Begin to read a response, which may have a body."""
        self.response = Response()
        self.has_head = False
        self.is_whole = False
        self._has_body = has_body
        self._size = 0
        self._pieces: list[bytes] = []

    @property
    def may_go_on(self) -> bool:
        """True if the response is whole, and another one may follow it."""
        return self.is_whole and self._may_go_on

    def take(self) -> list[bytes]:
        """Return the pieces of the body that have come since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def feed(self, data: bytes) -> None:
        """Read what came; b"" is the end. Raises httpx.RemoteProtocolError."""
        if not data:
            self._end()
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._may_go_on = False
            if not self.is_whole:  # what comes after a response does no harm to it
                raise httpx.RemoteProtocolError(f"the response is not HTTP: {error}") from error
        if not self.has_head and self._size > LARGEST_HEAD:
            raise httpx.RemoteProtocolError(f"the head is larger than {LARGEST_HEAD} bytes")

    def _end(self) -> None:
        if not self.has_head:
            raise httpx.RemoteProtocolError("the server closed the connection with no response")
        if any(name.lower() in _LENGTH for name, _ in self.response.headers):
            raise httpx.RemoteProtocolError("the server closed the connection within a response")
        self.is_whole, self._may_go_on = True, False

    def on_message_begin(self) -> None:
        """Refuse what nobody asked for; the parser raises HttpParserError then."""
        if self.is_whole:
            raise httpx.RemoteProtocolError("more came than a response")

    def on_status(self, reason: bytes) -> None:
        """Add a piece of the reason."""
        self.response.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; those behind the body are left out."""
        if not self.has_head:
            self.response.headers.append((name, value.strip()))

    def on_headers_complete(self) -> None:
        """Note the end of the head, unless another one follows it, as after 103 Early Hints."""
        self.response.status = self._parser.get_status_code()
        if self.response.status < 200:
            self.response = Response()
        else:
            self.has_head, self.is_whole = True, not self._has_body
            self._may_go_on = self._has_body and self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body until it is taken."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Note the end of the body, if it is not the end of an early head."""
        self.is_whole = self.has_head
