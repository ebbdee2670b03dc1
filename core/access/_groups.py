"""The allowed groups that have another id now than the one by which the operator named them."""

from sqlalchemy import select

from core.access._rules import Rules
from core.adapter import Address
from core.db import Session, insert_missing
from core.models import moved_groups


async def was_allowed(session: Session, rules: Rules, address: Address) -> bool:
    """Return whether the operator named a group by an id that it had before."""
    if not address.places:
        return False
    formerly = await session.scalar(
        select(moved_groups.c.formerly).where(
            moved_groups.c.platform == address.platform, moved_groups.c.chat == address.places[-1]
        )
    )
    groups = rules.groups or frozenset()
    return formerly is not None and (address.platform, formerly) in groups


async def note_move(session: Session, rules: Rules, old: Address, chat: str) -> bool:
    """Let an allowed group keep its permission under its new id; return whether it is allowed."""
    if rules.groups is None:
        return False
    formerly = old.chat
    if (old.platform, formerly) not in rules.groups:
        formerly = await session.scalar(
            select(moved_groups.c.formerly).where(
                moved_groups.c.platform == old.platform, moved_groups.c.chat == old.chat
            )
        )
    if (old.platform, formerly) not in rules.groups:
        return False
    moved = {"platform": old.platform, "chat": chat, "formerly": formerly}
    await session.execute(insert_missing(session, moved_groups).values(moved))
    return True
