"""The private chats of people, where they can be told something that they have not asked."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, select

from core import models
from core.adapter import Account, Address
from core.db import Session

_turns = models.turns
_identities = models.identities
_conversations = models.conversations


@dataclass(frozen=True, slots=True)
class Place:
    """A private chat in which a person has spoken to the bot."""

    user_id: int
    conversation_id: int
    epoch: int
    address: Address


PLACE = (
    _conversations.c.user_id,
    _conversations.c.id.label("conversation_id"),
    _conversations.c.epoch,
    *(_turns.c[name] for name in ("platform", "bot_id", "chat", "thread")),
)
"""The columns of a place, of a private conversation and one of its turns."""


def place_of(row: Any) -> Place:
    """Return the place in a row with the columns of `PLACE`."""
    address = Address(row.platform, row.bot_id, row.chat, row.thread)
    return Place(row.user_id, row.conversation_id, row.epoch, address)


_IS_SAID = and_(
    _turns.c.conversation_id == _conversations.c.id, _turns.c.user_id == _conversations.c.user_id
)
_NEWEST: Select[Any] = (
    select(*PLACE)
    .select_from(_conversations.join(_turns, _IS_SAID))
    .order_by(_turns.c.id.desc())
    .limit(1)
)
_OF_PERSON = _NEWEST.where(_conversations.c.user_id == bindparam("the_user"))
_OF_ACCOUNT = _NEWEST.where(
    _conversations.c.user_id == _identities.c.user_id,
    _identities.c.platform == bindparam("platform"),
    _identities.c.account_id == bindparam("account_id"),
    _turns.c.platform == bindparam("platform"),
)


async def of_person(session: Session, user_id: int) -> Place | None:
    """Return the private chat in which a person spoke last; None if they never did."""
    found = (await session.execute(_OF_PERSON, {"the_user": user_id})).one_or_none()
    return None if found is None else place_of(found)


async def of_account(session: Session, account: Account) -> Place | None:
    """Return the private chat in which a person's account spoke last; None if it never did.

    `account` is a platform and the id of the person's account there.
    """
    values = {"platform": account[0], "account_id": account[1]}
    found = (await session.execute(_OF_ACCOUNT, values)).one_or_none()
    return None if found is None else place_of(found)
