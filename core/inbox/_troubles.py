"""What an operator asks about turns: which went wrong, what became of one, and once more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, or_, select, update

from core import models
from core.adapter import Address
from core.db import WORK, Session, notify
from core.inbox._records import as_new
from core.inbox._steps import posts
from core.inbox._tables import turns
from core.models import table
from core.turns import Outcome, Question

LONG = timedelta(minutes=10)
"""A turn that is older than this and not done is in trouble."""
MOST = 200
"""How many troubles are listed."""

_calls = table(models.Call)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A turn that went wrong or does not end; nothing of what was said in it."""

    id: int
    kind: str
    platform: str
    created_at: datetime
    attempt: int
    faults: int
    outcome: str
    """How it was answered; "" while it is not."""
    is_done: bool
    ready_at: datetime
    worker_id: str | None


@dataclass(frozen=True, slots=True)
class Spent:
    """One call to the model for a turn; `cost` in micro-dollars."""

    attempt: int
    model: str
    created_at: datetime
    settled_at: datetime | None
    tokens: int
    cost: int


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is stored of a turn, with what was said."""

    trouble: Trouble
    address: Address
    message_id: str | None
    question: Question
    draft: str
    answer: str | None
    answered_at: datetime | None
    delivered_at: datetime | None
    posts: tuple[str | None, ...]
    """The messages it was answered in; None for one whose posting was not confirmed."""
    calls: tuple[Spent, ...]


async def troubles(session: Session, *, now: datetime) -> list[Trouble]:
    """Turns that failed, could not be delivered, or are not done for long; the oldest first."""
    found = await session.execute(
        select(turns)
        .where(
            or_(
                turns.c.outcome.in_((Outcome.FAILED, Outcome.UNDELIVERABLE)),
                and_(turns.c.delivered_at.is_(None), turns.c.created_at < now - LONG),
            )
        )
        .order_by(turns.c.id.desc())
        .limit(MOST)
    )
    return [_trouble(row) for row in reversed(found.all())]


async def whole(session: Session, turn_id: int) -> Whole | None:
    """One turn with everything, None if there is no such turn."""
    found = await session.execute(select(turns).where(turns.c.id == turn_id))
    row = found.one_or_none()
    if row is None:
        return None
    return Whole(
        trouble=_trouble(row),
        address=Address(row.platform, row.bot_id, row.chat, row.thread),
        message_id=row.message_id,
        question=Question.load(row.input),
        draft=row.draft,
        answer=row.answer,
        answered_at=row.answered_at,
        delivered_at=row.delivered_at,
        posts=await posts(session, turn_id),
        calls=tuple(await _spent(session, turn_id)),
    )


async def replay(session: Session, turn_ids: Collection[int], *, now: datetime) -> Sequence[int]:
    """Queue turns again: a failed one to be answered, an undeliverable one to be delivered.

    Returns those that were; one that went well, is not done yet, or whose texts were deleted stays
    as it is.
    """
    failed = update(turns).where(turns.c.outcome == Outcome.FAILED).values(as_new(now))
    again = {name: value for name, value in as_new(now).items() if not name.startswith("answer")}
    again["outcome"] = Outcome.OK
    undelivered = update(turns).where(
        turns.c.outcome == Outcome.UNDELIVERABLE, turns.c.answer.is_not(None)
    )
    queued: list[int] = []
    for statement in (failed, undelivered.values(again)):
        done = statement.where(
            turns.c.id.in_(turn_ids), turns.c.delivered_at.is_not(None), ~turns.c.forgotten
        )
        queued += (await session.scalars(done.returning(turns.c.id))).all()
    if queued:
        await notify(session, WORK)
    return sorted(queued)


async def forgotten(session: Session, turn_ids: Collection[int]) -> Sequence[int]:
    """Those of the turns whose texts were deleted: nothing is left to be queued again."""
    found = await session.scalars(
        select(turns.c.id).where(turns.c.id.in_(turn_ids), turns.c.forgotten)
    )
    return found.all()


async def _spent(session: Session, turn_id: int) -> list[Spent]:
    tokens = _calls.c.prompt_tokens + _calls.c.completion_tokens
    cost = case((_calls.c.settled_at.is_(None), _calls.c.reserved), else_=_calls.c.cost)
    found = await session.execute(
        select(
            _calls.c.attempt,
            _calls.c.model,
            _calls.c.created_at,
            _calls.c.settled_at,
            tokens,
            cost,
        )
        .where(_calls.c.turn_id == turn_id)
        .order_by(_calls.c.id)
    )
    return [Spent(*row) for row in found]


def _trouble(row: Any) -> Trouble:
    return Trouble(
        id=row.id,
        kind=row.kind,
        platform=row.platform,
        created_at=row.created_at,
        attempt=row.attempt,
        faults=row.faults,
        outcome=row.outcome or "",
        is_done=row.delivered_at is not None,
        ready_at=row.ready_at,
        worker_id=row.worker_id,
    )
