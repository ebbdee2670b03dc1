"""The tokens of a PDF are counted from above, whatever its bytes hide."""

import io
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from core.attachments._content import understand
from core.attachments._pdf import MOST, PER_PAGE, most_tokens
from core.memory import estimate

TEXT = b"BT /F1 12 Tf (The quick brown fox jumps over the lazy dog.) Tj ET\n" * 40


def stream(number: int, content: bytes, more: bytes = b"", *, packed: bool = True) -> bytes:
    """An object with a stream."""
    if packed:
        content, more = zlib.compress(content, 9), more + b"/Filter /FlateDecode "
    head = b"%d 0 obj\n<< %b/Length %d >>\nstream\n" % (number, more, len(content))
    return head + content + b"\nendstream\nendobj\n"


def paper(*pages: bytes, more: bytes = b"", kids: int | None = None) -> bytes:
    """A PDF of pages with these entries, and further objects."""
    numbers = [10 + at % len(pages) for at in range(kids or len(pages))]
    shown = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    objects += b"2 0 obj\n<< /Type /Pages /Count %d /Kids [%b] >>\nendobj\n" % (len(pages), shown)
    for at, page in enumerate(pages):
        objects += b"%d 0 obj\n<< /Type /Page /Parent 2 0 R %b >>\nendobj\n" % (10 + at, page)
    return b"%PDF-1.7\n" + objects + more + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def packed_objects(*bodies: tuple[int, bytes]) -> bytes:
    """Objects in a compressed stream, as newer programs write them."""
    places, content = [], b""
    for number, body in bodies:
        places.append(b"%d %d" % (number, len(content)))
        content += body + b" "
    told = b" ".join(places) + b" "
    head = b"/Type /ObjStm /N %d /First %d " % (len(bodies), len(told))
    return stream(90, told + content, head)


def overlapping(places: bytes) -> bytes:
    """A compressed stream of objects that tells their places wrongly."""
    head = b"/Type /ObjStm /N 2 /First %d " % len(places)
    return stream(90, places + b" " * 3_000_100, head)


