"""The people on the dashboard: who costs most, and one person with their limits."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from core import access, models, operations, quota
from core.db import Session
from core.desk import Profile, Spender
from core.operations import Person
from core.overview._figures import lefts
from core.quota import Rules, Spending
from core.tallies import MONTH, Sums
from core.turns import Payer

_exceptions = models.exceptions
_NOTHING = Spending(0, 0, 0, 0, 0)


async def top(session: Session, live: Sums, today: date) -> tuple[Spender, ...]:
    """Return the people whose answers cost most this month."""
    found = await operations.highest(session, live, MONTH, today.replace(day=1))
    ids = [user_id for user_id, _ in found]
    names = await operations.names(session, ids)
    terms = await _terms(session, ids)
    return tuple(
        Spender(
            user_id,
            names.get(user_id, ""),
            terms.get(user_id, ""),
            *(figures[name] for name in ("answers", "tokens", "cost")),
        )
        for user_id, figures in found
    )


async def _terms(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """Return the terms of people that differ from the default."""
    columns = _exceptions.c.user_id, _exceptions.c.terms
    found = await session.execute(select(*columns).where(_exceptions.c.user_id.in_(ids)))
    return {row.user_id: row.terms for row in found}


async def find(session: Session, text: str) -> tuple[Profile, ...]:
    """Return the people that a text finds, without limits and spending."""
    return tuple(_profile(each) for each in await operations.find(session, text))


async def person(session: Session, user_id: int, rules: Rules, now: datetime) -> Profile | None:
    """Return a person with their limits and what they spent this month."""
    found = await operations.people(session, [user_id])
    if not found:
        return None
    terms = await quota.terms_of(session, user_id)
    left = await quota.remaining(session, Payer(user_id, terms), rules, now=now)
    spent = await quota.spent(session, user_id, rules, now=now)
    standing = await access.standing_of(session, user_id)
    return _profile(found[0], terms, lefts(left), spent, is_blocked=standing.blocked)


def _profile(
    person: Person,
    terms: str = "",
    left: Any = (),
    spent: Spending = _NOTHING,
    *,
    is_blocked: bool = False,
) -> Profile:
    return Profile(
        id=person.id,
        name=person.name,
        accounts=tuple(str(each) for each in person.accounts),
        language=person.language,
        terms=terms,
        is_blocked=is_blocked,
        left=left,
        month_cost=spent.charged,
        month_answers=spent.turns,
        month_tokens=spent.prompt_tokens + spent.completion_tokens,
        since=person.created_at,
        seen_at=person.seen_at,
    )
