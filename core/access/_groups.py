"""The allowed groups that have another id now than the one by which the operator named them."""

from sqlalchemy import select

from core.access._rules import Rules
from core.adapter import Address
from core.db import Session, insert_missing
from core.models import moved_groups


async def former_id(session: Session, rules: Rules, address: Address) -> str | None:
    """Return the id by which the operator allowed the group of an event; None if it has none."""
    if not address.places:
        return None
    return await _former(session, rules, address.platform, address.places[-1])


async def note_move(session: Session, rules: Rules, old: Address, chat: str) -> bool:
    """Let an allowed group keep its permission under its new id; return whether that is news."""
    if rules.groups is None or (old.platform, chat) in rules.groups:
        return False
    is_named = (old.platform, old.chat) in rules.groups
    formerly = old.chat if is_named else await _former(session, rules, old.platform, old.chat)
    if formerly is None:
        return False
    moved = {"platform": old.platform, "chat": chat, "formerly": formerly}
    new = insert_missing(session, moved_groups).values(moved).returning(moved_groups.c.chat)
    return (await session.execute(new)).first() is not None


async def _former(session: Session, rules: Rules, platform: str, chat: str) -> str | None:
    formerly: str | None = await session.scalar(
        select(moved_groups.c.formerly).where(
            moved_groups.c.platform == platform, moved_groups.c.chat == chat
        )
    )
    is_allowed = rules.groups is not None and (platform, formerly) in rules.groups
    return formerly if is_allowed else None
