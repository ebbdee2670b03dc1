"""An upgrade to the release with weeks: they are summed up from the days that are kept."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, text

from core import db, schema
from core.models import spendings
from tests import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables, once on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield url


def test_weeks_and_people_are_summed_up_from_days_and_months(empty_url: str) -> None:
    schema.upgrade(empty_url, "0031")
    sunday, monday, tuesday = (date(2026, 3, day) for day in (15, 16, 17))
    month = date(2026, 3, 1)
    old = [
        ("day", sunday, 1, 2, 20),
        ("day", monday, 1, 1, 10),
        ("day", tuesday, 1, 3, 30),
        ("day", tuesday, 2, 1, 5),
        ("day", tuesday, 3, 0, 7),
        ("month", month, 1, 6, 60),
        ("month", month, 2, 1, 5),
        ("month", month, 3, 0, 7),
    ]
    names = ("span", "first", "user_id", "answers", "cost")
    engine = create_engine(db.normal_url(empty_url))
    with engine.begin() as connection:
        rows = [dict(zip(names, row, strict=True), tokens=1) for row in old]
        connection.execute(insert(spendings), rows)
    schema.upgrade(empty_url)
    with engine.begin() as connection:
        weeks = connection.execute(
            text(
                "SELECT first, user_id, answers, tokens, cost FROM spendings WHERE span = 'week'"
                " ORDER BY first, user_id"
            )
        ).all()
        actives = connection.execute(text("SELECT * FROM actives ORDER BY span, first")).all()
    engine.dispose()
    assert [(str(first), *rest) for first, *rest in weeks] == [
        ("2026-03-09", 1, 2, 1, 20),
        ("2026-03-16", 1, 4, 2, 40),
        ("2026-03-16", 2, 1, 1, 5),
        ("2026-03-16", 3, 0, 1, 7),
    ]
    assert [(span, str(first), people) for span, first, people in actives] == [
        ("month", "2026-03-01", 2),
        ("week", "2026-03-09", 1),
        ("week", "2026-03-16", 2),
    ]
