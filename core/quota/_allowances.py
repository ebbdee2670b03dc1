"""Allowances: one row for each person and limit, equal to the sum of the calls in its window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, case, delete, func, or_, select, tuple_

from core import models
from core.db import Session, insert_missing
from core.models import Instant, allowances
from core.settings import Limit

DEPLOYMENT = 0
"""The owner of the budget."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of each person (`quota`) and of the whole deployment (`budget`)."""

    quota: tuple[Limit, ...] = ()
    budget: tuple[Limit, ...] = ()
    zone: tzinfo = UTC
    """The calendar of all limits, and of the sums by day."""

    @property
    def month(self) -> Limit:
        """A month of this calendar, as a limit that allows nothing."""
        return Limit(0, "usd", "month", self.zone)

    def of(self, user_id: int) -> list[tuple[int, Limit]]:
        """Return a person's owners and limits in the order of locking, the budget last."""
        personal = sorted(self.quota, key=lambda limit: (limit.unit, limit.window))
        shared = sorted(self.budget, key=lambda limit: (limit.unit, limit.window))
        return [
            *((user_id, limit) for limit in personal),
            *((DEPLOYMENT, limit) for limit in shared),
        ]


_calls = models.calls
_days = models.days
KEY = (allowances.c.owner_id, allowances.c.unit, allowances.c.window)
"""The columns that tell an allowance from all others."""
_LOCK = (
    select(*KEY, allowances.c.window_start, allowances.c.used)
    .where(tuple_(*KEY).in_(bindparam("keys", expanding=True)))
    .order_by(allowances.c.owner_id == DEPLOYMENT, *KEY)
    .with_for_update()
)
_own = allowances.alias("own")
_own_rows = select(func.count()).where(
    tuple_(_own.c.owner_id, _own.c.unit, _own.c.window).in_(bindparam("own", expanding=True))
)
# Nobody may hold the budget while creating own rows: those who wait for these wait for it, too.
_LOCK_IF_ALL = _LOCK.where(
    or_(allowances.c.owner_id != DEPLOYMENT, _own_rows.scalar_subquery() == bindparam("many"))
)
IS_KEY = (
    allowances.c.owner_id == bindparam("the_owner"),
    allowances.c.unit == bindparam("the_unit"),
    allowances.c.window == bindparam("the_window"),
)
"""Selects an allowance by the parameters of `key`."""
START = bindparam("start", type_=Instant)
"""The beginning of the window in which a call counts."""


def key(owner: int, limit: Limit) -> dict[str, Any]:
    """Return the parameters of `IS_KEY`."""
    return {"the_owner": owner, "the_unit": limit.unit, "the_window": limit.window}


async def lock(
    session: Session, limits: Sequence[tuple[int, Limit]], now: datetime
) -> dict[tuple[int, str, str], Any]:
    """Lock the rows of limits, the budget last, and create missing ones.

    Return them by owner, unit and window.
    """
    found = await _lock_at_once(session, limits)
    if len(found) < len(limits):
        found = []
        for owner in dict.fromkeys(owner for owner, _ in limits):
            own = [limit for of, limit in limits if of == owner]
            found += await _lock_own(session, owner, own, now)
    return {(row.owner_id, row.unit, row.window): row for row in found}


async def _lock_at_once(session: Session, limits: Sequence[tuple[int, Limit]]) -> list[Any]:
    """Lock the rows that there are; those of the budget only if no other is missing."""
    keys = [(owner, limit.unit, limit.window) for owner, limit in limits]
    own = [each for each in keys if each[0] != DEPLOYMENT]
    found = await session.execute(_LOCK_IF_ALL, {"keys": keys, "own": own, "many": len(own)})
    return list(found.all())


async def _lock_own(
    session: Session, owner: int, limits: Sequence[Limit], now: datetime
) -> Sequence[Any]:
    keys = {"keys": [(owner, limit.unit, limit.window) for limit in limits]}
    found: Sequence[Any] = (await session.execute(_LOCK, keys)).all()
    if len(found) < len(limits):
        await _create(session, owner, limits, now)
        found = (await session.execute(_LOCK, keys)).all()
    return found


