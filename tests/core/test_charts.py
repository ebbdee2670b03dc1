"""Pictures of figures, looked at as a person would: by the colours of their pixels."""

import io
import subprocess
import sys
import threading
from datetime import date, timedelta

import pytest
from PIL import Image, ImageColor, ImageDraw

from core import charts
from core.charts import Bar, Columns, Series, Sign

DAYS = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]


def open_(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image.convert("RGB")


def lit(image: Image.Image, colour: str, box: tuple[int, int, int, int]) -> int:
    """The pixels of about this colour in a part of a picture."""
    wanted = ImageColor.getrgb(colour)
    pixels = image.crop(box).tobytes()
    triples = zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    return sum(max(map(abs, map(int.__sub__, each, wanted))) < 12 for each in triples)


def bar(left: float) -> Bar:
    return Bar(Sign.ANSWERS, "30 / 200", "24 h", left, "3 h")


def bar_length(image: Image.Image, colour: str) -> int:
    y = charts.EDGE + charts.HEAD + charts.BAR // 2
    return lit(image, colour, (charts.EDGE, y, 860, y + 1))


def columns(*values: float | None) -> Columns:
    return Columns(DAYS[: len(values)], [Series(Sign.ERRORS, values, "{:g}".format, "7")])


@pytest.mark.parametrize(
    ("left", "colour"),
    [(1.0, charts.GOOD), (0.5, charts.GOOD), (0.1, charts.LOW), (0.0, charts.SPENT)],
)
def test_a_bar_is_as_long_as_what_is_left_and_its_colour_tells_how_little_it_is(
    left: float, colour: str
) -> None:
    whole = bar_length(open_(charts.draw([[bar(1.0)]])), charts.GOOD)
    length = bar_length(open_(charts.draw([[bar(left)]])), colour)
    assert abs(length - max(left * whole, charts.BAR)) < 20


def test_a_column_is_as_tall_as_its_value() -> None:
    image = open_(charts.draw([columns(0, 5, 10, None)]))
    top = charts.EDGE + charts.HEAD
    step = (charts.WIDTH - charts.EDGE - 130) / 4
    heights = []
    for number in range(4):
        x = int(130 + (number + 0.5) * step)
        heights.append(lit(image, Sign.ERRORS, (x, top, x + 1, top + charts.PLOT)))
    assert heights[0] == heights[3] == 0
    assert abs(heights[1] - charts.PLOT / 2) < 10
    assert abs(heights[2] - charts.PLOT) < 10


@pytest.mark.parametrize(
    "chart",
    [
        [bar(0.3)] * 6,
        [Bar(Sign.TOKENS, "1,000,000,000 / 1,000,000,000", "31 d", 1.0, "31 d")],
        [Bar(Sign.MONEY, "$999,999.00 / $1,000,000,000", "31 d", 7.0, "31 d")],
        columns(),
        columns(0.0),
        columns(*[None] * 30),
        columns(*[0.000001] * 30),
        columns(*[123_456_789_012.0] * 30),
        Columns(DAYS, []),
        Columns(
            DAYS,
            [Series(sign, [float(n) for n in range(30)], "{:,.0f} s".format) for sign in Sign],
        ),
    ],
)
def test_any_figures_can_be_drawn_and_nothing_of_them_is_cut_off(chart: charts.Chart) -> None:
    image = open_(charts.draw([chart]))
    assert image.width == charts.WIDTH
    assert image.height <= 2000
    edge = image.crop((image.width - 20, 0, image.width, image.height))
    assert edge.getcolors() == [(edge.width * edge.height, ImageColor.getrgb(charts.GROUND))]


def test_a_picture_without_charts_is_a_small_empty_one() -> None:
    assert open_(charts.draw([])).size == (charts.WIDTH, 2 * charts.EDGE)


@pytest.mark.parametrize("colour", [*Sign, charts.BRIGHT, charts.DIM, charts.GOOD, charts.LOW])
def test_every_colour_can_be_told_from_the_ground(colour: str) -> None:
    def light(name: str) -> float:
        red, green, blue = (
            each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
            for each in (value / 255 for value in ImageColor.getrgb(name)[:3])
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert (light(colour) + 0.05) / (light(charts.GROUND) + 0.05) > 4.5


async def test_a_picture_is_drawn_outside_of_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn_in = []
    make = ImageDraw.Draw

    def spy(image: Image.Image) -> ImageDraw.ImageDraw:
        drawn_in.append(threading.current_thread())
        return make(image)

    monkeypatch.setattr(ImageDraw, "Draw", spy)
    open_(await charts.picture([[bar(0.5)]]))
    assert drawn_in
    assert threading.main_thread() not in drawn_in


@pytest.mark.slow
def test_a_process_that_draws_nothing_does_not_load_the_library() -> None:
    code = "import sys, bots.composition; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603
