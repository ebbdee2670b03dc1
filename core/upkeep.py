"""The upkeep: what nobody may see or needs any more is deleted, in small steps beside the bot."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from core import attachments, bookkeeping, privacy, quota, tallies
from core.db import Sessions, transact
from core.gates import happens
from core.tasks import repeat

EVERY = 3600.0
"""The seconds between two rounds."""
DAY = 86_400.0
SUM_UP_EVERY = 300.0
"""The seconds between two looks for calls and turns to sum up."""
AFTER_START = 60.0
"""The seconds before the first pruning: the start belongs to the people who wait."""


class Upkeep:
    """One process's rounds of deleting; `wake` begins one at once, as after a `/forget`."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        now: Callable[[], datetime],
        retention: timedelta | None = None,
        keep: timedelta,
        zone: tzinfo = UTC,
        after_start: float = AFTER_START,
    ) -> None:
        """Make an upkeep.

        What people said is deleted when it is older than `retention`, and bookkeeping when it is
        older than `keep`, by the days of a `zone`; the first pruning begins `after_start` seconds
        after the start.
        """
        self._sessions = sessions
        self._now = now
        self._retention = retention
        self._keep = keep
        self._zone = zone
        self._after_start = after_start
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Begin a round now."""
        self._woken.set()

    async def run(self) -> None:
        """Make a round at once, then hourly, for ever; a crash in the middle of one loses nothing.

        An earlier process may have left something to delete.
        """
        while True:
            self._woken.clear()
            await self.round()
            await happens(self._woken, EVERY)

    async def round(self) -> None:
        """Delete everything that is to be deleted by now."""
        await privacy.clear(self._sessions, now=self._now())
        if self._retention is not None:
            await privacy.expire(self._sessions, before=self._now() - self._retention)
        await attachments.tidy(self._sessions)
        await privacy.erase(self._sessions)

    async def prune(self) -> None:
        """Delete old bookkeeping soon, then once a day, for ever: it ages by days.

        The first time may take long, and nothing that was forgotten waits for it.
        """
        await asyncio.sleep(self._after_start)
        while True:
            before = self._now() - self._keep
            await self._sum_up()  # what is deleted has to be in the sums
            await repeat(self._sessions, partial(tallies.prune, now=self._now()))
            # The calls go first, because they refer to the turns.
            await quota.sum_up(self._sessions, self._zone, before=before)
            await bookkeeping.prune(self._sessions, before=before)
            await asyncio.sleep(DAY)

    async def sum_up(self) -> None:
        """Keep the figures of each day up to date, for ever; begin soon, as `prune` does."""
        await asyncio.sleep(self._after_start / 2)
        while True:
            await self._sum_up()
            await asyncio.sleep(SUM_UP_EVERY)

    async def _sum_up(self) -> None:
        for name in tallies.SOURCES:
            step = partial(tallies.sum_up, name=name, zone=self._zone, now=self._now())
            await repeat(self._sessions, step)
        await transact(self._sessions, partial(tallies.weigh, now=self._now()))
