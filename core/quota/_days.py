"""The sums by day of calls that are too old to be kept one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from sqlalchemy import delete, func, select

from core import models
from core.db import Session, Sessions, insert
from core.settings import Limit
from core.tasks import walk

BATCH = 50
"""The number of calls that one transaction looks at."""
LONGEST_WINDOW = timedelta(days=32)
"""The longest window of a limit, and more."""
FIGURES = (
    *("turns", "prompt_tokens", "cached_tokens", "completion_tokens"),
    *("cost", "charged", "charged_tokens"),
)

_calls = models.calls
_days = models.days


async def sum_up(sessions: Sessions, zone: tzinfo, *, before: datetime) -> None:
    """Replace the settled calls of the days before a time by their sums, in steps.

    The days are those of a time zone.
    """
    midnight = Limit(0, "usd", "day", zone).start(before)
    await walk(sessions, partial(_sum_up, before=midnight, zone=zone), 0)


async def _sum_up(session: Session, after: int, *, before: datetime, zone: tzinfo) -> int | None:
    """Take one step after a call's id; return the last id that it looked at, None at the end."""
    next_ones = select(_calls).where(_calls.c.id > after).order_by(_calls.c.id).limit(BATCH)
    calls = (await session.execute(next_ones)).all()
    old = [call for call in calls if call.created_at < before]
    ready = [call.id for call in old if _is_ready(call, before, zone)]
    if ready:
        gone = delete(_calls).where(_calls.c.id.in_(ready)).returning(*_calls.c)
        # As they are now: a person may have been linked with another account since.
        summed = (await session.execute(gone)).all()
        for (owner, day), sums in sorted(_sums(summed, zone).items()):
            await add(session, owner, day, sums)
    # Ids grow with time: where nothing is old, the end is reached.
    return calls[-1].id if old and len(calls) == BATCH else None


def _is_ready(call: Any, before: datetime, zone: tzinfo) -> bool:
    """Return whether the sum of a day can stand for an old call.

    One that counts for its person and for the deployment on two days waits until it counts in no
    window any more.
    """
    asked, paid = _days_of(call, zone)
    is_over = asked == paid or call.created_at < before - LONGEST_WINDOW
    return call.settled_at is not None and is_over


def _days_of(call: Any, zone: tzinfo) -> tuple[date, date]:
    """Return the days on which a call counts for its person and for the deployment."""
    paid = call.spent_at or call.created_at
    return call.created_at.astimezone(zone).date(), paid.astimezone(zone).date()


def _sums(calls: Iterable[Any], zone: tzinfo) -> dict[tuple[int, date], Counter[str]]:
    """Sum calls for each person, or for the negative id of a group's exception, and each day."""
    sums: dict[tuple[int, date], Counter[str]] = defaultdict(Counter)
    for call in calls:
        day, paid = _days_of(call, zone)
        figures = {name: getattr(call, name) for name in FIGURES if name != "cost"}
        if call.charged_tokens is None:
            figures["charged_tokens"] = call.prompt_tokens + call.completion_tokens
        group = () if call.group_id is None else (-call.group_id,)
        for owner in (call.user_id, *group):
            sums[owner, day].update(figures)
            sums[owner, paid].update({"cost": call.cost})
    return sums


async def add(session: Session, owner: int, day: date, sums: Mapping[str, int]) -> None:
    """Add figures to the sums of an owner and a day."""
    figures = {name: sums[name] for name in FIGURES}
    new = insert(session, _days).values(user_id=owner, day=day, **figures)
    so_far: dict[str, Any] = {name: _days.c[name] for name in FIGURES}
    so_far["charged_tokens"] = func.coalesce(
        _days.c.charged_tokens, _days.c.prompt_tokens + _days.c.completion_tokens
    )
    added = {name: so_far[name] + new.excluded[name] for name in FIGURES}
    await session.execute(new.on_conflict_do_update(index_elements=["user_id", "day"], set_=added))
