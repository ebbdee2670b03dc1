"""Retention: deleting old texts in small steps, so that nobody who writes waits for long."""

from datetime import datetime
from functools import partial

from sqlalchemy import delete, exists, null, or_, select, update

from core import models
from core.db import Session, Sessions
from core.privacy._erase import leave_words
from core.privacy._strip import strip
from core.tasks import repeat

_turns = models.turns
_messages = models.messages
_summaries = models.summaries
_conversations = models.conversations

BATCH = 200
"""The number of messages that one transaction deletes, or of turns that it strips."""
FEW = 20
"""The number of summaries that one transaction deletes: each updates a whole conversation."""


async def expire(sessions: Sessions, *, before: datetime) -> None:
    """Delete everything that was said before a time, but keep the current instructions.

    A path then begins at its oldest remaining message. A summary is deleted when the oldest
    message that it tells of is too old. Afterwards call `attachments.tidy` to delete unused
    bytes, and `erase` to erase the words from SQLite's file.
    """
    for step in (_expire_summaries, _expire_messages, _expire_turns):
        await repeat(sessions, partial(step, before=before))


async def _expire_summaries(session: Session, *, before: datetime) -> bool:
    """Take one step. Return True if there may be more to do."""
    since = _summaries.c.since
    found = await session.execute(
        select(_summaries.c.message_id, _messages.c.conversation_id)
        .join(_messages, _messages.c.id == _summaries.c.message_id)
        .where(or_(since.is_(None), since < before))
        .limit(FEW)  # in no order, for which the engine might read them all
    )
    summaries = found.all()
    if not summaries:
        return False
    ids = [row.message_id for row in summaries]
    await session.execute(delete(_summaries).where(_summaries.c.message_id.in_(ids)))
    # The API's counts include the summaries, so they are no longer right.
    here = _messages.c.conversation_id.in_({row.conversation_id for row in summaries})
    stale = update(_messages).where(here, _messages.c.total.is_not(None))
    await session.execute(stale.values(total=null()))
    await leave_words(session)
    return len(ids) == FEW


async def _expire_messages(session: Session, *, before: datetime) -> bool:
    """Take one step. Return True if there may be more to do.

    Messages whose parent is deleted become children of the current instructions.
    """
    instructed = _conversations.c.instructed_id
    is_current = exists().where(
        _conversations.c.id == _messages.c.conversation_id, instructed == _messages.c.id
    )
    found = await session.scalars(
        select(_messages.c.id)
        .where(_messages.c.created_at < before, ~is_current)
        .order_by(_messages.c.created_at)
        .limit(BATCH)
    )
    ids = found.all()
    if not ids:
        return False
    ends = update(_conversations).where(_conversations.c.head_id.in_(ids))
    await session.execute(ends.values(head_id=instructed))
    current = (
        select(instructed)
        .where(_conversations.c.id == _messages.c.conversation_id)
        .scalar_subquery()
    )
    orphans = update(_messages).where(_messages.c.parent_id.in_(ids), _messages.c.id > current)
    await session.execute(orphans.values(parent_id=current))
    await session.execute(delete(_messages).where(_messages.c.id.in_(ids)))
    await leave_words(session)
    return len(ids) == BATCH


async def _expire_turns(session: Session, *, before: datetime) -> bool:
    """Take one step. Return True if there may be more to do."""
    old = (
        _turns.c.created_at < before,
        ~_turns.c.forgotten,
        _turns.c.delivered_at.is_not(None),
    )
    found = await session.scalars(
        select(_turns.c.id).where(*old).order_by(_turns.c.created_at).limit(BATCH)
    )
    ids = found.all()
    if not ids:
        return False
    await strip(session, ids)
    await leave_words(session)
    return len(ids) == BATCH
