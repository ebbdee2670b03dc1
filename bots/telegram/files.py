"""Downloading the files of a message."""

import httpx
from telegram import Bot, File

from bots.downloads import PLAIN, check, check_answer, read
from bots.telegram.failures import translating
from bots.telegram.local import is_local, read_local
from core import words
from core.adapter import Attachment
from core.errors import AttachmentError, DeliveryError, RetryAfter, Unreachable

PATIENCE = 20
"""The seconds without a byte after which a download is given up."""


async def fetch(
    bot: Bot, client: httpx.AsyncClient, attachment: Attachment, limit: int, folder: str = ""
) -> bytes:
    """Download an attachment of at most `limit` bytes. No error quotes the URL with its token.

    A file that the server keeps on this disk is read from there, if it is below `folder`.

    Raises AttachmentError if that is impossible, RetryAfter or Unreachable if it may work later.
    """
    check(attachment, attachment.size or 0, limit)
    file = await _find(bot, attachment)
    check(attachment, file.file_size or 0, limit)
    path = (file.file_path or "").removeprefix(f"{bot.base_file_url}/")
    if is_local(path):
        return await read_local(path, folder, attachment, limit, _refusal(attachment))
    try:
        async with client.stream(
            "GET", file.file_path or "", headers=PLAIN, timeout=PATIENCE
        ) as response:
            check_answer(response.status_code, response.headers, _refusal(attachment))
            return await read(response.aiter_raw(), attachment, limit)
    except httpx.HTTPError as error:
        raise Unreachable(f"{type(error).__name__} for a file") from None


async def _find(bot: Bot, attachment: Attachment) -> File:
    try:
        with translating():
            return await bot.get_file(attachment.reference)
    except (RetryAfter, Unreachable) as failure:
        raise failure from None
    except DeliveryError:
        raise AttachmentError(_refusal(attachment)) from None


def _refusal(attachment: Attachment) -> str:
    return words.FILE_REFUSED.format(platform="Telegram", name=attachment.name)
