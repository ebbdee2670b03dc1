"""What was said goes: at a person's wish, or with its age."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core import models
from core.db import LOOK, notify
from core.models import table
from core.privacy._erase import leave_words
from core.turns import Outcome, Question

_turns = table(models.Turn)
_messages = table(models.Message)
_conversations = table(models.Conversation)
_uses = table(models.AttachmentUse)

_WITHOUT_TEXT: Mapping[str, Any] = {"input": Question("").dump(), "draft": "", "answer": ""}


async def forget(session: AsyncSession, conversation_id: int, *, now: datetime) -> Sequence[int]:
    """Delete what a conversation held: messages, summaries, the search index, texts on turns.

    Answers that are being written are cut off and taken back; the ids of their turns are returned.
    The ledger keeps its figures, which hold no text; `attachments.sweep` then deletes bytes that
    nothing refers to any more, and `erase` takes the words out of SQLite's file.
    """
    here = _turns.c.conversation_id == conversation_id
    # The attempt is raised: who answers or delivers at this moment can write nothing any more.
    undelivered = update(_turns).where(here, _turns.c.delivered_at.is_(None))
    cut_off = await session.scalars(
        undelivered.values(
            attempt=_turns.c.attempt + 1,
            worker_id=None,
            lease_until=None,
            answered_at=func.coalesce(_turns.c.answered_at, literal(now, models.Instant)),
            outcome=func.coalesce(_turns.c.outcome, Outcome.STOPPED),
        ).returning(_turns.c.id)
    )
    turn_ids = cut_off.all()
    await session.execute(
        update(_conversations)
        .where(_conversations.c.id == conversation_id)
        .values(epoch=_conversations.c.epoch + 1, head_id=null())
    )
    await session.execute(delete(_messages).where(_messages.c.conversation_id == conversation_id))
    await _strip(session, here)
    await leave_words(session)
    await notify(session, LOOK)
    return turn_ids


async def _strip(session: AsyncSession, which: ColumnElement[bool]) -> None:
    """Take the texts and files from turns; that they were there is all that stays."""
    await session.execute(update(_turns).where(which).values(_WITHOUT_TEXT))
    stripped = select(_turns.c.id).where(which)
    await session.execute(delete(_uses).where(_uses.c.turn_id.in_(stripped)))


async def expire(session: AsyncSession, *, before: datetime) -> None:
    """Delete what was said before a time, everywhere. A path then begins where it was cut."""
    old = _turns.c.created_at < before
    delivered = _turns.c.delivered_at.is_not(None)
    await session.execute(delete(_messages).where(_messages.c.created_at < before))
    await _strip(session, old & delivered)
    await leave_words(session)
