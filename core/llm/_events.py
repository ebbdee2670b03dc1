"""Readers of a response: they put events, or one whole body, together from pieces of bytes."""

import re
from dataclasses import dataclass, field

LONGEST = 4 * 1024 * 1024
"""The longest event in bytes, so that a server that never ends one cannot fill the memory."""

# A carriage return at the very end may be half of a line end: wait for the next piece.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


@dataclass(slots=True)
class EventReader:
    """A reader of server-sent events; it ignores all fields but `data`."""

    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    _held: int = 0
    """The bytes in `_data`. An empty line counts too, since many of them also take memory."""

    def feed(self, piece: bytes) -> list[str]:
        """Return the data of the events that a piece completes; an empty piece is the end."""
        *lines, self._rest = _LINE_END.split(self._rest + (piece or b"\n\n"))
        _check_length(len(self._rest))
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:])
                self._held += len(line)
                _check_length(self._held)
            elif not line and self._data:
                events.append(b"\n".join(self._data).decode(errors="replace").strip())
                self._data.clear()
                self._held = 0
        return events


@dataclass(slots=True)
class BodyReader:
    """A reader of one JSON body, from a server that does not stream."""

    _body: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> list[str]:
        """Return the whole body at the end, which is an empty piece, and nothing before."""
        self._body += piece
        _check_length(len(self._body))
        return [] if piece else [self._body.decode(errors="replace").strip()]


def _check_length(held: int) -> None:
    if held > LONGEST:
        raise ValueError("an event without end")
