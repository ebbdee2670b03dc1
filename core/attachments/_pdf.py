"""The most tokens of a PDF, counted from its pages and their text without drawing them (pure)."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST = 1_000_000
"""The tokens of a PDF whose text cannot be counted; no model reads more."""
PER_PAGE = 1500
"""The tokens of a page as an image, about."""
PER_BYTE = 5
"""The bytes of a file per token, at least: a book without pictures has about six, a scan fifty."""

OBJECTS = 200_000
INFLATED = 4_000_000
INFLATED_IN_ALL = 40_000_000
"""The bounds on the work for one file: objects, and bytes of one stream and of all streams."""

_OBJECT = re.compile(rb"(?<!\d)(\d{1,9})\s{1,9}\d{1,5}\s{1,9}$")
_REFERENCE = re.compile(rb"(?<!\d)(\d{1,9})\s{1,9}\d{1,5}\s{1,9}R\b")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_PAGE = re.compile(rb"/Type\s{0,9}/Page(?![A-Za-z])")
_NODE = re.compile(rb"/Type\s{0,9}/Pages?(?![A-Za-z])")
_KIDS = re.compile(rb"/Kids\s{0,9}\[([^\]]*)")
_CONTENTS = re.compile(rb"/Contents\s{0,9}(?:\[([^\]]*)|(\d{1,9}\s{1,9}\d{1,5}\s{1,9}R))")
_UNICODE = re.compile(rb"/ToUnicode\s{0,9}(\d{1,9})\s")
_FORM = re.compile(rb"/Subtype\s{0,9}/Form(?![A-Za-z])")
_PACKED = re.compile(rb"/Type\s{0,9}/ObjStm(?![A-Za-z])")
_FILTER = re.compile(rb"/Filter\s{0,9}(\[[^\]]*|/[A-Za-z0-9]+)")
_NUMBER = re.compile(rb"/(N|First)\s{1,9}(\d{1,9})")
_DRAWS = re.compile(rb"\bDo\b")
_HEX = re.compile(rb"<([0-9A-Fa-f\s]{8,})>")
_PLAIN = re.compile(rb"(00[0-7][0-9A-Fa-f])+|[dD][89abAB]..[dD][c-fC-F]..")
"""One glyph for several letters, as of a ligature, or one letter beyond 16 bits."""


class _Uncountable(Exception):
    """The file is not what honest programs write, or too much work."""


def most_tokens(data: bytes) -> int:
    """Return a bound for the tokens of a PDF: its pages as images, and all text on them.

    A file whose text cannot be counted, as one that is encrypted or repeats its text, has `MOST`.
    """
    try:
        counted = _Paper(data).count()
    except (_Uncountable, zlib.error, ValueError, RecursionError):
        return MOST
    return min(max(counted, len(data) // PER_BYTE), MOST)


@dataclass(slots=True)
class _Paper:
    """The objects of a PDF."""

    data: bytes
    bodies: dict[int, list[bytes]] = field(default_factory=dict)
    """Objects without a stream by number; a later version may replace an earlier one."""
    streams: dict[int, list[tuple[bytes, int, int]]] = field(default_factory=dict)
    """Dictionaries of streams, with the beginning and the end of the stream."""
    inflated: int = 0

    def count(self) -> int:
        """Return the tokens. Raise _Uncountable or zlib.error if that is impossible."""
        self._read()
        dictionaries = list(self._dictionaries())
        pages = [body for body in dictionaries if _PAGE.search(body)]
        nodes = sum(_NODE.search(body) is not None for body in dictionaries)
        kids = sum(
            len(_REFERENCE.findall(found[1]))
            for body in dictionaries
            for found in _KIDS.finditer(body)
        )
        if not pages or kids > nodes:
            raise _Uncountable("no pages, or one page that is shown many times")
        for body in dictionaries:
            for found in _UNICODE.finditer(body):
                self._check_letters(int(found[1]))
        text = draws = 0
        for page in pages:
            for number in self._contents(page):
                size, drawn = self._measure(number)
                text, draws = text + size, draws + drawn
        forms = draws * self._largest_form() if draws else 0
        return len(pages) * PER_PAGE + text + forms

    def _read(self) -> None:
        """Find all objects, also those in compressed streams."""
        if b"/Encrypt" in self.data:
            raise _Uncountable("an encrypted file")
        found = list(self._objects())
        ends = [begin for _, begin in found[1:]] + [len(self.data)]
        for (number, begin), end in zip(found, ends, strict=True):
            head, stream, _ = self.data[begin:end].partition(b"stream")
            begin += len(head) + len(stream)  # noqa: PLW2901 - the same place, behind the head
            head = _ESCAPE.sub(lambda name: bytes([int(name[1], 16)]), head)
            if not stream:
                self.bodies.setdefault(number, []).append(head)
                continue
            self.streams.setdefault(number, []).append((head, begin, end))
            if _PACKED.search(head):
                self._unpack(head, self._inflate(head, begin, end))

    def _objects(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the beginning of each object."""
        # One expression for the whole file would hold up all other threads while it searches.
        at, found = self.data.find(b"obj"), 0
        while at >= 0:
            if number := _OBJECT.search(self.data, max(at - 30, 0), at):
                found += 1
                yield int(number[1]), at + len(b"obj")
            if found > OBJECTS:
                raise _Uncountable("too many objects")
            at = self.data.find(b"obj", at + 1)

    def _unpack(self, head: bytes, content: bytes) -> None:
        """Read the objects of a stream of objects; its first numbers tell where they are."""
        told = {name: int(number) for name, number in _NUMBER.findall(head)}
        first = told.get(b"First", 0)
        numbers = [int(number) for number in content[:first].split()]
        places = list(zip(numbers[::2], numbers[1::2], strict=False))
        if len(self.bodies) + len(places) > OBJECTS:
            raise _Uncountable("too many objects")
        ends = [place for _, place in places[1:]] + [len(content)]
        for (number, place), end in zip(places, ends, strict=True):
            body = content[first + place : first + end]
            self.bodies.setdefault(number, []).append(body)

    def _dictionaries(self) -> Iterator[bytes]:
        for bodies in self.bodies.values():
            yield from bodies
        for streams in self.streams.values():
            yield from (head for head, _, _ in streams)

    def _contents(self, page: bytes) -> list[int]:
        """Return the numbers of the streams that make up a page."""
        numbers = []
        for found in _CONTENTS.finditer(page):
            for reference in _REFERENCE.findall(found[1] or found[2]):
                number = int(reference)
                # An indirect array of streams, if it is no stream.
                arrays = self.bodies.get(number, ())
                numbers += [int(each) for body in arrays for each in _REFERENCE.findall(body)]
                numbers += [number] if number in self.streams else []
        return numbers

    def _measure(self, number: int) -> tuple[int, int]:
        """Return the bytes of a stream, and how often it draws a form or an image."""
        measured = [(0, 0)]
        for stream in self.streams.get(number, ()):
            content = self._inflate(*stream)
            measured.append((len(content), len(_DRAWS.findall(content))))
        return max(measured)

    def _largest_form(self) -> int:
        """Return the bytes of the largest form with text."""
        sizes, nested = [0], False
        for streams in self.streams.values():
            if any(_FORM.search(head) for head, _, _ in streams):
                for stream in streams:
                    content = self._inflate(*stream)
                    nested = nested or _DRAWS.search(content) is not None
                    sizes.append(len(content) if b"BT" in content else 0)
        if nested and max(sizes):
            raise _Uncountable("forms within forms")
        return max(sizes)

    def _check_letters(self, number: int) -> None:
        """Raise _Uncountable if one glyph stands for a long text."""
        for stream in self.streams.get(number, ()):
            for found in _HEX.findall(self._inflate(*stream)):
                digits = b"".join(found.split())
                if len(digits) > 16 or not _PLAIN.fullmatch(digits):
                    raise _Uncountable("a glyph for a text")

    def _inflate(self, head: bytes, begin: int, end: int) -> bytes:
        """Return the bytes of a stream. Raise _Uncountable for too many."""
        found = _FILTER.search(head)
        filters = found[1].strip(b"[ \r\n\t") if found else b""
        if filters == b"":
            content = self.data[begin:end]
        elif filters in (b"/FlateDecode", b"/Fl"):
            inflating = zlib.decompressobj()
            packed = self.data[begin:end].lstrip(b"\r\n")
            content = inflating.decompress(packed, INFLATED + 1)
            if not inflating.eof:
                raise _Uncountable("too much text, or a stream without end")
        else:
            raise _Uncountable("another filter")
        self.inflated += len(content)
        if len(content) > INFLATED or self.inflated > INFLATED_IN_ALL:
            raise _Uncountable("too much text")
        return content
