"""What comes in: stored once, whatever is delivered twice."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.adapter import Address, InboundMessage
from core.db import LOOK, insert_missing, notify
from core.inbox._processes import Account
from core.inbox._records import amend
from core.inbox._tables import IS_EVENT, IS_POST, events, place, posts, turns
from core.turns import Kind, Outcome, Question, Turn


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be put into the inbox: a question to answer, or a command with its answer."""

    kind: Kind
    address: Address
    message_id: str | None
    """The message it answers on the platform; None where it is told beside an answer."""
    user_id: int
    conversation_id: int
    epoch: int
    lane: str | None
    question: Question
    ready_at: datetime
    follows_id: int | None = None
    replaces_id: int | None = None
    answer: str | None = None


_COLUMNS = (
    *("kind", "lane", "conversation_id", "user_id", "epoch", "platform", "bot_id", "chat"),
    *("thread", "message_id", "input", "follows_id", "replaces_id", "attempt", "faults"),
    *("ready_at", "cancel", "draft", "answer", "outcome", "created_at", "answered_at"),
)
_ROW = select(*(bindparam(name, type_=turns.c[name].type) for name in _COLUMNS))
_KNOWN = exists().where(*IS_EVENT) | exists().where(*IS_POST)
_INSERT = insert(turns).from_select(_COLUMNS, _ROW).returning(turns.c.id)
# One statement looks and inserts; a race for the same event ends at the unique keys.
_ACCEPT = insert(turns).from_select(_COLUMNS, _ROW.where(~_KNOWN)).returning(turns.c.id)
_AT_IT = exists().where(turns.c.lane == bindparam("the_lane"), turns.c.answered_at.is_(None))
_SUMMARISE = insert(turns).from_select(_COLUMNS, _ROW.where(~_AT_IT))
_EVENT = insert(events)
_POST = insert(posts)


async def accept(
    session: AsyncSession, event_id: str, entry: Entry, *, now: datetime
) -> int | None:
    """Store a turn for a message; None, and nothing changed, when event or message are known.

    Raises IntegrityError when another process stores the same event at this moment.
    """
    row = _row(entry, now) | {"event_id": event_id}
    turn_id: int | None = await session.scalar(_ACCEPT, row)
    if turn_id is None:
        return None
    where = place(entry.address)
    await session.execute(
        _EVENT,
        {
            "platform": where["platform"],
            "bot_id": where["bot_id"],
            "event_id": event_id,
            "turn_id": turn_id,
        },
    )
    # The person's message, and the intent to post the first part of the answer.
    post = {**where, "turn_id": turn_id}
    await session.execute(
        _POST,
        [
            {**post, "message_id": entry.message_id, "part": None},
            {**post, "message_id": None, "part": 0},
        ],
    )
    return turn_id


async def replace(session: AsyncSession, entry: Entry, *, now: datetime) -> int:
    """Store a turn that answers anew what `replaces_id` did, in the messages that stand.

    An answer that does not stand yet never will: who delivers it is fenced off.
    """
    turn_id: int = (await session.execute(_INSERT, _row(entry, now))).scalar_one()
    await session.execute(
        update(posts).where(posts.c.turn_id == entry.replaces_id).values(turn_id=turn_id)
    )
    await session.execute(
        update(turns)
        .where(turns.c.id == entry.replaces_id, turns.c.delivered_at.is_(None))
        .values(
            attempt=turns.c.attempt + 1,
            worker_id=None,
            lease_until=None,
            draft="",
            delivered_at=now,
        )
    )
    await notify(session, LOOK)
    return turn_id


async def say(session: AsyncSession, entry: Entry, *, now: datetime) -> None:
    """Store something to tell a person: a turn that only has to be delivered."""
    turn_id = (await session.execute(_INSERT, _row(entry, now))).scalar_one()
    intent = {**place(entry.address), "message_id": None, "turn_id": turn_id, "part": 0}
    await session.execute(_POST, intent)


async def tell(session: AsyncSession, turn: Turn, text: str, *, now: datetime) -> None:
    """Store something that a person is to be told beside the answer to a turn."""
    entry = Entry(
        kind="command",
        address=turn.address,
        message_id=None,
        user_id=turn.user_id,
        conversation_id=turn.conversation_id,
        epoch=turn.epoch,
        lane=None,
        question=Question(""),
        ready_at=now,
        answer=text,
    )
    await say(session, entry, now=now)


async def move(session: AsyncSession, address: Address, chat: str) -> None:
    """Deliver in another chat what is not delivered yet, in new messages and as no reply.

    What stands in the old chat stays known by its ids there: the new one counts its own, and
    one that seemed to be known would never be answered.
    """
    where = (
        turns.c.platform == address.platform,
        turns.c.bot_id == address.bot_id,
        turns.c.chat == address.chat,
        turns.c.delivered_at.is_(None),
    )
    ours = posts.c.part.is_not(None)
    undelivered = posts.c.turn_id.in_(select(turns.c.id).where(*where))
    await session.execute(update(posts).where(undelivered, ours).values(chat=chat, message_id=None))
    await session.execute(update(turns).where(*where).values(chat=chat, message_id=None))


