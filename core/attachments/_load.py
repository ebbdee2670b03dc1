"""Loading the files of a message: download, understand, keep."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import accumulate

from core import words
from core.adapter import Attachment
from core.attachments._content import Content, understand, unreadable
from core.attachments._store import LIMIT, keep
from core.db import Sessions, transact
from core.errors import AttachmentError, DeliveryError
from core.messages import Block
from core.turns import Turn

Download = Callable[[Attachment, int], Awaitable[bytes]]
"""The type of `Adapter.download`."""

COUNT = 10
"""The most files of one message that are read."""


async def load(sessions: Sessions, turn: Turn, download: Download, *, now: datetime) -> list[Block]:
    """Return a block for each attachment of a turn, in order; a fault becomes a block of text.

    Raises AttachmentError if there is nothing to answer: no text and no readable file. Raises
    DeliveryError if the platform hands out no files now, and LeaseLost if another attempt owns
    the turn or its conversation was forgotten. No transaction is open during a download.
    """
    contents = await _read_all(turn.question.attachments, download)
    faults = [content.fault for content in contents if content.fault]
    if faults and len(faults) == len(contents) and not turn.question.text:
        raise AttachmentError("\n".join(faults))
    if kept := [content for content in contents if content.data]:
        await transact(sessions, lambda session: keep(session, turn, kept, now=now))
    return [content.block for content in contents]


async def _read_all(attachments: Sequence[Attachment], download: Download) -> list[Content]:
    """Read all files at the same time; each may use the bytes that the earlier ones leave.

    The sizes that the platform claims decide how many those are.
    """
    claims = [attachment.size or 0 for attachment in attachments[:COUNT]]
    taken = accumulate((size for size in claims if size <= LIMIT), initial=0)
    async with asyncio.TaskGroup() as group:
        reading = [
            group.create_task(_read(attachment, download, LIMIT - before))
            for attachment, before in zip(attachments[:COUNT], taken, strict=False)
        ]
    surplus = [
        unreadable(AttachmentError(words.FILES_MANY.format(name=_name(left), number=COUNT)))
        for left in attachments[COUNT:]
    ]
    return [_readable(task.result()) for task in reading] + surplus


def _readable(read: Content | DeliveryError) -> Content:
    """Return what was read, or raise the failure here, outside of the group that would wrap it."""
    if isinstance(read, DeliveryError):
        raise read
    return read


async def _read(attachment: Attachment, download: Download, most: int) -> Content | DeliveryError:
    name = _name(attachment)
    try:
        if (attachment.size or 0) > most:
            megabytes = LIMIT // 1_000_000
            raise AttachmentError(words.FILES_LARGE.format(name=name, megabytes=megabytes))
        data = await download(attachment, most)
        # In a thread: hashing and decoding many megabytes would delay all other answers.
        return await asyncio.to_thread(understand, name, data)
    except AttachmentError as error:
        return unreadable(error)
    except DeliveryError as error:
        return error


def _name(attachment: Attachment) -> str:
    """Return the name of a file on one line, cut to 100 characters."""
    return " ".join(attachment.name.split())[:100] or "a file without name"
