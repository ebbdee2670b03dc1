"""Identities: the person behind an account, and the conversation in which they speak."""

from collections.abc import Callable
from dataclasses import replace
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
    func,
    insert,
    or_,
    select,
    update,
)

from core import models, words
from core.adapter import Account, Address, Author
from core.db import Session, insert_missing
from core.lines import LAST
from core.models import Instant, standings
from core.requests import minute
from core.turns import NEWCOMER, Activity, Speaker, Standing, Stranger

MaySpeak = Callable[[Standing], bool]
"""Tells from the standing of a person whether they may speak."""

_identities = models.identities
_conversations = models.conversations
_turns = models.turns
_IS_AUTHOR = (
    _identities.c.platform == bindparam("platform"),
    _identities.c.account_id == bindparam("account_id"),
)
_HELD: Any = {"read": True, "key_share": True, "of": _identities}
"""Holds an account until the transaction ends, so that it cannot be linked with another meanwhile:
what an event makes belongs to the person whom it found. Other events need not wait."""
_before = _identities.alias("before")
_SEEN = (
    select(_before.c.user_id)
    .where(_before.c.id == _identities.c.id)
    .scalar_subquery()
    .label("seen_id")
)
"""The person behind a held account as they were when the statement began, see `_hold`."""
_users = models.users
_MINUTE = bindparam("minute", type_=Instant)
_IS_ADDRESS = and_(
    _conversations.c.platform == bindparam("platform"),
    _conversations.c.bot_id == bindparam("bot_id"),
    _conversations.c.chat == bindparam("chat"),
    _conversations.c.thread == bindparam("thread"),
)

# A part of the statement that finds the speaker: one of its own for each message costs more.
_MAY_GO_ON = (
    select(or_(_turns.c.input["partial"].as_boolean(), _turns.c.input["forwarded"].as_boolean()))
    .where(
        _turns.c.conversation_id == _conversations.c.id,
        _turns.c.user_id == _identities.c.user_id,
        _turns.c.kind == "chat",
    )
    .order_by(_turns.c.id.desc())
    .limit(1)
    .scalar_subquery()
)

# So are the requests of a person.
_theirs = models.other_turns
_IS_THEIRS = _theirs.c.user_id == _identities.c.user_id
_MADE = select(func.count()).where(_IS_THEIRS, _theirs.c.created_at >= _MINUTE).scalar_subquery()
_OTHER = (
    select(_users.c.requests)
    .where(_users.c.id == _identities.c.user_id, _users.c.requests_at >= _MINUTE)
    .scalar_subquery()
)
_LANGUAGES = (
    select(_users.c.language)
    .where(_users.c.id == _identities.c.user_id)
    .scalar_subquery()
    .label("chosen"),
    _identities.c.language.label("hint"),
)
_PENDING = select(func.count()).where(
    _IS_THEIRS,
    _theirs.c.delivered_at.is_(None),
    _theirs.c.kind != "summary",
    _theirs.c.line.is_distinct_from(LAST),
)
_NEWEST = _theirs.c.created_at.desc(), _theirs.c.id.desc()
_TOLD_OF = select(_theirs.c.input["notice"].as_string()).where(_IS_THEIRS)
_TOLD_AT = select(_theirs.c.created_at).where(_IS_THEIRS)
_REQUESTS = (
    (_MADE + func.coalesce(_OTHER, 0)).label("asked"),
    _PENDING.scalar_subquery().label("pending"),
    _TOLD_OF.order_by(*_NEWEST).limit(1).scalar_subquery().label("told_of"),
    _TOLD_AT.order_by(*_NEWEST).limit(1).scalar_subquery().label("told_at"),
)
_STANDING = (
    standings.c.allowed_at.is_not(None).label("allowed"),
    standings.c.blocked_at.is_not(None).label("blocked"),
    standings.c.told_at.is_not(None).label("told"),
    standings.c.since,
)
_OF_PERSON = standings.c.user_id == _identities.c.user_id


def _speakers(conversation: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            _identities.c.user_id,
            _identities.c.name,
            _conversations.c.id.label("conversation_id"),
            _conversations.c.epoch,
            _MAY_GO_ON.label("may_go_on"),
            *_LANGUAGES,
            *_REQUESTS,
            *_STANDING,
            _SEEN,
        )
        .select_from(
            _identities.outerjoin(_conversations, conversation).outerjoin(standings, _OF_PERSON)
        )
        .where(*_IS_AUTHOR)
        .with_for_update(**_HELD)
    )


_IN_PRIVATE = _speakers(_conversations.c.user_id == _identities.c.user_id)
_IN_GROUP = _speakers(_IS_ADDRESS)


