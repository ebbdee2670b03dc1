"""The way into the inbox: each event is stored once, even if it comes several times."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    and_,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)

from core import posts
from core.adapter import Address, InboundMessage
from core.db import LOOK, Session, insert_missing, notify
from core.inbox._order import NEW_LINE, call_up
from core.inbox._records import amend
from core.inbox._tables import IS_EVENT, events, turns
from core.lines import LAST
from core.places import Place
from core.posts import IS_POST, chat_of
from core.requests import minute
from core.turns import Kind, Outcome, Question, Turn


@dataclass(frozen=True, slots=True)
class Entry:
    """A turn before it is stored: a question, or a command with its answer."""

    kind: Kind
    address: Address
    message_id: str | None
    """The id of the message that it answers on the platform; None for a notice."""
    user_id: int
    conversation_id: int
    epoch: int
    lane: str | None
    question: Question
    ready_at: datetime
    follows_id: int | None = None
    replaces_id: int | None = None
    answer: str | None = None
    sent_at: datetime | None = None
    """The time of the message by the platform's clock; None for "now"."""
    ticket: str = field(default="", repr=False)
    """An opaque value that the adapter gets back with the answer."""


_COLUMNS = (
    *("kind", "lane", "conversation_id", "user_id", "epoch", "platform", "bot_id", "chat"),
    *("thread", "message_id", "ticket", "input", "follows_id", "replaces_id", "attempt", "faults"),
    *("ready_at", "cancel", "draft", "answer", "outcome", "created_at", "asked_at", "answered_at"),
    *("asked", "deaths"),  # SQLAlchemy knows no defaults in a statement that is a part of another
)
_ROW = select(*(bindparam(name, type_=turns.c[name].type) for name in _COLUMNS), NEW_LINE)
_KNOWN = exists().where(*IS_EVENT) | exists().where(*IS_POST)
_INSERT = insert(turns).from_select((*_COLUMNS, "line"), _ROW).returning(turns.c.id)
_INSERT_LAST = insert(turns).values(line=LAST).returning(turns.c.id)
# One statement checks and inserts; unique keys decide a race for the same event.
_ACCEPT = insert(turns).from_select((*_COLUMNS, "line"), _ROW.where(~_KNOWN)).returning(turns.c.id)
_IS_SUMMARISED = exists().where(
    turns.c.lane == bindparam("the_lane"), turns.c.delivered_at.is_(None)
)
_SUMMARISE = insert(turns).from_select((*_COLUMNS, "line"), _ROW.where(~_IS_SUMMARISED))
_EVENT_COLUMNS = ("platform", "bot_id", "event_id")
_EVENT = [bindparam(name, type_=events.c[name].type) for name in _EVENT_COLUMNS]


def _note(turn_id: ColumnElement[int]) -> Insert:
    """Return the INSERT of the event that a turn came from."""
    return insert(events).from_select((*_EVENT_COLUMNS, "turn_id"), select(*_EVENT, turn_id))


_NOTE = _note(bindparam("the_turn", type_=BigInteger))
_new = _ACCEPT.cte("new")
# On PostgreSQL, one statement does all of it: that saves two round trips.
_ACCEPT_WHOLE = select(_new.c.id).add_cte(
    _note(_new.c.id).cte("noted"), posts.beginning(_new.c.id).cte("begun")
)


async def accept(session: Session, event_id: str, entry: Entry, *, now: datetime) -> int | None:
    """Store a turn for a message and return its id.

    If the event or the message is known, change nothing and return None. Raises IntegrityError
    when another process stores the same event at the same time.
    """
    row = _row(entry, now) | {"event_id": event_id}
    if session.dialect == "postgresql":
        whole: int | None = await session.scalar(_ACCEPT_WHOLE, row)
        return whole
    turn_id: int | None = await session.scalar(_ACCEPT, row)
    if turn_id is not None:
        await session.execute(_NOTE, row | {"the_turn": turn_id})
        await posts.begin(session, entry.address, turn_id, entry.message_id)
    return turn_id


