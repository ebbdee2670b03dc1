"""Deleting what forgotten conversations hold, in small steps beside the bot."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import delete, exists, select, update

from core import models
from core.db import Session, Sessions, transact
from core.privacy._erase import leave_words
from core.privacy._strip import strip
from core.tasks import repeat

_turns = models.turns
_messages = models.messages
_conversations = models.conversations

BATCH = 50
"""The number of messages that one transaction deletes, or of turns that it strips."""


STRAGGLERS = timedelta(hours=1)
"""The time for which turns of a forgotten conversation may still come in and end."""


async def clear(sessions: Sessions, *, now: datetime) -> None:
    """Delete the messages, the summaries and the texts of turns of all forgotten conversations.

    A crash in the middle loses nothing: the next call goes on. Afterwards call `attachments.tidy`
    to delete unused bytes, and `erase` to erase the words from SQLite's file.
    """
    note_clear = partial(_note_clear, now=now)
    for conversation_id in await transact(sessions, _forgotten):
        for step in (_delete_messages, _strip_turns, note_clear):
            await repeat(sessions, partial(step, conversation_id=conversation_id))


async def _forgotten(session: Session) -> Sequence[int]:
    """Return the ids of forgotten conversations that may still hold something, newest first."""
    found = await session.scalars(
        select(_conversations.c.id)
        .where(_conversations.c.forgotten_at.is_not(None), _conversations.c.cleared_at.is_(None))
        .order_by(_conversations.c.id.desc())
    )
    return found.all()


async def _delete_messages(session: Session, *, conversation_id: int) -> bool:
    """Take one step. Return True if there may be more to do."""
    # The newest first: no other message refers to them.
    found = await session.scalars(
        select(_messages.c.id)
        .where(_messages.c.conversation_id == conversation_id)
        .order_by(_messages.c.id.desc())
        .limit(BATCH)
    )
    ids = found.all()
    if ids:
        await session.execute(delete(_messages).where(_messages.c.id.in_(ids)))
        await leave_words(session)
    return len(ids) == BATCH


async def _strip_turns(session: Session, *, conversation_id: int) -> bool:
    """Take one step. Return True if there may be more to do."""
    found = await session.scalars(
        select(_turns.c.id)
        .where(
            _turns.c.conversation_id == conversation_id,
            ~_turns.c.forgotten,
            _turns.c.delivered_at.is_not(None),
        )
        .limit(BATCH)
    )
    ids = found.all()
    if ids:
        await strip(session, ids)
        await leave_words(session)
    return len(ids) == BATCH


async def _note_clear(session: Session, *, conversation_id: int, now: datetime) -> bool:
    """Note that nothing is left, unless a turn may still come or end. Return False: this is all."""
    its_turns = exists().where(
        _turns.c.conversation_id == conversation_id, _turns.c.delivered_at.is_(None)
    )
    await session.execute(
        update(_conversations)
        .where(
            _conversations.c.id == conversation_id,
            _conversations.c.forgotten_at < now - STRAGGLERS,
            ~its_turns,
        )
        .values(cleared_at=now)
    )
    return False
