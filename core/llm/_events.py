"""A reader of a response: it puts events, or one whole body, together from pieces of bytes.

What comes decides how it is read, not its declared type: some servers declare none, or a wrong one.
"""

import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field

LONGEST = 4 * 1024 * 1024
"""The longest event in bytes, so that a server that never ends one cannot fill the memory."""
LINES = 64
"""The most lines of an event for which it is tried whether they are whole events."""

# A carriage return at the very end may be half of a line end: wait for the next piece.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


@dataclass(slots=True)
class Reader:
    """A reader of server-sent events, or of one JSON body from a server that does not stream."""

    is_body: bool | None = None
    """None until the first byte has come."""
    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    _held: int = 0
    """The bytes in `_data`. An empty line counts too, since many of them also take memory."""
    _body: bytearray = field(default_factory=bytearray)
    _one_line: bool = False
    """True if the server separates events by one line end instead of two."""

    def feed(self, piece: bytes) -> list[str]:
        """Return the data of the events that a piece completes; an empty piece is the end.

        Raises ValueError for an event without end, and for a page.
        """
        if self.is_body is None:
            piece = self._begin(piece)
        if self.is_body:
            self._body += piece
            _check_length(len(self._body))
            return [] if piece else [_text(self._body)]
        return self._read_lines(piece)

    def _begin(self, piece: bytes) -> bytes:
        """Decide by the first byte; return the piece with all that was held back."""
        held = (self._rest + piece).removeprefix(BOM_UTF8)
        self._rest = b""
        start = held.lstrip()[:1]
        if not piece or (start and held not in BOM_UTF8):
            if start == b"<":
                raise ValueError("a page in place of an answer")
            self.is_body = start in (b"{", b"[")
            return held
        self._rest = held
        return b""

    def _read_lines(self, piece: bytes) -> list[str]:
        *lines, self._rest = _LINE_END.split(self._rest + (piece or b"\n\n"))
        _check_length(len(self._rest))
        events: list[str] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[5:], events)
            elif line.startswith((b"{", b"[DONE]")):
                self._add(line, events)  # the name of its field is missing, or on the line above
            elif not line:
                self._end(events)
        return events

    def _add(self, data: bytes, events: list[str]) -> None:
        if self._data and self._is_whole():
            self._one_line = True
            self._end(events)
        self._data.append(data)
        self._held += len(data) + 5
        _check_length(self._held)
        if self._one_line and self._is_whole():
            self._end(events)

    def _is_whole(self) -> bool:
        """Return whether the lines so far are an event, though no empty line has ended it."""
        if len(self._data) > LINES:
            return False
        held = b"\n".join(self._data).strip()
        if held == b"[DONE]":
            return True
        if not (held.startswith(b"{") and held.endswith(b"}")):
            return False
        try:
            json.loads(held)
        except (ValueError, RecursionError):
            return False
        return True

    def _end(self, events: list[str]) -> None:
        if self._data:
            events.append(_text(b"\n".join(self._data)))
            self._data.clear()
            self._held = 0


def _text(data: bytes | bytearray) -> str:
    return data.decode(errors="replace").strip()


def _check_length(held: int) -> None:
    if held > LONGEST:
        raise ValueError("an event without end")
