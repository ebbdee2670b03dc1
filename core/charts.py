"""Pictures of figures: bars for limits and columns by day, as PNG, drawn without a display.

A picture is read in every language, on bright and dark screens: it has its own dark ground, and
shows signs, figures, dates and the symbols of units, but no words.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    Box = tuple[float, float, float, float]

WIDTH = 1000
"""The pixels of a picture's width; a phone shows two of them as one of its own."""
FINE = 2
"""Everything is drawn larger by this factor and then reduced, so that edges are smooth."""
EDGE, GAP, BETWEEN = 44, 52, 24
"""The pixels at the edges of a picture, between two charts, and between the parts of one."""
FIGURE = EDGE + 58
"""The place of a figure, behind its sign."""
LARGE, SMALL = 38, 30
"""The sizes of figures, in pixels."""
HEAD, BAR, PLOT, FOOT = 64, 26, 170, 44
"""The heights of a line of figures, and of the bar or the columns and dates below it."""
LABELS = 6
"""The most dates below a chart."""

GROUND, TRACK, LINE = "#18222d", "#2e3c4b", "#3a4958"
BRIGHT, DIM = "#f2f6fa", "#a9b8c6"
GOOD, LOW, SPENT = "#4fc38a", "#f2b84b", "#f0716b"
SCANTY = 0.2
"""The share of a limit below which little is left of it."""


class Sign(StrEnum):
    """The kinds of figures; each has a sign and a colour of its own."""

    ANSWERS = "#5aa9f5"
    TOKENS = "#b493f2"
    MONEY = "#4fc38b"
    ERRORS = "#f0716c"
    TIME = "#f2b84c"


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit and the rest of it."""

    sign: Sign
    figure: str
    """The rest and the whole: "150 / 200"."""
    window: str
    """The length of the window: "24 h"."""
    left: float
    """The share that is left, from 0 to 1."""
    renews: str
    """The time until the limit is whole again: "3 h"."""
    shared: bool = False
    """True for the limit of a group, which has a sign of its own."""


@dataclass(frozen=True, slots=True)
class Series:
    """A figure of each day."""

    sign: Sign
    values: Sequence[float | None]
    """The values from the first day on; None for a day without one."""
    write: Callable[[float], str]
    """Writes a value, such as the largest one, beside the chart."""
    total: str = ""
    """The figure of all days together, written above the chart."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Charts of several series by day, one below the other, over the same days."""

    days: Sequence[date]
    series: Sequence[Series] = field(default=())


Chart = Sequence[Bar] | Columns


async def picture(charts: Sequence[Chart]) -> bytes:
    """Draw charts below each other and return the PNG, in a thread of its own.

    Raises ImportError, OSError or ValueError where nothing can be drawn.
    """
    return await asyncio.to_thread(draw, charts)


