"""Turns as durable work: accepted once, carried out by one worker at a time, delivered whole."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core import models
from core.adapter import Address, InboundMessage
from core.db import insert_missing, row_count
from core.errors import LeaseLost
from core.turns import Kind, Outcome, Question, Speaker, Turn

Account = tuple[str, str]
"""A platform and the id of our account there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be put into the inbox: a question to answer, or a command with its answer."""

    kind: Kind
    address: Address
    message_id: str
    user_id: int
    conversation_id: int
    epoch: int
    lane: str | None
    question: Question
    ready_at: datetime
    follows_id: int | None = None
    replaces_id: int | None = None
    answer: str | None = None


async def accept(
    session: AsyncSession, event_id: str, entry: Entry, *, now: datetime
) -> int | None:
    """Store a turn for a message; None, and nothing changed, when event or message are known."""
    turn_id = await _insert(session, entry, now, unless=_known(entry, event_id))
    if turn_id is None:
        return None
    address = entry.address
    await session.execute(
        insert(models.Event).values(
            platform=address.platform, bot_id=address.bot_id, event_id=event_id, turn_id=turn_id
        )
    )
    await _see(session, address, entry.message_id, turn_id)
    return turn_id


async def replace(session: AsyncSession, entry: Entry, *, now: datetime) -> int:
    """Store a turn that answers anew what `replaces_id` did, in the messages that stand."""
    turn_id = await _insert(session, entry, now)
    assert turn_id is not None
    await session.execute(
        update(models.Post).where(models.Post.turn_id == entry.replaces_id).values(turn_id=turn_id)
    )
    return turn_id


async def say(session: AsyncSession, entry: Entry, *, now: datetime) -> None:
    """Store something to tell a person: a turn that only has to be delivered."""
    await _insert(session, entry, now)


async def is_new(session: AsyncSession, address: Address, event_id: str, message_id: str) -> bool:
    """Whether neither the event nor its message is known."""
    known = exists().where(*_is_event(address, event_id))
    seen = exists().where(*_is_post(address, message_id))
    return bool(await session.scalar(select(~known & ~seen)))


def _known(entry: Entry, event_id: str) -> ColumnElement[bool]:
    return or_(
        exists().where(*_is_event(entry.address, event_id)),
        exists().where(*_is_post(entry.address, entry.message_id)),
    )


async def _insert(
    session: AsyncSession,
    entry: Entry,
    now: datetime,
    *,
    unless: ColumnElement[bool] | None = None,
) -> int | None:
    """One statement that looks and inserts; a race for the same event ends at the unique keys."""
    values = {
        "kind": entry.kind,
        "lane": entry.lane,
        "conversation_id": entry.conversation_id,
        "user_id": entry.user_id,
        "epoch": entry.epoch,
        "platform": entry.address.platform,
        "bot_id": entry.address.bot_id,
        "chat": entry.address.chat,
        "thread": entry.address.thread,
        "message_id": entry.message_id,
        "input": entry.question.dump(),
        "follows_id": entry.follows_id,
        "replaces_id": entry.replaces_id,
        "attempt": 0,
        "faults": 0,
        "ready_at": entry.ready_at,
        "cancel": False,
        "draft": "",
        "answer": entry.answer,
        "outcome": None if entry.answer is None else Outcome.OK,
        "created_at": now,
        "answered_at": None if entry.answer is None else now,
    }
    columns = models.Turn.__table__.c
    row = select(*(literal(value, columns[name].type) for name, value in values.items()))
    if unless is not None:
        row = row.where(~unless)
    return await session.scalar(
        insert(models.Turn).from_select(list(values), row).returning(models.Turn.id)
    )


async def note(session: AsyncSession, address: Address, event_id: str) -> bool:
    """Store an event that makes no turn; False when it is known."""
    statement = insert_missing(session, models.Event).values(
        platform=address.platform, bot_id=address.bot_id, event_id=event_id
    )
    noted = await session.execute(statement.returning(models.Event.event_id))
    return noted.first() is not None


async def _see(session: AsyncSession, address: Address, message_id: str, turn_id: int) -> None:
    """Remember that a person's message belongs to a turn."""
    await session.execute(
        insert(models.Post).values(
            platform=address.platform,
            bot_id=address.bot_id,
            chat=address.chat,
            message_id=message_id,
            turn_id=turn_id,
        )
    )


