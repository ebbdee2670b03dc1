"""The messages of a platform, and the turn that each belongs to.

A person's message belongs to the turn that answers it. A message of ours is a part of an answer.
The intent to post a part is stored before the message is sent, and the message's id after that, so
no crash can lose a message unnoticed. A part is doubtful after a create with an unknown outcome: it
may have made a message of ours that nobody knows, a double.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Insert,
    Integer,
    String,
    Subquery,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)

from core import db, models
from core.adapter import Account, Address
from core.db import Session, row_count
from core.errors import LeaseLost
from core.models import FENCED
from core.turns import Turn

_posts = models.posts
_turns = models.turns
_conversations = models.conversations

FILE = -1
"""The part of the file that goes with an answer; the parts of the text count from 0."""
RECENT = 2000
"""The number of the newest posts of all accounts among which `recent` looks."""

IS_POST = (
    _posts.c.platform == bindparam("platform"),
    _posts.c.bot_id == bindparam("bot_id"),
    _posts.c.chat == bindparam("chat"),
    _posts.c.message_id == bindparam("message_id"),
)
"""The condition for one message; its parameters are a `message_id` and those of `chat_of`."""


def chat_of(address: Address) -> dict[str, str]:
    """Return an address as parameters of `IS_POST`."""
    return {"platform": address.platform, "bot_id": address.bot_id, "chat": address.chat}


_ADD = insert(_posts)


async def add(session: Session, address: Address, turn_id: int, message_id: str) -> None:
    """Store one more message of a person as a message that a turn answers."""
    row = {**chat_of(address), "turn_id": turn_id, "message_id": message_id, "part": None}
    await session.execute(_ADD, row)


def beginning(turn_id: ColumnElement[int]) -> Insert:
    """Return the INSERT of a person's message, if there is one, and of the first part's intent.

    Its parameters are those of `IS_POST`.
    """
    chat = [bindparam(name, type_=String) for name in ("platform", "bot_id", "chat")]
    theirs: ColumnElement[str] = bindparam("message_id", type_=String)
    rows = union_all(
        select(*chat, turn_id, theirs, null(), false()).where(theirs.is_not(None)),
        select(*chat, turn_id, null(), literal_column("0"), false()),
    )
    columns = ("platform", "bot_id", "chat", "turn_id", "message_id", "part", "doubtful")
    return insert(_posts).from_select(columns, rows)


_BEGIN = beginning(bindparam("the_turn", type_=BigInteger))


async def begin(session: Session, address: Address, turn_id: int, message_id: str | None) -> None:
    """Store the person's message, if there is one, and the intent to post the first part."""
    row = {**chat_of(address), "the_turn": turn_id, "message_id": message_id}
    await session.execute(_BEGIN, row)


@dataclass(frozen=True, slots=True)
class Part:
    """A message of an answer."""

    message_id: str | None = None
    """None for an unconfirmed intent."""
    doubtful: bool = False
    """True if a create of it had an unknown outcome, and its double is not looked for yet."""


async def parts(session: Session, turn_id: int) -> dict[int, Part]:
    """Return the parts of a turn by their number, in order; the file is part `FILE`."""
    found = await session.execute(
        select(_posts.c.part, _posts.c.message_id, _posts.c.doubtful)
        .where(_posts.c.turn_id == turn_id, _posts.c.part.is_not(None))
        .order_by(_posts.c.part)
    )
    return {part: Part(message_id, doubtful) for part, message_id, doubtful in found}


async def of(session: Session, turn_id: int) -> tuple[str | None, ...]:
    """Return the message ids of a text's parts, in order; None for an unconfirmed intent."""
    found = await parts(session, turn_id)
    return tuple(part.message_id for number, part in found.items() if number != FILE)


LAST = (
    select(_posts.c.message_id)
    .where(
        _posts.c.platform == bindparam("its_platform"),
        _posts.c.bot_id == bindparam("its_bot"),
        _posts.c.chat == bindparam("its_chat"),
        _posts.c.turn_id == bindparam("its_turn"),
        _posts.c.part >= 0,
        _posts.c.message_id.is_not(None),
    )
    .order_by(_posts.c.part.desc())
    .limit(1)
)
"""The last part of an answer in a chat, by the parameters of `part_of`."""


def part_of(address: Address, turn_id: int | None) -> dict[str, Any]:
    """Return the parameters of `LAST`."""
    chat = {"its_platform": address.platform, "its_bot": address.bot_id, "its_chat": address.chat}
    return {**chat, "its_turn": turn_id}


async def last(session: Session, address: Address, turn_id: int) -> str | None:
    """Return the message id of an answer's last part, if that stands in a chat."""
    found: str | None = await session.scalar(LAST, part_of(address, turn_id))
    return found


async def turn_of(session: Session, address: Address, message_id: str) -> int | None:
    """Return the turn of a message, seen or sent; None for an unknown message."""
    found: int | None = await session.scalar(
        select(_posts.c.turn_id).where(*IS_POST), {**chat_of(address), "message_id": message_id}
    )
    return found


