"""Files that came with a message."""

from collections.abc import AsyncIterator

import httpx
from telegram import Bot
from telegram.error import TelegramError

from core.adapter import Attachment
from core.errors import AttachmentError

PATIENCE = 20
"""Seconds without a byte after which a download is given up."""


async def fetch(bot: Bot, client: httpx.AsyncClient, attachment: Attachment, limit: int) -> bytes:
    """The bytes of an attachment, at most `limit`; no error tells the URL, which has the token."""
    _check(attachment, attachment.size or 0, limit)
    try:
        file = await bot.get_file(attachment.reference)
        _check(attachment, file.file_size or 0, limit)
        async with client.stream("GET", file.file_path or "", timeout=PATIENCE) as response:
            response.raise_for_status()
            return await _read(response.aiter_bytes(), attachment, limit)
    except (TelegramError, httpx.HTTPError):
        raise AttachmentError(f"Telegram does not hand out “{attachment.name}”.") from None


async def _read(chunks: AsyncIterator[bytes], attachment: Attachment, limit: int) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        _check(attachment, len(data), limit)
    return bytes(data)


def _check(attachment: Attachment, size: int, limit: int) -> None:
    if size > limit:
        raise AttachmentError(
            f"“{attachment.name}” is larger than the {limit / 1_000_000:g} MB that I can read."
        )
