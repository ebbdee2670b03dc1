"""All processes have the database's time, even if the clocks of their machines differ."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.clock import Clock, machine_time
from core.db import Sessions
from tests.core.rows import commit


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_machine_whose_clock_is_wrong_knows_the_database_s_time(
    postgres_sessions: Sessions, hours: int
) -> None:
    clock = Clock(machine=lambda: machine_time() + timedelta(hours=hours))
    assert abs(clock.now() - machine_time()) > timedelta(hours=2)
    await commit(postgres_sessions, clock.read)
    told = await commit(postgres_sessions, lambda s: s.scalar(text("SELECT clock_timestamp()")))
    assert abs(clock.now() - told) < timedelta(seconds=1)


async def test_a_machine_s_clock_that_is_set_moves_nothing(sessions: Sessions) -> None:
    machine, seconds = datetime(2026, 3, 14, tzinfo=UTC), 100.0
    clock = Clock(machine=lambda: machine, monotonic=lambda: seconds)
    began = clock.now()
    machine += timedelta(days=1)
    seconds += 5
    assert clock.now() - began == timedelta(seconds=5)


async def test_sqlite_has_the_clock_of_its_machine(sqlite_sessions: Sessions) -> None:
    machine = datetime(2026, 3, 14, tzinfo=UTC)
    clock = Clock(machine=lambda: machine)
    machine += timedelta(hours=1)
    await commit(sqlite_sessions, clock.read)
    assert machine <= clock.now() < machine + timedelta(seconds=10)