async def resolve(
    session: Session, author: Author, address: Address, *, private: bool, now: datetime
) -> Speaker:
    """Find the person behind an account and their conversation; create both if they are new."""
    speaker = await admit(
        session, author, address, private=private, now=now, may_speak=lambda _: True
    )
    assert isinstance(speaker, Speaker)
    return speaker


async def admit(
    session: Session,
    author: Author,
    address: Address,
    *,
    private: bool,
    now: datetime,
    may_speak: MaySpeak,
) -> Speaker | Stranger:
    """Find the person behind an account and their conversation; create both if they are new.

    For a person who may not speak, change nothing.
    """
    found = await _find(session, author, address, private=private, now=now)
    standing = NEWCOMER if found is None else _standing(found)
    if not may_speak(standing):
        return Stranger(None if found is None else found.user_id, standing)
    if found is None or found.conversation_id is None:
        await _create(session, author, address, private=private, now=now)
        found = await _find(session, author, address, private=private, now=now)
    hint = author.language or found.hint
    if (found.name, found.hint) != (author.name, hint):
        await session.execute(
            update(_identities)
            .where(
                _identities.c.platform == author.platform,
                _identities.c.account_id == author.account_id,
            )
            .values(name=author.name, language=hint)
        )
    return _speaker(found, author)


async def find(
    session: Session,
    author: Author,
    address: Address,
    *,
    private: bool,
    now: datetime,
    may_speak: MaySpeak,
) -> Speaker | None:
    """Return a person in their conversation.

    None if they have never spoken to the bot there, or may not speak.
    """
    found = await _find(session, author, address, private=private, now=now)
    if found is None or found.conversation_id is None or not may_speak(_standing(found)):
        return None
    return _speaker(found, author)


async def meet(session: Session, author: Author, *, now: datetime) -> int:
    """Return the person behind an account, who is stored if they are new."""
    user_id = await user_of(session, author)
    return await _create_identity(session, author, now) if user_id is None else user_id


async def at_home(session: Session, user_id: int, *, now: datetime) -> Speaker:
    """Return a person in their private conversation, which is begun if there is none."""
    new = insert_missing(session, _conversations).values(epoch=0, created_at=now, user_id=user_id)
    await session.execute(new)
    found = await session.execute(
        select(_conversations.c.id, _conversations.c.epoch).where(
            _conversations.c.user_id == user_id
        )
    )
    row = found.one()
    return Speaker(user_id, row.id, row.epoch)


async def accounts(session: Session, user_id: int) -> list[Account]:
    """Return all accounts of a person."""
    found = await session.execute(
        select(_identities.c.platform, _identities.c.account_id).where(
            _identities.c.user_id == user_id
        )
    )
    return [(row.platform, row.account_id) for row in found]


def _standing(found: Any) -> Standing:
    if not (found.allowed or found.blocked or found.told or found.since):
        return NEWCOMER
    return Standing(bool(found.allowed), bool(found.blocked), bool(found.told), found.since)


def _speaker(found: Any, author: Author) -> Speaker:
    return Speaker(
        found.user_id,
        found.conversation_id,
        found.epoch,
        may_go_on=bool(found.may_go_on),
        activity=_activity(found),
        language=words.nearest(found.chosen, author.language, found.hint),
        hint=words.nearest(author.language, found.hint),
    )


def _activity(found: Any) -> Activity:
    return Activity(found.asked, found.pending, found.told_of or None, found.told_at)


_PERSON = (
    select(_identities.c.user_id, _SEEN, *_REQUESTS, *_STANDING)
    .select_from(_identities.outerjoin(standings, _OF_PERSON))
    .where(*_IS_AUTHOR)
    .with_for_update(**_HELD)
)


async def activity(
    session: Session, author: Author, *, now: datetime
) -> tuple[int, Activity, Standing] | None:
    """Return the person behind an account, their requests and their standing.

    None if the account never spoke.
    """
    values = {"platform": author.platform, "account_id": author.account_id, "minute": minute(now)}
    found = await _hold(session, _PERSON, values)
    return None if found is None else (found.user_id, _activity(found), _standing(found))


_SPOKEN = select(*_LANGUAGES).where(*_IS_AUTHOR)


async def language(session: Session, author: Author) -> str:
    """Return the language in which the person behind an account is spoken to; "" if unknown."""
    values = {"platform": author.platform, "account_id": author.account_id}
    found = (await session.execute(_SPOKEN, values)).one_or_none()
    if found is None:
        return words.nearest(author.language)
    return words.nearest(found.chosen, author.language, found.hint)


