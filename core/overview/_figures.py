"""The figures of hours and days: plots, sums, and what they tell of money and people."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from sqlalchemy import or_, select

from core import errors, quota, tallies
from core.db import Session
from core.desk import Left, Money, People, Point, Span
from core.models import actives, days_of_all, hours, waits
from core.quota import Rules
from core.tallies import ERROR, FIRST, FIRST_MS, FLOOD, MODEL_MS, MONTH, SIZE, WEEK, Sums

HOURS, DAYS = 48, 30
"""The numbers of hours and days that plots show."""
PACE = 7
"""The days whose cost tells how it goes on."""
LIVE = 5_000
"""The most rows that are looked at which are not summed up yet."""

_OF_HOURS = ("ok", "stopped", "refused", "failed", "undeliverable")
_OF_CALLS = ("cost", "prompt_tokens", "cached_tokens")

Bucket = Counter[str]
"""The figures of an hour or day, each under its name in `Point`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a span, and those of days that money and people need."""

    points: tuple[Point, ...]
    whole: Point
    errors: tuple[tuple[str, int], ...]
    floods: tuple[tuple[str, int], ...]
    costs: Mapping[date, int]
    """The cost of each day of this month, and of the last `DAYS`."""
    people_today: int
    live: Sums
    """What is not in the sums yet."""
    is_partial: bool


async def figures(session: Session, span: Span, zone: tzinfo, now: datetime) -> Figures:
    """Return the figures of a span, up to now."""
    today = now.astimezone(zone).date()
    live, is_partial = await tallies.live(session, zone=zone, most=LIVE)
    first = min(today.replace(day=1), today - timedelta(days=DAYS - 1))
    days = await _days(session, live, first)
    begin = _begin(span, zone, now)
    hourly = await _hours(session, live, begin)
    steps: Mapping[date, Counter[int]]
    if span is Span.HOURS:
        points, steps = _by_hour(hourly, begin, zone)
    else:
        steps = await _steps_of_days(session, live, begin.astimezone(zone).date())
        points = _by_day(hourly, days, steps, zone, today)
    return Figures(
        tuple(points),
        _whole(points, sum(steps.values(), Counter())),
        tuple(each for each in _by_kind(hourly, ERROR) if _is_of_model(each[0])),
        _by_kind(hourly, FLOOD),
        {day: figures["cost"] for day, figures in days.items()},
        days[today]["people"],
        live,
        is_partial,
    )


def _begin(span: Span, zone: tzinfo, now: datetime) -> datetime:
    """Return the beginning of the first hour of a span."""
    if span is Span.HOURS:
        return tallies.hour_of(now) - timedelta(hours=HOURS - 1)
    first = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
    return tallies.hour_of(datetime.combine(first, time(), zone))


# Rows


async def _days(session: Session, live: Sums, first: date) -> dict[date, Counter[str]]:
    found: dict[date, Counter[str]] = defaultdict(Counter)
    for day, figures in live.days.items():
        found[day].update(figures)
    rows = await session.execute(select(days_of_all).where(days_of_all.c.day >= first))
    for row in rows.mappings():
        found[row["day"]].update({name: row[name] for name in tallies.FIGURES})
    return found


_NAMES = (*_OF_HOURS, *_OF_CALLS, FIRST, FIRST_MS, MODEL_MS, SIZE)
_IS_SHOWN = or_(
    hours.c.name.in_(_NAMES),
    *(hours.c.name.startswith(prefix) for prefix in (ERROR, FLOOD)),
)

Hourly = Counter[tuple[str, datetime, int]]


async def _hours(session: Session, live: Sums, begin: datetime) -> Hourly:
    """Return the figures by name, hour and step."""
    found: Hourly = Counter({key: value for key, value in live.hours.items() if key[1] >= begin})
    rows = await session.execute(select(hours).where(_IS_SHOWN, hours.c.hour >= begin))
    for name, hour, step, number in rows:
        found[name, hour, step] += number
    return found


# Points


def _of_hour(hourly: Hourly, hour: datetime) -> Bucket:
    told = Counter({name: hourly[name, hour, 0] for name in (*_OF_CALLS, FIRST_MS, MODEL_MS)})
    by_outcome = {name: hourly[name, hour, 0] for name in _OF_HOURS}
    told["answers"] = by_outcome["ok"] + by_outcome["stopped"]
    told["refused"] = by_outcome["refused"]
    told["failed"] = by_outcome["failed"] + by_outcome["undeliverable"]
    return told


def _by_hour(
    hourly: Hourly, begin: datetime, zone: tzinfo
) -> tuple[list[Point], Mapping[date, Counter[int]]]:
    """Return the points of hours, and the waiting times of each."""
    steps: dict[date, Counter[int]] = defaultdict(Counter)
    for (name, hour, step), number in hourly.items():
        if name == FIRST:
            steps[hour][step] += number
    every = [begin + timedelta(hours=number) for number in range(HOURS)]
    points = [_point(at.astimezone(zone), _of_hour(hourly, at), steps[at]) for at in every]
    return points, steps


def _by_day(
    hourly: Hourly,
    days: Mapping[date, Counter[str]],
    steps: Mapping[date, Counter[int]],
    zone: tzinfo,
    today: date,
) -> list[Point]:
    """Return the points of days."""
    shares: dict[date, Counter[str]] = defaultdict(Counter)
    for (name, hour, _), number in sorted(hourly.items()):
        if name in (FIRST_MS, MODEL_MS):
            shares[hour.astimezone(zone).date()][name] += number
        elif name == SIZE:
            shares[hour.astimezone(zone).date()][name] = number
    points = []
    for day in (today - timedelta(days=ago) for ago in reversed(range(DAYS))):
        told = Counter({name: days[day][name] for name in ("answers", "people", *_OF_CALLS)})
        told += shares[day]
        told["refused"], told["failed"] = days[day]["refusals"], days[day]["failures"]
        begin = datetime.combine(day, time(), zone)
        points.append(_point(begin, told, steps[day], people=told["people"]))
    return points


async def _steps_of_days(session: Session, live: Sums, first: date) -> dict[date, Counter[int]]:
    steps: dict[date, Counter[int]] = defaultdict(Counter)
    for (day, kind, step), number in live.waits.items():
        if kind == FIRST:
            steps[day][step] += number
    rows = await session.execute(select(waits).where(waits.c.day >= first, waits.c.kind == FIRST))
    for row in rows:
        steps[row.day][row.step] += row.number
    return steps


def _whole(points: Sequence[Point], steps: Counter[int]) -> Point:
    """Return the figures of all points together, with the waiting times of all."""
    names = ("answers", "refused", "failed", *_OF_CALLS, FIRST_MS, MODEL_MS)
    sums = Counter({name: sum(getattr(each, name) for each in points) for name in names})
    return _point(points[0].at, sums, steps)


def _point(at: datetime, told: Bucket, steps: Counter[int], people: int | None = None) -> Point:
    return Point(
        at,
        answers=told["answers"],
        refused=told["refused"],
        failed=told["failed"],
        cost=told["cost"],
        prompt_tokens=told["prompt_tokens"],
        cached_tokens=told["cached_tokens"],
        people=people,
        half=within(steps, 0.5),
        most=within(steps, 0.95),
        first_ms=told[FIRST_MS],
        model_ms=told[MODEL_MS],
        size=told[SIZE],
    )


def within(steps: Counter[int], share: float) -> float | None:
    """Return the seconds within which a share of the answers came; None if there are none.

    The answers of a step are taken to lie evenly between its neighbours.
    """
    rest = share * steps.total()
    for step in sorted(steps):
        if rest <= steps[step]:
            return tallies.seconds_of(step - 0.5 + rest / steps[step])
        rest -= steps[step]
    return None


def _is_of_model(kind: str) -> bool:
    """Return whether an error of this kind is one of the model."""
    return issubclass(getattr(errors, kind, object), errors.ModelError)


def _by_kind(hourly: Hourly, prefix: str) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    for (name, _, _), number in hourly.items():
        if name.startswith(prefix):
            found[name.removeprefix(prefix)] += number
    return tuple(found.most_common())


# Money and people


async def money(session: Session, costs: Mapping[date, int], rules: Rules, now: datetime) -> Money:
    """Return the spending of today and this month, and what the budget has left."""
    today = now.astimezone(rules.zone).date()
    month = sum(cost for day, cost in costs.items() if day >= today.replace(day=1))
    budget = await quota.counted_budget(session, rules, now=now)
    spent = costs.get(today, 0)
    forecast = _forecast(costs, today, month)
    return Money(spent, month, forecast, lefts(budget), has_budget=bool(rules.budget))


def _forecast(costs: Mapping[date, int], today: date, month: int) -> int:
    """Return the cost of this month if each day costs as much as those of the last week did."""
    spent = costs.get(today, 0)
    known = [day for day, cost in costs.items() if cost and day < today]
    number = min(PACE, (today - min(known)).days) if known else 0
    last = [costs.get(today - timedelta(days=ago + 1), 0) for ago in range(number)]
    pace = sum(last) // number if number else spent
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return month + max(pace - spent, 0) + pace * ((next_month - today).days - 1)


def lefts(found: Iterable[quota.Remaining]) -> tuple[Left, ...]:
    """Return the rest of limits as the dashboard has it."""
    return tuple(
        Left(str(each.limit), each.limit.unit, each.limit.amount, each.left, each.resets_at)
        for each in found
    )


async def people(session: Session, told: Figures, zone: tzinfo, now: datetime) -> People:
    """Return the number of people who got an answer today, in this week and in this month."""
    today = now.astimezone(zone).date()
    firsts = {WEEK: tallies.monday(today), MONTH: today.replace(day=1)}
    rows = await session.execute(select(actives).where(actives.c.first.in_(firsts.values())))
    found = Counter(told.live.actives)
    for row in rows:
        found[row.span, row.first] += row.people
    return People(told.people_today, *(found[span, first] for span, first in firsts.items()))
