"""Allowances: a row for each limit of each person, equal to the ledger's sum of its window."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, delete, func, select, tuple_

from core.db import Session, insert_missing
from core.models import Allowance, Call, Instant, table
from core.settings import Limit

DEPLOYMENT = 0
"""The owner of the budget."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of each person, and those of the whole deployment."""

    quota: tuple[Limit, ...] = ()
    budget: tuple[Limit, ...] = ()

    def of(self, user_id: int) -> list[tuple[int, Limit]]:
        """Owners and limits in the order in which they are locked, the budget last."""
        personal = sorted(self.quota, key=lambda limit: (limit.unit, limit.window))
        shared = sorted(self.budget, key=lambda limit: (limit.unit, limit.window))
        return [
            *((user_id, limit) for limit in personal),
            *((DEPLOYMENT, limit) for limit in shared),
        ]


allowances = table(Allowance)
_KEY = (allowances.c.owner_id, allowances.c.unit, allowances.c.window)
_LOCK = (
    select(*_KEY, allowances.c.window_start, allowances.c.used)
    .where(tuple_(*_KEY).in_(bindparam("keys", expanding=True)))
    .order_by(allowances.c.unit, allowances.c.window)
    .with_for_update()
)
IS_KEY = (
    allowances.c.owner_id == bindparam("the_owner"),
    allowances.c.unit == bindparam("the_unit"),
    allowances.c.window == bindparam("the_window"),
)
"""Tells an allowance by the parameters of `key`."""
START = bindparam("start", type_=Instant)
"""When the window begins that is counted in."""


def key(owner: int, limit: Limit) -> dict[str, Any]:
    """The parameters of `IS_KEY`."""
    return {"the_owner": owner, "the_unit": limit.unit, "the_window": limit.window}


async def lock(
    session: Session, limits: Sequence[tuple[int, Limit]], now: datetime
) -> dict[tuple[int, str, str], Any]:
    """The rows of limits, created when missing, in the order that all keep: the budget last."""
    rows: dict[tuple[int, str, str], Any] = {}
    # One owner after the other: nobody holds the budget while creating rows of their own.
    for owner in dict.fromkeys(owner for owner, _ in limits):
        own = [limit for of, limit in limits if of == owner]
        for row in await _lock_own(session, owner, own, now):
            rows[row.owner_id, row.unit, row.window] = row
    return rows


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
    """Begin rows at what the ledger counts already: the limit may be newer than the spending."""
    # Nobody can close a call between this sum and its row, which would then never learn of it.
    await session.execute(
        select(Call.id)
        .where(*_of(owner), Call.settled_at.is_(None))
        .order_by(Call.id)
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
    await session.execute(insert_missing(session, Allowance).values(rows))


async def ledger_sum(session: Session, owner: int, limit: Limit, now: datetime) -> int:
    """What the ledger counts for an owner in the window of now, in turns or micro-dollars."""
    paid = Call.cost if owner == DEPLOYMENT else Call.charged
    spent = case((Call.settled_at.is_(None), Call.reserved), else_=paid)
    amount = Call.turns if limit.unit == "turns" else spent
    counted = select(func.coalesce(func.sum(amount), 0))
    found = await session.scalar(counted.where(*_of(owner), Call.created_at >= limit.start(now)))
    return int(found or 0)


def _of(owner: int) -> list[ColumnElement[bool]]:
    """The calls that count for an owner: for the deployment all of them."""
    return [] if owner == DEPLOYMENT else [Call.user_id == owner]


def used_now(row: Any, limit: Limit, now: datetime) -> int:
    """What an allowance counts in the window of now."""
    used: int = row.used if row.window_start >= limit.start(now) else 0
    return used


async def prune(session: Session, rules: Rules) -> None:
    """Delete the allowances of limits that are no more: should one return, the ledger knows."""
    kept = [(allowances.c.owner_id != DEPLOYMENT, rules.quota)]
    kept.append((allowances.c.owner_id == DEPLOYMENT, rules.budget))
    for whose, limits in kept:
        names = [(limit.unit, limit.window) for limit in limits]
        is_limit = tuple_(allowances.c.unit, allowances.c.window).in_(names)
        await session.execute(delete(allowances).where(whose, ~is_limit))