async def extend(
    session: AsyncSession, turn_id: int, message: InboundMessage, *, ready_at: datetime
) -> bool:
    """Add a further part to a turn that still waits; False when it waits no more.

    A part that is known already changes nothing.
    """
    row = await session.scalar(
        select(models.Turn.input)
        .where(models.Turn.id == turn_id, _waiting(models.Turn))
        .with_for_update()
    )
    if row is None:
        return False
    if not await note(session, message.address, message.event_id):
        return True
    await _see(session, message.address, message.message_id, turn_id)
    question = Question.load(row).joined(Question.of(message))
    await session.execute(
        update(models.Turn)
        .where(models.Turn.id == turn_id)
        .values(input=question.dump(), ready_at=ready_at)
    )
    return True


async def turn_of(session: AsyncSession, address: Address, message_id: str) -> int | None:
    """The turn that a message, seen or sent, belongs to."""
    return await session.scalar(select(models.Post.turn_id).where(*_is_post(address, message_id)))


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of a turn that somebody refers to."""

    id: int
    user_id: int
    conversation_id: int
    epoch: int
    lane: str | None
    message_id: str
    question: Question
    follows_id: int | None
    outcome: Outcome | None
    """None while it is not answered."""


async def get(session: AsyncSession, turn_id: int) -> Record | None:
    """A turn of a question by its id."""
    return await _record(session, models.Turn.id == turn_id)


async def last_question(session: AsyncSession, speaker: Speaker) -> Record | None:
    """The newest question of a person in their conversation."""
    return await _record(
        session,
        models.Turn.conversation_id == speaker.conversation_id,
        models.Turn.user_id == speaker.user_id,
        models.Turn.epoch == speaker.epoch,
    )


async def _record(session: AsyncSession, *where: ColumnElement[bool]) -> Record | None:
    turn = models.Turn
    found = await session.execute(
        select(
            turn.id,
            turn.user_id,
            turn.conversation_id,
            turn.epoch,
            turn.lane,
            turn.message_id,
            turn.input,
            turn.follows_id,
            turn.outcome,
        )
        .where(turn.kind == "chat", *where)
        .order_by(turn.id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    if row is None:
        return None
    outcome = None if row.outcome is None else Outcome(row.outcome)
    return Record(
        id=row.id,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        epoch=row.epoch,
        lane=row.lane,
        message_id=row.message_id,
        question=Question.load(row.input),
        follows_id=row.follows_id,
        outcome=outcome,
    )


async def requeue(session: AsyncSession, turn_id: int, *, now: datetime) -> None:
    """Answer a turn again that was not answered well, in the messages that stand."""
    await session.execute(
        update(models.Turn)
        .where(
            models.Turn.id == turn_id,
            models.Turn.outcome.in_((Outcome.FAILED, Outcome.REFUSED)),
        )
        .values(_AS_NEW, created_at=now, ready_at=now)
    )


async def amend(session: AsyncSession, turn_id: int, question: Question, *, now: datetime) -> None:
    """Replace the question of a turn that has no answer yet; it starts again."""
    await session.execute(
        update(models.Turn)
        .where(models.Turn.id == turn_id, models.Turn.answered_at.is_(None))
        # The attempt is raised at once: whoever answers the old question is fenced off.
        .values(_AS_NEW, input=question.dump(), attempt=models.Turn.attempt + 1, ready_at=now)
    )


_AS_NEW: dict[str, Any] = {
    "worker_id": None,
    "lease_until": None,
    "faults": 0,
    "cancel": False,
    "answer": None,
    "outcome": None,
    "answered_at": None,
    "delivered_at": None,
}


async def claim(
    session: AsyncSession,
    worker_id: str,
    accounts: Collection[Account],
    *,
    now: datetime,
    lease_until: datetime,
    limit: int,
) -> list[Turn]:
    """Take up to `limit` turns, the oldest first whose lane is free.

    A turn whose worker died is taken again. An answered turn is taken for its delivery, in the
    order of its address.
    """
    turn = models.Turn
    claimed = await session.execute(
        update(turn)
        .where(turn.id.in_(_claimable(worker_id, accounts, now, limit)))
        .values(
            attempt=turn.attempt + 1,
            faults=turn.faults + case((_running(turn), 1), else_=0),
            worker_id=worker_id,
            lease_until=lease_until,
        )
        .returning(*turn.__table__.c)
        .execution_options(synchronize_session=False)
    )
    turns = [_turn(row) for row in claimed.mappings()]
    return sorted(turns, key=lambda turn: turn.id)


def _claimable(
    worker_id: str, accounts: Collection[Account], now: datetime, limit: int
) -> Select[int]:
    turn, other = models.Turn, aliased(models.Turn)
    earlier_in_lane = exists().where(
        other.lane == turn.lane,
        other.answered_at.is_(None),
        or_(other.id < turn.id, _running(other)),
        other.id != turn.id,
    )
    unanswered_before = exists().where(other.id == turn.follows_id, other.answered_at.is_(None))
    undelivered_before = exists().where(
        *_same_chat(other, turn),
        other.thread == turn.thread,
        other.id < turn.id,
        other.answered_at.is_not(None),
        other.delivered_at.is_(None),
    )
    elsewhere = exists().where(
        *_same_chat(other, turn),
        other.delivered_at.is_(None),
        other.worker_id != worker_id,
        other.lease_until > now,
    )
    return (
        select(turn.id)
        .where(
            turn.delivered_at.is_(None),
            turn.ready_at <= now,
            or_(turn.worker_id.is_(None), turn.lease_until <= now),
            tuple_(turn.platform, turn.bot_id).in_(accounts),
            or_(
                and_(turn.answered_at.is_(None), ~earlier_in_lane, ~unanswered_before),
                and_(turn.answered_at.is_not(None), ~undelivered_before),
            ),
            ~elsewhere,
        )
        .order_by(turn.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


async def is_busy(session: AsyncSession, accounts: Collection[Account]) -> bool:
    """Whether anything of these accounts is not delivered yet."""
    turn = models.Turn
    left = exists().where(
        turn.delivered_at.is_(None), tuple_(turn.platform, turn.bot_id).in_(accounts)
    )
    return bool(await session.scalar(select(left)))


async def hand_back(session: AsyncSession, worker_id: str) -> None:
    """Give back everything a worker holds: it stops, and this is no fault of the turns."""
    await session.execute(
        update(models.Turn)
        .where(models.Turn.worker_id == worker_id, models.Turn.delivered_at.is_(None))
        .values(worker_id=None, lease_until=None)
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A turn that is still this worker's."""

    id: int
    attempt: int
    cancel: bool


