"""The clock that all processes share: the database's."""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from core.db import Session, Sessions, transact

EVERY, SOON = 30.0, 1.0
"""Seconds between two readings of the database's clock, and after one that was slow."""
SLOW = 1.0
"""The seconds that a reading may take; half of them is the most that it can be wrong by."""

_NOW = select(func.clock_timestamp())


def machine_time() -> datetime:
    """Return this machine's own time."""
    return datetime.now(UTC)


class Clock:
    """The database's time, as this process knows it.

    Processes compare times that other processes have stored, such as the end of a lease. The
    clocks of their machines may differ, so all use the database's. Between two readings of it, a
    monotonic clock counts on. SQLite has no clock of its own: there it is the machine's.
    """

    def __init__(
        self,
        machine: Callable[[], datetime] = machine_time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._monotonic = monotonic
        self._zero = machine() - timedelta(seconds=monotonic())
        self._took = self._took_last = math.inf
        """The seconds of the reading that counts, and of the last one."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._zero + timedelta(seconds=self._monotonic())

    async def read(self, session: Session) -> None:
        """Read the database's clock; a slow reading changes nothing after a better one."""
        before = self._monotonic()
        told = self._machine()
        if session.dialect == "postgresql":
            told = (await session.execute(_NOW)).scalar_one()
        after = self._monotonic()
        self._took_last = after - before
        if self._took_last <= max(self._took, SLOW):
            # The server read its clock at some moment between our question and its answer.
            self._zero = told.astimezone(UTC) - timedelta(seconds=(before + after) / 2)
            self._took = self._took_last

    async def follow(self, sessions: Sessions) -> None:
        """Read the database's clock at intervals, until cancelled."""
        while True:
            await asyncio.sleep(SOON if self._took_last > SLOW else EVERY)
            await transact(sessions, self.read)
