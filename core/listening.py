"""The lease to listen: for each account of ours, one process on the database listens.

A platform that is polled, or that talks to one session, must be heard by one process at a time:
two polls end each other. The lease sees to that. A platform that is *pushed*, as by a webhook,
chooses a process for each event by itself: every process takes what it is sent, with or without
the lease, and the table of events knows what came twice. The lease then stands for the one process
that looks after the subscription. So a deploy that changes from one way to the other needs no
order: while an old process polls, it has the lease, and no new one sets the webhook; once the
webhook is set, it stays while a poller waits for the lease to remove it.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from core import fleet
from core.adapter import Account, Adapter, Event
from core.db import TRANSIENT, Sessions, reason, transact
from core.errors import SettingsError
from core.gates import happens
from core.presence import Presence
from core.tasks import keep
from core.vitals import State

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=8)
"""The time for which a process may listen; after it, another one replaces a dead process."""
STALL = 0.5
"""The seconds by which a task that wakes late tells that the process could not run."""
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
        self._last_try = lease.total_seconds() / 8
        self._states: dict[Account, State] = {}

    @property
    def states(self) -> Mapping[Account, State]:
        """The part of this process in listening for each account, also for a refused one."""
        return dict(self._states)

    def wake(self) -> None:
        """Look now whether an account has no listener: another process has left or died."""
        self._freed.set()

    async def listen(self, adapter: Adapter) -> None:
        """Handle an account's events while this process has the lease; otherwise stand by.

        What a platform pushes is handled with or without it. Return when the adapter has no more
        events; pass the adapter's errors on.
        """
        account = adapter.name, adapter.bot_id
        try:
            await self._take_part(adapter, account)
        except SettingsError:
            self._states[account] = State.REFUSED
            raise

    async def _take_part(self, adapter: Adapter, account: Account) -> None:
        try:
            if adapter.is_pushed:
                await self._share(adapter)
            else:
                await self._alone(account, partial(self._hear, adapter), State.STANDING_BY)
        finally:
            self._states.pop(account, None)

    async def _share(self, adapter: Adapter) -> None:
        """Handle what this process is sent, and look after the subscription when it is its turn."""
        account = adapter.name, adapter.bot_id
        subscribing = partial(keep, f"the webhook of {adapter.name}", adapter.subscribe)
        tasks = [
            asyncio.create_task(self._hear(adapter)),
            asyncio.create_task(self._alone(account, subscribing, State.RECEIVING)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _alone(
        self, account: Account, work: Callable[[], Awaitable[None]], without: State
    ) -> None:
        """Carry out `work` while this process has the lease; its state is `without` until then."""
        while True:
            term = _Term(await self._stand_by(account, without))
            lease = asyncio.timeout(None)
            try:
                async with lease, self._renewing(account, lease, term):
                    self._states[account] = State.LISTENING
                    await work()
                    return
            except TimeoutError:
                if not lease.expired():
                    raise
                log.warning("stopped listening on %s as %s: the lease has ended", *account)
                self._states[account] = State.CONNECTING  # until the database tells who listens

    async def _hear(self, adapter: Adapter) -> None:
        async with aclosing(adapter.listen()) as events:
            log.info("listening on %s as %s", adapter.name, adapter.bot_id)
            told: str | None = None  # nothing can be sent into a generator that has not begun
            with suppress(StopAsyncIteration):
                while True:
                    told = await self._handle(await events.asend(told))

    async def _stand_by(self, account: Account, state: State) -> float:
        """Wait for the lease and return its end, on the event loop's clock.

        If another process has it, log that once.
        """
        self._states.setdefault(account, State.CONNECTING)
        if until := await self._take(account):
            return until
        self._states[account] = state
        if state is State.STANDING_BY:
            log.warning("standing by: another process listens on %s as %s", *account)
        while True:
            self._freed.clear()
            if until := await self._take(account):
                return until
            await happens(self._freed, STAND_BY)

    @asynccontextmanager
    async def _renewing(
        self, account: Account, lease: asyncio.Timeout, term: "_Term"
    ) -> AsyncIterator[None]:
        """Renew a lease inside this context, and give it up at the end."""
        keeping = [
            asyncio.create_task(self._renew(account, lease, term)),
            asyncio.create_task(_end_when_over(lease, term, self._last_try)),
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
        _end(lease)

    async def _renew(self, account: Account, lease: asyncio.Timeout, term: "_Term") -> None:
        """Renew a lease at intervals and move its end; end it when another process has it."""
        until: float | None = term.until
        while until:
            await asyncio.sleep(self._renewal)
            try:
                until = await self._take(account, patience=self._renewal)
            except TRANSIENT as error:
                log.warning("the lease on %s as %s is not renewed: %s", *account, reason(error))
            except Exception:  # the next renewal may succeed
                log.exception("the lease on %s as %s is not renewed", *account)
            else:
                term.move(until or term.until)
        _end(lease)

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


@dataclass(slots=True)
class _Term:
    """The time for which this process has a lease: until then, by the event loop's clock."""

    until: float
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, until: float) -> None:
        """Note that the lease was renewed."""
        self.until = until
        self.moved.set()


async def _end_when_over(lease: asyncio.Timeout, term: _Term, last_try: float) -> None:
    """End a lease that was not renewed in time.

    A process that could not run for a while has `last_try` seconds to renew it: if no other one has
    taken it, it goes on and misses nothing.
    """
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(term.until - clock())
        late = clock() - term.until
        if late < 0:
            continue
        term.moved.clear()
        if late < STALL or not await happens(term.moved, last_try):
            _end(lease)
            return


def _end(lease: asyncio.Timeout) -> None:
    if not lease.expired():
        lease.reschedule(0)
