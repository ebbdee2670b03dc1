"""The turns as operators see them: by their state, and each with everything that is stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, and_, case, select

from core import memory, models, posts
from core.adapter import Address
from core.db import Session
from core.turns import Outcome, Question

State = Literal["waiting", "running", "stuck", "failed"]
"""The state of a turn. A waiting one waits for a worker or for its time, and a running one is in
the hand of a worker. A stuck one is either of them, and not delivered for LONG. A failed one ended
with an error or could not be delivered."""
STATES: tuple[State, ...] = get_args(State)

LONG = timedelta(minutes=10)
"""The age from which on a turn that is not delivered counts as stuck."""
MOST = 200
"""The number of turns that are listed."""

_turns = models.turns
_calls = models.calls


@dataclass(frozen=True, slots=True)
class Trouble:
    """A turn without the words that were said in it."""

    id: int
    kind: str
    platform: str
    created_at: datetime
    attempt: int
    faults: int
    outcome: str
    """The outcome of the answer; "" before there is one."""
    is_done: bool
    ready_at: datetime
    worker_id: str | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to the model for a turn; `cost` in micro-dollars, the reserved ones while open."""

    attempt: int
    model: str
    created_at: datetime
    settled_at: datetime | None
    tokens: int
    cost: int


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """Everything that is stored of a turn, with the words that were said."""

    trouble: Trouble
    address: Address
    message_id: str | None
    question: Question
    draft: str
    answer: str | None
    answered_at: datetime | None
    delivered_at: datetime | None
    posts: tuple[str | None, ...]
    """The ids of the answer's posts; None for a post that the platform did not confirm."""
    calls: tuple[CallRecord, ...]


async def list_troubles(session: Session, *, now: datetime) -> list[Trouble]:
    """List turns that are stuck or failed; the oldest first."""
    found = [*await list_turns(session, "stuck", now=now)]
    found += await list_turns(session, "failed", now=now)
    by_id = {each.id: each for each in found}
    return [by_id[turn_id] for turn_id in sorted(by_id)[-MOST:]]


async def list_turns(session: Session, state: State, *, now: datetime) -> list[Trouble]:
    """List the newest turns in a state; the oldest of them first."""
    # The indexes of turns that are left do not order them by id. If the statement did, the engine
    # might go through all turns instead.
    newest = _turns.c.id if state == "failed" else _turns.c.created_at
    found = await session.execute(
        select(_turns).where(_is_in(state, now)).order_by(newest.desc()).limit(MOST)
    )
    return sorted(map(_trouble, found), key=lambda each: each.id)


def _is_in(state: State, now: datetime) -> ColumnElement[bool]:
    is_left = _turns.c.delivered_at.is_(None)
    match state:
        case "waiting":
            return and_(is_left, _turns.c.worker_id.is_(None))
        case "running":
            return and_(is_left, _turns.c.worker_id.is_not(None))
        case "stuck":
            return and_(is_left, _turns.c.created_at < now - LONG)
        case "failed":
            # An index holds the few turns with a reason.
            ended = _turns.c.outcome.in_((Outcome.FAILED, Outcome.UNDELIVERABLE))
            return and_(_turns.c.reason.is_not(None), ended)


async def show(session: Session, turn_id: int) -> TurnRecord | None:
    """Return everything that is stored of a turn, or None if there is no such turn."""
    found = await session.execute(select(_turns).where(_turns.c.id == turn_id))
    row = found.one_or_none()
    if row is None:
        return None
    said = await memory.messages_of(session, turn_id)
    return TurnRecord(
        trouble=_trouble(row),
        address=Address(row.platform, row.bot_id, row.chat, row.thread),
        message_id=row.message_id,
        question=Question.load(row.input, said[0] if said else None),
        draft=row.draft,
        answer=row.answer if row.answer is not None else memory.answer_in(said) or None,
        answered_at=row.answered_at,
        delivered_at=row.delivered_at,
        posts=await posts.of(session, turn_id),
        calls=tuple(await calls_of(session, turn_id)),
    )


async def calls_of(session: Session, turn_id: int) -> list[CallRecord]:
    """Return the calls of a turn, the oldest first."""
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
    return [CallRecord(*row) for row in found]


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