async def _create(session: Session, owner: int, limits: Sequence[Limit], now: datetime) -> None:
    """Create rows that start at the ledger's sum, because a limit may be newer than the calls."""
    # Lock the open calls: if one were settled between the sum and the new row, the row would keep
    # the reserved amount for ever.
    await session.execute(
        select(_calls.c.id)
        .where(*_of(owner), _calls.c.settled_at.is_(None))
        .order_by(_calls.c.id)
        .with_for_update()
    )
    rows = [
        {
            "owner_id": owner,
            "unit": limit.unit,
            "window": limit.window,
            "window_start": limit.start(now),
            "used": await ledger_sum(session, owner, limit, now),
        }
        for limit in limits
    ]
    await session.execute(insert_missing(session, allowances).values(rows))


async def ledger_sum(session: Session, owner: int, limit: Limit, moment: datetime) -> int:
    """Sum an owner's calls in the window around a moment, in the unit of the limit.

    A window that is longer than calls are kept began at a midnight: whole days are in it.
    """
    start, end = limit.start(moment), limit.resets_at(moment)
    spent = _spent(_calls.c, owner, limit)
    if (reserved := _RESERVED.get(limit.unit)) is not None:
        spent = case((_calls.c.settled_at.is_(None), reserved), else_=spent)
    counted = select(func.coalesce(func.sum(spent), 0))
    at = (
        func.coalesce(_calls.c.spent_at, _calls.c.created_at)
        if owner == DEPLOYMENT
        else _calls.c.created_at
    )
    found = await session.scalar(counted.where(*_of(owner), at >= start, at < end))
    days = select(func.coalesce(func.sum(_spent(_days.c, owner, limit)), 0))
    first, end_day = limit.days(start)
    kept = await session.scalar(
        days.where(*_of(owner, _days), _days.c.day >= first, _days.c.day < end_day)
    )
    return int(found or 0) + int(kept or 0)


_RESERVED: Mapping[str, Any] = {"usd": _calls.c.reserved, "tokens": _calls.c.reserved_tokens}


def _spent(of: Any, owner: int, limit: Limit) -> Any:
    """Return the amount that counts in an owner's limit of calls or of sums by day."""
    if limit.unit == "turns":
        return of.turns
    if limit.unit == "usd":
        return of.cost if owner == DEPLOYMENT else of.charged
    tokens = of.prompt_tokens + of.completion_tokens
    # A call of an older release does not tell who paid its tokens.
    return tokens if owner == DEPLOYMENT else func.coalesce(of.charged_tokens, tokens)


def _of(owner: int, what: Table = _calls) -> list[ColumnElement[bool]]:
    """Return the condition for an owner's calls; all calls belong to the deployment."""
    return [] if owner == DEPLOYMENT else [what.c.user_id == owner]


def used_now(row: Any, limit: Limit, now: datetime) -> int:
    """Return the amount that an allowance counts in the current window."""
    used: int = row.used if row.window_start >= limit.start(now) else 0
    return used


async def used_at(session: Session, row: Any, limit: Limit, at: datetime) -> int:
    """Return the amount that is used in the window around a moment, which may be over.

    The allowance counts only the newest window that anything was used in; the ledger knows the
    older ones. While the allowance is locked, nobody else takes anything from either.
    """
    if row.window_start > limit.start(at):
        return await ledger_sum(session, row.owner_id, limit, at)
    return used_now(row, limit, at)


async def prune(session: Session, rules: Rules) -> None:
    """Delete the allowances of limits that no longer exist; the ledger can restore them."""
    kept = [(allowances.c.owner_id != DEPLOYMENT, rules.quota)]
    kept.append((allowances.c.owner_id == DEPLOYMENT, rules.budget))
    for whose, limits in kept:
        names = [(limit.unit, limit.window) for limit in limits]
        is_limit = tuple_(allowances.c.unit, allowances.c.window).in_(names)
        await session.execute(delete(allowances).where(whose, ~is_limit))
