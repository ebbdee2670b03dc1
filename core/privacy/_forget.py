"""Forgetting a conversation at a person's request."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, insert, literal, null, or_, select, update

from core import models
from core.db import LOOK, Session, notify
from core.models import NOWHERE
from core.privacy._erase import leave_words
from core.privacy._strip import strip
from core.turns import Outcome

_turns = models.turns
_messages = models.messages
_conversations = models.conversations


async def forget(session: Session, conversation_id: int, *, now: datetime) -> Sequence[int]:
    """Put a conversation out of everybody's reach: nothing of it is recalled, found or exported.

    The conversations of accounts that were linked with a person's go with theirs. What is said
    next goes into a new one. The turns that are not delivered yet end; return their ids. The
    ledger keeps its figures, which hold no text. `clear` deletes the rest, in steps.
    """
    ids = await _with_owned(session, conversation_id)
    here = _turns.c.conversation_id.in_(ids)
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
    await strip(session, turn_ids)
    for each in ids:
        await _leave(session, each, now)
    await leave_words(session)
    await notify(session, LOOK)
    return turn_ids


async def _with_owned(session: Session, conversation_id: int) -> Sequence[int]:
    """Return a conversation and those that its person owns besides."""
    person = select(_conversations.c.user_id).where(_conversations.c.id == conversation_id)
    owned = select(_conversations.c.id).where(_conversations.c.owner_id == person.scalar_subquery())
    found = await session.scalars(owned.order_by(_conversations.c.id))
    return [conversation_id, *found]


async def _leave(session: Session, conversation_id: int, now: datetime) -> None:
    """Take a conversation from its owner or address, which get a new one with the same model.

    An earlier one of an account that was linked has none to follow it.
    """
    found = await session.execute(
        select(_conversations, _is_empty().label("is_empty"))
        .where(_conversations.c.id == conversation_id)
        .with_for_update()
    )
    old = found.mappings().one()
    is_live = old["owner_id"] is None
    if (old["is_empty"] and is_live) or old["forgotten_at"] is not None:
        return
    await session.execute(
        update(_conversations)
        .where(_conversations.c.id == conversation_id)
        .values(
            user_id=None,
            owner_id=None,
            platform=None,
            bot_id=None,
            chat=NOWHERE,
            thread=None,
            epoch=_conversations.c.epoch + 1,
            head_id=null(),
            instructed_id=null(),
            forgotten_at=now,
        )
    )
    if not is_live:
        return
    kept = ("user_id", "platform", "bot_id", "chat", "thread", "epoch", "model")
    new = {name: old[name] for name in kept}
    await session.execute(insert(_conversations).values(created_at=now, **new))


def _is_empty() -> ColumnElement[bool]:
    """Return the condition of a conversation that holds nothing to forget."""
    turns = exists().where(_turns.c.conversation_id == _conversations.c.id, ~_turns.c.forgotten)
    messages = exists().where(_messages.c.conversation_id == _conversations.c.id)
    return ~or_(turns, messages)
