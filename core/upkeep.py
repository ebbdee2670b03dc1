"""The upkeep: what nobody may see or needs any more is deleted, in small steps beside the bot."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from core import attachments, privacy
from core.db import Sessions
from core.gates import happens

EVERY = 3600.0
"""The seconds between two rounds."""


class Upkeep:
    """One process's rounds of deleting; `wake` begins one at once, as after a `/forget`."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        now: Callable[[], datetime],
        retention: timedelta | None = None,
    ) -> None:
        """Make an upkeep; what people said is deleted when it is older than `retention`."""
        self._sessions = sessions
        self._now = now
        self._retention = retention
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
        await attachments.sweep(self._sessions)
        await privacy.erase(self._sessions)
