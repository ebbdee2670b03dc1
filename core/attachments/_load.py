"""Loading the files of a message: download, understand, keep."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from core import words
from core.adapter import Attachment
from core.attachments._content import Content, understand, unreadable
from core.attachments._room import Room
from core.attachments._store import LIMIT, keep, stored
from core.db import Sessions, transact
from core.errors import AttachmentError, DeliveryError
from core.messages import Block
from core.turns import Turn

Download = Callable[[Attachment, int], Awaitable[bytes]]
"""The type of `Adapter.download`."""

COUNT = 10
"""The most files of one message that are read."""


async def load(
    sessions: Sessions,
    turn: Turn,
    download: Download,
    *,
    room: Room,
    most: int,
    now: datetime,
) -> list[Block]:
    """Return a block for each attachment of a turn, in order; a fault becomes a block of text.

    Waits until there is `room` for the files. A file that would give the person more than `most`
    stored bytes is a fault. Raises AttachmentError if there is nothing to answer: no text, no quote
    and no readable file. Raises DeliveryError if the platform hands out no files now, and LeaseLost
    if another attempt owns the turn or its conversation was forgotten. No transaction is open
    during a download.
    """
    attachments = turn.question.attachments[:COUNT]
    if not attachments:
        return []
    sizes = _sizes(attachments)
    # Of files that are larger together, as many are read as the limit has room for.
    async with room.take(min(sum(size for size in sizes if size <= LIMIT), LIMIT)):
        left = most - await transact(sessions, lambda session: stored(session, turn), single=True)
        contents = await _read_all(attachments, sizes, download, left)
        contents += [_surplus(attachment) for attachment in turn.question.attachments[COUNT:]]
        faults = [content.fault for content in contents if content.fault]
        question = turn.question
        if faults and len(faults) == len(contents) and not (question.text or question.quote):
            raise AttachmentError("\n".join(faults))
        if kept := [content for content in contents if content.data]:
            async with room.storing:
                await transact(sessions, lambda session: keep(session, turn, kept, now=now))
        return [content.block for content in contents]


def _sizes(attachments: Sequence[Attachment]) -> list[int]:
    """Return the sizes that the platform tells; files of unknown size share what those leave."""
    told = [attachment.size for attachment in attachments]
    left = LIMIT - sum(size for size in told if size is not None and size <= LIMIT)
    share = max(left, 0) // max(told.count(None), 1)
    return [share if size is None else size for size in told]


async def _read_all(
    attachments: Sequence[Attachment], sizes: Sequence[int], download: Download, left: int
) -> list[Content]:
    """Read all files at the same time, as far as a message may have them.

    At most `left` bytes are read, because more may not be stored for the person.
    """
    taken = 0
    async with asyncio.TaskGroup() as group:
        reading = []
        for attachment, size in zip(attachments, sizes, strict=True):
            fault = ""
            if size > LIMIT - taken:
                fault = words.FILES_LARGE
            elif size > left - taken:
                fault = words.FILES_KEPT
            else:
                taken += size
            reading.append(group.create_task(_read(attachment, download, size, fault)))
    return [_readable(task.result()) for task in reading]


def _surplus(attachment: Attachment) -> Content:
    name = _name(attachment)
    return unreadable(AttachmentError(words.FILES_MANY.format(COUNT, name=name)))


def _readable(read: Content | DeliveryError) -> Content:
    """Return what was read, or raise the failure here, outside of the group that would wrap it."""
    if isinstance(read, DeliveryError):
        raise read
    return read


async def _read(
    attachment: Attachment, download: Download, size: int, fault: str
) -> Content | DeliveryError:
    try:
        if fault:
            megabytes = LIMIT // 1_000_000
            raise AttachmentError(fault.format(name=_name(attachment), megabytes=megabytes))
        data = await download(attachment, size)
        # In a thread: hashing and decoding many megabytes would delay all other answers.
        return await asyncio.to_thread(understand, _name(attachment), data)
    except AttachmentError as error:
        return unreadable(error)
    except DeliveryError as error:
        return error


def _name(attachment: Attachment) -> str:
    """Return the name of a file on one line, cut to 100 characters."""
    return " ".join(attachment.name.split())[:100] or words.NAMELESS