async def replace(session: Session, entry: Entry, *, now: datetime) -> int:
    """Store a turn that answers a question anew, in the messages of the turn that it replaces.

    If the old answer is not delivered yet, its worker is fenced off and it never will be. Return
    the new turn's id.
    """
    assert entry.replaces_id is not None
    turn_id: int = (await session.execute(_INSERT, _row(entry, now))).scalar_one()
    await posts.hand_on(session, entry.replaces_id, turn_id)
    await session.execute(
        update(turns)
        .where(turns.c.id == entry.replaces_id, turns.c.delivered_at.is_(None))
        .values(
            attempt=turns.c.attempt + 1,
            worker_id=None,
            lease_until=None,
            draft="",
            ticket="",
            delivered_at=now,
        )
    )
    await call_up(session, entry.replaces_id, now=now)
    await notify(session, LOOK)
    return turn_id


async def say(session: Session, entry: Entry, *, now: datetime) -> int:
    """Store a turn with an answer that is no reply to a message; it only has to be delivered.

    An announcement stands in the last line. Return the turn's id.
    """
    statement = _INSERT_LAST if entry.question.announced else _INSERT
    turn_id: int = (await session.execute(statement, _row(entry, now))).scalar_one()
    await posts.begin(session, entry.address, turn_id, None)
    return turn_id


async def inform(
    session: Session,
    place: Place,
    text: str,
    *,
    now: datetime,
    lane: str | None = None,
    announced: bool = False,
    fleeting: bool = False,
) -> int:
    """Store a text for a person in their private chat who has not asked for it.

    Return its turn's id. `announced` and `fleeting` are as in a question.
    """
    entry = Entry(
        kind="command",
        address=place.address,
        message_id=None,
        user_id=place.user_id,
        conversation_id=place.conversation_id,
        epoch=place.epoch,
        lane=lane,
        question=Question("", language=place.language, announced=announced, fleeting=fleeting),
        ready_at=now,
        answer=text,
    )
    return await say(session, entry, now=now)


async def tell(
    session: Session,
    turn: Turn,
    text: str,
    *,
    now: datetime,
    reply_to: str | None = None,
    whispered: bool = False,
    follows: bool = False,
) -> None:
    """Store a notice for a person, in a message of its own beside the answer to a turn.

    `reply_to` is the message of theirs that it replies to; `whispered` means that it concerns
    nobody else, and `follows` that it waits until the answer stands.
    """
    question = turn.question.aside(whispered=whispered)
    entry = Entry(
        kind="command",
        address=turn.address,
        message_id=reply_to,
        ticket=turn.ticket,
        user_id=turn.user_id,
        conversation_id=turn.conversation_id,
        epoch=turn.epoch,
        lane=None,
        question=question,
        ready_at=now,
        follows_id=turn.id if follows else None,
        answer=text,
    )
    await say(session, entry, now=now)


async def take_over(session: Session, entry: Entry, turn_id: int, *, now: datetime) -> int:
    """Store a turn with an answer that is to stand in the messages of another turn's answer.

    The other turn has none from then on. Return the new turn's id.
    """
    new_id: int = (await session.execute(_INSERT, _row(entry, now))).scalar_one()
    await posts.give(session, turn_id, new_id)
    return new_id


async def move(session: Session, address: Address, chat: str) -> None:
    """Move undelivered turns to another chat, to be delivered in new messages, not as replies."""
    undelivered = and_(
        turns.c.platform == address.platform,
        turns.c.bot_id == address.bot_id,
        turns.c.chat == address.chat,
        turns.c.delivered_at.is_(None),
    )
    await posts.move(session, undelivered, chat)
    there = {"chat": chat, "message_id": None, "ticket": ""}
    await session.execute(update(turns).where(undelivered).values(there))


SUMMARISE = (
    "Summarise our conversation so far for yourself, in its language and in at most 400 words."
    " Keep names, facts, numbers, decisions, wishes and open questions; leave out small talk."
    " Write the summary only."
)
"""The question of a summary turn; it follows the same prompt as any other question."""