async def newest(session: AsyncSession, account: Account, chat: str) -> str | None:
    """The message that an account of ours saw last in a chat; if it saw none, in any chat."""
    seen = (*_seen_by(account), posts.c.part.is_(None))
    last = select(posts.c.message_id).order_by(posts.c.id.desc()).limit(1)
    found: str | None = await session.scalar(last.where(*seen, posts.c.chat == chat))
    if found is None:
        found = await session.scalar(last.where(*seen))
    return found


async def chats(session: AsyncSession, account: Account) -> list[str]:
    """All chats in which an account of ours saw or said something."""
    found = await session.scalars(select(posts.c.chat).where(*_seen_by(account)).distinct())
    return list(found)


def _seen_by(account: Account) -> tuple[ColumnElement[bool], ...]:
    return posts.c.platform == account[0], posts.c.bot_id == account[1]


SUMMARISE = (
    "Summarise our conversation so far for yourself, in its language and in at most 400 words."
    " Keep names, facts, numbers, decisions, wishes and open questions; leave out small talk."
    " Write the summary only."
)
"""The instruction of a summary: a question like any other, below the same prompt."""


async def summarise(session: AsyncSession, turn: Turn, *, now: datetime) -> None:
    """Store a turn that summarises what led to another one's answer, unless one is at it."""
    lane = f"summary/{turn.conversation_id}"
    entry = Entry(
        kind="summary",
        address=turn.address,
        message_id=None,
        user_id=turn.user_id,
        conversation_id=turn.conversation_id,
        epoch=turn.epoch,
        lane=lane,
        question=Question(SUMMARISE),
        ready_at=now,
        follows_id=turn.id,
    )
    await session.execute(_SUMMARISE, _row(entry, now) | {"the_lane": lane})


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        **place(entry.address),
        "thread": entry.address.thread,
        "kind": entry.kind,
        "lane": entry.lane,
        "conversation_id": entry.conversation_id,
        "user_id": entry.user_id,
        "epoch": entry.epoch,
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


async def is_new(session: AsyncSession, address: Address, event_id: str, message_id: str) -> bool:
    """Whether neither the event nor its message is known."""
    known = {**place(address), "event_id": event_id, "message_id": message_id}
    return bool(await session.scalar(select(~_KNOWN), known))


async def note(session: AsyncSession, address: Address, event_id: str) -> bool:
    """Store an event that makes no turn; False when it is known."""
    statement = insert_missing(session, events).values(
        platform=address.platform, bot_id=address.bot_id, event_id=event_id
    )
    noted = await session.execute(statement.returning(events.c.event_id))
    return noted.first() is not None


class Growth(Enum):
    """What became of a turn whose question got a further piece."""

    WAITING = auto()
    """Nobody works at it: it is answered with the piece as soon as it is ready."""
    RESTARTED = auto()
    """Somebody worked at it: it starts again."""
    KNOWN = auto()
    """Nothing: the piece was stored before."""


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
    session: AsyncSession,
    turn_id: int,
    message: InboundMessage,
    *,
    ready_at: datetime,
    now: datetime,
) -> Growth | None:
    """Add a piece to a turn's question, in the order of the messages' ids; it waits until then.

    None, and nothing changed, when the turn is answered or about to be stopped.
    """
    turn = (await session.execute(_GROWING, {"the_turn": turn_id})).one_or_none()
    if turn is None:
        return None
    if not await is_new(session, message.address, message.event_id, message.message_id):
        return Growth.KNOWN
    await note(session, message.address, message.event_id)
    post = {**place(message.address), "message_id": message.message_id}
    await session.execute(_POST, {**post, "turn_id": turn_id, "part": None})
    question, piece = Question.load(turn.input), Question.of(message)
    came_before = _number(message.message_id) < _number(turn.message_id)
    question = piece.joined(question) if came_before else question.joined(piece)
    if turn.worker_id is not None:
        await amend(session, turn_id, question, now=now, ready_at=ready_at)
        return Growth.RESTARTED
    # What was tried before waits for its next attempt anyway.
    ready_at = turn.ready_at if turn.attempt else ready_at
    await session.execute(
        update(turns).where(turns.c.id == turn_id).values(input=question.dump(), ready_at=ready_at)
    )
    return Growth.WAITING


def _number(message_id: str | None) -> tuple[int, str]:
    """The order of messages: platforms count them, in decimal digits."""
    return len(message_id or ""), message_id or ""


async def turn_of(session: AsyncSession, address: Address, message_id: str) -> int | None:
    """The turn that a message, seen or sent, belongs to."""
    found: int | None = await session.scalar(
        select(posts.c.turn_id).where(*IS_POST), {**place(address), "message_id": message_id}
    )
    return found
