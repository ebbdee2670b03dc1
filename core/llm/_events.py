"""What a response carries, out of bytes that were cut anywhere: events, or one whole body."""

import re
from dataclasses import dataclass, field

LONGEST = 4 * 1024 * 1024
"""Bytes that one event may have: a server that never ends a line or an event must not eat the
memory."""

# A carriage return at the very end may be half of a line end: it waits for the next piece.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


@dataclass(slots=True)
class EventReader:
    """Server-sent events; of their fields only `data` is of use here."""

    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    _held: int = 0
    """Bytes in `_data`, counting an empty line too: a list of them takes memory as well."""

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that a piece completes; an empty piece is the end."""
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
    """One JSON body, as a server sends it that does not stream."""

    _body: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> list[str]:
        """Nothing until the end, which an empty piece is; then everything."""
        self._body += piece
        _check_length(len(self._body))
        return [] if piece else [self._body.decode(errors="replace").strip()]


def _check_length(held: int) -> None:
    if held > LONGEST:
        raise ValueError("an event without end")
