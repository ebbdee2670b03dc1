"""The codes on offer: each is sent by one account, and agreed to on both sides."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from os import urandom
from secrets import choice
from typing import Any

from sqlalchemy import bindparam, case, delete, exists, select, update

from core.adapter import Address
from core.db import Session, insert_missing, row_count
from core.linking._accounts import Side, side_of
from core.linking._codes import NAME, VALID, Draw, digest, draw, is_code
from core.models import guesses, links, standings

MOST_WRONG = 5
"""The wrong codes after which an account has to wait, or a code is void."""
KEPT = 6 * VALID
"""The time after its end for which a code is kept, to tell that it has ended."""


class Refused(Enum):
    """The reason why a code links nothing."""

    WRONG = auto()
    """There is no such code, or none any more."""
    EXPIRED = auto()
    USED = auto()
    """Another account has sent it."""
    OWN = auto()
    """It was given to the account that sends it."""
    LINKED = auto()
    """Its account and the one that sends it are one person's already."""
    ASKED = auto()
    """The account that sends it has agreed, and the other one is asked."""


@dataclass(frozen=True, slots=True)
class Link:
    """Two accounts that are to be linked, by a code that one gave and the other sent."""

    name: str
    """The first characters of the code."""
    host: Side
    host_address: Address
    """The chat in which the code was given."""
    guest: Side
    guest_address: Address
    """The chat in which it was sent."""
    is_agreed: bool
    """True if the guest has agreed, and the host is asked."""


async def offer(
    session: Session, side: Side, address: Address, *, now: datetime, choose: Draw = choice
) -> str:
    """Store a new code of a person in place of an older one, and return it."""
    old = (links.c.user_id == side.user_id) | (links.c.until <= now - KEPT)
    await session.execute(delete(links).where(old))
    while True:
        code, salt = draw(choose), urandom(16)
        stored = await session.execute(
            insert_missing(session, links)
            .values(
                user_id=side.user_id,
                identity_id=side.identity_id,
                bot_id=address.bot_id,
                chat=address.chat,
                thread=address.thread,
                name=code[:NAME],
                salt=salt,
                digest=digest(code, salt),
                wrong=0,
                until=now + VALID,
            )
            .returning(links.c.user_id)
        )
        if stored.first() is not None:
            return code


async def waits(session: Session, user_id: int, *, now: datetime) -> datetime | None:
    """Return the time until which a person may send no code; None if they may."""
    until: datetime | None = await session.scalar(
        select(guesses.c.until).where(
            guesses.c.user_id == user_id, guesses.c.wrong >= MOST_WRONG, guesses.c.until > now
        )
    )
    return until


async def claim(
    session: Session, guest: Side, address: Address, code: str, *, now: datetime
) -> Link | Refused:
    """Let an account send a code; return the link that both sides may agree to, or a refusal.

    Wrong codes are counted, for the account that sends them and for the code that they resemble.
    """
    row = await _by_name(session, code)
    if row is None or not is_code(code, row.salt, row.digest):
        await _count(session, guest.user_id, row, now)
        return Refused.WRONG
    if row.user_id == guest.user_id:
        return Refused.OWN if row.identity_id == guest.identity_id else Refused.LINKED
    if row.guest_id not in (None, guest.identity_id):
        return Refused.USED
    if row.until <= now or await is_blocked(session, row.user_id):
        return Refused.EXPIRED
    if row.turn_id is not None:
        return Refused.ASKED
    of_others = links.c.guest_id == guest.identity_id, links.c.user_id != row.user_id
    await session.execute(delete(links).where(*of_others))  # an account follows one code at a time
    await session.execute(
        update(links)
        .where(links.c.user_id == row.user_id)
        .values(
            guest_id=guest.identity_id,
            guest_bot_id=address.bot_id,
            guest_chat=address.chat,
            guest_thread=address.thread,
            until=now + VALID,
        )
    )
    return await took(session, row.name) or Refused.WRONG


async def is_blocked(session: Session, *user_ids: int) -> bool:
    """Return whether any of some people may not speak to the bot."""
    blocked = exists().where(standings.c.user_id.in_(user_ids), standings.c.blocked_at.is_not(None))
    return bool(await session.scalar(select(blocked)))


async def void(session: Session, code: str) -> bool:
    """End a code that others could read; return whether there was one."""
    row = await _by_name(session, code)
    if row is None or not is_code(code, row.salt, row.digest):
        return False
    await session.execute(delete(links).where(links.c.user_id == row.user_id))
    return True


async def took(session: Session, name: str) -> Link | None:
    """Return a link by the name of its code, locked; None if there is none, or not any more."""
    row = (await session.execute(_BY_NAME, {"the_name": name})).one_or_none()
    if row is None or row.guest_id is None:
        return None
    host, guest = await side_of(session, row.identity_id), await side_of(session, row.guest_id)
    if host is None or guest is None or host.user_id != row.user_id:
        return None
    return Link(
        row.name,
        host,
        Address(host.author.platform, row.bot_id, row.chat, row.thread),
        guest,
        Address(guest.author.platform, row.guest_bot_id, row.guest_chat, row.guest_thread),
        is_agreed=row.turn_id is not None,
    )


async def agree(session: Session, link: Link, turn_id: int, *, now: datetime) -> None:
    """Note that the guest has agreed, and that a turn asks the host."""
    await session.execute(
        update(links).where(links.c.name == link.name).values(turn_id=turn_id, until=now + VALID)
    )


async def asked(session: Session, side: Side) -> str | None:
    """Return the name of the code that waits for an account to agree; None if there is none.

    If several do, return that on which the other side has agreed already.
    """
    is_host = (links.c.user_id == side.user_id) & links.c.turn_id.is_not(None)
    is_guest = (links.c.guest_id == side.identity_id) & links.c.turn_id.is_(None)
    found: str | None = await session.scalar(
        select(links.c.name).where(is_host | is_guest).order_by(case((is_host, 0), else_=1))
    )
    return found


_BY_NAME = select(links).where(links.c.name == bindparam("the_name")).with_for_update()


async def _by_name(session: Session, code: str) -> Any:
    return (await session.execute(_BY_NAME, {"the_name": code[:NAME]})).one_or_none()


async def _count(session: Session, user_id: int, row: Any, now: datetime) -> None:
    """Count a wrong code, which resembles that of a row, if there is one."""
    if row is not None:
        is_it = links.c.user_id == row.user_id
        if row.wrong + 1 >= MOST_WRONG:
            await session.execute(delete(links).where(is_it))
        else:
            await session.execute(update(links).where(is_it).values(wrong=row.wrong + 1))
    counted = await session.execute(
        update(guesses)
        .where(guesses.c.user_id == user_id)
        .values(
            wrong=case((guesses.c.until > now, guesses.c.wrong + 1), else_=1),
            until=case((guesses.c.until > now, guesses.c.until), else_=now + VALID),
        )
    )
    if not row_count(counted):
        new = insert_missing(session, guesses).values(user_id=user_id, wrong=1, until=now + VALID)
        await session.execute(new)
