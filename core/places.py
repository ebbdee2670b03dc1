"""The private chats of people, where they can be told something that they have not asked."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select

from core import models, words
from core.adapter import Account, Address
from core.db import Session

_turns = models.turns
_identities = models.identities
_users = models.users
_conversations = models.conversations


@dataclass(frozen=True, slots=True)
class Place:
    """A private chat in which a person has spoken to the bot."""

    user_id: int
    conversation_id: int
    epoch: int
    address: Address
    language: str = ""
    """The language in which they are spoken to; "" if unknown."""


_CHAT = tuple(_turns.c[name] for name in ("platform", "bot_id", "chat", "thread"))
PLACE = (
    _conversations.c.user_id,
    _conversations.c.id.label("conversation_id"),
    _conversations.c.epoch,
    *_CHAT,
)
"""The columns of a place, of a private conversation and one of its turns."""


def place_of(row: Any) -> Place:
    """Return the place in a row with the columns of `PLACE`."""
    address = Address(row.platform, row.bot_id, row.chat, row.thread)
    return Place(row.user_id, row.conversation_id, row.epoch, address)


_theirs = _identities.alias("theirs")
_CHOSEN = select(_users.c.language).where(_users.c.id == _turns.c.user_id)
_HINT = (
    select(_theirs.c.language)
    .where(
        _theirs.c.user_id == _turns.c.user_id,
        _theirs.c.platform == _turns.c.platform,
        _theirs.c.language.is_not(None),
    )
    .limit(1)
)
_LANGUAGES = (_CHOSEN.scalar_subquery().label("chosen"), _HINT.scalar_subquery().label("hint"))
_IS_SAID = and_(
    _turns.c.conversation_id == _conversations.c.id, _turns.c.user_id == _conversations.c.user_id
)
_NEWEST: Select[Any] = (
    select(*PLACE, *_LANGUAGES)
    .select_from(_conversations.join(_turns, _IS_SAID))
    .order_by(_turns.c.id.desc())
    .limit(1)
)
_OF_PERSON = _NEWEST.where(_conversations.c.user_id == bindparam("the_user"))
_home = _conversations.alias("home")
_IS_OWN = or_(
    _conversations.c.user_id == _identities.c.user_id,
    _conversations.c.owner_id == _identities.c.user_id,
)
_IS_THERE = and_(
    _turns.c.conversation_id == _conversations.c.id,
    _turns.c.user_id == _identities.c.user_id,
    _turns.c.platform == _identities.c.platform,
)
# A linked account may have spoken last in a conversation that ended with the link.
_OF_ACCOUNT = (
    select(_home.c.user_id, _home.c.id.label("conversation_id"), _home.c.epoch, *_CHAT, *_LANGUAGES)
    .select_from(
        _identities.join(_home, _home.c.user_id == _identities.c.user_id)
        .join(_conversations, _IS_OWN)
        .join(_turns, _IS_THERE)
    )
    .where(
        _identities.c.platform == bindparam("platform"),
        _identities.c.account_id == bindparam("account_id"),
    )
    .order_by(_turns.c.id.desc())
    .limit(1)
)


async def of_person(session: Session, user_id: int) -> Place | None:
    """Return the private chat in which a person spoke last; None if they never did."""
    return await _find(session, _OF_PERSON, {"the_user": user_id})


async def of_account(session: Session, account: Account) -> Place | None:
    """Return the private chat in which a person's account spoke last; None if it never did.

    `account` is a platform and the id of the person's account there.
    """
    values = {"platform": account[0], "account_id": account[1]}
    return await _find(session, _OF_ACCOUNT, values)


async def _find(session: Session, statement: Any, values: dict[str, Any]) -> Place | None:
    found = (await session.execute(statement, values)).one_or_none()
    if found is None:
        return None
    return replace(place_of(found), language=words.nearest(found.chosen, found.hint))
