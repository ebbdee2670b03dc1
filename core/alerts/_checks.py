"""The checks of what the database tells: the budget, answers that are stuck, failing turns."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, func, select

from core import models, quota
from core.adapter import Account
from core.alerts._matters import AGAIN, LANE, Matter
from core.db import Session
from core.lines import LAST
from core.models import Instant
from core.quota import Rules
from core.turns import Outcome

STUCK = timedelta(minutes=5)
"""The time after which an answer that is not delivered is stuck."""
SPAN, NEWEST = timedelta(minutes=10), 2000
"""The time in which failed turns count, and the most of the newest turns that are looked at."""
FEW, SHARE = 5, 4
"""The least number of failed turns that pile up: one in so many of all."""
LOW = 0.8
"""The part of the budget after which it is told that little is left."""

_turns = models.turns


async def budget(session: Session, rules: Rules, now: datetime) -> list[Matter]:
    """Return the limits of the budget of which little is left."""
    found = []
    for left in await quota.remaining_budget(session, rules, now=now):
        used = left.limit.amount - left.left
        if used >= LOW * left.limit.amount:
            found.append(budget_matter("budget_low", str(left.limit), left.resets_at, now))
    return found


def budget_matter(kind: str, limit: str, resets_at: datetime, now: datetime) -> Matter:
    """Return the matter of a limit that is told once in its window."""
    facts = {"limit": limit, "when": resets_at}
    again = max(resets_at - now, AGAIN)
    return Matter(kind, now, f"{limit} {resets_at:%Y-%m-%d %H:%M}", facts, again)


# Alerts and announcements do not count: an alert about an alert would never end.
_STUCK = select(func.count().label("number"), func.min(_turns.c.answered_at).label("since")).where(
    _turns.c.platform == bindparam("the_platform"),
    _turns.c.bot_id == bindparam("the_bot"),
    _turns.c.line != LAST,
    *models.WAITING,
    _turns.c.answered_at <= bindparam("before", type_=Instant),
    _turns.c.lane.is_not(None),
    _turns.c.lane.not_like(f"{LANE}%"),
)


async def stuck(session: Session, accounts: Collection[Account], now: datetime) -> list[Matter]:
    """Return the accounts with answers that stand ready and are not delivered."""
    found = []
    for platform, bot_id in accounts:
        values = {"the_platform": platform, "the_bot": bot_id, "before": now - STUCK}
        row = (await session.execute(_STUCK, values)).one()
        if row.number:
            facts = {"platform": platform, "number": row.number}
            found.append(Matter("stuck", row.since, platform, facts))
    return found


_newest = (
    select(_turns.c.kind, _turns.c.outcome, _turns.c.answered_at)
    .order_by(_turns.c.id.desc())
    .limit(NEWEST)
    .subquery()
)
_IS_FAILED: Any = _newest.c.outcome == Outcome.FAILED
_FAILED = select(
    func.count().label("number"),
    func.sum(case((_IS_FAILED, 1), else_=0)).label("failed"),
    func.min(case((_IS_FAILED, _newest.c.answered_at))).label("since"),
).where(
    _newest.c.kind == "chat",
    _newest.c.answered_at > bindparam("after", type_=Instant),
)


async def errors(session: Session, now: datetime) -> list[Matter]:
    """Return the matter of failing turns if there are many of them."""
    row = (await session.execute(_FAILED, {"after": now - SPAN})).one()
    failed = int(row.failed or 0)
    if failed < FEW or failed * SHARE < row.number:
        return []
    return [Matter("errors", row.since, facts={"failed": failed, "number": row.number})]
