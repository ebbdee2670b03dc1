"""The accounts of a person, and the private chats in which they are reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, or_, select

from core import models
from core.adapter import Address, Author
from core.db import Session
from core.turns import Speaker

_identities = models.identities
_conversations = models.conversations
_turns = models.turns
_posts = models.posts
_newer = models.other_turns


@dataclass(frozen=True, slots=True)
class Side:
    """An account with the person behind it."""

    identity_id: int
    user_id: int
    author: Author


async def side_of(session: Session, which: Author | int) -> Side | None:
    """Return an account by what its platform shows, or by its identity's id; None if unknown."""
    is_it: Any = _identities.c.id == which
    if isinstance(which, Author):
        is_it = and_(
            _identities.c.platform == which.platform,
            _identities.c.account_id == which.account_id,
        )
    row = (await session.execute(select(_identities).where(is_it))).one_or_none()
    return None if row is None else _side(row)


async def others(session: Session, side: Side) -> list[Author]:
    """Return the other accounts of the person behind an account, the oldest first."""
    found = await session.execute(
        select(_identities)
        .where(_identities.c.user_id == side.user_id, _identities.c.id != side.identity_id)
        .order_by(_identities.c.id)
    )
    return [_side(row).author for row in found]


async def home(session: Session, user_id: int) -> Speaker:
    """Return a person in their private conversation, which there must be."""
    found = await session.execute(
        select(_conversations.c.id, _conversations.c.epoch).where(
            _conversations.c.user_id == user_id
        )
    )
    return Speaker(user_id, *found.one())


async def chats(session: Session, user_id: int, *, but: Address) -> Sequence[Address]:
    """Return a person's private chats but for one, the one that they used last first.

    A chat in which somebody else spoke last belongs to an account that was unlinked.
    """
    # An index finds the messages of a chat, but not its turns.
    of_others = exists().where(
        _posts.c.platform == _turns.c.platform,
        _posts.c.bot_id == _turns.c.bot_id,
        _posts.c.chat == _turns.c.chat,
        _posts.c.turn_id > _turns.c.id,
        _newer.c.id == _posts.c.turn_id,
        _newer.c.user_id != user_id,
    )
    own = select(_conversations.c.id).where(
        or_(_conversations.c.user_id == user_id, _conversations.c.owner_id == user_id)
    )
    last = (
        select(func.max(_turns.c.id))
        .where(
            _turns.c.user_id == user_id,
            _turns.c.conversation_id.in_(own),
            or_(_turns.c.platform != but.platform, _turns.c.chat != but.chat),
            _turns.c.message_id.is_not(None),
        )
        .group_by(_turns.c.platform, _turns.c.bot_id, _turns.c.chat)
    )
    found = await session.execute(
        select(_turns.c.platform, _turns.c.bot_id, _turns.c.chat, _turns.c.thread)
        .where(_turns.c.id.in_(last), ~of_others)
        .order_by(_turns.c.id.desc())
    )
    return [Address(*row) for row in found]


def _side(row: Any) -> Side:
    return Side(row.id, row.user_id, Author(row.platform, row.account_id, row.name))