async def summarise(session: Session, turn: Turn, *, now: datetime) -> None:
    """Store a turn that summarises the conversation before an answer, unless one is under way."""
    lane = f"summary/{turn.conversation_id}"
    entry = Entry(
        kind="summary",
        address=turn.address,
        message_id=None,
        ticket=turn.ticket,
        user_id=turn.user_id,
        conversation_id=turn.conversation_id,
        epoch=turn.epoch,
        lane=lane,
        question=Question(SUMMARISE, language=turn.question.language),
        ready_at=now,
        follows_id=turn.id,
    )
    await session.execute(_SUMMARISE, _row(entry, now) | {"the_lane": lane})


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        **chat_of(entry.address),
        "thread": entry.address.thread,
        "kind": entry.kind,
        "lane": entry.lane,
        "conversation_id": entry.conversation_id,
        "user_id": entry.user_id,
        "epoch": entry.epoch,
        "message_id": entry.message_id,
        "ticket": entry.ticket,
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
        "asked_at": entry.sent_at if entry.sent_at and entry.sent_at < minute(now) else None,
        "answered_at": None if entry.answer is None else now,
        "asked": False,
        "deaths": 0,
    }


async def is_new(session: Session, address: Address, event_id: str, message_id: str) -> bool:
    """Return whether both the event and its message are unknown."""
    known = {**chat_of(address), "event_id": event_id, "message_id": message_id}
    return bool(await session.scalar(select(~_KNOWN), known))


async def note(session: Session, address: Address, event_id: str) -> bool:
    """Store an event that makes no turn; return False if it is known."""
    statement = insert_missing(session, events).values(
        platform=address.platform,
        bot_id=address.bot_id,
        event_id=event_id,
        noted_at=func.now(),
    )
    noted = await session.execute(statement.returning(events.c.event_id))
    return noted.first() is not None


class Growth(Enum):
    """The result of adding a piece to a turn."""

    WAITING = auto()
    """The turn waits for a worker and has the piece now."""
    RESTARTED = auto()
    """The turn was running and starts again with the piece."""
    KNOWN = auto()
    """Nothing changed: the piece was stored before."""


_GROWING = (
    select(turns.c.input, turns.c.message_id, turns.c.worker_id, turns.c.attempt, turns.c.ready_at)
    .where(
        turns.c.id == bindparam("the_turn"),
        turns.c.answered_at.is_(None),
        ~turns.c.cancel,
        ~turns.c.forgotten,
    )
    .with_for_update()
)


async def extend(
    session: Session,
    turn_id: int,
    message: InboundMessage,
    *,
    ready_at: datetime,
    now: datetime,
) -> Growth | None:
    """Add a piece to a turn's question, in the order of message ids.

    The turn may run from `ready_at` on. If it is answered or about to be stopped, or the piece does
    not fit in any more, change nothing and return None. After RESTARTED, the caller has to settle
    the open call by `quota.abandon`.
    """
    turn = (await session.execute(_GROWING, {"the_turn": turn_id})).one_or_none()
    if turn is None:
        return None
    if not await is_new(session, message.address, message.event_id, message.message_id):
        return Growth.KNOWN
    question, piece = Question.load(turn.input), Question.of(message)
    if not question.takes(piece):
        return None
    await note(session, message.address, message.event_id)
    await posts.add(session, message.address, turn_id, message.message_id)
    came_before = _number(message.message_id) < _number(turn.message_id)
    question = piece.joined(question) if came_before else question.joined(piece)
    if turn.worker_id is not None:
        await amend(session, turn_id, question, now=now, ready_at=ready_at)
        return Growth.RESTARTED
    # A turn that was tried before keeps the time of its next attempt.
    ready_at = turn.ready_at if turn.attempt else ready_at
    await session.execute(
        update(turns).where(turns.c.id == turn_id).values(input=question.dump(), ready_at=ready_at)
    )
    return Growth.WAITING


def _number(message_id: str | None) -> tuple[int, str]:
    """Return a key that sorts message ids as decimal numbers."""
    return len(message_id or ""), message_id or ""
