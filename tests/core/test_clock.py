"""All processes have the database's time, even if the clocks of their machines differ."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from core.clock import Clock, machine_time
from core.db import Sessions
from tests.core.rows import commit, until
from tests.records import eventually


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_machine_whose_clock_is_wrong_knows_the_database_s_time(
    postgres_sessions: Sessions, hours: int
) -> None:
    clock = Clock(machine=lambda: machine_time() + timedelta(hours=hours))
    assert abs(clock.now() - machine_time()) > timedelta(hours=2)
    began = time.monotonic()
    await commit(postgres_sessions, clock.read)
    # A reading may be wrong by half the time that it takes.
    slack = timedelta(seconds=time.monotonic() - began)
    before = clock.now()
    told = await commit(postgres_sessions, lambda s: s.scalar(text("SELECT clock_timestamp()")))
    assert before - slack <= told <= clock.now() + slack


async def test_a_machine_s_clock_that_is_set_moves_nothing(sessions: Sessions) -> None:
    machine, seconds = datetime(2026, 3, 14, tzinfo=UTC), 100.0
    clock = Clock(machine=lambda: machine, monotonic=lambda: seconds)
    began = clock.now()
    machine += timedelta(days=1)
    seconds += 5
    assert clock.now() - began == timedelta(seconds=5)


class Stalls:
    """A monotonic clock on which reading the database's clock takes some time."""

    def __init__(self, sessions: Sessions) -> None:
        self.seconds = self.passed = 0.0
        self.readings = 0
        event.listen(sessions.engine, "before_cursor_execute", self._stall)

    def __call__(self) -> float:
        return time.monotonic() + self.passed

    def _stall(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "clock_timestamp" in statement:
            self.passed += self.seconds
            self.readings += 1


async def test_a_slow_reading_moves_nothing(postgres_sessions: Sessions) -> None:
    stalls = Stalls(postgres_sessions)
    clock = Clock(monotonic=stalls)
    await commit(postgres_sessions, clock.read)
    ahead = clock.now() - machine_time()
    stalls.seconds = 9
    await commit(postgres_sessions, clock.read)
    assert abs(clock.now() - machine_time() - ahead - timedelta(seconds=9)) < timedelta(seconds=1)
    stalls.seconds = 0

    async def is_right() -> bool:
        await commit(postgres_sessions, clock.read)
        return abs(clock.now() - machine_time()) < timedelta(seconds=1)

    await until(is_right)


async def test_after_a_slow_reading_the_next_one_is_soon(
    postgres_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.clock.EVERY", 3600.0)
    stalls = Stalls(postgres_sessions)
    monkeypatch.setattr("core.clock.SLOW", 50.0)
    stalls.seconds = 99
    clock = Clock(monotonic=stalls)
    await commit(postgres_sessions, clock.read)
    assert abs(clock.now() - machine_time()) > timedelta(seconds=40), "it is the only one"
    stalls.seconds = 0
    following = asyncio.create_task(clock.follow(postgres_sessions))
    await eventually(lambda: abs(clock.now() - machine_time()) < timedelta(seconds=20))
    following.cancel()
    await asyncio.wait([following])
    assert stalls.readings == 2


async def test_sqlite_has_the_clock_of_its_machine(sqlite_sessions: Sessions) -> None:
    machine = datetime(2026, 3, 14, tzinfo=UTC)
    clock = Clock(machine=lambda: machine)
    machine += timedelta(hours=1)
    await commit(sqlite_sessions, clock.read)
    assert machine <= clock.now() < machine + timedelta(seconds=10)
