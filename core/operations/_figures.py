"""The figures of the deployment: who spends most, and what happened day by day."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from sqlalchemy import select

from core import charts, models, tallies, words
from core.charts import Columns, Series, Sign
from core.db import Session, Sessions, transact
from core.models import days_of_all, spendings, waits
from core.money import MICRO
from core.operations._order import Answer, NotDone, Order, literal, number_in
from core.operations._people import number_of
from core.quota import Rules
from core.tallies import FIRST, WHOLE, Sums

MOST = 10
"""The people in a list of those who spend most."""
LONGEST = 365
"""The most days of statistics."""
DAYS = 30
"""The days of statistics, unless an order says another number."""
SHOWN = 7
"""The days that have a line of their own in the text."""

_identities = models.identities


# Who spends most


async def top(session: Session, order: Order, span: str = tallies.MONTH) -> Answer:
    """List the people whose answers cost most, this month or today."""
    spans = {"today": tallies.DAY, "day": tallies.DAY, "month": tallies.MONTH}
    if span.lower() not in spans:
        raise NotDone(words.TOP_SPAN)
    chosen = spans[span.lower()]
    first = order.now.astimezone(order.rules.zone).date()
    if chosen == tallies.MONTH:
        first = first.replace(day=1)
    live, _ = await tallies.live(session, zone=order.rules.zone)
    found = await highest(session, live, chosen, first)
    if not found:
        return Answer(words.TOP_NOBODY)
    named = await names(session, [user_id for user_id, _ in found])
    title = words.TOP_TODAY if chosen == tallies.DAY else words.TOP_MONTH
    lines = [
        words.TOP_LINE.format(
            place=place,
            who=number_of(user_id, order),
            name=literal(named.get(user_id, "")),
            money=words.dollars(figures["cost"]),
            answers=words.amount(figures["answers"], "turns"),
            tokens=words.amount(figures["tokens"], "tokens"),
        )
        for place, (user_id, figures) in enumerate(found, 1)
    ]
    return Answer("\n".join([f"**{title}**", *lines]))


async def highest(
    session: Session, live: Sums, span: str, first: date
) -> list[tuple[int, Counter[str]]]:
    """Return the people with the highest cost, among the sums and what is not in them yet."""
    newest = {
        user_id: figures
        for (its_span, its_first, user_id), figures in live.people.items()
        if (its_span, its_first) == (span, first)
    }
    is_now = (spendings.c.span == span, spendings.c.first == first)
    highest = select(spendings).where(*is_now).order_by(spendings.c.cost.desc()).limit(MOST)
    theirs = select(spendings).where(*is_now, spendings.c.user_id.in_(newest))
    sums: dict[int, Counter[str]] = {}
    for statement in (highest, theirs):
        for row in (await session.execute(statement)).all():
            sums[row.user_id] = Counter(answers=row.answers, tokens=row.tokens, cost=row.cost)
    for user_id, figures in newest.items():
        sums[user_id] = sums.get(user_id, Counter()) + figures
    ranked = sorted(sums.items(), key=lambda each: (-each[1]["cost"], each[0]))
    return [(user_id, figures) for user_id, figures in ranked[:MOST] if figures["cost"]]


async def names(session: Session, ids: Sequence[int]) -> Mapping[int, str]:
    """Return the names of people by their numbers."""
    found = await session.execute(
        select(_identities.c.user_id, _identities.c.name)
        .where(_identities.c.user_id.in_(ids))
        .order_by(_identities.c.id.desc())
    )
    return {row.user_id: row.name for row in found}  # the first account comes last and stays


# Day by day


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of some days, from the first to today."""

    days: tuple[date, ...]
    sums: Sums
    steps: Mapping[tuple[date, str], Counter[int]]
    """How often each step of a kind of waiting was reached on a day."""
    is_partial: bool
    """True if older rows are still being summed up."""

    def total(self, name: str) -> int:
        """Return the sum of a figure over all days."""
        return sum(self.sums.days[day][name] for day in self.days)

    def wait(self, kind: str, share: float, days: Sequence[date]) -> float | None:
        """Return the seconds that this share of the answers of some days took at most."""
        steps: Counter[int] = Counter()
        for day in days:
            steps.update(self.steps.get((day, kind), {}))
        rest = share * steps.total()
        for step in sorted(steps):
            rest -= steps[step]
            if rest <= 0:
                return tallies.seconds_of(step)
        return None


