"""The kind of a file, found from its bytes and never from its name (pure)."""

import codecs
import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePath

from core import words
from core.attachments import _images
from core.attachments._locks import is_locked
from core.attachments._pdf import most_tokens
from core.characters import clean
from core.errors import AttachmentError
from core.messages import Block

PIXELS = 64_000_000
"""The largest image: a good camera takes it, and an image bomb claims far more."""
CHARACTERS = 400_000
"""The longest text file, about 100,000 tokens."""

REFERENCE = re.compile(r"attachment:([0-9a-f]{64}):(\d+)")
"""A reference to stored bytes: their digest and size."""

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The encodings by their byte order marks; UTF-32 precedes UTF-16, whose mark begins alike."""
CONTROLS = re.compile(rb"[\0-\x08\x0e-\x19\x1c-\x1f]")
"""Bytes that no text holds. Allowed are the escape of a coloured log and the end of a DOS file."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file as a block of a question, and the bytes to keep, if the block refers to any."""

    block: Block
    media_type: str = ""
    digest: str = ""
    data: bytes = b""
    fault: str = ""
    """The reason why the file cannot be read, "" if it can; the block tells it to the model."""


def understand(name: str, data: bytes) -> Content:
    """Make content of a file. Raise AttachmentError, with a sentence, if it cannot be read."""
    if not data:
        raise AttachmentError(words.FILE_EMPTY.format(name=name))
    digest = hashlib.sha256(data).hexdigest()
    reference = f"attachment:{digest}:{len(data)}"
    if media_type := _image(name, data):
        block: Block = {"type": "image_url", "image_url": {"url": reference}}
        return Content(block, media_type, digest, data)
    if data.startswith(b"%PDF-"):
        if is_locked(data):
            raise AttachmentError(words.FILE_LOCKED.format(name=name))
        # The number is never sent, see `expand`.
        file = {"filename": name, "file_data": reference, "tokens": most_tokens(data)}
        return Content({"type": "file", "file": file}, "application/pdf", digest, data)
    return Content(text_block(_fenced(name, _text(name, data))))


def unreadable(error: AttachmentError) -> Content:
    """Make content that tells the model why a file cannot be read."""
    return Content(text_block(f"[{error}]"), fault=str(error))


def text_block(text: str) -> Block:
    """Make a block of text."""
    return {"type": "text", "text": text}


def _image(name: str, data: bytes) -> str:
    """Return the media type of an image, "" for another file.

    Raises AttachmentError for an image that is damaged or too large.
    """
    try:
        image = _images.identify(data)
    except ValueError:
        raise AttachmentError(words.FILE_DAMAGED.format(name=name)) from None
    if image is None:
        return ""
    if not 0 < image.width * image.height <= PIXELS:
        size = {"width": image.width, "height": image.height}
        raise AttachmentError(words.IMAGE_LARGE.format(PIXELS // 1_000_000, name=name, **size))
    return image.media_type


def _text(name: str, data: bytes) -> str:
    # Past this many bytes a text is too long in every encoding; as text it takes far more memory.
    is_long = len(data) > 4 * CHARACTERS + 4
    text = _decoded(data[:CHARACTERS] if is_long else data)
    if text is None:
        raise AttachmentError(words.FILE_UNKNOWN.format(name=name))
    if is_long or len(text) > CHARACTERS:
        raise AttachmentError(words.TEXT_LONG.format(CHARACTERS, name=name))
    return clean(text)


def _decoded(data: bytes) -> str | None:
    """Decode a text in whatever encoding it has; return None if it is not a text."""
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
    """Guess the encoding of a text; return "" if it is not a text."""
    # Imported here because it takes 3 MB, and most bots never read such a text.
    from charset_normalizer import from_bytes  # noqa: PLC0415 - see above

    matches = from_bytes(data)
    best = matches.best()
    if best is None:
        return ""
    # Prefer Western European: French and Italian also pass as Central European.
    western = any(
        match.encoding == "cp1252"
        and match.coherence >= best.coherence
        and match.chaos < best.chaos + 0.1
        for match in matches
    )
    return "cp1252" if western else best.encoding


def _fenced(name: str, text: str) -> str:
    """Put a text between fences that are longer than any fence in it, below the file's name."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    suffix = PurePath(name).suffix[1:]
    language = suffix.lower() if suffix.isalnum() else ""
    lines = text.rstrip("\n")
    return f"{name}:\n{fence}{language}\n{lines}\n{fence}"
