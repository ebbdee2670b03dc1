"""Who is speaking, and in which conversation."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.adapter import Address, Author
from core.db import insert_missing
from core.models import Conversation, Identity, User
from core.turns import Speaker


async def resolve(
    session: AsyncSession, author: Author, address: Address, *, private: bool, now: datetime
) -> Speaker:
    """The person behind an account and the conversation they speak in; both are made when new."""
    found = await _find(session, author, address, private=private)
    if found is None or found.conversation_id is None:
        await _create(session, author, address, private=private, now=now)
        found = await _find(session, author, address, private=private)
    if found.name != author.name:
        await session.execute(
            update(Identity).where(*_is(Identity, author)).values(name=author.name)
        )
    return Speaker(found.user_id, found.conversation_id, found.epoch)


async def user_of(session: AsyncSession, author: Author) -> int | None:
    """The person behind an account, if it ever spoke."""
    return await session.scalar(select(Identity.user_id).where(*_is(Identity, author)))


async def _find(session: AsyncSession, author: Author, address: Address, *, private: bool) -> Any:
    joined = _conversation(address) if not private else Conversation.user_id == Identity.user_id
    found = await session.execute(
        select(
            Identity.user_id,
            Identity.name,
            Conversation.id.label("conversation_id"),
            Conversation.epoch,
        )
        .outerjoin(Conversation, joined)
        .where(*_is(Identity, author))
    )
    return found.one_or_none()


async def _create(
    session: AsyncSession, author: Author, address: Address, *, private: bool, now: datetime
) -> None:
    user_id = await user_of(session, author)
    if user_id is None:
        user_id = await _create_identity(session, author, now)
    owner: dict[str, Any] = {"user_id": user_id} if private else _columns(address)
    await session.execute(
        insert_missing(session, Conversation).values(epoch=0, created_at=now, **owner)
    )


async def _create_identity(session: AsyncSession, author: Author, now: datetime) -> int:
    """Two first messages at once make one identity: the loser of the race takes the winner's."""
    created = insert(User).values(created_at=now).returning(User.id)
    user_id = (await session.execute(created)).scalar_one()
    statement = insert_missing(session, Identity).values(
        user_id=user_id,
        platform=author.platform,
        account_id=author.account_id,
        name=author.name,
    )
    await session.execute(statement)
    found = await user_of(session, author)
    assert found is not None
    return found


def _is(table: type[Identity], author: Author) -> tuple[ColumnElement[bool], ...]:
    return table.platform == author.platform, table.account_id == author.account_id


def _conversation(address: Address) -> ColumnElement[bool]:
    return and_(
        *(getattr(Conversation, name) == value for name, value in _columns(address).items())
    )


def _columns(address: Address) -> dict[str, str]:
    return {
        "platform": address.platform,
        "bot_id": address.bot_id,
        "chat": address.chat,
        "thread": address.thread,
    }
