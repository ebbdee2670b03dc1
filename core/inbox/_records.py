"""The stored turns that people refer to when they ask again, stop an answer or edit a question."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, exists, or_, select, update

from core.adapter import Address
from core.db import LOOK, Session, notify, row_count
from core.inbox._order import LINE
from core.inbox._tables import IS_QUESTION, messages, turns
from core.lines import SUSPECT
from core.models import FORGOTTEN, Instant
from core.posts import chat_of
from core.turns import KEPT, Outcome, Question, Speaker


@dataclass(frozen=True, slots=True)
class Record:
    """A stored question or command of a person."""

    id: int
    kind: str
    user_id: int
    conversation_id: int
    epoch: int
    lane: str | None
    message_id: str | None
    question: Question
    follows_id: int | None
    replaces_id: int | None
    outcome: Outcome | None
    """None until it is answered."""
    asked_at: datetime
    forgotten: bool = False
    """True once its text is deleted; it cannot be asked again."""


_RECORD = (
    select(
        turns.c.id,
        turns.c.kind,
        turns.c.user_id,
        turns.c.conversation_id,
        turns.c.epoch,
        turns.c.lane,
        turns.c.message_id,
        turns.c.input,
        turns.c.follows_id,
        turns.c.replaces_id,
        turns.c.outcome,
        turns.c.created_at,
        FORGOTTEN.label("forgotten"),
        select(messages.c.body).where(IS_QUESTION).scalar_subquery().label("said"),
    )
    .order_by(turns.c.id.desc())
    .limit(1)
)
# Locked, so that no answer is stored between this look and an edit.
_BY_ID = _RECORD.where(turns.c.id == bindparam("turn_id")).with_for_update(key_share=True)
_LAST = _RECORD.where(
    turns.c.kind == "chat",
    turns.c.conversation_id == bindparam("the_conversation"),
    turns.c.user_id == bindparam("the_user"),
    turns.c.epoch == bindparam("the_epoch"),
)
_LATEST = _LAST.where(
    turns.c.platform == bindparam("platform"),
    turns.c.bot_id == bindparam("bot_id"),
    turns.c.chat == bindparam("chat"),
    turns.c.thread == bindparam("thread"),
)


_OF_ALBUM = _LATEST.where(
    turns.c.input["album"].as_string() == bindparam("the_album"),
    turns.c.created_at >= bindparam("since", type_=Instant),
)


async def get(session: Session, turn_id: int) -> Record | None:
    """Return the record of a turn by its id, locked until the transaction ends."""
    return await _record(session, _BY_ID, {"turn_id": turn_id})


async def last_question(session: Session, speaker: Speaker) -> Record | None:
    """Return the newest question of a person in their conversation since the last /new."""
    return await _record(session, _LAST, _by(speaker))


async def latest(session: Session, speaker: Speaker, address: Address) -> Record | None:
    """Return the last question of a person at an address, which a message may be a piece of."""
    there = {**chat_of(address), "thread": address.thread}
    return await _record(session, _LATEST, _by(speaker) | there)


async def of_album(
    session: Session, speaker: Speaker, address: Address, album: str, *, since: datetime
) -> Record | None:
    """Return the last question of a person at an address, since a time, with pieces of an album."""
    there = {**chat_of(address), "thread": address.thread, "the_album": album, "since": since}
    return await _record(session, _OF_ALBUM, _by(speaker) | there)


def _by(speaker: Speaker) -> dict[str, Any]:
    return {
        "the_conversation": speaker.conversation_id,
        "the_user": speaker.user_id,
        "the_epoch": speaker.epoch,
    }


async def _record(
    session: Session, statement: Select[Any], values: dict[str, Any]
) -> Record | None:
    row = (await session.execute(statement, values)).one_or_none()
    if row is None:
        return None
    return Record(
        id=row.id,
        kind=row.kind,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        epoch=row.epoch,
        lane=row.lane,
        message_id=row.message_id,
        question=Question.load(row.input, row.said),
        follows_id=row.follows_id,
        replaces_id=row.replaces_id,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        asked_at=row.created_at,
        forgotten=row.forgotten or (KEPT in row.input and row.said is None),
    )


_ASKED = {"asked": turns.c.attempt}
"""The column of a turn whose person asks it once more; see `models.turns`."""
_NOT_WELL = turns.c.outcome.in_((Outcome.FAILED, Outcome.REFUSED))


def as_new(now: datetime) -> dict[str, Any]:
    """Return the columns of a turn that starts from the beginning."""
    return {
        # The new attempt fences off the worker of the old question or answer. The end of its lease
        # stays: `quota.abandon` sees from it whether that worker was alive.
        "attempt": turns.c.attempt + 1,
        "worker_id": None,
        "ready_at": now,
        "faults": 0,
        # A turn that may end its process still runs alone.
        "deaths": case((turns.c.deaths > SUSPECT, SUSPECT), else_=turns.c.deaths),
        "line": case((turns.c.delivered_at.is_(None), turns.c.line), else_=LINE),
        "cancel": False,
        "answer": None,
        "outcome": None,
        "reason": None,
        "model_ms": None,
        "created_at": now,
        "asked_at": None,
        "answered_at": None,
        "delivered_at": None,
    }


async def requeue(session: Session, turn_id: int, *, ticket: str = "", now: datetime) -> None:
    """Queue a failed or refused turn again for its person, to be answered in its messages."""
    again = update(turns).where(turns.c.id == turn_id, _NOT_WELL, ~turns.c.forgotten)
    await session.execute(again.values(as_new(now) | _ASKED | {"ticket": ticket}))


async def answer_of(session: Session, turn_id: int) -> str:
    """Return the answer of a turn as its row holds it; "" if it has none, or memory has it."""
    return await session.scalar(select(turns.c.answer).where(turns.c.id == turn_id)) or ""


async def let_go(session: Session, turn_ids: Collection[int]) -> bool:
    """Let refused questions wait no longer to be asked again; return whether any did."""
    refused = (turns.c.id.in_(turn_ids), turns.c.outcome == Outcome.REFUSED)
    gone = await session.execute(update(turns).where(*refused).values(outcome=Outcome.STOPPED))
    return row_count(gone) > 0


async def amend(
    session: Session,
    turn_id: int,
    question: Question,
    *,
    now: datetime,
    ready_at: datetime | None = None,
) -> None:
    """Replace the question of a turn that is not answered, or failed, or was refused.

    The turn starts again in its messages, at once or at `ready_at`. If it was running, the caller
    has to settle its open call by `quota.abandon`.
    """
    await session.execute(
        update(turns)
        .where(
            turns.c.id == turn_id,
            or_(turns.c.answered_at.is_(None), _NOT_WELL),
            ~turns.c.forgotten,
        )
        .values(as_new(now) | _ASKED | {"input": question.dump(), "ready_at": ready_at or now})
    )
    await notify(session, LOOK)


async def cancel(session: Session, turn_ids: Collection[int]) -> bool:
    """Mark unanswered turns to be stopped; return whether there were any."""
    stopped = await session.execute(
        update(turns)
        .where(turns.c.id.in_(turn_ids), turns.c.answered_at.is_(None))
        # It waits no longer for the time of its next attempt.
        .values(cancel=True, ready_at=turns.c.created_at)
    )
    await notify(session, LOOK)
    return row_count(stopped) > 0


_IS_ANSWERING = exists().where(
    turns.c.delivered_at.is_(None),
    turns.c.kind == "chat",
    or_(
        turns.c.lane == bindparam("the_lane"),
        and_(
            turns.c.platform == bindparam("platform"),
            turns.c.bot_id == bindparam("bot_id"),
            turns.c.chat == bindparam("chat"),
            turns.c.worker_id.is_not(None),
            turns.c.conversation_id == bindparam("the_conversation"),
        ),
    ),
    turns.c.id != bindparam("turn_id"),
)


async def is_answering(session: Session, record: Record, address: Address) -> bool:
    """Return whether another question in a record's lane or conversation is being answered."""
    values = {
        **chat_of(address),
        "the_lane": record.lane,
        "the_conversation": record.conversation_id,
        "turn_id": record.id,
    }
    return bool(await session.scalar(select(_IS_ANSWERING), values))


async def unanswered(session: Session, speaker: Speaker) -> list[int]:
    """Return the ids of a person's unanswered questions in their conversation."""
    found = await session.execute(
        select(turns.c.id, turns.c.conversation_id).where(
            # People cannot stop a summary, because half of one must not replace the messages.
            turns.c.kind == "chat",
            turns.c.user_id == speaker.user_id,
            turns.c.delivered_at.is_(None),
            turns.c.answered_at.is_(None),
        )
    )
    # As a condition, the conversation would lead SQLite to the index of its turns, old ones too.
    return [row.id for row in found if row.conversation_id == speaker.conversation_id]


async def unanswered_by(session: Session, user_id: int) -> list[int]:
    """Return the ids of a person's unanswered questions in all conversations."""
    found = await session.scalars(
        select(turns.c.id).where(
            turns.c.kind == "chat",
            turns.c.user_id == user_id,
            turns.c.delivered_at.is_(None),
            turns.c.answered_at.is_(None),
        )
    )
    return list(found)