def draw(charts: Sequence[Chart]) -> bytes:
    """Draw charts below each other and return the PNG; see `picture`."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - few processes ever draw

    parts = [part for chart in charts for part in _parts(chart)]
    height = sum(part.height for part in parts) + 2 * EDGE - (parts[-1].after if parts else 0)
    image = Image.new("RGB", (WIDTH, height), GROUND)
    top = EDGE
    for part in parts:  # one after the other, because drawing takes several megabytes
        fine = Image.new("RGB", (WIDTH * FINE, part.height * FINE), GROUND)
        part.paint(_Pen(ImageDraw.Draw(fine)))
        image.paste(fine.reduce(FINE), (0, top))
        top += part.height
    # Flat colours and their edges need no more than a palette, a third of the bytes.
    file = io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class _Part:
    """A strip of a picture."""

    height: int
    """Its pixels, with the empty ones at its lower end."""
    after: int
    """The empty ones."""
    paint: Callable[[_Pen], None]


def _parts(chart: Chart) -> list[_Part]:
    """Return the strips of a chart: one for each bar, or for each series."""
    if isinstance(chart, Columns):
        return _parts_of_columns(chart)
    tall = HEAD + BAR
    last = len(chart) - 1
    spaces = [GAP if number == last else BETWEEN for number in range(len(chart))]
    return [
        _Part(tall + space, space, partial(_bar, bar=bar))
        for bar, space in zip(chart, spaces, strict=True)
    ]


def _parts_of_columns(chart: Columns) -> list[_Part]:
    parts = []
    for number, series in enumerate(chart.series):
        is_last = number == len(chart.series) - 1
        tall, space = (HEAD + PLOT + FOOT, GAP) if is_last else (HEAD + PLOT, BETWEEN)
        paint = partial(_columns, chart=chart, series=series, dated=is_last)
        parts.append(_Part(tall + space, space, paint))
    return parts


class _Pen:
    """Draws in the pixels of the finished picture."""

    def __init__(self, image: ImageDraw) -> None:
        self._image = image
        self._fonts: dict[int, FreeTypeFont] = {}

    def text(self, x: float, y: float, text: str, size: int, colour: str, anchor: str) -> float:
        """Write a text and return its width; the anchor is Pillow's, such as "lm"."""
        font = self._font(size)
        self._image.text((x * FINE, y * FINE), text, colour, font, anchor=anchor)
        return font.getlength(text) / FINE

    def width(self, text: str, size: int) -> float:
        """Return the width of a text."""
        return self._font(size).getlength(text) / FINE

    def _font(self, size: int) -> FreeTypeFont:
        from PIL import ImageFont  # noqa: PLC0415 - few processes ever draw

        if size not in self._fonts:
            font = ImageFont.load_default(size * FINE)  # comes with Pillow, on every system
            if isinstance(font, ImageFont.ImageFont):
                raise ValueError("Pillow was built without fonts")
            self._fonts[size] = font
        return self._fonts[size]

    def box(self, box: Box, colour: str, radius: float = 0, *, top_only: bool = False) -> None:
        """Fill a rectangle with round corners."""
        scaled = tuple(side * FINE for side in box)
        corners = (True, True, not top_only, not top_only)
        self._image.rounded_rectangle(scaled, radius * FINE, colour, corners=corners)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 4) -> None:
        """Draw a line through points."""
        scaled = [(x * FINE, y * FINE) for x, y in points]
        self._image.line(scaled, colour, round(width * FINE), joint="curve")

    def arc(self, box: Box, start: float, end: float, colour: str, width: float = 4) -> None:
        """Draw a part of a circle, between angles in degrees."""
        scaled = tuple(side * FINE for side in box)
        self._image.arc(scaled, start, end, colour, round(width * FINE))

    def shape(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Fill the shape between points."""
        self._image.polygon([(x * FINE, y * FINE) for x, y in points], colour)


# Limits


def _bar(pen: _Pen, bar: Bar) -> None:
    """Draw the figures of a limit, and a bar that is as long as what is left."""
    middle, right = HEAD / 2 - 6, float(WIDTH - EDGE)
    _sign(pen, bar.sign, EDGE, middle)
    after = float(FIGURE)
    if bar.shared:
        _people(pen, after, middle)
        after += 64
    after += pen.text(after, middle, bar.figure, LARGE, BRIGHT, "lm")
    pen.text(after + 22, middle, bar.window, SMALL, DIM, "lm")
    _renewal(pen, right - pen.text(right, middle, bar.renews, SMALL, DIM, "rm") - 44, middle)
    share = min(max(bar.left, 0.0), 1.0)
    colour = GOOD if share > SCANTY else LOW if share > 0 else SPENT
    end = right - pen.width("100 %", SMALL) - 20
    pen.box((EDGE, HEAD, end, HEAD + BAR), TRACK, BAR / 2)
    filled = max((end - EDGE) * share, BAR)
    pen.box((EDGE, HEAD, EDGE + filled, HEAD + BAR), colour, BAR / 2)
    # Not rounded up to all, nor down to nothing.
    percent = min(max(round(share * 100), int(share > 0)), 100 if share == 1 else 99)
    pen.text(right, HEAD + BAR / 2, f"{percent} %", SMALL, colour, "rm")


def _people(pen: _Pen, x: float, y: float) -> None:
    """Draw two people, with their left side at a place."""
    for left in (x, x + 22):
        pen.box((left + 5, y - 18, left + 19, y - 4), DIM, 7)
        pen.box((left, y - 1, left + 24, y + 17), DIM, 9, top_only=True)
        pen.box((left + 24, y - 1, left + 27, y + 17), GROUND)


def _renewal(pen: _Pen, x: float, y: float) -> None:
    """Draw an arrow that goes round, with its left side at a place."""
    pen.arc((x, y - 13, x + 26, y + 13), -20, 290, DIM)
    pen.shape([(x + 16, y - 20), (x + 30, y - 12), (x + 16, y - 3)], DIM)


# Columns by day


def _columns(pen: _Pen, *, chart: Columns, series: Series, dated: bool) -> None:
    """Draw a series, with the dates below it if it is the last one."""
    labels = [each.write(_ceiling(each.values)) for each in chart.series]
    left = EDGE + max(pen.width(label, SMALL) for label in labels) + 24
    step = (WIDTH - EDGE - left) / max(len(chart.days), 1)
    middle = HEAD / 2 - 10
    _sign(pen, series.sign, EDGE, middle)
    pen.text(FIGURE, middle, series.total, LARGE, BRIGHT, "lm")
    for share, label in ((0.0, series.write(_ceiling(series.values))), (0.5, ""), (1.0, "0")):
        y = HEAD + share * PLOT
        pen.line([(left, y), (WIDTH - EDGE, y)], LINE, 2)
        pen.text(left - 18, y, label, SMALL, DIM, "rm")
    _plot(pen, series, left, step)
    if dated:
        _dates(pen, chart.days, left, HEAD + PLOT + FOOT / 2 + 6, step)


def _plot(pen: _Pen, series: Series, left: float, step: float) -> None:
    most, margin, bottom = _ceiling(series.values), min(step * 0.16, 8.0), HEAD + PLOT
    for number, value in enumerate(series.values):
        if value is None or value <= 0:
            continue
        height = max(PLOT * value / most, 4.0)
        x = left + number * step
        box = (x + margin, bottom - height, x + step - margin, bottom)
        pen.box(box, series.sign.value, min(6.0, height / 2, step / 4), top_only=True)


def _ceiling(values: Sequence[float | None]) -> float:
    """Return a round number at the top of a chart: 1, 2, 2.5 or 5 times a power of ten."""
    most = max((value for value in values if value is not None), default=0.0)
    if most <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(most))) - 1)
    while power > most:
        power /= 10
    return next(times * power for times in (1, 2, 2.5, 5, 10) if times * power >= most * 0.999999)


def _dates(pen: _Pen, days: Sequence[date], left: float, middle: float, step: float) -> None:
    """Write the date below some of the columns, from the last one on."""
    every = max(-(-len(days) // LABELS), 1)
    free = float(WIDTH)
    for number in range(len(days) - 1, -1, -every):
        text = f"{days[number]:%m-%d}"
        half = pen.width(text, SMALL) / 2
        x = min(left + (number + 0.5) * step, WIDTH - EDGE - half)
        if x - half >= left and x + half < free:
            pen.text(x, middle, text, SMALL, DIM, "mm")
            free = x - half - 12


# Signs, 40 pixels wide


def _sign(pen: _Pen, sign: Sign, x: float, y: float) -> None:
    colour = sign.value
    match sign:
        case Sign.ANSWERS:
            pen.box((x, y - 18, x + 40, y + 10), colour, 10)
            pen.shape([(x + 8, y + 6), (x + 8, y + 20), (x + 24, y + 8)], colour)
        case Sign.TOKENS:
            for number, width in enumerate((40, 28, 36)):
                pen.box((x, y - 17 + 13 * number, x + width, y - 9 + 13 * number), colour, 4)
        case Sign.MONEY:
            pen.box((x, y - 20, x + 40, y + 20), colour, 20)
            pen.text(x + 20, y, "$", SMALL, GROUND, "mm")
        case Sign.ERRORS:
            pen.shape([(x + 20, y - 20), (x + 41, y + 17), (x - 1, y + 17)], colour)
            pen.box((x + 18, y - 7, x + 22, y + 6), GROUND, 2)
            pen.box((x + 18, y + 9, x + 22, y + 13), GROUND, 2)
        case Sign.TIME:
            pen.arc((x + 1, y - 19, x + 39, y + 19), 0, 360, colour, 5)
            pen.line([(x + 20, y - 10), (x + 20, y + 1), (x + 28, y + 6)], colour, 4)
