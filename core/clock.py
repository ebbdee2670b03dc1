"""The clock that all processes share: the database's."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from core.db import Session, Sessions, transact

EVERY = 30.0
"""Seconds between two readings of the database's clock."""

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

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._zero + timedelta(seconds=self._monotonic())

    async def read(self, session: Session) -> None:
        """Read the database's clock."""
        before = self._monotonic()
        told = self._machine()
        if session.dialect == "postgresql":
            told = (await session.execute(_NOW)).scalar_one()
        # The server read its clock at some moment between our question and its answer.
        self._zero = told.astimezone(UTC) - timedelta(seconds=(before + self._monotonic()) / 2)

    async def follow(self, sessions: Sessions) -> None:
        """Read the database's clock every `EVERY` seconds, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await transact(sessions, self.read)
