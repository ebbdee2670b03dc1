"""People refer to turns that are stored already: again, stop, another question."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from core.db import LOOK, Session, notify, row_count
from core.inbox._tables import turns
from core.turns import Outcome, Question, Speaker


@dataclass(frozen=True, slots=True)
class Record:
    """A stored turn that somebody refers to."""

    id: int
    user_id: int
    conversation_id: int
    epoch: int
    lane: str | None
    message_id: str | None
    question: Question
    follows_id: int | None
    outcome: Outcome | None
    """None while it is not answered."""
    forgotten: bool = False
    """Its text was deleted: nothing is left that could be asked again."""


async def get(session: Session, turn_id: int) -> Record | None:
    """Return a question's turn by its id; until the transaction ends nobody else changes it."""
    return await _record(session, turns.c.id == turn_id, hold=True)


async def last_question(session: Session, speaker: Speaker) -> Record | None:
    """Return the newest question of a person in their conversation since its last new beginning."""
    return await _record(
        session,
        turns.c.conversation_id == speaker.conversation_id,
        turns.c.user_id == speaker.user_id,
        turns.c.epoch == speaker.epoch,
    )


async def _record(
    session: Session, *where: ColumnElement[bool], hold: bool = False
) -> Record | None:
    statement = (
        select(
            turns.c.id,
            turns.c.user_id,
            turns.c.conversation_id,
            turns.c.epoch,
            turns.c.lane,
            turns.c.message_id,
            turns.c.input,
            turns.c.follows_id,
            turns.c.outcome,
            turns.c.forgotten,
        )
        .where(turns.c.kind == "chat", *where)
        .order_by(turns.c.id.desc())
        .limit(1)
    )
    if hold:
        # Else an answer could be stored in between, and an edit would change nothing.
        statement = statement.with_for_update(key_share=True)
    found = await session.execute(statement)
    row = found.one_or_none()
    if row is None:
        return None
    return Record(
        id=row.id,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        epoch=row.epoch,
        lane=row.lane,
        message_id=row.message_id,
        question=Question.load(row.input),
        follows_id=row.follows_id,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        forgotten=row.forgotten,
    )


_NOT_WELL = turns.c.outcome.in_((Outcome.FAILED, Outcome.REFUSED))


def as_new(now: datetime) -> dict[str, Any]:
    """Return the columns of a turn that is to be carried out from the beginning."""
    return {
        # Raised at once: it fences off the attempt at the old question or the old answer.
        "attempt": turns.c.attempt + 1,
        "worker_id": None,
        "lease_until": None,
        "ready_at": now,
        "faults": 0,
        "cancel": False,
        "answer": None,
        "outcome": None,
        "created_at": now,
        "answered_at": None,
        "delivered_at": None,
    }


async def requeue(session: Session, turn_id: int, *, now: datetime) -> None:
    """Answer a turn again that was not answered well, in the messages that stand."""
    again = update(turns).where(turns.c.id == turn_id, _NOT_WELL, ~turns.c.forgotten)
    await session.execute(again.values(as_new(now)))


async def amend(session: Session, turn_id: int, question: Question, *, now: datetime) -> None:
    """Replace the question of a turn that has no answer yet, or no good one; it starts again."""
    await session.execute(
        update(turns)
        .where(
            turns.c.id == turn_id,
            or_(turns.c.answered_at.is_(None), _NOT_WELL),
            ~turns.c.forgotten,
        )
        .values(as_new(now) | {"input": question.dump()})
    )
    await notify(session, LOOK)


async def cancel(session: Session, turn_ids: Collection[int]) -> bool:
    """Stop unanswered turns as soon as their worker sees it; return whether there were any."""
    stopped = await session.execute(
        update(turns)
        .where(turns.c.id.in_(turn_ids), turns.c.answered_at.is_(None))
        .values(cancel=True)
    )
    await notify(session, LOOK)
    return row_count(stopped) > 0


async def unanswered(session: Session, speaker: Speaker) -> list[int]:
    """Return the questions of a person in their conversation that have no answer yet."""
    found = await session.scalars(
        select(turns.c.id).where(
            # Half a summary must not stand for the whole: it is nobody's to stop.
            turns.c.kind == "chat",
            turns.c.user_id == speaker.user_id,
            turns.c.conversation_id == speaker.conversation_id,
            turns.c.answered_at.is_(None),
        )
    )
    return list(found)