async def language_of(session: Session, user_id: int) -> str:
    """Return the language in which a person is spoken to; "" if unknown.

    If they have chosen none, it is that of their newest account of which one is known.
    """
    found = await session.execute(
        select(*_LANGUAGES)
        .where(_identities.c.user_id == user_id)
        .order_by(_identities.c.language.is_(None), _identities.c.id.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return "" if row is None else words.nearest(row.chosen, row.hint)


async def choose_language(session: Session, user_id: int, code: str | None) -> None:
    """Speak to a person in a language from now on; None follows what their platforms tell."""
    await session.execute(update(_users).where(_users.c.id == user_id).values(language=code))


_COUNT = (
    update(_users)
    .where(_users.c.id == bindparam("the_user"))
    .values(
        requests=case((_users.c.requests_at >= _MINUTE, _users.c.requests + 1), else_=1),
        requests_at=_MINUTE,
    )
)


async def count(session: Session, user_id: int, *, now: datetime) -> None:
    """Count a request of a person that makes no turn."""
    await session.execute(_COUNT, {"the_user": user_id, "minute": minute(now)})


async def move(session: Session, address: Address, chat: str) -> None:
    """Move a group's conversations to another chat, except threads that have one there already."""
    there = _conversations.alias("there")
    begun = exists().where(
        there.c.platform == _conversations.c.platform,
        there.c.bot_id == _conversations.c.bot_id,
        there.c.chat == chat,
        there.c.thread == _conversations.c.thread,
    )
    await session.execute(
        update(_conversations)
        .where(
            _conversations.c.platform == address.platform,
            _conversations.c.bot_id == address.bot_id,
            _conversations.c.chat == address.chat,
            ~begun,
        )
        .values(chat=chat)
    )


async def has_left(session: Session, conversation_id: int, address: Address) -> bool:
    """Return whether a group's conversation goes on in another chat than that of an address."""
    chat = await session.scalar(
        select(_conversations.c.chat).where(_conversations.c.id == conversation_id)
    )
    return bool(chat) and chat != address.chat


async def user_of(session: Session, author: Author) -> int | None:
    """Return the person behind an account, or None if it never spoke."""
    found: int | None = await session.scalar(
        select(_identities.c.user_id).where(*_IS_AUTHOR),
        {"platform": author.platform, "account_id": author.account_id},
    )
    return found


async def author_of(session: Session, user_id: int, copied: Author) -> Author:
    """Return the account of a person on a platform, in place of a copy's; that if there is none."""
    is_theirs = _identities.c.user_id == user_id, _identities.c.platform == copied.platform
    account_id = await session.scalar(select(_identities.c.account_id).where(*is_theirs).limit(1))
    return copied if account_id is None else replace(copied, account_id=account_id)


async def _find(
    session: Session, author: Author, address: Address, *, private: bool, now: datetime
) -> Any:
    statement = _IN_PRIVATE if private else _IN_GROUP
    values = {**_columns(address), "account_id": author.account_id, "minute": minute(now)}
    return await _hold(session, statement, values)


async def _hold(session: Session, statement: Select[Any], values: dict[str, Any]) -> Any:
    """Return the row of an account, which stays with its person until the transaction ends.

    If another transaction linked it while this one waited, only its own columns are up to date.
    """
    while True:
        found = (await session.execute(statement, values)).one_or_none()
        if found is None or found.seen_id == found.user_id:
            return found


async def _create(
    session: Session, author: Author, address: Address, *, private: bool, now: datetime
) -> None:
    user_id = await meet(session, author, now=now)
    owner: dict[str, Any] = {"user_id": user_id} if private else _columns(address)
    await session.execute(
        insert_missing(session, _conversations).values(epoch=0, created_at=now, **owner)
    )


async def _create_identity(session: Session, author: Author, now: datetime) -> int:
    """Create an identity. If another transaction created it first, use that one."""
    created = insert(_users).values(created_at=now).returning(_users.c.id)
    user_id = (await session.execute(created)).scalar_one()
    statement = insert_missing(session, _identities).values(
        user_id=user_id,
        platform=author.platform,
        account_id=author.account_id,
        name=author.name,
        language=author.language or None,
    )
    await session.execute(statement)
    found = await user_of(session, author)
    assert found is not None
    if found != user_id:
        await session.execute(delete(_users).where(_users.c.id == user_id))
    return found


def _columns(address: Address) -> dict[str, str]:
    return {
        "platform": address.platform,
        "bot_id": address.bot_id,
        "chat": address.chat,
        "thread": address.thread,
    }
