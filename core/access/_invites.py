"""Invites: an operator makes them, and people redeem them. Their uses are counted exactly."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, or_, select, update

from core import quota
from core.access import _codes
from core.access._standing import admit
from core.db import Session, insert_missing, row_count
from core.models import invites as _invites
from core.models import redemptions, standings
from core.quota import Rules

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
GUESSES = 5
"""The wrong codes of a person in an hour after which no further one is looked at."""


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite, as operators see it."""

    id: int
    hint: str
    """The first characters of its code, which is not stored."""
    uses: int
    used: int
    until: datetime | None
    tier: str
    made_by: str
    created_at: datetime
    revoked_at: datetime | None

    def is_open(self, now: datetime) -> bool:
        """Return whether somebody can still redeem it."""
        is_over = self.until is not None and self.until <= now
        return self.used < self.uses and self.revoked_at is None and not is_over


@dataclass(frozen=True, slots=True)
class Redeemed:
    """An invite that a person has redeemed."""

    tier: str
    again: bool
    """True if they had redeemed it before, which changes nothing."""


async def invite(
    session: Session,
    *,
    now: datetime,
    uses: int = 1,
    until: datetime | None = None,
    tier: str = "",
    by: str = "",
) -> str:
    """Make an invite for so many people, and return its code, which is not stored.

    `until` is its end, None for none. Whoever redeems it gets the terms of a `tier`. `by` names the
    operator.
    """
    code = _codes.new_code()
    row = {
        "digest": _codes.digest(code),
        "hint": code[: _codes.SHOWN],
        "uses": uses,
        "until": until,
        "tier": tier,
        "made_by": by,
        "created_at": now,
    }
    await session.execute(_invites.insert().values(row))
    return code


async def invites(session: Session) -> list[Invite]:
    """Return all invites, the newest first."""
    columns = [column for column in _invites.c if column.name != "digest"]
    found = await session.execute(select(*columns).order_by(_invites.c.id.desc()))
    return [Invite(**row) for row in found.mappings()]


async def revoke(session: Session, invite_id: int, *, now: datetime) -> bool:
    """End an invite, so that nobody can redeem it any more; return whether it was not ended.

    Whoever has redeemed it stays let in.
    """
    ended = await session.execute(
        update(_invites)
        .where(_invites.c.id == invite_id, _invites.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return row_count(ended) > 0


async def redeem(
    session: Session, code: str, user_id: int, limits: Rules, *, now: datetime
) -> Redeemed | None:
    """Let a person in by the code of an invite, and give them the terms of its tier.

    Return None if there is no such invite, if it is used up or over, or if the person was shut out
    after they had redeemed it.
    """
    wanted = select(_invites.c.id, _invites.c.tier).where(_invites.c.digest == _codes.digest(code))
    found = (await session.execute(wanted)).one_or_none()
    if found is None:
        return None
    key = {"invite_id": found.id, "user_id": user_id}
    # First the person's own row: who redeems it twice at once waits here for themselves.
    mine = insert_missing(session, redemptions).values(**key, created_at=now)
    if (await session.execute(mine.returning(redemptions.c.user_id))).first() is None:
        is_in = select(standings.c.allowed_at).where(standings.c.user_id == user_id)
        return Redeemed(found.tier, again=True) if await session.scalar(is_in) else None
    taken = await session.execute(
        update(_invites)
        .where(
            _invites.c.id == found.id,
            _invites.c.used < _invites.c.uses,
            _invites.c.revoked_at.is_(None),
            or_(_invites.c.until.is_(None), _invites.c.until > now),
        )
        .values(used=_invites.c.used + 1)
    )
    if not row_count(taken):
        is_mine = (redemptions.c.invite_id == found.id, redemptions.c.user_id == user_id)
        await session.execute(delete(redemptions).where(*is_mine))
        return None
    await admit(session, user_id, now=now)
    if found.tier:
        await _allow(session, user_id, found.tier, limits)
    return Redeemed(found.tier, again=False)


async def _allow(session: Session, user_id: int, tier: str, limits: Rules) -> None:
    """Set the terms of a person; those of a tier that is no more stay as they are."""
    try:
        await quota.allow(session, user_id, tier, limits)
    except ValueError:
        log.warning("an invite has the tier %s, which is not among the settings", tier)


async def may_guess(session: Session, user_id: int, *, now: datetime) -> bool:
    """Return whether a code of a person is looked at: they have not tried too many wrong ones."""
    tried = select(standings.c.guesses).where(
        standings.c.user_id == user_id, standings.c.guesses_at > now - HOUR
    )
    return (await session.scalar(tried) or 0) < GUESSES


async def note_guess(session: Session, user_id: int, *, now: datetime) -> bool:
    """Count a wrong code of a person; return whether another one is looked at in this hour."""
    await session.execute(insert_missing(session, standings).values(user_id=user_id))
    is_new = or_(standings.c.guesses_at.is_(None), standings.c.guesses_at <= now - HOUR)
    counted = await session.execute(
        update(standings)
        .where(standings.c.user_id == user_id)
        .values(
            guesses=case((is_new, 1), else_=standings.c.guesses + 1),
            guesses_at=case((is_new, now), else_=standings.c.guesses_at),
        )
        .returning(standings.c.guesses)
    )
    return int(counted.scalar_one()) < GUESSES
