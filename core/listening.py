"""The lease to listen: one process on the database listens for each account of ours."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta

from core import fleet
from core.adapter import Account, Adapter, Change, InboundMessage, Move
from core.db import TRANSIENT, Sessions, reason, transact

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=8)
"""The time for which a process may listen; a dead one is replaced after it."""
STAND_BY = 1.0
"""The seconds between attempts to take a lease that another process has."""


class Listening:
    """One process that listens for accounts, or stands by while others do."""

    def __init__(
        self,
        sessions: Sessions,
        worker_id: str,
        handle: Callable[[InboundMessage | Change | Move], Awaitable[None]],
        *,
        now: Callable[[], datetime],
        lease: timedelta = LEASE,
    ) -> None:
        """Make a listener; it asks for the next event when `handle` has stored the last."""
        self._sessions = sessions
        self._worker_id = worker_id
        self._handle = handle
        self._now = now
        self._lease = lease
        # This process stops before its lease ends, so that the next one never listens beside it.
        self._renewal = lease.total_seconds() / 3
        self._held = lease.total_seconds() * 3 / 4

    async def listen(self, adapter: Adapter) -> None:
        """Handle an account's events while this process has the lease; else stand by.

        Return when the adapter has no more events; raise what the adapter raises.
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
                log.warning("this process listens no more on %s as %s: its lease is over", *account)

    async def _hear(self, adapter: Adapter) -> None:
        async with aclosing(adapter.listen()) as events:
            log.info("listening on %s as %s", adapter.name, adapter.bot_id)
            async for event in events:
                await self._handle(event)

    async def _stand_by(self, account: Account) -> float:
        """Wait for the lease and return its end here; log once that another process has it."""
        if until := await self._take(account):
            return until
        log.warning("another process listens on %s as %s: this one waits for its end", *account)
        while not (until := await self._take(account)):  # noqa: ASYNC110 - a lease runs out
            await asyncio.sleep(STAND_BY)
        return until

    @asynccontextmanager
    async def _renewing(self, account: Account, lease: asyncio.Timeout) -> AsyncIterator[None]:
        """Renew a lease meanwhile, and give it up at the end."""
        renewing = asyncio.create_task(self._renew(account, lease))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])  # it may be in the middle of a transaction
            await self._leave(account)

    async def _renew(self, account: Account, lease: asyncio.Timeout) -> None:
        """Put the end of a lease off again and again; if this fails, the lease ends by itself."""
        until: float | None = lease.when()
        while until:
            await asyncio.sleep(self._renewal)
            try:
                until = await self._take(account, patience=self._renewal)
            except TRANSIENT as error:
                log.warning("the lease on %s as %s is not renewed: %s", *account, reason(error))
            except Exception:  # whatever it was, the next renewal may succeed
                log.exception("the lease on %s as %s is not renewed", *account)
            else:
                if not lease.expired():
                    lease.reschedule(until or 0)

    async def _take(self, account: Account, *, patience: float = math.inf) -> float | None:
        """Take or renew a lease; return its end here, on the event loop's clock.

        Return None while another process has it.
        """
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
            log.warning("the lease on %s as %s is left to run out: %s", *account, reason(error))