_PART = (_posts.c.turn_id == bindparam("the_turn"), _posts.c.part == bindparam("the_part"))
_KEY = ("turn_id", "part")
_INTENT_COLUMNS = ("platform", "bot_id", "chat", *_KEY)
_INTENT = select(
    _turns.c.platform,
    _turns.c.bot_id,
    _turns.c.chat,
    _turns.c.id,
    bindparam("the_part", type_=Integer),
).where(*FENCED)
_IS_OURS = exists().where(*FENCED)
_CONFIRM = (
    update(_posts)
    .where(*_PART, or_(_IS_OURS, _posts.c.message_id.is_(None)))
    .values(
        message_id=bindparam("message"),
        doubtful=bindparam("is_doubtful", type_=Boolean),
        posted_at=bindparam("posted", type_=models.Instant),
    )
    .returning(_IS_OURS)
)


async def intend(session: Session, turn: Turn, part: int) -> None:
    """Store the intent to post a part. `begin` has stored that of the first part already.

    One statement does so. Raises LeaseLost when another attempt owns the turn.
    """
    new: Any = db.insert(session, _posts).from_select(_INTENT_COLUMNS, _INTENT)
    # A part that is there stays as it is: the attempt repeats itself.
    new = new.on_conflict_do_update(index_elements=_KEY, set_={"part": new.excluded.part})
    stored = await session.scalar(new.returning(_posts.c.id), {**turn.fence, "the_part": part})
    if stored is None:
        raise LeaseLost(f"turn {turn.reference}")


async def confirm(
    session: Session,
    turn: Turn,
    part: int,
    message_id: str,
    *,
    doubtful: bool = False,
    now: datetime,
) -> bool:
    """Store a posted part's message id and time; return whether this attempt still owns the turn.

    One statement does so. If another attempt owns the turn, that one goes on in this message,
    unless it has posted its own.
    """
    values = {**turn.fence, "the_part": part, "message": message_id, "is_doubtful": doubtful}
    values["posted"] = now
    return bool(await session.scalar(_CONFIRM, values))


_DOUBT = (
    update(_posts).where(*_PART, _IS_OURS).values(doubtful=bindparam("is_doubtful", type_=Boolean))
)


async def doubt(session: Session, turn: Turn, part: int, *, doubtful: bool) -> None:
    """Store whether a part may have a double, if the attempt still owns the turn."""
    await session.execute(_DOUBT, {**turn.fence, "the_part": part, "is_doubtful": doubtful})


async def recent(session: Session, address: Address) -> list[tuple[str, str]]:
    """Return chat and message id of an account's messages among the newest posts of all."""
    newest = _newest_of_all(_posts.c.chat)
    found = await session.execute(
        select(newest.c.chat, newest.c.message_id).where(
            newest.c.platform == address.platform,
            newest.c.bot_id == address.bot_id,
            newest.c.message_id.is_not(None),
        )
    )
    return [(chat, message_id) for chat, message_id in found]


def _newest_of_all(*columns: ColumnElement[Any]) -> Subquery:
    """Select the newest posts of all accounts, with these columns, too."""
    known = (_posts.c.id, _posts.c.platform, _posts.c.bot_id, _posts.c.message_id)
    return select(*known, *columns).order_by(_posts.c.id.desc()).limit(RECENT).subquery()


_NEAR = 40
"""The number of messages that tell about when another one was to be made."""


async def earlier(session: Session, turn: Turn, part: int) -> list[tuple[str, str]]:
    """Return chat and message id of an account's messages stored before the intent of a part.

    Those are the newest of them. Most of them were there before that message was made.
    """
    intent = select(_posts.c.id).where(_posts.c.turn_id == turn.id, _posts.c.part == part)
    before = (
        select(_posts.c.id, _posts.c.platform, _posts.c.bot_id, _posts.c.chat, _posts.c.message_id)
        .where(_posts.c.id < intent.scalar_subquery())
        .order_by(_posts.c.id.desc())
        .limit(RECENT)
        .subquery()
    )
    found = await session.execute(
        select(before.c.chat, before.c.message_id)
        .where(
            before.c.platform == turn.address.platform,
            before.c.bot_id == turn.address.bot_id,
            before.c.message_id.is_not(None),
        )
        .order_by(before.c.id.desc())
        .limit(_NEAR)
    )
    return [(chat, message_id) for chat, message_id in found]


async def known(session: Session, address: Address, message_ids: Collection[str]) -> set[str]:
    """Return those of these ids that are known messages of a chat."""
    found = await session.scalars(
        select(_posts.c.message_id).where(
            *IS_POST[:3], _posts.c.message_id.in_(bindparam("ids", expanding=True))
        ),
        {**chat_of(address), "ids": list(message_ids)},
    )
    return set(found)


_WITHDRAW = delete(_posts).where(
    _posts.c.turn_id == bindparam("the_turn"),
    _posts.c.part >= bindparam("the_part"),
    _IS_OURS,
)


