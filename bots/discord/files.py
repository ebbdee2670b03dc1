"""Downloading the files of a message."""

from collections.abc import Iterator

import aiohttp
import discord

from bots.discord.rest import Json, call, misshapen
from bots.downloads import PLAIN, check, check_answer, read
from core import words
from core.adapter import Attachment
from core.errors import MISSHAPEN, AttachmentError, MessageGone, Undeliverable, Unreachable

PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=20)
_CHUNK = 64 * 1024


async def fetch(
    client: discord.Client, files: aiohttp.ClientSession, attachment: Attachment, limit: int
) -> bytes:
    """Download an attachment of at most `limit` bytes.

    Raises AttachmentError if that is impossible, RetryAfter or Unreachable if it may work later.
    """
    check(attachment, attachment.size or 0, limit)
    place, _, told = attachment.reference.partition(" ")
    url = told or await _address(client, place, attachment.name)
    try:
        async with files.get(
            url, headers=PLAIN, timeout=PATIENCE, auto_decompress=False
        ) as response:
            refusal = words.FILE_REFUSED.format(platform="Discord", name=attachment.name)
            check_answer(response.status, response.headers, refusal)
            return await read(response.content.iter_chunked(_CHUNK), attachment, limit)
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        # The address is signed, so no message may quote it.
        raise Unreachable(f"{type(error).__name__} for a file") from None


async def _address(client: discord.Client, place: str, name: str) -> str:
    """Return the address of a file, which its message tells anew because it expires."""
    chat, message_id, file_id = place.split("/")
    path = "/channels/{channel_id}/messages/{message_id}"
    try:
        message = await call(client, "GET", path, channel_id=chat, message_id=message_id)
    except (MessageGone, Undeliverable):
        raise AttachmentError(words.FILE_GONE.format(name=name)) from None
    try:
        for file in _files(message):
            if file["id"] == file_id:
                return str(file["url"])
    except MISSHAPEN as error:
        raise misshapen(error) from None
    raise AttachmentError(words.FILE_GONE.format(name=name))


def _files(message: Json) -> Iterator[Json]:
    yield from message["attachments"]
    for snapshot in message.get("message_snapshots", ()):
        yield from snapshot["message"]["attachments"]
