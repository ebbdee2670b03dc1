"""The figures of each day and hour, summed up from calls and turns a while after they ended.

A mark for each table tells the last row that the sums count. It moves with them in one transaction,
so no crash counts a row twice or forgets one. Together with the rows after the mark, the sums
are everything that there is. A plain turn writes nothing here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile
from math import log2
from typing import Any

from sqlalchemy import Select, Table, and_, bindparam, delete, func, select, text, tuple_, update

from core import models
from core.db import Session, insert, row_count
from core.models import actives, days_of_all, hours, spendings, tally_marks, waits

BATCH = 500
"""The number of rows that one transaction sums up."""
LIVE = 20_000
"""The most rows behind a mark that are looked at, the newest."""
LAG = timedelta(minutes=10)
"""The time after its end from which on a row is summed up. Ids are given out before a transaction
is committed, but no transaction lasts so long: nothing appears behind a mark."""
STUCK = timedelta(days=1)
"""A row that does not end for so long is passed over, so that the others are summed up."""
KEPT_DAYS = timedelta(days=8)
"""The time for which the days of people are kept; their months and the days of all stay longer."""
KEPT_WEEKS = timedelta(days=15)
KEPT_MONTHS = timedelta(days=400)
KEPT_HOURS = timedelta(days=32)
"""The time for which the figures of each hour are kept."""

DAY, WEEK, MONTH = "day", "week", "month"
FIRST, WHOLE = "first", "whole"
FIRST_MS, MODEL_MS = "first_ms", "model_ms"
"""The sums of milliseconds up to the first text of all answers of which the model's part is known,
and of the model's part of them."""
ERROR, FLOOD, SIZE = "error ", "flood ", "bytes"
"""The beginning of the names of errors by kind and of flood limits by platform, and the name of the
size of the database."""

_calls = models.calls
_turns = models.turns
_posts = models.posts
_SPENT_AT = func.coalesce(_calls.c.spent_at, _calls.c.created_at)

_CALLS = select(
    _calls.c.id,
    _calls.c.user_id,
    _SPENT_AT.label("at"),
    _calls.c.settled_at.label("ended_at"),
    _calls.c.prompt_tokens,
    _calls.c.cached_tokens,
    _calls.c.completion_tokens,
    _calls.c.cost,
).order_by(_calls.c.id)
_TURNS = (
    select(
        _turns.c.id,
        _turns.c.user_id,
        _turns.c.created_at.label("at"),
        _turns.c.delivered_at.label("ended_at"),
        _turns.c.kind,
        _turns.c.outcome,
        _turns.c.reason,
        _turns.c.model_ms,
        _posts.c.posted_at,
    )
    .outerjoin(_posts, and_(_posts.c.turn_id == _turns.c.id, _posts.c.part == 0))
    .order_by(_turns.c.id)
)
SOURCES: dict[str, tuple[Select[Any], Table]] = {
    "calls": (_CALLS, _calls),
    "turns": (_TURNS, _turns),
}
"""The rows that are summed up, each kind under its name."""

_MARK = (
    select(tally_marks.c.id).where(tally_marks.c.name == bindparam("the_source")).with_for_update()
)

_OF_A_CALL = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost")
FIGURES = ("people", "answers", "refusals", "failures", "calls", *_OF_A_CALL)
_OF_A_PERSON = ("answers", "tokens", "cost")

Key = tuple[str, date, int]
"""A span, its first day and a user's id."""


