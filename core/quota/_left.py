"""The remaining allowances of a person, and their spending so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, Table, bindparam, case, func, select, true

from core import models
from core.db import Session
from core.errors import Unit, Whose
from core.models import Instant, Key
from core.quota._allowances import ledger_sum, used_now
from core.quota._rules import DEPLOYMENT, Rules
from core.settings import Limit
from core.turns import Payer, Turn

_allowances = models.allowances
_calls = models.calls
_days = models.days


@dataclass(frozen=True, slots=True)
class Remaining:
    """The rest of a limit, in the unit of the limit, until `resets_at`.

    A grant can bring `left` above the amount of the limit.
    """

    limit: Limit
    left: int
    resets_at: datetime
    whose: Whose = "person"


async def remaining(
    session: Session, payer: Payer, rules: Rules, *, now: datetime
) -> list[Remaining]:
    """Return the rest of each limit of a person and of their group, in the operator's order."""
    theirs: list[tuple[int, Whose, Limit]] = [
        (payer.user_id, "person", limit) for limit in rules.of_person(payer.terms)
    ]
    if payer.group_id is not None:
        shared = rules.of_group(payer.group_terms)
        theirs += [(-payer.group_id, "group", limit) for limit in shared]
    return await _rest(session, theirs, now)


async def remaining_budget(session: Session, rules: Rules, *, now: datetime) -> list[Remaining]:
    """Return the rest of each limit of the whole deployment."""
    return await _rest(session, [(DEPLOYMENT, "everybody", limit) for limit in rules.budget], now)


async def counted_budget(session: Session, rules: Rules, *, now: datetime) -> list[Remaining]:
    """Return the same without the limits in which nothing is counted yet: no call is read."""
    every: list[tuple[int, Whose, Limit]] = [
        (DEPLOYMENT, "everybody", limit) for limit in rules.budget
    ]
    return await _rest(session, every, now, reads_calls=False)


async def resumes_at(
    session: Session, payer: Payer, rules: Rules, unit: Unit, needed: int, *, now: datetime
) -> datetime | None:
    """Return when every limit in a unit has so much left and no other one is used up; None if now.

    That is when the windows end that have too little.
    """
    left = await remaining(session, payer, rules, now=now)
    left += await remaining_budget(session, rules, now=now)
    short = (each for each in left if each.left < (needed if each.limit.unit == unit else 1))
    return max((each.resets_at for each in short), default=None)


async def _rest(
    session: Session,
    theirs: Sequence[tuple[int, Whose, Limit]],
    now: datetime,
    *,
    reads_calls: bool = True,
) -> list[Remaining]:
    """Return the rest of some owners' limits."""
    is_theirs = _allowances.c.owner_id.in_({owner for owner, _, _ in theirs})
    found = await session.execute(select(_allowances).where(is_theirs))
    rows = {(row.owner_id, row.unit, row.window): row for row in found}
    left = []
    for owner, whose, limit in theirs:
        row = rows.get((owner, limit.unit, limit.window))
        if row is None and not reads_calls:
            continue
        used = (
            await ledger_sum(session, owner, limit, now)
            if row is None
            else used_now(row, limit, now)
        )
        rest = max(limit.amount - used, 0)
        left.append(Remaining(limit, rest, limit.resets_at(now), whose))
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
    its_calls = _calls.c.created_at >= rules.month.start(now)
    return await _spent(session, user_id, its_calls, _days.c.day >= rules.month.days(now)[0])


async def spent_in_all(session: Session, user_id: int) -> Spending:
    """Sum all settled calls of a person that are stored, and the days before them."""
    return await _spent(session, user_id, true(), true())


async def _spent(
    session: Session, user_id: int, calls: ColumnElement[bool], days: ColumnElement[bool]
) -> Spending:
    is_settled = _calls.c.settled_at.is_not(None)
    in_calls = _sums(_calls).where(_calls.c.user_id == user_id, is_settled, calls)
    in_days = _sums(_days).where(_days.c.user_id == user_id, days)
    found = [(await session.execute(sums)).one() for sums in (in_calls, in_days)]
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


@dataclass(frozen=True, slots=True)
class Daily:
    """The sums of a person's calls of a day; `charged` in micro-dollars."""

    day: date
    turns: int = 0
    charged: int = 0


async def by_day(
    session: Session, user_id: int, rules: Rules, *, days: int, now: datetime
) -> list[Daily]:
    """Sum the settled calls of a person for each of the last days, the current one included.

    The days are those of the calendar of all limits.
    """
    today = now.astimezone(rules.zone).date()
    dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
    sums = dict.fromkeys(range(days), (0, 0))
    for number, turns, charged in await session.execute(*_by_day(user_id, rules, dates)):
        sums[number] = int(turns), int(charged)
    kept = select(_days.c.day, _days.c.turns, _days.c.charged)
    for day, turns, charged in await session.execute(
        kept.where(_days.c.user_id == user_id, _days.c.day >= dates[0], _days.c.day <= today)
    ):
        number = (day - dates[0]).days
        sums[number] = sums[number][0] + turns, sums[number][1] + charged
    return [Daily(day, *sums[number]) for number, day in enumerate(dates)]


def _by_day(user_id: int, rules: Rules, dates: Sequence[date]) -> tuple[Any, dict[str, Any]]:
    """Return the statement for the sums of calls by the number of their day, and its values."""
    noons = [datetime.combine(day, time(12), rules.zone) for day in dates]
    starts = {f"day_{number}": rules.day.start(noon) for number, noon in enumerate(noons)}
    begun = [_calls.c.created_at >= bindparam(name, type_=Instant) for name in starts]
    latest_first = reversed([(each, number) for number, each in enumerate(begun)])
    numbered = (
        select(
            case(*latest_first).cast(Integer).label("number"),
            _calls.c.turns,
            _calls.c.charged,
        )
        .where(_calls.c.user_id == user_id, begun[0], _calls.c.settled_at.is_not(None))
        .subquery()
    )
    sums = (func.sum(numbered.c.turns), func.sum(numbered.c.charged))
    return select(numbered.c.number, *sums).group_by(numbered.c.number), starts


_SUM_OF = select(
    func.coalesce(func.max(_calls.c.model), ""),
    *(
        func.coalesce(func.sum(_calls.c[name]), 0)
        for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "cost")
    ),
).where(_calls.c.turn_id == bindparam("turn", type_=Key))


async def sum_of(session: Session, turn: Turn) -> tuple[str, int, int, int, int]:
    """Return the model of a turn's calls and their tokens: of prompts, cached, of answers.

    The last number is their cost in micro-dollars.
    """
    model, *sums = (await session.execute(_SUM_OF, {"turn": turn.id})).one()
    prompt, cached, completion, cost = map(int, sums)
    return model, prompt, cached, completion, cost
