"""What a file is, told by its content and never by its name (pure)."""

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePath

from core.attachments import _images
from core.errors import AttachmentError
from core.messages import Part

PIXELS = 64_000_000
"""Size of an image: what a good camera takes, and far below what an image bomb claims."""
CHARACTERS = 400_000
"""Length of a text file, about 100,000 tokens."""

REFERENCE = re.compile(r"attachment:([0-9a-f]{64}):(\d+)")
"""Digest and size of the bytes that stand here in a request."""

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""How a text may say its encoding; UTF-32 before UTF-16, which begins alike."""
CONTROLS = re.compile(rb"[\0-\x08\x0e-\x19\x1c-\x1f]")
"""What no text holds, but for the escapes of a coloured log and the end of an old DOS file."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file as a part of a question, and the bytes to keep for it, if the part refers to any."""

    part: Part
    media_type: str = ""
    digest: str = ""
    data: bytes = b""
    fault: str = ""
    """Why the file cannot be read; the part then tells it to the model."""


def understand(name: str, data: bytes) -> Content:
    """The content that these bytes are; AttachmentError with a sentence when it is unreadable."""
    if not data:
        raise AttachmentError(f"“{name}” is empty.")
    digest = hashlib.sha256(data).hexdigest()
    reference = f"attachment:{digest}:{len(data)}"
    if media_type := _image(name, data):
        part: Part = {"type": "image_url", "image_url": {"url": reference}}
        return Content(part, media_type, digest, data)
    if data.startswith(b"%PDF-"):
        part = {"type": "file", "file": {"filename": name, "file_data": reference}}
        return Content(part, "application/pdf", digest, data)
    return Content(text_part(_fenced(name, _text(name, data))))


def unreadable(error: AttachmentError) -> Content:
    """The content that stands for a file that cannot be read."""
    return Content(text_part(f"[{error}]"), fault=str(error))


def text_part(text: str) -> Part:
    """A text among the parts of a message."""
    return {"type": "text", "text": text}


def _image(name: str, data: bytes) -> str:
    """The media type of an image of a size that somebody may want to decode."""
    try:
        image = _images.identify(data)
    except ValueError:
        raise AttachmentError(f"“{name}” is damaged.") from None
    if image is None:
        return ""
    if not 0 < image.width * image.height <= PIXELS:
        raise AttachmentError(
            f"“{name}” is {image.width} × {image.height} pixels large;"
            f" I look at images of up to {PIXELS // 1_000_000} megapixels."
        )
    return image.media_type


def _text(name: str, data: bytes) -> str:
    text = _decoded(data)
    if text is None:
        raise AttachmentError(
            f"I cannot read “{name}”, only images (JPEG, PNG, GIF, WEBP), PDF and text files."
        )
    if len(text) > CHARACTERS:
        raise AttachmentError(
            f"“{name}” is too long: I read texts of up to {CHARACTERS:,} characters."
        )
    return text


def _decoded(data: bytes) -> str | None:
    """The text that these bytes are in some encoding; None for what is no text."""
    for bom, encoding in BOMS.items():
        if data.startswith(bom):
            return data.decode(encoding, errors="replace").replace("\0", "")
    if CONTROLS.search(data):
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        encoding = _guessed(data[: 4 * CHARACTERS])
    return data.decode(encoding, errors="replace") if encoding else None


def _guessed(data: bytes) -> str:
    """The likeliest encoding of a text without any sign of it; "" for what is no text."""
    # Imported where it is needed: it takes 3 MB, and most bots never read such a text.
    from charset_normalizer import from_bytes  # noqa: PLC0415 - see above

    matches = from_bytes(data)
    best = matches.best()
    if best is None:
        return ""
    # French or Italian reads as well in Central European, but is much more common.
    western = any(
        match.encoding == "cp1252"
        and match.coherence >= best.coherence
        and match.chaos < best.chaos + 0.1
        for match in matches
    )
    return "cp1252" if western else best.encoding


def _fenced(name: str, text: str) -> str:
    """The text between fences that are longer than any in it, below its name."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    suffix = PurePath(name).suffix[1:]
    language = suffix.lower() if suffix.isalnum() else ""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    return f"{name}:\n{fence}{language}\n{lines}\n{fence}"
