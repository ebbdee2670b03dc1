"""The kind and the size of an image, read from its header without decoding it (pure)."""

import struct
from dataclasses import dataclass

JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""The markers of frames, which hold the size; the three excluded ones are tables."""
JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""The markers without a length."""

SEGMENTS = 10_000
"""The most segments that are read, because a hostile file may consist of nothing else."""


@dataclass(frozen=True, slots=True)
class Image:
    """The kind of an image and its size in pixels, as its header claims."""

    media_type: str
    width: int
    height: int


def identify(data: bytes) -> Image | None:
    """Identify a JPEG, PNG, GIF or WEBP; return None for anything else.

    Raises ValueError for a damaged header.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return Image("image/jpeg", *_jpeg(data))
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return Image("image/png", *struct.unpack_from(">II", data, 16))
        if data.startswith((b"GIF87a", b"GIF89a")):
            return Image("image/gif", *struct.unpack_from("<HH", data, 6))
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return Image("image/webp", *_webp(data))
    except (struct.error, IndexError):
        raise ValueError("a damaged header") from None
    return None


def _jpeg(data: bytes) -> tuple[int, int]:
    """Read the size from the first frame, skipping the segments before it."""
    at = 2
    for _ in range(SEGMENTS):
        if data[at] != 0xFF:
            raise ValueError("a damaged header")
        marker = data[at + 1]
        if marker in JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:  # padding
            at += 1
        elif marker in JPEG_BARE:
            at += 2
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    raise ValueError("a header without end")


def _webp(data: bytes) -> tuple[int, int]:
    """Read the size from the first chunk; each of the three formats stores it differently."""
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", data, 24)
        return low_width + (high_width << 16) + 1, low_height + (high_height << 16) + 1
    raise ValueError("a damaged header")
