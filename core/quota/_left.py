"""The remaining allowances of a person, and their spending so far."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, func, select

from core import models
from core.db import Session
from core.quota._allowances import Rules, ledger_sum, used_now
from core.settings import Limit

_allowances = models.allowances
_calls = models.calls
_days = models.days


@dataclass(frozen=True, slots=True)
class Remaining:
    """The rest of a limit, in the unit of the limit, until `resets_at`."""

    limit: Limit
    left: int
    resets_at: datetime


async def remaining(
    session: Session, user_id: int, rules: Rules, *, now: datetime
) -> list[Remaining]:
    """Return the rest of each limit of a person, in the operator's order."""
    found = await session.execute(select(_allowances).where(_allowances.c.owner_id == user_id))
    rows = {(row.unit, row.window): row for row in found}
    left = []
    for limit in rules.quota:
        row = rows.get((limit.unit, limit.window))
        used = (
            await ledger_sum(session, user_id, limit, now)
            if row is None
            else used_now(row, limit, now)
        )
        left.append(Remaining(limit, max(limit.amount - used, 0), limit.resets_at(now)))
    return left


@dataclass(frozen=True, slots=True)
class Spending:
    """The sums of a person's calls in a month; `charged` in micro-dollars."""

    turns: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    charged: int


async def spent(session: Session, user_id: int, rules: Rules, *, now: datetime) -> Spending:
    """Sum the settled calls of a person in this month, and the days of it."""
    calls = _sums(_calls).where(
        _calls.c.user_id == user_id,
        _calls.c.created_at >= rules.month.start(now),
        _calls.c.settled_at.is_not(None),
    )
    days = _sums(_days).where(_days.c.user_id == user_id, _days.c.day >= rules.month.days(now)[0])
    found = [(await session.execute(sums)).one() for sums in (calls, days)]
    return Spending(*(int(sum(figures)) for figures in zip(*found, strict=True)))


def _sums(of: Table) -> Any:
    figures = (
        of.c.turns,
        of.c.prompt_tokens,
        of.c.cached_tokens,
        of.c.completion_tokens,
        of.c.charged,
    )
    return select(*(func.coalesce(func.sum(figure), 0) for figure in figures))