HONEST: dict[str, tuple[Callable[[], bytes], int, int]] = {
    "a page": (
        lambda: paper(b"/Contents 20 0 R", more=stream(20, TEXT)),
        PER_PAGE + len(TEXT),
        PER_PAGE + len(TEXT),
    ),
    "a page that is not compressed": (
        lambda: paper(b"/Contents 20 0 R", more=stream(20, TEXT, packed=False)),
        PER_PAGE + len(TEXT),
        PER_PAGE + len(TEXT) + 100,
    ),
    "pages that share a heading": (
        lambda: paper(
            b"/Contents [20 0 R 21 0 R]",
            b"/Contents [20 0 R 22 0 R]",
            more=stream(20, TEXT) + stream(21, TEXT) + stream(22, TEXT),
        ),
        2 * PER_PAGE + 4 * len(TEXT),
        2 * PER_PAGE + 4 * len(TEXT),
    ),
    "an array of contents that stands elsewhere": (
        lambda: paper(
            b"/Contents 20 0 R",
            more=b"20 0 obj\n[21 0 R 22 0 R]\nendobj\n" + stream(21, TEXT) + stream(22, TEXT),
        ),
        PER_PAGE + 2 * len(TEXT),
        PER_PAGE + 2 * len(TEXT),
    ),
    "pages in a compressed stream": (
        lambda: (
            b"%PDF-1.7\n"
            + packed_objects(
                (2, b"<< /Type /Pages /Kids [10 0 R] >>"),
                (10, b"<< /Type /Page /Contents 20 0 R >>"),
            )
            + stream(20, TEXT)
        ),
        PER_PAGE + len(TEXT),
        PER_PAGE + len(TEXT),
    ),
    "names that are escaped": (
        lambda: paper(b"/Con#74ents 20 0 R", more=stream(20, TEXT)),
        PER_PAGE + len(TEXT),
        PER_PAGE + len(TEXT),
    ),
    "names that are escaped in a compressed stream": (
        lambda: (
            b"%PDF-1.7\n"
            + packed_objects((10, b"<< /Type /P#61ge /Con#74ents 20 0 R >>"))
            + stream(20, TEXT)
        ),
        PER_PAGE + len(TEXT),
        PER_PAGE + len(TEXT),
    ),
    "an empty page": (lambda: paper(b"/Contents []"), PER_PAGE, PER_PAGE),
    "a text in a form that is drawn often": (
        lambda: paper(
            b"/Contents 20 0 R",
            more=stream(20, b"/Fm Do\n" * 50) + stream(21, TEXT, b"/Subtype /Form "),
        ),
        PER_PAGE + 50 * len(TEXT),
        PER_PAGE + 50 * (len(TEXT) + 7),
    ),
    "a ligature": (
        lambda: paper(
            b"/Contents 20 0 R /Font << /ToUnicode 21 0 R >>",
            more=stream(20, TEXT) + stream(21, b"<01> <006600660069>\n<02> <D835DC00>"),
        ),
        PER_PAGE + len(TEXT),
        PER_PAGE + len(TEXT),
    ),
}
BOMB = b"BT (" + b"x" * 10_000_000 + b") Tj ET"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a text bomb": lambda: paper(b"/Contents 20 0 R", more=stream(20, BOMB)),
    "many pages with one text": lambda: paper(
        *[b"/Contents 20 0 R"] * 100, more=stream(20, BOMB[:1_000_000])
    ),
    "one page that is shown often": lambda: paper(
        b"/Contents 20 0 R", more=stream(20, TEXT), kids=1000
    ),
    "forms within forms": lambda: paper(
        b"/Contents 20 0 R",
        more=stream(20, b"/Fm Do\n" * 50) + stream(21, TEXT + b"/Fm Do\n" * 50, b"/Subtype /Form "),
    ),
    "another filter": lambda: paper(
        b"/Contents 20 0 R", more=stream(20, b"", b"/Filter /LZWDecode ", packed=False)
    ),
    "filters in a row": lambda: paper(
        b"/Contents 20 0 R",
        more=stream(20, b"", b"/Filter [/FlateDecode /FlateDecode] ", packed=False),
    ),
    "an encrypted file": lambda: paper(b"", more=b"<< /Encrypt 9 0 R >>"),
    "no page": lambda: b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n",
    "a glyph for a sentence": lambda: paper(
        b"/Contents 20 0 R /Font << /ToUnicode 21 0 R >>",
        more=stream(20, TEXT) + stream(21, b"<01> <" + b"4E00" * 100 + b">"),
    ),
    "a stream without end": lambda: paper(
        b"/Contents 20 0 R", more=stream(20, TEXT).replace(zlib.compress(TEXT, 9)[-20:], b"")
    ),
    "objects without end": lambda: b"%PDF-1.7\n" + b"1 0 obj\n" * 250_000,
    "words without end that begin no object": lambda: paper(b"", more=b"obj" * 650_000),
    "objects that overlap": lambda: paper(b"", more=overlapping(b"1 0 1 3000000 " * 10)),
    "an object that begins before all others": lambda: paper(b"", more=overlapping(b"1 -9 2 0 ")),
    "more places of objects than objects": lambda: paper(b"", more=overlapping(b"1 0 " * 300_000)),
    "a stream that is shown without end": lambda: paper(
        b"/Contents [" + b"20 0 R " * 290_000 + b"]", more=stream(20, b"")
    ),
    "a long stream that is shown often": lambda: paper(
        b"/Contents [" + b"20 0 R " * 100 + b"]",
        more=stream(20, b"").replace(b"\nendstream", b"x" * 1_000_000 + b"\nendstream"),
    ),
    "an array of streams that is read without end": lambda: paper(
        b"/Contents [" + b"20 0 R " * 2000 + b"]",
        more=b"20 0 obj\n[" + b"21 0 R " * 1000 + b"]\nendobj\n",
    ),
    "escapes without end": lambda: paper(b"#41" * 650_000),
}


@pytest.mark.parametrize(("make", "least", "most"), HONEST.values(), ids=HONEST.keys())
def test_pages_and_their_text_are_counted(make: Callable[[], bytes], least: int, most: int) -> None:
    assert least <= most_tokens(make()) <= most


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_cannot_be_counted_is_as_dear_as_a_file_may_be(
    make: Callable[[], bytes],
) -> None:
    data = make()
    assert len(data) < 2_100_000
    assert most_tokens(data) == MOST


def test_a_small_file_does_not_take_much_memory() -> None:
    data = paper(b"", more=overlapping(b"1 0 1 3000000 " * 100))
    assert len(data) < 4000
    tracemalloc.start()
    try:
        most_tokens(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20_000_000


def test_a_scan_costs_its_pages() -> None:
    file = io.BytesIO()
    picture = Image.effect_noise((600, 800), 99)
    picture.save(file, "PDF", save_all=True, append_images=[picture] * 4)
    data = file.getvalue()
    assert 5 * PER_PAGE <= most_tokens(data) <= max(6 * PER_PAGE, len(data) // 5)


def test_the_estimate_of_a_question_uses_the_count() -> None:
    data = paper(b"/Contents 20 0 R", more=stream(20, TEXT * 50))
    content = understand("a.pdf", data)
    assert len(data) < 2000
    assert estimate({"role": "user", "content": [content.block]}) == PER_PAGE + len(TEXT) * 50
