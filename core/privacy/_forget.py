"""Forgetting a conversation at a person's request."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, literal, null, update

from core import models
from core.db import LOOK, Session, notify
from core.models import table
from core.privacy._erase import leave_words
from core.privacy._strip import strip
from core.turns import Outcome

_turns = table(models.Turn)
_messages = table(models.Message)
_conversations = table(models.Conversation)


async def forget(session: Session, conversation_id: int, *, now: datetime) -> Sequence[int]:
    """Delete the contents of a conversation: messages, summaries, search index, texts of turns.

    Ends the turns that are not delivered yet and returns their ids. The ledger keeps its figures,
    which hold no text. Afterwards call `attachments.sweep` to delete unused bytes, and `erase` to
    erase the words from SQLite's file.
    """
    here = _turns.c.conversation_id == conversation_id
    # The new attempt number fences off the workers that answer or deliver at this moment.
    undelivered = update(_turns).where(here, _turns.c.delivered_at.is_(None))
    cut_off = await session.scalars(
        undelivered.values(
            attempt=_turns.c.attempt + 1,
            worker_id=None,  # the lease's end stays, for `quota.abandon`
            ready_at=now,  # the lane is taken until nothing is left of them to deliver
            answered_at=func.coalesce(_turns.c.answered_at, literal(now, models.Instant)),
            outcome=func.coalesce(_turns.c.outcome, Outcome.STOPPED),
        ).returning(_turns.c.id)
    )
    turn_ids = cut_off.all()
    await session.execute(
        update(_conversations)
        .where(_conversations.c.id == conversation_id)
        .values(epoch=_conversations.c.epoch + 1, head_id=null(), instructed_id=null())
    )
    await session.execute(delete(_messages).where(_messages.c.conversation_id == conversation_id))
    await strip(session, here)
    await leave_words(session)
    await notify(session, LOOK)
    return turn_ids