@dataclass(slots=True)
class Sums:
    """Figures that are added up; money in micro-dollars."""

    days: dict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """The figures of all by day, each under its name in `FIGURES`."""
    waits: Counter[tuple[date, str, int]] = field(default_factory=Counter)
    """How often a day a step of "first" or "whole" was reached."""
    people: dict[Key, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """The answers, tokens and cost of people, each by day, week and month."""
    actives: Counter[tuple[str, date]] = field(default_factory=Counter)
    """The people with an answer in a week or month, by its first day."""
    hours: Counter[tuple[str, datetime, int]] = field(default_factory=Counter)
    """The figures of all by name, hour and step; see `models.hours`."""

    def spend(self, day: date, user_id: int, figures: Counter[str]) -> None:
        """Add figures of a person."""
        for span, first in ((DAY, day), (WEEK, monday(day)), (MONTH, day.replace(day=1))):
            self.people[span, first, user_id].update(figures)


def step_of(seconds: float) -> int:
    """Return the step of a time: four steps double it, and step 0 is a tenth of a second."""
    return min(max(round(4 * log2(max(seconds, 0.01) / 0.1)), 0), 80)


def monday(day: date) -> date:
    """Return the first day of a week."""
    return day - timedelta(days=day.weekday())


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of an hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def seconds_of(step: float) -> float:
    """Return the seconds of a step."""
    return float(0.1 * 2 ** (step / 4))


# Summing up


async def sum_up(session: Session, name: str, *, zone: tzinfo, now: datetime) -> bool:
    """Take a step along "calls" or "turns". Return True if there may be more to do.

    The days are those of a time zone.
    """
    mark = await session.scalar(_MARK, {"the_source": name})
    source, of = SOURCES[name]
    found = await session.execute(source.where(of.c.id > mark).limit(BATCH))
    rows = list(takewhile(lambda row: _is_over(row, now), found))
    if not rows:
        return False
    ended = (row for row in rows if row.ended_at is not None)
    await _store(session, _sums_of(name, ended, zone))
    moved = update(tally_marks).where(tally_marks.c.name == name)
    await session.execute(moved.values(id=rows[-1].id))
    return len(rows) == BATCH


def _is_over(row: Any, now: datetime) -> bool:
    is_ended: bool = row.ended_at is not None and row.ended_at <= now - LAG
    is_stuck: bool = row.at <= now - STUCK
    return is_ended or is_stuck


async def correct(session: Session, call: Any, values: Mapping[str, Any], *, zone: tzinfo) -> None:
    """Count new values of a settled call in place of the old ones, if it is summed up already.

    The caller has changed the row and keeps it locked, so `sum_up` either came before, or waits for
    the end of this transaction and sees the new values.
    """
    if call.id > await session.scalar(_MARK, {"the_source": "calls"}):
        return
    changes = {
        name: values.get(name, getattr(call, name)) - getattr(call, name) for name in _OF_A_CALL
    }
    day = _day(call.spent_at or call.created_at, zone)
    sums = Sums()
    sums.days[day].update(changes)
    hour = hour_of(call.spent_at or call.created_at)
    sums.hours.update({(name, hour, 0): change for name, change in changes.items()})
    tokens = changes["prompt_tokens"] + changes["completion_tokens"]
    sums.spend(day, call.user_id, Counter(tokens=tokens, cost=changes["cost"]))
    await _store(session, sums)


async def join(session: Session, into: int, gone: int, *, now: datetime) -> None:
    """Give the figures of a person to another one, who is the same person; both are locked."""
    for name in sorted(SOURCES):  # nothing is summed up meanwhile
        await session.scalar(_MARK, {"the_source": name})
    theirs = tuple_(*spendings.primary_key).in_([(*span, gone) for span in _kept_spans(now)])
    found = await session.execute(select(spendings).where(theirs))
    sums = Sums()
    for row in found.all():
        sums.people[row.span, row.first, into].update(_figures_of(row))
    await _store(session, sums, counts_people=False)
    await session.execute(delete(spendings).where(theirs))


async def live(session: Session, *, zone: tzinfo, most: int = LIVE) -> tuple[Sums, bool]:
    """Return the sums of the rows behind the marks, and True if there are too many to look at."""
    every, is_partial = Sums(), False
    for name, (source, of) in SOURCES.items():
        mark = select(tally_marks.c.id).where(tally_marks.c.name == name).scalar_subquery()
        newest = source.order_by(None).order_by(of.c.id.desc())
        found = (await session.execute(newest.where(of.c.id > mark).limit(most))).all()
        _add_up(every, name, (row for row in found if row.ended_at is not None), zone)
        is_partial = is_partial or len(found) == most
    await _count_people(session, every)
    return every, is_partial


async def prune(session: Session, *, now: datetime) -> bool:
    """Delete old spans of people; return True if there may be more to do."""
    is_old = False
    for span, kept in ((DAY, KEPT_DAYS), (WEEK, KEPT_WEEKS), (MONTH, KEPT_MONTHS)):
        old = select(*spendings.primary_key).where(
            spendings.c.span == span, spendings.c.first < (now - kept).date()
        )
        gone = await session.execute(
            delete(spendings).where(tuple_(*spendings.primary_key).in_(old.limit(BATCH)))
        )
        is_old = is_old or row_count(gone) == BATCH
    past = select(*hours.primary_key).where(hours.c.hour < now - KEPT_HOURS).limit(BATCH)
    gone = await session.execute(delete(hours).where(tuple_(*hours.primary_key).in_(past)))
    return is_old or row_count(gone) == BATCH


async def count(session: Session, name: str, *, now: datetime) -> None:
    """Count something that is in no row, such as a flood limit, in its hour."""
    await _add(session, hours, [_hourly(name, now, 1)], ("number",))


_SIZES = {
    "postgresql": text("SELECT pg_database_size(current_database())"),
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
}


async def size(session: Session) -> int:
    """Return the bytes of the database."""
    return int(await session.scalar(_SIZES[session.dialect]))


async def weigh(session: Session, *, now: datetime) -> None:
    """Note the size of the database in this hour; the last one stays."""
    new = insert(session, hours)
    keys = [column.name for column in hours.primary_key]
    values = {"number": new.excluded["number"]}
    upsert = new.on_conflict_do_update(index_elements=keys, set_=values)
    await session.execute(upsert, [_hourly(SIZE, now, await size(session))])


def _hourly(name: str, moment: datetime, number: int, step: int = 0) -> dict[str, Any]:
    return {"name": name, "hour": hour_of(moment), "step": step, "number": number}


def _sums_of(name: str, rows: Iterable[Any], zone: tzinfo) -> Sums:
    sums = Sums()
    _add_up(sums, name, rows, zone)
    return sums


def _add_up(sums: Sums, name: str, rows: Iterable[Any], zone: tzinfo) -> None:
    add = _add_call if name == "calls" else _add_turn
    for row in rows:
        add(sums, row, _day(row.at, zone))


def _add_call(sums: Sums, call: Any, day: date) -> None:
    figures = sums.days[day]
    figures["calls"] += 1
    hour = hour_of(call.at)
    sums.hours["calls", hour, 0] += 1
    for name in _OF_A_CALL:
        figures[name] += getattr(call, name)
        sums.hours[name, hour, 0] += getattr(call, name)
    tokens = call.prompt_tokens + call.completion_tokens
    sums.spend(day, call.user_id, Counter(tokens=tokens, cost=call.cost))


def _add_turn(sums: Sums, turn: Any, day: date) -> None:
    if turn.kind != "chat":
        return
    hour = hour_of(turn.at)
    sums.hours[turn.outcome, hour, 0] += 1
    if turn.reason is not None:
        sums.hours[f"{ERROR}{turn.reason}", hour, 0] += 1
    if turn.outcome in ("failed", "undeliverable"):
        sums.days[day]["failures"] += 1
        return
    if turn.outcome == "refused":
        sums.days[day]["refusals"] += 1
        return
    sums.days[day]["answers"] += 1
    sums.spend(day, turn.user_id, Counter(answers=1))
    for kind, moment in ((FIRST, turn.posted_at), (WHOLE, turn.ended_at)):
        # An answer that took the place of an older one stands in messages of before.
        if moment is not None and moment >= turn.at:
            seconds = (moment - turn.at).total_seconds()
            sums.waits[day, kind, step_of(seconds)] += 1
            sums.hours[kind, hour, step_of(seconds)] += 1
            if kind == FIRST and turn.model_ms is not None:
                sums.hours[FIRST_MS, hour, 0] += round(1000 * seconds)
                sums.hours[MODEL_MS, hour, 0] += min(turn.model_ms, round(1000 * seconds))


def _day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


# Storing


def _kept_spans(now: datetime) -> list[tuple[str, date]]:
    """Return the spans of which people may have figures; any time zone may have another day."""
    last = now.date() + timedelta(days=1)
    days = [last - timedelta(days=ago) for ago in range(KEPT_MONTHS.days + 33)]
    shorter = [(DAY, day) for day in days[: KEPT_DAYS.days + 3]]
    shorter += [(WEEK, day) for day in days[: KEPT_WEEKS.days + 10] if day == monday(day)]
    return [*shorter, *((MONTH, day) for day in days if day.day == 1)]


def _figures_of(row: Any) -> dict[str, int]:
    return {name: getattr(row, name) for name in _OF_A_PERSON}


async def _store(session: Session, sums: Sums, *, counts_people: bool = True) -> None:
    """Add sums to those that are stored."""
    if counts_people:
        await _count_people(session, sums)
    days = [{"day": day} | _all(figures, FIGURES) for day, figures in sums.days.items()]
    await _add(session, days_of_all, days, FIGURES)
    reached = [
        {"day": day, "kind": kind, "step": step, "number": number}
        for (day, kind, step), number in sums.waits.items()
    ]
    await _add(session, waits, reached, ("number",))
    every = sums.hours.items()
    hourly = [_hourly(name, hour, number, step) for (name, hour, step), number in every]
    await _add(session, hours, hourly, ("number",))
    active = [
        {"span": span, "first": first, "people": number}
        for (span, first), number in sums.actives.items()
    ]
    await _add(session, actives, active, ("people",))
    people = [
        {"span": span, "first": first, "user_id": user_id} | _all(figures, _OF_A_PERSON)
        for (span, first, user_id), figures in sums.people.items()
    ]
    await _add(session, spendings, people, _OF_A_PERSON)


async def _count_people(session: Session, sums: Sums) -> None:
    """Count the people who got their first answer of a day, a week or a month."""
    answered: dict[tuple[str, date], set[int]] = defaultdict(set)
    for (span, first, user_id), figures in sums.people.items():
        if figures["answers"]:
            answered[span, first].add(user_id)
    for (span, first), users in answered.items():
        known = select(func.count()).where(
            spendings.c.span == span,
            spendings.c.first == first,
            spendings.c.user_id.in_(users),
            spendings.c.answers > 0,
        )
        number = len(users) - int(await session.scalar(known) or 0)
        if span == DAY:
            sums.days[first]["people"] += number
        else:
            sums.actives[span, first] += number


def _all(figures: Counter[str], names: Sequence[str]) -> dict[str, int]:
    return {name: figures[name] for name in names}


async def _add(
    session: Session, to: Table, rows: list[dict[str, Any]], names: Sequence[str]
) -> None:
    if not rows:
        return
    new = insert(session, to)
    added = {name: to.c[name] + new.excluded[name] for name in names}
    keys = [column.name for column in to.primary_key]
    upsert = new.on_conflict_do_update(index_elements=keys, set_=added)
    await session.execute(upsert, rows)
