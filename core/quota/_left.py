"""What is left of a person's limits, and what their calls used."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from core.db import Session
from core.models import Allowance, Call
from core.quota._allowances import Rules, ledger_sum, used_now
from core.settings import Limit


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a limit, in turns or micro-dollars, until it is whole again."""

    limit: Limit
    left: int
    resets_at: datetime


async def remaining(
    session: Session, user_id: int, rules: Rules, *, now: datetime
) -> list[Remaining]:
    """What a person may still spend, one entry for each of the operator's limits."""
    found = await session.execute(select(Allowance).where(Allowance.owner_id == user_id))
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
class Spent:
    """What a person's calls used since a moment; `charged` in micro-dollars."""

    turns: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    charged: int


async def spent(session: Session, user_id: int, *, since: datetime) -> Spent:
    """The ledger's sum for a person, of calls that are settled."""
    row = await session.execute(
        select(
            func.coalesce(func.sum(Call.turns), 0),
            func.coalesce(func.sum(Call.prompt_tokens), 0),
            func.coalesce(func.sum(Call.cached_tokens), 0),
            func.coalesce(func.sum(Call.completion_tokens), 0),
            func.coalesce(func.sum(Call.charged), 0),
        ).where(Call.user_id == user_id, Call.created_at >= since, Call.settled_at.is_not(None))
    )
    return Spent(*(int(figure) for figure in row.one()))
