"""References become content: download, understand, keep."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import accumulate

from core.adapter import Attachment
from core.attachments._content import Content, understand, unreadable
from core.attachments._store import LIMIT, keep
from core.db import Sessions, transact
from core.errors import AttachmentError, DeliveryError
from core.messages import Part
from core.turns import Turn

Download = Callable[[Attachment, int], Awaitable[bytes]]
"""`Adapter.download`."""

COUNT = 10
"""Files that are read of one message."""


async def load(sessions: Sessions, turn: Turn, download: Download, *, now: datetime) -> list[Part]:
    """A part for each attachment of a turn, in their order; what cannot be read is told in one.

    AttachmentError when there is nothing to answer: no text, and no file that can be read;
    DeliveryError when the platform hands nothing out now; LeaseLost when the turn was taken away
    or forgotten meanwhile. No transaction is open during a
    download.
    """
    contents = await _read_all(turn.question.attachments, download)
    faults = [content.fault for content in contents if content.fault]
    if faults and len(faults) == len(contents) and not turn.question.text:
        raise AttachmentError("\n".join(faults))
    if kept := [content for content in contents if content.data]:
        await transact(sessions, lambda session: keep(session, turn, kept, now=now))
    return [content.part for content in contents]


async def _read_all(attachments: Sequence[Attachment], download: Download) -> list[Content]:
    """All at the same time; each has the room that those before it leave by what they claim."""
    claims = [attachment.size or 0 for attachment in attachments[:COUNT]]
    taken = accumulate((size for size in claims if size <= LIMIT), initial=0)
    async with asyncio.TaskGroup() as group:
        reading = [
            group.create_task(_read(attachment, download, LIMIT - before))
            for attachment, before in zip(attachments[:COUNT], taken, strict=False)
        ]
    surplus = [
        unreadable(AttachmentError(f"“{_name(left)}” is left out: I read {COUNT} files at a time."))
        for left in attachments[COUNT:]
    ]
    return [_readable(task.result()) for task in reading] + surplus


def _readable(read: Content | DeliveryError) -> Content:
    """What was read; the platform's failure is raised, outside the group that would wrap it."""
    if isinstance(read, DeliveryError):
        raise read
    return read


async def _read(attachment: Attachment, download: Download, room: int) -> Content | DeliveryError:
    name = _name(attachment)
    try:
        if (attachment.size or 0) > room:
            raise AttachmentError(
                f"“{name}” is too large: the files of a message may have"
                f" {LIMIT // 1_000_000} MB together."
            )
        data = await download(attachment, room)
        # Hashing and decoding many megabytes would make all other answers stutter.
        return await asyncio.to_thread(understand, name, data)
    except AttachmentError as error:
        return unreadable(error)
    except DeliveryError as error:
        return error


def _name(attachment: Attachment) -> str:
    """On one line, and no longer than a name should be."""
    return " ".join(attachment.name.split())[:100] or "a file without name"