async def statistics(session: Session, *, number: int, zone: tzinfo, now: datetime) -> Statistics:
    """Return the figures of the last days, from the sums and what is not in them yet."""
    today = now.astimezone(zone).date()
    days = tuple(today - timedelta(days=ago) for ago in reversed(range(number)))
    sums, is_partial = await tallies.live(session, zone=zone)
    found = await session.execute(select(days_of_all).where(days_of_all.c.day >= days[0]))
    for row in found.mappings():
        sums.days[row["day"]].update({name: row[name] for name in tallies.FIGURES})
    steps = select(waits).where(waits.c.day >= days[0])
    for each in (await session.execute(steps)).all():
        sums.waits[each.day, each.kind, each.step] += each.number
    reached: dict[tuple[date, str], Counter[int]] = defaultdict(Counter)
    for (day, kind, step), times in sums.waits.items():
        reached[day, kind][step] += times
    return Statistics(days, sums, reached, is_partial)


async def stats(session: Session, order: Order, days: str = str(DAYS)) -> Answer:
    """Tell what happened in the last days, as text and as a chart."""
    number = number_in(days, LONGEST)
    if number is None:
        raise NotDone(words.ORDER_NUMBER.format(most=LONGEST))
    found = await statistics(session, number=number, zone=order.rules.zone, now=order.now)
    lines = [*_summary(found), "", *_days(found)]
    if found.is_partial:
        lines += ["", words.STATS_PARTIAL]
    return Answer("\n".join(lines), charts=(_chart(found),))


async def picture(sessions: Sessions, text: str, rules: Rules, *, now: datetime) -> bytes:
    """Draw the chart of the last days, as many as an order says: "/stats 7"; return the PNG."""
    said = re.search(r"\d{1,3}", text)
    number = min(max(int(said[0]), 1), LONGEST) if said else DAYS
    work = partial(statistics, number=number, zone=rules.zone, now=now)
    return await charts.picture([_chart(await transact(sessions, work, heavy=True))])


def _summary(found: Statistics) -> list[str]:
    total = found.total
    asked = total("answers") + total("failures") + total("refusals")
    people = max(found.sums.days[day]["people"] for day in found.days)
    lines = [
        words.STATS.format(first=found.days[0], last=found.days[-1]),
        words.STATS_ANSWERS.format(number=words.number(total("answers"))),
        words.STATS_PEOPLE.format(number=words.number(people)),
        words.STATS_COST.format(money=words.dollars(total("cost"))),
        words.STATS_CALLS.format(number=words.number(total("calls"))),
        words.STATS_READ.format(
            number=words.number(total("prompt_tokens")),
            cached=_share(total("cached_tokens"), total("prompt_tokens")),
        ),
        words.STATS_WRITTEN.format(number=words.number(total("completion_tokens"))),
        words.STATS_ERRORS.format(
            number=words.number(total("failures")), share=_share(total("failures"), asked)
        ),
        words.STATS_REFUSED.format(number=words.number(total("refusals"))),
    ]
    for kind, sentence in ((FIRST, words.STATS_FIRST), (WHOLE, words.STATS_WHOLE)):
        half, most = (found.wait(kind, share, found.days) for share in (0.5, 0.95))
        if half is not None and most is not None:
            values = {"half": _written(half), "most": _written(most)}
            lines.append(sentence.format(share=words.percent(95), **values))
    return lines


def _share(part: int, whole: int) -> str:
    return words.percent(round(100 * part / max(whole, 1)))


def _days(found: Statistics) -> list[str]:
    busy = [day for day in reversed(found.days) if any(found.sums.days[day].values())]
    lines = []
    for day in busy[:SHOWN]:
        figures = found.sums.days[day]
        sentence = words.STATS_DAY_ERRORS if figures["failures"] else words.STATS_DAY
        lines.append(
            sentence.format(
                day=day,
                answers=words.amount(figures["answers"], "turns"),
                money=words.dollars(figures["cost"]),
                failures=words.number(figures["failures"]),
            )
        )
    return lines


def _written(seconds: float) -> str:
    return words.number(round(seconds, 1) if seconds < 10 else round(seconds))


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _chart(found: Statistics) -> Columns:
    def series(sign: Sign, name: str, write: Any) -> Series:
        values = [float(found.sums.days[day][name]) for day in found.days]
        return Series(sign, values, write, write(sum(values)))

    firsts = [found.wait(FIRST, 0.5, (day,)) for day in found.days]
    half = found.wait(FIRST, 0.5, found.days)
    return Columns(
        found.days,
        (
            series(Sign.ANSWERS, "answers", lambda value: f"{value:,.0f}"),
            series(Sign.MONEY, "cost", lambda value: f"${value / MICRO:,.2f}"),
            series(Sign.ERRORS, "failures", lambda value: f"{value:,.0f}"),
            Series(Sign.TIME, firsts, _seconds, "" if half is None else _seconds(half)),
        ),
    )
