"""The two steps of a turn: answered, then delivered. Every write is fenced by the attempt."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Integer,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from core.db import Session, row_count
from core.errors import LeaseLost
from core.inbox import _tables
from core.inbox._tables import FENCED, PRECEDED, fence, turns
from core.models import Instant
from core.turns import Outcome, Turn


async def posts(session: Session, turn_id: int) -> tuple[str | None, ...]:
    """The message ids of a turn's parts, in order; None for an intent whose end is unknown."""
    found = await session.scalars(
        select(_tables.posts.c.message_id)
        .where(_tables.posts.c.turn_id == turn_id, _tables.posts.c.part.is_not(None))
        .order_by(_tables.posts.c.part)
    )
    return tuple(found)


_PART = (
    _tables.posts.c.turn_id == bindparam("the_turn"),
    _tables.posts.c.part == bindparam("the_part"),
)
_INTENT_COLUMNS = ("platform", "bot_id", "chat", "turn_id", "part")
_INTENT = select(
    turns.c.platform,
    turns.c.bot_id,
    turns.c.chat,
    turns.c.id,
    bindparam("the_part", type_=Integer),
).where(*FENCED, ~exists().where(*_PART))
_POSTING = insert(_tables.posts).from_select(_INTENT_COLUMNS, _INTENT).returning(_tables.posts.c.id)
_OURS = exists().where(*FENCED)
_POSTED = update(_tables.posts).where(*_PART).values(message_id=bindparam("message"))
_POSTED_BY_US = _POSTED.where(_OURS)
_POSTED_FIRST = _POSTED.where(_tables.posts.c.message_id.is_(None))


async def posting(session: Session, turn: Turn, part: int) -> None:
    """Say that part `part` is about to be posted; LeaseLost when the turn is another attempt's.

    The first part of what is accepted is said to be so from the beginning.
    """
    stored = await session.scalar(_POSTING, {**fence(turn), "the_part": part})
    if stored is None:
        await _check(session, turn)


async def posted(session: Session, turn: Turn, part: int, message_id: str) -> bool:
    """Store which message a part became; whether the turn is still this attempt's.

    Another attempt goes on in this message, unless it has posted one itself.
    """
    values = {**fence(turn), "the_part": part, "message": message_id}
    if row_count(await session.execute(_POSTED_BY_US, values)):
        return True
    await session.execute(_POSTED_FIRST, values)
    return False


_WITHDRAWN = delete(_tables.posts).where(
    _tables.posts.c.turn_id == bindparam("the_turn"),
    _tables.posts.c.part >= bindparam("the_part"),
    _OURS,
)


async def withdrawn(session: Session, turn: Turn, parts: int) -> None:
    """Forget the posts from part `parts` on, whose messages were deleted; LeaseLost when the turn
    is another attempt's."""
    gone = await session.execute(_WITHDRAWN, {**fence(turn), "the_part": parts})
    if not row_count(gone):
        await _check(session, turn)


# As text: for SQLite, SQLAlchemy writes all columns below RETURNING without their tables.
_FOLLOWED = literal_column(
    "EXISTS (SELECT * FROM turns AS other"
    " WHERE (other.lane = turns.lane OR other.follows_id = turns.id)"
    " AND other.answered_at IS NULL AND other.id <> turns.id)",
    Boolean,
)
_ANSWERED = (
    update(turns)
    .where(*FENCED, turns.c.answered_at.is_(None))
    .values(
        answer=bindparam("text"),
        outcome=bindparam("ended"),
        answered_at=bindparam("at", type_=Instant),
        faults=literal(0),
    )
    .returning(_FOLLOWED, PRECEDED)
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands among others at the moment at which it is stored."""

    followed: bool
    """Whether another turn may be waiting for it."""
    preceded: bool
    """Whether an earlier answer, in another process's hand or in nobody's, has to stand first."""


async def answered(
    session: Session, turn: Turn, answer: str, outcome: Outcome, *, now: datetime
) -> Place:
    """Store the whole answer and free the lane; LeaseLost when the turn is another attempt's."""
    stored = await session.execute(
        _ANSWERED, {**fence(turn), "text": answer, "ended": outcome, "at": now}
    )
    row = stored.one_or_none()
    if row is None:
        raise LeaseLost(f"turn {turn.reference}")
    return Place(*map(bool, row))


_IS_ANSWERED = select(literal(1)).where(*FENCED, turns.c.answered_at.is_not(None))


async def is_answered(session: Session, turn: Turn) -> bool:
    """Whether this very attempt has stored its answer."""
    return await session.scalar(_IS_ANSWERED, fence(turn)) is not None


_PRECEDING = turns.alias("preceding")
_IS_PRECEDED = (
    select(literal(1))
    .where(
        turns.c.id == bindparam("the_turn"),
        _PRECEDING.c.platform == turns.c.platform,
        _PRECEDING.c.bot_id == turns.c.bot_id,
        _PRECEDING.c.chat == turns.c.chat,
        _PRECEDING.c.thread == turns.c.thread,
        _PRECEDING.c.id < turns.c.id,
        _PRECEDING.c.answered_at.is_not(None),
        _PRECEDING.c.delivered_at.is_(None),
        or_(_PRECEDING.c.worker_id.is_(None), _PRECEDING.c.worker_id != turns.c.worker_id),
    )
    .limit(1)
)


async def is_preceded(session: Session, turn: Turn) -> bool:
    """Whether an earlier answer of the address waits to be delivered, in nobody's hand."""
    return await session.scalar(_IS_PRECEDED, {"the_turn": turn.id}) is not None


_DELIVERED = (
    update(turns)
    .where(*FENCED)
    .values(
        delivered_at=bindparam("at", type_=Instant),
        outcome=bindparam("ended"),
        draft=literal(""),
        worker_id=None,
        lease_until=None,
    )
)


async def delivered(session: Session, turn: Turn, outcome: Outcome, *, now: datetime) -> None:
    """The answer stands on the platform, or never can, as `outcome` tells."""
    await _write(session, turn, _DELIVERED, {"at": now, "ended": outcome})


async def retry(session: Session, turn: Turn, *, ready_at: datetime, fault: bool) -> None:
    """Put a turn back until `ready_at`; a fault counts towards its end, waiting does not."""
    statement = (
        update(turns)
        .where(*FENCED)
        .values(
            worker_id=None,
            lease_until=None,
            ready_at=ready_at,
            faults=turns.c.faults + int(fault),
        )
    )
    await _write(session, turn, statement, {})


async def _write(session: Session, turn: Turn, statement: Any, values: dict[str, Any]) -> None:
    written = await session.execute(statement, {**fence(turn), **values})
    if not row_count(written):
        raise LeaseLost(f"turn {turn.reference}")


async def _check(session: Session, turn: Turn) -> None:
    """Raise LeaseLost unless what touched nothing is the newest attempt's, done twice."""
    if not await session.scalar(select(_OURS), fence(turn)):
        raise LeaseLost(f"turn {turn.reference}")
