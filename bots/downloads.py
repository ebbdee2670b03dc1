"""Reading a download, bounded in size and in time."""

import asyncio
import io
from collections.abc import AsyncIterable, Mapping

from core import words
from core.adapter import Attachment
from core.errors import AttachmentError, Unreachable

PLAIN = {"Accept-Encoding": "identity"}
"""The headers of a request for a file."""
IN_ALL = 60.0
"""The most seconds for a whole file, because the person's next questions wait for it."""


async def read(
    chunks: AsyncIterable[bytes], attachment: Attachment, limit: int, *, within: float = IN_ALL
) -> bytes:
    """Join all chunks. Raise AttachmentError past `limit` bytes or `within` seconds."""
    data = io.BytesIO()  # unlike other buffers it hands its bytes over without a second copy
    try:
        async with asyncio.timeout(within) as time:
            async for chunk in chunks:
                data.write(chunk)
                check(attachment, data.tell(), limit)
    except TimeoutError:
        if not time.expired():
            raise
        raise AttachmentError(words.FILE_SLOW.format(name=attachment.name)) from None
    return data.getvalue()


def check(attachment: Attachment, size: int, limit: int) -> None:
    """Raise AttachmentError for a file of more than `limit` bytes."""
    if size > limit and attachment.size is not None:
        raise AttachmentError(words.FILE_GREW.format(name=attachment.name))
    if size > limit:
        megabytes = words.number(limit / 1_000_000)
        raise AttachmentError(words.FILE_LARGE.format(name=attachment.name, megabytes=megabytes))


def check_answer(status: int, headers: Mapping[str, str], refusal: str) -> None:
    """Raise AttachmentError(refusal) for a final refusal, and Unreachable for a fault.

    Nothing but a 200 comes with a file. A compressed body is as good as a refusal: nobody asked for
    it, and it may unpack to gigabytes.
    """
    if status == 429 or status >= 500:
        raise Unreachable(f"status {status} for a file")
    is_plain = headers.get("Content-Encoding", "identity").lower() == "identity"
    if status != 200 or not is_plain:
        raise AttachmentError(refusal)