async def renew(
    session: AsyncSession, worker_id: str, turn_ids: Collection[int], *, lease_until: datetime
) -> list[Held]:
    """Hold turns for longer; one that does not come back was lost to another attempt."""
    renewed = await session.execute(
        update(models.Turn)
        .where(
            models.Turn.id.in_(turn_ids),
            models.Turn.worker_id == worker_id,
            models.Turn.delivered_at.is_(None),
        )
        .values(lease_until=lease_until)
        .returning(models.Turn.id, models.Turn.attempt, models.Turn.cancel)
        .execution_options(synchronize_session=False)
    )
    return [Held(*row) for row in renewed]


async def save_drafts(session: AsyncSession, drafts: Sequence[tuple[Turn, str]]) -> None:
    """Keep what was streamed so far: for Stop, for a new start, and to estimate a cost."""
    turn = models.Turn
    statement = (
        update(turn)
        .where(
            turn.id == bindparam("turn"),
            turn.attempt == bindparam("of_attempt"),
            turn.answered_at.is_(None),
        )
        .values(draft=bindparam("text"))
    )
    connection = await session.connection()
    await connection.execute(
        statement,
        [{"turn": turn.id, "of_attempt": turn.attempt, "text": draft} for turn, draft in drafts],
    )


async def free(session: AsyncSession) -> None:
    """Take every turn from its worker, at the start of the only process there is."""
    await session.execute(
        update(models.Turn)
        .where(models.Turn.delivered_at.is_(None), models.Turn.worker_id.is_not(None))
        .values(
            faults=models.Turn.faults + case((_running(models.Turn), 1), else_=0),
            worker_id=None,
            lease_until=None,
        )
    )


async def posts(session: AsyncSession, turn_id: int) -> tuple[str | None, ...]:
    """The message ids of a turn's parts, in order; None for an intent whose end is unknown."""
    found = await session.scalars(
        select(models.Post.message_id)
        .where(models.Post.turn_id == turn_id, models.Post.part.is_not(None))
        .order_by(models.Post.part)
    )
    return tuple(found)


async def posting(session: AsyncSession, turn: Turn, part: int) -> None:
    """Say that part `part` is about to be posted. Nothing is said for an attempt that is over."""
    values = select(
        literal(turn.address.platform),
        literal(turn.address.bot_id),
        literal(turn.address.chat),
        models.Turn.id,
        literal(part),
    ).where(*_fenced(turn))
    statement = insert_missing(session, models.Post).from_select(
        ["platform", "bot_id", "chat", "turn_id", "part"], values
    )
    await session.execute(statement)


async def posted(session: AsyncSession, turn: Turn, part: int, message_id: str) -> None:
    """Store which message a part became."""
    await session.execute(
        update(models.Post)
        .where(models.Post.turn_id == turn.id, models.Post.part == part)
        .values(message_id=message_id)
    )


