"""Exceptions: the terms of people and of groups that differ from the default."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, select, update

from core import models
from core.adapter import Address
from core.db import Session, insert
from core.models import exceptions
from core.quota._allowances import drop
from core.quota._rules import Rules
from core.turns import Payer

_conversations = models.conversations


@dataclass(frozen=True, slots=True)
class Group:
    """A chat with several people, for whichever account of ours it is."""

    platform: str
    chat: str


Whom = int | Group
"""A person, by the user's id, or a group."""


async def allow(session: Session, whom: Whom, terms: str, rules: Rules) -> str:
    """Set the terms of a person or a group, and return those before; "" is the default.

    `terms` is the name of a tier, limits as in a setting ("50 turns/day, 1 usd/month"),
    "unlimited", or "default". What was used so far counts on. Raises ValueError for a text that is
    none of these; it tells the place of what is wrong.
    """
    new = rules.read(terms)
    before = await terms_of(session, whom)
    await store(session, whom, new)
    owner = await owner_of(session, whom)
    if owner is not None:
        await drop(session, [owner])
    return before


async def terms_of(session: Session, whom: Whom) -> str:
    """Return the terms of a person or a group; "" for the default."""
    found: str | None = await session.scalar(select(exceptions.c.terms).where(_is(whom)))
    return found or ""


async def unknown_terms(session: Session, rules: Rules) -> dict[str, int]:
    """Return terms that name no tier of today, each with the number of its people and groups."""
    apart = select(exceptions.c.terms, func.count()).where(exceptions.c.terms != "")
    found = await session.execute(apart.group_by(exceptions.c.terms).order_by(exceptions.c.terms))
    return {terms: number for terms, number in found if not rules.is_known(terms)}


async def owner_of(session: Session, whom: Whom) -> int | None:
    """Return the owner of the allowances of a person or a group; None if a group has none yet."""
    if isinstance(whom, int):
        return whom
    found = await session.scalar(select(exceptions.c.id).where(_is(whom)))
    return None if found is None else -found


_GROUP = and_(
    exceptions.c.platform == _conversations.c.platform,
    exceptions.c.chat == _conversations.c.chat,
)
_OF_PERSON = exceptions.alias("of_person")
_TERMS = select(_OF_PERSON.c.terms).where(_OF_PERSON.c.user_id == bindparam("the_user"))
_PAYER = (
    select(
        _TERMS.scalar_subquery().label("terms"),
        exceptions.c.id.label("group_id"),
        exceptions.c.terms.label("group_terms"),
    )
    .select_from(_conversations.outerjoin(exceptions, _GROUP))
    .where(_conversations.c.id == bindparam("the_conversation"))
)


async def payer_of(session: Session, user_id: int, conversation_id: int) -> Payer:
    """Return whose limits count for what a person asks in a conversation."""
    values = {"the_user": user_id, "the_conversation": conversation_id}
    found = (await session.execute(_PAYER, values)).one_or_none()
    if found is None:
        return Payer(user_id, await terms_of(session, user_id))
    return Payer(user_id, found.terms or "", found.group_id, found.group_terms or "")


async def move(session: Session, address: Address, chat: str) -> None:
    """Let a group keep its terms and what it has used when it moves to another chat.

    If the new chat has terms of its own already, those stay.
    """
    there = Group(address.platform, chat)
    await session.execute(delete(exceptions).where(_is(there), exceptions.c.terms == ""))
    begun = exceptions.alias("there")
    is_begun = exists().where(begun.c.platform == address.platform, begun.c.chat == chat)
    old = _is(Group(address.platform, address.chat))
    await session.execute(update(exceptions).where(old, ~is_begun).values(chat=chat))


def _is(whom: Whom) -> ColumnElement[bool]:
    if isinstance(whom, int):
        return exceptions.c.user_id == whom
    return and_(exceptions.c.platform == whom.platform, exceptions.c.chat == whom.chat)


async def store(session: Session, whom: Whom, terms: str) -> None:
    """Store terms as `Rules.read` returns them; the row of a group stays in any case."""
    if not terms and isinstance(whom, int):
        await session.execute(delete(exceptions).where(_is(whom)))
        return
    columns: dict[str, Any] = (
        {"user_id": whom}
        if isinstance(whom, int)
        else {"platform": whom.platform, "chat": whom.chat}
    )
    new = insert(session, exceptions).values(**columns, terms=terms)
    await session.execute(
        new.on_conflict_do_update(index_elements=list(columns), set_={"terms": terms})
    )


async def ensure(session: Session, whom: Whom) -> int:
    """Return the owner of the allowances of a person or a group, which may be a new one."""
    owner = await owner_of(session, whom)
    if owner is None:
        await store(session, whom, "")
        owner = await owner_of(session, whom)
        assert owner is not None
    return owner
