"""Files that came with a message."""

import asyncio
from collections.abc import Iterator

import aiohttp
import discord

from bots.discord.rest import Json, call
from core.adapter import Attachment
from core.errors import AttachmentError, MessageGone, Undeliverable

PATIENCE = 60.0
"""Seconds that a whole file may take."""
_TIMEOUT = aiohttp.ClientTimeout(sock_connect=10, sock_read=20)
_CHUNK = 64 * 1024


async def fetch(
    client: discord.Client,
    files: aiohttp.ClientSession,
    attachment: Attachment,
    limit: int,
    *,
    patience: float = PATIENCE,
) -> bytes:
    """The bytes of an attachment, at most `limit` in `patience` seconds; what keeps it from us is
    told to the person."""
    _check(attachment, attachment.size or 0, limit)
    url = await _address(client, attachment)
    try:
        async with asyncio.timeout(patience), files.get(url, timeout=_TIMEOUT) as response:
            response.raise_for_status()
            return await _read(response.content, attachment, limit)
    except (aiohttp.ClientError, TimeoutError):
        # The address is signed: no message tells it.
        raise AttachmentError(f"Discord does not hand out “{attachment.name}”.") from None


async def _address(client: discord.Client, attachment: Attachment) -> str:
    chat, message_id, file_id = attachment.reference.split("/")
    path = "/channels/{channel_id}/messages/{message_id}"
    try:
        message = await call(client, "GET", path, channel_id=chat, message_id=message_id)
    except (MessageGone, Undeliverable):
        raise AttachmentError(f"“{attachment.name}” is not there any more.") from None
    for file in _files(message):
        if file["id"] == file_id:
            return str(file["url"])
    raise AttachmentError(f"“{attachment.name}” is not there any more.")


def _files(message: Json) -> Iterator[Json]:
    yield from message["attachments"]
    for snapshot in message.get("message_snapshots", ()):
        yield from snapshot["message"]["attachments"]


async def _read(content: aiohttp.StreamReader, attachment: Attachment, limit: int) -> bytes:
    data = bytearray()
    async for chunk in content.iter_chunked(_CHUNK):
        data += chunk
        _check(attachment, len(data), limit)
    return bytes(data)


def _check(attachment: Attachment, size: int, limit: int) -> None:
    if size > limit:
        raise AttachmentError(
            f"“{attachment.name}” is larger than the {limit / 1_000_000:g} MB that I can read."
        )
