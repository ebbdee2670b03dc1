"""Plots as values: columns in parts, which a template draws as SVG, and the table behind them.

A plot is 100 units high and 10 wide for each column; the page stretches it to its own width. So it
holds no text: labels are HTML beside it, in the size of all other text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bots.web.dashboard import written
from core.desk import Point, Span

WIDE, GAP = 10.0, 1.6
"""The units of a column with its gap, and of the gap."""
LABELS = 5
"""The most labels below a plot."""
ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
"""The numbers that are round, times a power of ten."""
LEAST = 1.2
"""The least height of a part that is not zero."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column, in the units of the plot."""

    series: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """The parts of one hour or day, and what a pointer shows above it."""

    x: float
    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot with its legend, its labels and the table behind it."""

    name: str
    title: str
    summary: str
    """One sentence with what it tells in all."""
    legend: tuple[tuple[str, str], ...]
    """The series and their names."""
    most: str
    """The label of the upper edge; "" for a plot of nothing."""
    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> float:
        """Its units from left to right."""
        return WIDE * len(self.columns)


@dataclass(frozen=True, slots=True)
class Series:
    """A part of every column."""

    name: str
    """The class by which the style sheet colours it."""
    title: str
    of: Callable[[Point], float]
    write: Callable[[float], str]


def plot(
    name: str,
    title: str,
    summary: str,
    points: Sequence[Point],
    span: Span,
    series: Sequence[Series],
    *,
    stacked: bool = True,
) -> Plot:
    """Return a plot of points. Series that are not stacked stand one before the other."""
    heights = [[each.of(point) for each in series] for point in points]
    top = ceiling(max((sum(h) if stacked else max(h) for h in heights), default=0.0))
    columns = tuple(
        _column(number, point, span, series, top, stacked=stacked)
        for number, point in enumerate(points)
    )
    is_empty = not any(map(any, heights))
    return Plot(
        name,
        title,
        summary,
        tuple((each.name, each.title) for each in series),
        "" if is_empty else series[0].write(top),
        () if is_empty else columns,
        _labels(points, span),
        (_head(span), *(each.title for each in series)),
        tuple(
            (when(point, span), *(each.write(each.of(point)) for each in series))
            for point, found in zip(points, heights, strict=True)
            if any(found)
        ),
    )


def _column(
    number: int, point: Point, span: Span, series: Sequence[Series], top: float, *, stacked: bool
) -> Column:
    x, at = number * WIDE, 100.0
    bars = []
    for each in series:
        value = each.of(point)
        if value <= 0:
            continue
        height = max(100 * value / top, LEAST)
        bottom = at if stacked else 100.0
        y = max(bottom - height, 0.0)
        bars.append(Bar(each.name, x + GAP / 2, round(y, 2), WIDE - GAP, round(bottom - y, 2)))
        at = y
    told = ", ".join(f"{each.title.lower()} {each.write(each.of(point))}" for each in series)
    return Column(x, f"{when(point, span)}: {told}", tuple(bars))


def ceiling(most: float) -> float:
    """Return a round number at the top of a plot."""
    if most <= 0:
        return 1.0
    power = 1.0
    while power > most:
        power /= 10
    while power * 10 <= most:
        power *= 10
    return next(times * power for times in ROUND if times * power >= most * 0.999999)


def when(point: Point, span: Span) -> str:
    """Return the hour or day of a point."""
    at = point.at
    return f"{at:%a} {at:%H:%M}" if span is Span.HOURS else f"{at.day} {at:%b}"


def _head(span: Span) -> str:
    return "Hour" if span is Span.HOURS else "Day"


def _labels(points: Sequence[Point], span: Span) -> tuple[str, ...]:
    last = len(points) - 1
    at = [round(number * last / (LABELS - 1)) for number in range(LABELS)]
    return tuple(when(points[number], span) for number in at)


# The plots of the first page


def all_of(points: Sequence[Point], whole: Point, span: Span) -> tuple[Plot, ...]:
    """Return the plots of a span."""
    found = [_turns(points, whole, span), _waits(points, whole, span)]
    found += [_cost(points, whole, span), _tokens(points, whole, span)]
    if span is Span.DAYS:
        found += [_people(points, span), _size(points, span)]
    return tuple(found)


def _turns(points: Sequence[Point], whole: Point, span: Span) -> Plot:
    summary = (
        f"{written.several(whole.answers, 'answer')}, {written.number(whole.refused)} refused,"
        f" {written.number(whole.failed)} failed"
    )
    series = (
        Series("answers", "Answers", lambda point: point.answers, written.number),
        Series("refused", "Refused", lambda point: point.refused, written.number),
        Series("failed", "Failed", lambda point: point.failed, written.number),
    )
    return plot("turns", "Turns by outcome", summary, points, span, series)


def _waits(points: Sequence[Point], whole: Point, span: Span) -> Plot:
    summary = (
        f"Half within {written.seconds(whole.half)}, 95 % within {written.seconds(whole.most)}"
        if whole.half is not None
        else "No answers yet"
    )
    series = (
        Series("most", "95 % within", lambda point: point.most or 0, _seconds),
        Series("half", "Half within", lambda point: point.half or 0, _seconds),
    )
    return plot("waits", "Time to the first text", summary, points, span, series, stacked=False)


def _cost(points: Sequence[Point], whole: Point, span: Span) -> Plot:
    series = (Series("cost", "Cost", lambda point: point.cost, lambda v: written.money(round(v))),)
    summary = f"{written.money(whole.cost)} in all"
    return plot("cost", "Cost", summary, points, span, series)


def _tokens(points: Sequence[Point], whole: Point, span: Span) -> Plot:
    share = written.percent(whole.cached_tokens, whole.prompt_tokens)
    series = (
        Series("cached", "From the cache", lambda point: point.cached_tokens, _thousands),
        Series(
            "read", "Read anew", lambda point: point.prompt_tokens - point.cached_tokens, _thousands
        ),
    )
    return plot("tokens", "Tokens read", f"{share} from the cache", points, span, series)


def _people(points: Sequence[Point], span: Span) -> Plot:
    most = max((point.people or 0 for point in points), default=0)
    series = (Series("people", "People", lambda point: point.people or 0, written.number),)
    summary = f"{written.number(most)} on the busiest day"
    return plot("people", "People by day", summary, points, span, series)


def _size(points: Sequence[Point], span: Span) -> Plot:
    known = [point.size for point in points if point.size]
    grown = known[-1] - known[0] if known else 0
    series = (Series("size", "Size", lambda point: point.size, lambda v: written.size(round(v))),)
    summary = f"{written.size(grown)} more than at first" if grown > 0 else ""
    return plot("size", "Size of the database", summary, points, span, series)


def _seconds(value: float) -> str:
    return written.seconds(value) if value else "–"


def _thousands(value: float) -> str:
    for unit, least in (("M", 1_000_000), ("k", 1000)):
        if value >= least:
            shown = value / least
            return f"{shown:.1f} {unit}" if shown < 10 else f"{shown:,.0f} {unit}"
    return written.number(value)
