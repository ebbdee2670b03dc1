"""Parting an account from the others of its person: it begins anew, but not with fresh limits."""

from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from core import access, models, quota
from core.db import Session
from core.linking._accounts import Side
from core.models import links
from core.quota import Rules
from core.turns import Speaker

_users = models.users
_identities = models.identities
_conversations = models.conversations


COPIED = ("exported_at", "requests", "requests_at", "language")
"""The columns of a person that one who parts from them begins with."""


async def part(session: Session, side: Side, rules: Rules, *, now: datetime) -> Speaker:
    """Give an account, which is locked, a person and an empty conversation of its own.

    What was said stays with the others. What was used in the current windows counts for both.
    """
    old = (await session.execute(select(_users).where(_users.c.id == side.user_id))).one()
    copied = {name: getattr(old, name) for name in COPIED}
    new = insert(_users).values(created_at=now, **copied).returning(_users.c.id)
    user_id: int = (await session.execute(new)).scalar_one()
    own = update(_identities).where(_identities.c.id == side.identity_id)
    await session.execute(own.values(user_id=user_id))
    model = await session.scalar(
        select(_conversations.c.model).where(_conversations.c.user_id == side.user_id)
    )
    begun = insert(_conversations).values(user_id=user_id, epoch=0, model=model, created_at=now)
    conversation_id: int = (
        await session.execute(begun.returning(_conversations.c.id))
    ).scalar_one()
    is_theirs = or_(links.c.identity_id == side.identity_id, links.c.guest_id == side.identity_id)
    await session.execute(delete(links).where(is_theirs))
    await access.part(session, side.user_id, user_id)
    await quota.split(session, side.user_id, user_id, rules, now=now)
    return Speaker(user_id, conversation_id, 0)
