"""The two steps of a turn: answered, then delivered. Every write is fenced by the attempt."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Integer,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    null,
    select,
    update,
)

from core.db import LOOK, WORK, Session, notify, row_count
from core.errors import LeaseLost
from core.inbox._order import call_up
from core.inbox._tables import IS_QUESTION, turns
from core.models import FENCED, Instant
from core.posts import LAST, part_of
from core.turns import GAP, Outcome, Turn

WHOSE = ("user_id", "conversation_id", "epoch")
"""The columns of a turn that change when its person links accounts."""
_CURRENT = select(*(turns.c[name] for name in WHOSE)).where(*FENCED)


async def current(session: Session, turn: Turn) -> Turn:
    """Return a turn with its person and conversation as they are now.

    They are others than at the claim if accounts were linked since. Raises LeaseLost when another
    attempt owns the turn.
    """
    found = (await session.execute(_CURRENT, turn.fence)).one_or_none()
    if found is None:
        raise LeaseLost(f"turn {turn.reference}")
    return replace(turn, **found._mapping)


_ANSWERED = (
    update(turns)
    .where(*FENCED, turns.c.answered_at.is_(None))
    .values(
        answer=bindparam("text"),
        outcome=bindparam("ended"),
        answered_at=bindparam("at", type_=Instant),
        reason=bindparam("why"),
        model_ms=bindparam("waited"),
        faults=literal(0),
    )
    .returning(LAST.scalar_subquery().label("shown"), *(turns.c[name] for name in WHOSE))
)


async def answered(
    session: Session,
    turn: Turn,
    answer: str,
    outcome: Outcome,
    *,
    now: datetime,
    older_id: int | None = None,
    reason: str | None = None,
    model_ms: int | None = None,
) -> tuple[Turn, str | None]:
    """Store the whole answer; raises LeaseLost when another attempt owns the turn.

    `reason` is the kind of the error that it tells of, and `model_ms` the milliseconds for which
    the model kept its first text waiting.

    Return the turn as `current` does, and the message id of the last part of an older turn's
    answer, if that stands in the chat.
    """
    values: dict[str, Any] = {"text": answer, "ended": outcome, "at": now, "why": reason}
    values |= {"waited": model_ms, **part_of(turn.address, older_id)}
    written = await session.execute(_ANSWERED, {**turn.fence, **values})
    stored = written.one_or_none()
    if stored is None:
        raise LeaseLost(f"turn {turn.reference}")
    whose = {name: getattr(stored, name) for name in WHOSE}
    return replace(turn, **whose), stored.shown


async def add(session: Session, turn: Turn, note: str) -> str:
    """Add a note below the answer that was just stored; return the whole answer."""
    whole = turns.c.answer + literal(f"{GAP}{note}")
    written = update(turns).where(*FENCED, turns.c.answered_at.is_not(None)).values(answer=whole)
    answer: str | None = await session.scalar(written.returning(turns.c.answer), turn.fence)
    if answer is None:
        raise LeaseLost(f"turn {turn.reference}")
    return answer


_IS_ANSWERED = select(literal(1)).where(*FENCED, turns.c.answered_at.is_not(None))


async def is_answered(session: Session, turn: Turn) -> bool:
    """Return whether this attempt has stored its answer."""
    return await session.scalar(_IS_ANSWERED, turn.fence) is not None


# Written as text: in RETURNING for SQLite, SQLAlchemy leaves out the names of tables. The casts let
# SQLite use the index.
_IS_AWAITED = literal_column(
    "EXISTS (SELECT * FROM turns AS other WHERE other.lane = CAST(turns.lane AS TEXT)"
    " AND other.delivered_at IS NULL AND other.id <> turns.id)"
    " OR EXISTS (SELECT * FROM turns AS other WHERE other.follows_id = turns.id"
    " AND other.delivered_at IS NULL AND other.id <> turns.id)"
    " OR EXISTS (SELECT * FROM turns AS other WHERE other.user_id = turns.user_id"
    " AND other.delivered_at IS NULL AND other.id <> turns.id)",
    Boolean,
)
_DELIVERED = (
    update(turns)
    .where(*FENCED)
    .values(
        delivered_at=bindparam("at", type_=Instant),
        outcome=bindparam("ended"),
        draft=literal(""),
        ticket=literal(""),
        worker_id=None,
        lease_until=None,
    )
    .returning(_IS_AWAITED)
)
# Memory holds the words of the question and of the answer now: they stand once.
_IS_REMEMBERED = exists().where(IS_QUESTION)
_DELIVERED_AND_REMEMBERED = _DELIVERED.values(
    input=case((_IS_REMEMBERED, bindparam("brief", type_=JSON)), else_=turns.c.input),
    answer=case((_IS_REMEMBERED, null()), else_=turns.c.answer),
)


_DELIVERED_BARE = _DELIVERED.values(answer=null())
FAULTS = "Faults"
"""The reason of a turn that failed in attempt after attempt, or ended its processes."""
_DELIVERED_FAILED = _DELIVERED.values(reason=func.coalesce(turns.c.reason, literal(FAULTS)))


async def delivered(
    session: Session, turn: Turn, outcome: Outcome, *, now: datetime, keeps_answer: bool = True
) -> bool:
    """End a turn whose answer is delivered; free the lane.

    A delivered turn keeps no words that stand in memory. Without `keeps_answer` it keeps none at
    all of its answer: that is a secret, or that of the turn which it was to replace.

    Return whether another turn may have waited for it. Raises LeaseLost when another attempt owns
    the turn.
    """
    may_be_remembered = turn.kind == "chat" and outcome in (Outcome.OK, Outcome.STOPPED)
    statement = _DELIVERED_AND_REMEMBERED if may_be_remembered else _DELIVERED
    if outcome is Outcome.FAILED:
        statement = _DELIVERED_FAILED
    if not keeps_answer:
        statement = _DELIVERED_BARE
    return await _end(session, turn, statement, outcome, now=now)


async def _end(
    session: Session,
    turn: Turn,
    statement: Any,
    outcome: Outcome,
    *,
    now: datetime,
    reason: str | None = None,
) -> bool:
    values: dict[str, Any] = {**turn.fence, "at": now, "ended": outcome}
    if reason is not None:
        values["why"] = reason
    if statement is _DELIVERED_AND_REMEMBERED:
        values["brief"] = turn.question.dump_without_words()
    is_awaited = await session.scalar(statement, values)
    if is_awaited is None:
        raise LeaseLost(f"turn {turn.reference}")
    if is_awaited:
        await call_up(session, turn.id, now=now)
    return bool(is_awaited)


_GIVEN_UP = _DELIVERED.values(
    reason=bindparam("why"),
    answer=func.coalesce(turns.c.answer, ""),
    answered_at=func.coalesce(turns.c.answered_at, bindparam("at", type_=Instant)),
)


async def give_up(
    session: Session, turn: Turn, *, now: datetime, reason: str = "Undeliverable"
) -> bool:
    """End a turn whose answer, written or not, cannot be delivered; free the lane.

    `reason` is the kind of the error. Return whether another turn may have waited for it. Raises
    LeaseLost when another attempt owns the turn.
    """
    ended = Outcome.UNDELIVERABLE
    return await _end(session, turn, _GIVEN_UP, ended, now=now, reason=reason)


DISCARDED = "Discarded"
"""The reason of a turn that an operator has ended."""


async def discard(session: Session, turn_ids: Collection[int], *, now: datetime) -> list[int]:
    """End turns that are not delivered, for an operator, and free their lanes.

    Return the ids of those that were ended. If one was running, the caller has to settle its open
    call by `quota.abandon`.
    """
    taken = (
        update(turns)
        .where(turns.c.id.in_(turn_ids), turns.c.delivered_at.is_(None))
        .values(attempt=turns.c.attempt + 1)  # which fences its worker off
        .returning(turns.c.id, turns.c.attempt)
    )
    ended = sorted((row.id, row.attempt) for row in (await session.execute(taken)).all())
    for turn_id, attempt in ended:
        fence = {"the_turn": turn_id, "the_attempt": attempt}
        values = {"at": now, "ended": Outcome.UNDELIVERABLE, "why": DISCARDED}
        await session.scalar(_GIVEN_UP, {**fence, **values})
        await call_up(session, turn_id, now=now)
    if ended:
        await notify(session, LOOK)
        await notify(session, WORK)
    return [turn_id for turn_id, _ in ended]


_IS_STOPPED = and_(turns.c.cancel, turns.c.answered_at.is_(None))
_RETRY = (
    update(turns)
    .where(*FENCED)
    .values(
        worker_id=None,
        lease_until=None,
        # A turn that is to be stopped does not wait for its time.
        ready_at=case((_IS_STOPPED, turns.c.ready_at), else_=bindparam("at", type_=Instant)),
        faults=turns.c.faults + bindparam("fault", type_=Integer),
    )
)


async def retry(session: Session, turn: Turn, *, ready_at: datetime, fault: bool) -> None:
    """Put a turn back until `ready_at`; only a fault counts towards its end."""
    await _write(session, turn, _RETRY, {"at": ready_at, "fault": int(fault)})


async def _write(session: Session, turn: Turn, statement: Any, values: dict[str, Any]) -> None:
    written = await session.execute(statement, {**turn.fence, **values})
    if not row_count(written):
        raise LeaseLost(f"turn {turn.reference}")