async def withdraw(session: Session, turn: Turn, parts: int) -> None:
    """Delete the posts from part `parts` on; their messages are deleted already.

    Raises LeaseLost when another attempt owns the turn.
    """
    gone = await session.execute(_WITHDRAW, {**turn.fence, "the_part": parts})
    if not row_count(gone):
        await _check(session, turn)


async def _check(session: Session, turn: Turn) -> None:
    """Raise LeaseLost unless the attempt is the newest; the newest has only repeated itself."""
    if not await session.scalar(select(_IS_OURS), turn.fence):
        raise LeaseLost(f"turn {turn.reference}")


async def hand_on(session: Session, turn_id: int, new_turn_id: int) -> None:
    """Give all messages of a turn to the one that replaces it."""
    await session.execute(
        update(_posts).where(_posts.c.turn_id == turn_id).values(turn_id=new_turn_id)
    )


async def give(session: Session, turn_id: int, new_turn_id: int) -> None:
    """Give the messages of a turn's answer to another turn; its person's messages stay."""
    ours = (_posts.c.turn_id == turn_id, _posts.c.part.is_not(None))
    await session.execute(update(_posts).where(*ours).values(turn_id=new_turn_id))


async def narrow(session: Session, turn_id: int, message_id: str) -> None:
    """Let one message of an answer be its first part, and forget the others.

    A pressed button gives leave to edit its own message only; the others stay as they are.
    """
    ours = (_posts.c.turn_id == turn_id, _posts.c.part.is_not(None))
    await session.execute(
        delete(_posts).where(*ours, func.coalesce(_posts.c.message_id, "") != message_id)
    )
    await session.execute(update(_posts).where(*ours).values(part=0, doubtful=False))


async def move(session: Session, undelivered: ColumnElement[bool], chat: str) -> None:
    """Prepare the parts of these turns for new messages in another chat.

    People's messages keep their old chat. The new chat counts its own ids, and a new message with
    a known id would never be answered.
    """
    theirs = _posts.c.turn_id.in_(select(_turns.c.id).where(undelivered))
    ours = _posts.c.part.is_not(None)
    await session.execute(update(_posts).where(theirs, ours).values(chat=chat, message_id=None))


async def newest(session: Session, account: Account, chat: str) -> str | None:
    """Return the newest message of a person in a chat.

    If there is none, return the newest one in any chat, or an older one of an account to which
    nobody has written for long; None if there is none at all.
    """
    one = select(_posts.c.message_id).where(*_is_account(account), _posts.c.part.is_(None))
    here = one.where(_posts.c.chat == chat).order_by(_AGE.desc())
    recent = _newest_of_all(_posts.c.chat, _posts.c.part)
    is_theirs = (recent.c.platform == account[0], recent.c.bot_id == account[1])
    lately = select(recent.c.message_id).where(*is_theirs, recent.c.part.is_(None))
    lately = lately.order_by(recent.c.id.desc())
    for found in (lately.where(recent.c.chat == chat), here, lately, one):
        message_id: str | None = await session.scalar(found.limit(1))
        if message_id is not None:
            return message_id
    return None


_AGE = _posts.c.id + 0
"""The order in which posts were stored. By the id itself an engine might go back through all posts
to the last one of a chat."""


async def chats(session: Session, account: Account) -> dict[str, str]:
    """Return all chats with a message that an account saw or sent, and the first one of each.

    That is the one with the least id, as a text.
    """
    its = _chats_of(account)
    here = (*_is_account(account), _posts.c.chat == its.c.chat)
    first = select(func.min(_posts.c.message_id)).where(*here).correlate(its)
    found = await session.execute(select(its.c.chat, first.scalar_subquery().label("first")))
    return {row.chat: row.first for row in found if row.first is not None}


MOST_CHATS = 2_000
"""The most private chats that are told, unless it is said otherwise."""


async def private_chats(session: Session, account: Account, most: int = MOST_CHATS) -> list[str]:
    """Return the private chats with a message that an account saw or sent, the latest first.

    There are `most` of them at most. Every other chat has a conversation of its own.
    """
    its = _chats_of(account)
    here = (*_is_account(account), _posts.c.chat == its.c.chat)
    latest = select(func.max(_AGE)).where(*here).correlate(its).scalar_subquery()
    shared = exists().where(
        _conversations.c.platform == account[0],
        _conversations.c.bot_id == account[1],
        _conversations.c.chat == its.c.chat,
    )
    private = select(its.c.chat).where(~shared).order_by(latest.desc()).limit(most)
    return list(await session.scalars(private))


def _chats_of(account: Account) -> Subquery:
    """Select the chats of an account, each found from the one before it by the index.

    An engine would read all posts instead.
    """
    here, chat = _is_account(account), _posts.c.chat
    steps = select(func.min(chat).label("chat")).where(*here).cte("steps", recursive=True)
    following = select(func.min(chat)).where(*here, chat > steps.c.chat).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.chat.is_not(None)))
    return select(steps.c.chat).where(steps.c.chat.is_not(None)).subquery()


def _is_account(account: Account) -> tuple[ColumnElement[bool], ...]:
    return _posts.c.platform == account[0], _posts.c.bot_id == account[1]
