"""Reading a download, bounded in size and in time."""

import asyncio
from collections.abc import AsyncIterable

from core import words
from core.adapter import Attachment
from core.errors import AttachmentError, Unreachable

IN_ALL = 60.0
"""The seconds for a whole file; the person's next questions wait for it."""


async def read(
    chunks: AsyncIterable[bytes], attachment: Attachment, limit: int, *, within: float = IN_ALL
) -> bytes:
    """Join all chunks. Raise AttachmentError past `limit` bytes or `within` seconds."""
    data = bytearray()
    try:
        async with asyncio.timeout(within) as time:
            async for chunk in chunks:
                data += chunk
                check(attachment, len(data), limit)
    except TimeoutError:
        if not time.expired():
            raise
        raise AttachmentError(words.FILE_SLOW.format(name=attachment.name)) from None
    return bytes(data)


def check(attachment: Attachment, size: int, limit: int) -> None:
    """Raise AttachmentError for a file of more than `limit` bytes."""
    if size > limit:
        megabytes = limit / 1_000_000
        raise AttachmentError(words.FILE_LARGE.format(name=attachment.name, megabytes=megabytes))


def check_status(status: int, refusal: str) -> None:
    """Raise AttachmentError(refusal) for a final refusal, and Unreachable for a fault."""
    if status == 429 or status >= 500:
        raise Unreachable(f"status {status} for a file")
    if status >= 400:
        raise AttachmentError(refusal)
