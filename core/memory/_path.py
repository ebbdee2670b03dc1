"""The path through the tree of messages: from a turn's parent up to the root or a summary."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ScalarSelect, Select, bindparam, exists, func, literal, select

from core.db import Session
from core.models import conversations, messages, summaries
from core.turns import IDS_PER_TURN, Turn

# Matches no row once `/new` began another epoch.
IN_EPOCH = (
    conversations.c.id == bindparam("conversation"),
    conversations.c.epoch == bindparam("the_epoch"),
)
# Matches no row of a conversation that was forgotten meanwhile.
IS_KNOWN = exists().where(
    conversations.c.id == bindparam("conversation"), conversations.c.forgotten_at.is_(None)
)
HEAD = select(conversations.c.head_id).where(*IN_EPOCH)


def path_from(message_id: ScalarSelect[Any]) -> Select[Any]:
    """Select the messages from one up to the root or the nearest summary, the oldest first."""
    columns = [messages.c[name] for name in ("id", "parent_id", "body", "tokens", "total")]
    columns.append(messages.c.created_at)
    summarised = summaries.c.message_id == messages.c.id
    newest = (
        select(
            *columns,
            summaries.c.content.label("summary"),
            summaries.c.created_at.label("summarised_at"),
            summaries.c.since,
            literal(0).label("depth"),
        )
        .select_from(messages.outerjoin(summaries, summarised))
        .where(messages.c.id == message_id)
        .cte("path", recursive=True)
    )
    older = (
        select(
            *columns,
            summaries.c.content,
            summaries.c.created_at,
            summaries.c.since,
            newest.c.depth + 1,
        )
        .select_from(
            newest.join(messages, messages.c.id == newest.c.parent_id).outerjoin(
                summaries, summarised
            )
        )
        .where(newest.c.summary.is_(None))
    )
    path = newest.union_all(older)
    return select(path).order_by(path.c.depth.desc())


_FROM_HEAD = path_from(HEAD.scalar_subquery())
_FROM_PARENT = path_from(
    select(messages.c.parent_id.label("start"))
    .where(messages.c.id == bindparam("first"), IS_KNOWN)
    .scalar_subquery()
)
# The last message of a turn has the highest id of the turn's range. A turn without messages (a
# command, a failed one) has none to continue from: the path then starts at the head.
_FROM_ANSWER = path_from(
    select(func.coalesce(func.max(messages.c.id), HEAD.scalar_subquery()))
    .where(
        messages.c.id.between(bindparam("low"), bindparam("high")),
        # People may reply to any post, but a conversation never sees messages of another.
        messages.c.conversation_id == bindparam("conversation"),
        IS_KNOWN,
    )
    .scalar_subquery()
)


async def path_of(session: Session, turn: Turn) -> Sequence[Any]:
    """Return the rows of the path before a turn, the oldest first, by one statement."""
    if turn.replaces_id is not None:
        values = {"first": turn.replaces_id * IDS_PER_TURN, "conversation": turn.conversation_id}
        found = await session.execute(_FROM_PARENT, values)
    elif turn.follows_id is not None:
        low, high = ids_of(turn.follows_id)
        values = {"low": low, "high": high, **in_epoch(turn)}
        found = await session.execute(_FROM_ANSWER, values)
    else:
        found = await session.execute(_FROM_HEAD, in_epoch(turn))
    path: Sequence[Any] = found.all()
    return path


def in_epoch(turn: Turn) -> dict[str, int]:
    """Return the parameters of `IN_EPOCH`."""
    return {"conversation": turn.conversation_id, "the_epoch": turn.epoch}


def ids_of(turn_id: int) -> tuple[int, int]:
    """Return the lowest and the highest id that a message of a turn may have."""
    return turn_id * IDS_PER_TURN, (turn_id + 1) * IDS_PER_TURN - 1