async def withdrawn(session: AsyncSession, turn: Turn, parts: int) -> None:
    """Forget the posts from part `parts` on: their messages were deleted."""
    await session.execute(
        delete(models.Post).where(models.Post.turn_id == turn.id, models.Post.part >= parts)
    )


async def answered(
    session: AsyncSession, turn: Turn, answer: str, outcome: Outcome, *, now: datetime
) -> bool:
    """Store the whole answer and free the lane; LeaseLost when the turn is another attempt's.

    Returns whether another turn may be waiting for this one.
    """
    other = aliased(models.Turn)
    waiting = exists().where(
        or_(other.lane == models.Turn.lane, other.follows_id == models.Turn.id),
        other.answered_at.is_(None),
        other.id != models.Turn.id,
    )
    followed = await session.scalar(
        update(models.Turn)
        .where(*_fenced(turn), models.Turn.answered_at.is_(None))
        .values(answer=answer, outcome=outcome, answered_at=now, faults=0)
        .returning(waiting)
        .execution_options(synchronize_session=False)
    )
    if followed is None:
        raise LeaseLost(f"turn {turn.reference}")
    return bool(followed)


async def delivered(
    session: AsyncSession, turn: Turn, *, now: datetime, outcome: Outcome | None = None
) -> None:
    """The answer stands on the platform, or never can (then `outcome` tells)."""
    values: dict[str, Any] = {"delivered_at": now, "worker_id": None, "lease_until": None}
    if outcome is not None:
        values["outcome"] = outcome
    await _write(session, turn, values)


async def retry(session: AsyncSession, turn: Turn, *, ready_at: datetime, fault: bool) -> None:
    """Put a turn back until `ready_at`; a fault counts towards its end, waiting does not."""
    await _write(
        session,
        turn,
        {
            "worker_id": None,
            "lease_until": None,
            "ready_at": ready_at,
            "faults": models.Turn.faults + int(fault),
        },
    )


async def _write(session: AsyncSession, turn: Turn, values: dict[str, Any]) -> None:
    written = await session.execute(update(models.Turn).where(*_fenced(turn)).values(values))
    if not row_count(written):
        raise LeaseLost(f"turn {turn.reference}")


async def cancel(session: AsyncSession, turn_ids: Collection[int]) -> bool:
    """Stop unanswered turns as soon as their worker sees it; whether there were any."""
    stopped = await session.execute(
        update(models.Turn)
        .where(models.Turn.id.in_(turn_ids), models.Turn.answered_at.is_(None))
        .values(cancel=True)
    )
    return row_count(stopped) > 0


async def unanswered(session: AsyncSession, speaker: Speaker) -> list[int]:
    """The turns of a person in their conversation that have no answer yet."""
    found = await session.scalars(
        select(models.Turn.id).where(
            models.Turn.user_id == speaker.user_id,
            models.Turn.conversation_id == speaker.conversation_id,
            models.Turn.answered_at.is_(None),
        )
    )
    return list(found)


def _waiting(turn: Any) -> ColumnElement[bool]:
    return and_(turn.answered_at.is_(None), turn.worker_id.is_(None))


def _running(turn: Any) -> ColumnElement[bool]:
    return and_(turn.answered_at.is_(None), turn.worker_id.is_not(None))


def _fenced(turn: Turn) -> tuple[ColumnElement[bool], ...]:
    return models.Turn.id == turn.id, models.Turn.attempt == turn.attempt


def _same_chat(one: Any, other: Any) -> tuple[ColumnElement[bool], ...]:
    return one.platform == other.platform, one.bot_id == other.bot_id, one.chat == other.chat


def _is_event(address: Address, event_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        models.Event.platform == address.platform,
        models.Event.bot_id == address.bot_id,
        models.Event.event_id == event_id,
    )


def _is_post(address: Address, message_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        models.Post.platform == address.platform,
        models.Post.bot_id == address.bot_id,
        models.Post.chat == address.chat,
        models.Post.message_id == message_id,
    )


def _turn(row: Any) -> Turn:
    return Turn(
        id=row["id"],
        kind=row["kind"],
        conversation_id=row["conversation_id"],
        user_id=row["user_id"],
        epoch=row["epoch"],
        address=Address(row["platform"], row["bot_id"], row["chat"], row["thread"]),
        message_id=row["message_id"],
        question=Question.load(row["input"]),
        attempt=row["attempt"],
        created_at=row["created_at"],
        faults=row["faults"],
        follows_id=row["follows_id"],
        replaces_id=row["replaces_id"],
        cancel=row["cancel"],
        draft=row["draft"],
        answer=row["answer"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
    )
