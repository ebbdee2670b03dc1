"""The plots of the dashboard as values, and figures as people read them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bots.web.dashboard import plots, written
from core.desk import Point, Span

START = datetime(2026, 3, 14, 9, tzinfo=UTC)


def points(*answers: int, **more: int) -> list[Point]:
    return [
        Point(START + timedelta(hours=number), answers=value, **more)
        for number, value in enumerate(answers)
    ]


def drawn(found: list[Point], name: str = "turns", span: Span = Span.HOURS) -> plots.Plot:
    whole = replace(found[0], answers=sum(each.answers for each in found))
    return next(each for each in plots.all_of(found, whole, span) if each.name == name)


def test_columns_are_as_high_as_their_figures() -> None:
    plot = drawn(points(50, 25, 0))
    assert plot.most == "50"
    heights = [[bar.height for bar in column.bars] for column in plot.columns]
    assert heights == [[100], [50], []]
    assert plot.columns[1].title == "Sat 10:00: answers 25, refused 0, failed 0"
    assert plot.rows == (("Sat 09:00", "50", "0", "0"), ("Sat 10:00", "25", "0", "0"))


def test_parts_of_a_column_stand_on_each_other_and_in_the_plot() -> None:
    for found in (points(10, failed=5, refused=5), points(100_000, failed=1, refused=1)):
        [column] = drawn(found).columns
        at = 100.0
        for bar in column.bars:
            assert bar.y + bar.height == pytest.approx(at, abs=0.02)
            assert bar.height > 0
            at = bar.y
        assert at >= 0


def test_a_plot_of_nothing_has_no_columns() -> None:
    plot = drawn(points(0, 0))
    assert (plot.columns, plot.rows, plot.most) == ((), (), "")


def test_people_are_plotted_by_day() -> None:
    found = [Point(START, people=7), Point(START + timedelta(days=1), people=3)]
    assert drawn(found, "people", Span.DAYS).columns[0].title == "14 Mar: people 7"


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (1, 1), (9, 10), (11, 12), (480, 500), (0.26, 0.3), (10_001, 12_000)]
)
def test_the_top_of_a_plot_is_a_round_number(most: float, top: float) -> None:
    assert plots.ceiling(most) == pytest.approx(top)


def test_figures_are_short() -> None:
    shown = [
        *(written.money(value) for value in (0, 3400, 3_110_000, 1_234_000_000)),
        *(written.seconds(value) for value in (None, 0.567, 1.25, 12.4)),
        *(written.size(value) for value in (12, 1500, 770_000_000, 2_300_000_000, -4_000_000)),
        *(written.span(timedelta(seconds=value)) for value in (-1, 59, 3599, 7200, 172_800)),
        written.percent(1, 3),
        written.percent(0, 0),
        written.amount(3, "turns"),
    ]
    assert [each.replace(written.NO_BREAK, " ") for each in shown] == [
        *("$0.00", "$0.0034", "$3.11", "$1,234"),
        *("–", "0.57 s", "1.2 s", "12 s"),
        *("12 B", "1.5 kB", "770 MB", "2.3 GB", "−4.0 MB"),
        *("0 s", "59 s", "59 min", "2 h", "2 days"),
        *("33 %", "–", "3 turns"),
    ]


def test_an_answer_to_an_order_is_shown_as_text() -> None:
    shown = written.answer("**Ada\\*** <b>\n`x<y` [in 2 h](when:1790000000) \\_")
    assert shown == "<strong>Ada*</strong> &lt;b&gt;<br><code>x&lt;y</code> in 2 h _"
