"""The lease to listen: for each account of ours, one process on the database listens."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime, timedelta

from core import fleet
from core.adapter import Account, Adapter, Event
from core.db import TRANSIENT, Sessions, reason, transact
from core.gates import happens
from core.presence import Presence

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=8)
"""The time for which a process may listen; after it, another one replaces a dead process."""
STAND_BY = 1.0
"""The seconds between two attempts to take a lease that another process has."""


class Listening:
    """A process that listens for accounts, or stands by while other processes do."""

    def __init__(
        self,
        sessions: Sessions,
        worker_id: str,
        handle: Callable[[Event], Awaitable[str]],
        *,
        now: Callable[[], datetime],
        presence: Presence | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        """Make a listener; it asks for the next event when `handle` has returned.

        What `handle` returns is told to the person who pressed a button; "" if there is nothing.
        By default, `presence` is that of a process without a session.
        """
        self._presence = presence or Presence(sessions, worker_id)
        self._freed = asyncio.Event()
        self._sessions = sessions
        self._worker_id = worker_id
        self._handle = handle
        self._now = now
        self._lease = lease
        # This process stops before its lease ends, so that two never listen at the same time.
        self._renewal = lease.total_seconds() / 3
        self._held = lease.total_seconds() * 3 / 4

    def wake(self) -> None:
        """Look now whether an account has no listener: another process has left or died."""
        self._freed.set()

    async def listen(self, adapter: Adapter) -> None:
        """Handle an account's events while this process has the lease; otherwise stand by.

        Return when the adapter has no more events; pass the adapter's errors on.
        """
        account = adapter.name, adapter.bot_id
        while True:
            lease = asyncio.timeout_at(await self._stand_by(account))
            try:
                async with lease, self._renewing(account, lease):
                    await self._hear(adapter)
                    return
            except TimeoutError:
                if not lease.expired():
                    raise
                log.warning("stopped listening on %s as %s: the lease has ended", *account)

    async def _hear(self, adapter: Adapter) -> None:
        async with aclosing(adapter.listen()) as events:
            log.info("listening on %s as %s", adapter.name, adapter.bot_id)
            told: str | None = None  # nothing can be sent into a generator that has not begun
            with suppress(StopAsyncIteration):
                while True:
                    told = await self._handle(await events.asend(told))

    async def _stand_by(self, account: Account) -> float:
        """Wait for the lease and return its end, on the event loop's clock.

        If another process has it, log that once.
        """
        if until := await self._take(account):
            return until
        log.warning("standing by: another process listens on %s as %s", *account)
        while True:
            self._freed.clear()
            if until := await self._take(account):
                return until
            await happens(self._freed, STAND_BY)

    @asynccontextmanager
    async def _renewing(self, account: Account, lease: asyncio.Timeout) -> AsyncIterator[None]:
        """Renew a lease inside this context, and give it up at the end."""
        keeping = [
            asyncio.create_task(self._renew(account, lease)),
            asyncio.create_task(self._end_when_lost(lease)),
        ]
        try:
            yield
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.wait(keeping)  # a transaction under way has to end first
            await self._leave(account)

    async def _end_when_lost(self, lease: asyncio.Timeout) -> None:
        """End a lease when other processes may have taken this one for dead."""
        await self._presence.until_lost()
        if not lease.expired():
            lease.reschedule(0)

    async def _renew(self, account: Account, lease: asyncio.Timeout) -> None:
        """Renew a lease at intervals and move its end; without a renewal it ends by itself."""
        until: float | None = lease.when()
        while until:
            await asyncio.sleep(self._renewal)
            try:
                until = await self._take(account, patience=self._renewal)
            except TRANSIENT as error:
                log.warning("the lease on %s as %s is not renewed: %s", *account, reason(error))
            except Exception:  # the next renewal may succeed
                log.exception("the lease on %s as %s is not renewed", *account)
            else:
                if not lease.expired():
                    lease.reschedule(until or 0)

    async def _take(self, account: Account, *, patience: float = math.inf) -> float | None:
        """Take or renew a lease and return its end, on the event loop's clock.

        Return None while another process has it.
        """
        await self._presence.until_safe()
        until = asyncio.get_running_loop().time() + self._held
        now = self._now()
        taken = await transact(
            self._sessions,
            lambda session: fleet.may_listen(
                session, account, self._worker_id, now=now, lease_until=now + self._lease
            ),
            patience=patience,
        )
        return until if taken else None

    async def _leave(self, account: Account) -> None:
        try:
            await transact(
                self._sessions,
                lambda session: fleet.stop_listening(session, account, self._worker_id),
                patience=STAND_BY,
            )
        except TRANSIENT as error:
            log.warning("the lease on %s as %s ends by itself: %s", *account, reason(error))
