"""The most tokens of a PDF, counted from its pages and their text without drawing them (pure)."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST = 1_000_000
"""The tokens of a PDF whose text cannot be counted; no model reads more."""
PER_PAGE = 1500
"""The tokens of a page as an image, about."""
BYTES_PER_TOKEN = 5
"""The bytes of a file per token, at least: a book without pictures has about six, a scan fifty."""

OBJECTS = 200_000
INFLATED = 4_000_000
READ = 40_000_000
"""The bounds on the work for one file: objects, bytes of one stream, and bytes read in all."""
STEP = 100
"""The bytes that one more step, such as to follow a reference, takes as long as."""

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
    return min(max(counted, len(data) // BYTES_PER_TOKEN), MOST)


@dataclass(slots=True)
class _Paper:
    """The objects of a PDF."""

    data: bytes
    bodies: dict[int, list[bytes]] = field(default_factory=dict)
    """Objects without a stream by number; a later version may replace an earlier one."""
    streams: dict[int, list[tuple[bytes, int, int]]] = field(default_factory=dict)
    """Dictionaries of streams, with the beginning and the end of the stream."""
    found: int = 0
    """The objects found so far, each version for itself."""
    read: int = 0
    """The bytes read so far, again whenever something is read again."""

    def count(self) -> int:
        """Return the tokens. Raise _Uncountable or zlib.error if that is impossible."""
        self._read()
        dictionaries = list(self._dictionaries())
        pages = [body for body in dictionaries if _PAGE.search(body)]
        nodes = sum(_NODE.search(body) is not None for body in dictionaries)
        kids = sum(
            1
            for body in dictionaries
            for found in _KIDS.finditer(body)
            for _ in self._references(found[1])
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
            inside = begin + len(head) + len(stream)
            head = self._unescaped(head)
            if not stream:
                self.bodies.setdefault(number, []).append(head)
                continue
            self.streams.setdefault(number, []).append((head, inside, end))
            if _PACKED.search(head):
                self._unpack(head, self._inflate(head, inside, end))

    def _objects(self) -> Iterator[tuple[int, int]]:
        """Yield the number and the beginning of each object."""
        # One expression for the whole file would hold up all other threads while it searches.
        at, words = self.data.find(b"obj"), 0
        while at >= 0:
            words += 1
            if words > 3 * OBJECTS:  # an object has two: at its beginning and at its end
                raise _Uncountable("too many objects")
            if number := _OBJECT.search(self.data, max(at - 30, 0), at):
                self._count_objects(1)
                yield int(number[1]), at + len(b"obj")
            at = self.data.find(b"obj", at + 1)

    def _unpack(self, head: bytes, content: bytes) -> None:
        """Read the objects of a stream of objects; its first numbers tell where they are."""
        told: dict[bytes, int] = {}
        for entry in _NUMBER.finditer(head):
            self._work(STEP)
            told[entry[1]] = int(entry[2])
        first = told.get(b"First", 0)
        # What is left over past the most numbers is none itself.
        numbers = [int(number) for number in content[:first].split(maxsplit=2 * OBJECTS)]
        places = list(zip(numbers[::2], numbers[1::2], strict=False))
        self._count_objects(len(places))
        ends = [place for _, place in places[1:]] + [len(content)]
        for (number, place), end in zip(places, ends, strict=True):
            if not 0 <= place <= end:
                raise _Uncountable("objects that overlap")
            body = self._unescaped(content[first + place : first + end])
            self.bodies.setdefault(number, []).append(body)

    def _unescaped(self, dictionary: bytes) -> bytes:
        """Return a dictionary with plain letters in its names."""
        self._work(dictionary.count(b"#") * STEP)
        return _ESCAPE.sub(lambda name: bytes([int(name[1], 16)]), dictionary)

    def _count_objects(self, number: int) -> None:
        """Count objects that were found. Raise _Uncountable for too many."""
        self.found += number
        if self.found > OBJECTS:
            raise _Uncountable("too many objects")

    def _work(self, size: int) -> None:
        """Count bytes that are read, or steps as long. Raise _Uncountable for too much work."""
        self.read += size
        if self.read > READ:
            raise _Uncountable("too much to read")

    def _references(self, body: bytes) -> Iterator[int]:
        """Yield the numbers of the objects to which a part of an object refers."""
        for reference in _REFERENCE.finditer(body):
            self._work(STEP)
            yield int(reference[1])

    def _dictionaries(self) -> Iterator[bytes]:
        for bodies in self.bodies.values():
            yield from bodies
        for streams in self.streams.values():
            yield from (head for head, _, _ in streams)

    def _contents(self, page: bytes) -> Iterator[int]:
        """Yield the numbers of the streams that make up a page."""
        for found in _CONTENTS.finditer(page):
            for number in self._references(found[1] or found[2] or b""):
                # An indirect array of streams, if it is no stream.
                for array in self.bodies.get(number, ()):
                    self._work(len(array) + STEP)
                    yield from self._references(array)
                if number in self.streams:
                    yield number

    def _measure(self, number: int) -> tuple[int, int]:
        """Return the bytes of a stream, and how often it draws a form or an image."""
        measured = [(0, 0)]
        for stream in self.streams.get(number, ()):
            content = self._inflate(*stream)
            measured.append((len(content), sum(1 for _ in _DRAWS.finditer(content))))
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
        self._work(end - begin + STEP)
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
        self._work(len(content))
        if len(content) > INFLATED:
            raise _Uncountable("too much text")
        return content
