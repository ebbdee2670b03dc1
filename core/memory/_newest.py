"""The newest answers: those that nothing follows, at the head and at the ends of branches."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select

from core import models
from core.db import Session
from core.memory._path import ids_of
from core.models import conversations, messages
from core.posts import chat_of
from core.turns import IDS_PER_TURN, Turn, content_of

_turns = models.turns
_newer = models.other_turns
_own = messages.alias("own")
_after = messages.alias("after")

_AT_MOST = 20
"""The most instructions in a row that are passed over."""
_FOLLOWED = exists().where(
    _after.c.parent_id.between(bindparam("low"), bindparam("high")), _after.c.id > bindparam("high")
)
# Two turns that answer the same question have the same parent.
_REPLACED = exists().where(
    _after.c.parent_id == _own.c.parent_id,
    _newer.c.id == _after.c.turn_id,
    _newer.c.replaces_id == bindparam("the_turn"),
)
_IS_LAST = (
    select(_own.c.id)
    .join(conversations, conversations.c.id == _own.c.conversation_id)
    .join(_turns, _turns.c.id == _own.c.turn_id)
    .where(
        _own.c.id == bindparam("low"),
        _turns.c.epoch == conversations.c.epoch,
        or_(
            conversations.c.head_id.between(bindparam("low"), bindparam("high")),
            and_(_turns.c.follows_id.is_not(None), ~_FOLLOWED, ~_REPLACED),
        ),
    )
)


async def is_last(session: Session, turn_id: int) -> bool:
    """Return whether nothing follows a turn's answer, at the head or at the end of a branch.

    Return False for a turn that memory does not hold, and after `/new`.
    """
    low, high = ids_of(turn_id)
    values = {"low": low, "high": high, "the_turn": turn_id}
    return await session.scalar(_IS_LAST, values) is not None


async def is_held(session: Session, turn_id: int) -> bool:
    """Return whether memory holds a turn's question and answer."""
    low, high = ids_of(turn_id)
    found = select(func.count()).where(messages.c.id.between(low, high))
    return bool(await session.scalar(found))


async def answer_of(session: Session, turn_id: int) -> str:
    """Return the text of a turn's answer; "" if memory does not hold it."""
    return answer_in(await messages_of(session, turn_id))


async def messages_of(session: Session, turn_id: int) -> Sequence[dict[str, Any]]:
    """Return the messages of a turn, in order: its question first. None are held of some."""
    low, high = ids_of(turn_id)
    bodies = select(messages.c.body).where(messages.c.id.between(low, high))
    return (await session.scalars(bodies.order_by(messages.c.id))).all()


def answer_in(said: Sequence[dict[str, Any]]) -> str:
    """Return the text of the answer among the messages of a turn."""
    texts = (content_of(message) for message in said if message["role"] == "assistant")
    return "\n\n".join(filter(None, texts))


_ABOVE = (
    select(messages.c.id, messages.c.turn_id, messages.c.body)
    .join(_own, _own.c.parent_id == messages.c.id)
    .where(_own.c.id == bindparam("below"))
)


async def turn_before(session: Session, turn_id: int) -> int | None:
    """Return the turn whose answer a turn's question follows; None if it follows none.

    Instructions in between are no answer.
    """
    below = turn_id * IDS_PER_TURN
    for _ in range(_AT_MOST):
        above = (await session.execute(_ABOVE, {"below": below})).one_or_none()
        if above is None or above.body["role"] != "system":
            return None if above is None else int(above.turn_id)
        below = above.id
    return None


_ANSWERED_BEFORE = (
    select(messages.c.turn_id)
    .where(
        messages.c.conversation_id == bindparam("the_conversation"),
        messages.c.id < bindparam("low"),
        messages.c.body["role"].as_string() == "assistant",
    )
    .order_by(messages.c.id.desc())
    .limit(1)
)
_ASKED_BEFORE = (
    select(_turns.c.id)
    .where(
        _turns.c.kind == "chat",
        _turns.c.user_id == bindparam("the_user"),
        _turns.c.platform == bindparam("platform"),
        _turns.c.bot_id == bindparam("bot_id"),
        _turns.c.chat == bindparam("chat"),
        _turns.c.id < bindparam("turn_id"),
    )
    .order_by(_turns.c.created_at.desc())
    .limit(1)
)


async def turn_of_old(session: Session, turn: Turn) -> int | None:
    """Return the last turn before the conversation of a turn began, by `/new` or `/forget`.

    Of a forgotten conversation, that is the person's last one in the chat. None if there is none.
    """
    low, _ = ids_of(turn.id)
    values = {"the_conversation": turn.conversation_id, "low": low}
    found: int | None = await session.scalar(_ANSWERED_BEFORE, values)
    if found is None:
        whose = {**chat_of(turn.address), "the_user": turn.user_id, "turn_id": turn.id}
        found = await session.scalar(_ASKED_BEFORE, whose)
    return found
