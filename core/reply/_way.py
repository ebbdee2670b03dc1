"""The calls of an attempt to its platform: at the gates' pace, within the lease, and again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from core import fleet, tallies
from core.adapter import Adapter
from core.db import Session, Sessions, transact
from core.errors import DeliveryError, LeaseLost, Muted, RetryAfter, Unreachable
from core.gates import Clock, Gates
from core.presence import Sure, always
from core.signals import Flooded, Tell, nobody
from core.turns import Turn

T = TypeVar("T")

MARGIN = 3.0
"""The seconds of lease that must be left when a call to the platform starts."""
LOOK_EVERY = 0.1
"""The seconds between two checks for a renewal of the lease."""
SHORT_WAIT = 10.0
"""The longest flood limit, in seconds, that is waited out here; a longer one ends the attempt. No
call is repeated after so many seconds of failing."""
TRIES = 4
"""The most tries of one call of the delivery while the platform does not answer."""
FIRST_REST, LONGEST_REST = 0.5, 4.0
"""The time without calls after the first failure of an attempt, and the most, in paces of the chat.
Each failure doubles it, because a call that fails may have been carried out."""


@dataclass(slots=True)
class Lease:
    """The lease of a turn, until a time of the event loop's clock; the worker renews it."""

    until: float
    clock: Clock
    lost: bool = False
    is_sure: Sure = always
    """Returns False while the turn may be another process's already."""

    def check(self) -> None:
        """Raise LeaseLost if a call could outlast the lease."""
        if self.lost or self.is_short():
            raise LeaseLost

    def is_short(self) -> bool:
        """Return whether a renewal must come before the next call; a lost lease is never short."""
        return not self.lost and self.until - self.clock() < MARGIN


@dataclass(slots=True)
class Way:
    """The way of one attempt to its platform, on which all of its calls go."""

    adapter: Adapter
    gates: Gates
    sessions: Sessions
    turn: Turn
    lease: Lease
    now: Callable[[], datetime]
    tell: Tell = nobody
    """Hears of flood limits."""
    is_delivery: bool = False
    """True once the answer is stored: a call waits for the renewal of the lease from then on."""
    failures: int = 0
    """The calls that the platform did not answer."""
    _failed_at: float = 0.0
    """The time of the first of them, by the event loop's clock."""
    _rest_until: float = 0.0
    _has_entered: bool = False

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call while the platform does not answer or wants short pauses."""
        began = self.lease.clock()
        for left in reversed(range(TRIES)):
            await asyncio.sleep(self.rest)
            try:
                return await call()
            except RetryAfter as limit:
                await self.pause(limit)
                if limit.retry_after > SHORT_WAIT or not left:
                    raise
            except Unreachable:
                if not left or self.lease.clock() - began > SHORT_WAIT:
                    raise
        raise AssertionError("the last try returns or raises")

    async def make(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call when the gates open.

        Raises RetryAfter if that takes longer than `SHORT_WAIT`, and the errors of the call.
        """
        await self.enter()
        return await self.watch(call())

    async def watch(self, call: Awaitable[T]) -> T:
        """Return the result of a call that has entered; note whether the platform answers."""
        try:
            done = await call
        except Unreachable:
            self._failed()
            raise
        self.gates.worked()
        return done

    @property
    def rest(self) -> float:
        """The seconds that are left of the rest after the last failure."""
        return max(self._rest_until - self.lease.clock(), 0.0)

    def _failed(self) -> None:
        now = self.lease.clock()
        self._failed_at = self._failed_at or now
        paces = min(FIRST_REST * 2.0 ** min(self.failures, 10), LONGEST_REST)
        self._rest_until = now + paces * self.adapter.pace(self.turn.address)
        self.failures += 1

    async def fails_alone(self) -> bool:
        """Return whether the platform carries out other calls while those of this attempt fail."""
        if self.gates.worked_at >= self._failed_at:
            return True
        try:
            await self.make(self.type)
        except DeliveryError:
            return False
        return True

    async def knock(self) -> None:
        """Raise Muted if the platform lets the bot write nothing here; make one small call."""
        try:
            await self.make(self.type)
        except Muted:
            raise
        except DeliveryError:
            pass  # the answer will tell

    async def type(self) -> None:
        """Show typing; this small call also tells whether the bot may write."""
        await self.adapter.typing(self.turn.address, ticket=self.turn.ticket)

    async def pause(self, limit: RetryAfter) -> None:
        """Let no process send to this chat for as long as a flood limit tells."""
        self.tell(Flooded(self.turn.address.platform, limit.retry_after))
        self.gates.of(self.turn.address).pause(limit.retry_after)
        if self.turn.question.announced:
            self.gates.rest(limit.retry_after)  # the limit may be that of all chats
        until = self.now() + timedelta(seconds=limit.retry_after)
        address, now = self.turn.address, self.now()

        async def work(session: Session) -> None:
            await fleet.pause(session, address, until=until)
            await tallies.count(session, f"{tallies.FLOOD}{address.platform}", now=now)

        await transact(self.sessions, work)

    async def enter(self) -> None:
        """Wait for the gates; raises RetryAfter if that takes longer than `SHORT_WAIT`."""
        await self._hold()
        gates, address = self.gates, self.turn.address
        # What follows the first call of an announcement, as a search for doubles, is not put off.
        is_last = self.turn.question.announced and not self._has_entered
        seconds = gates.wait(address)
        if seconds > SHORT_WAIT:
            raise RetryAfter(seconds)
        if is_last:
            await gates.enter_behind(address)
            self._has_entered = True
        else:
            await gates.enter(address, self.turn.user_id)
        await self._hold()

    async def _hold(self) -> None:
        """Wait while the turn may be another's; LeaseLost if a call could outlast the lease.

        A delivery waits for the renewal of a lease that is short: while the database is away, no
        other process takes the turn either.
        """
        while self._must_wait():  # noqa: ASYNC110 - a renewal sets no event
            await asyncio.sleep(LOOK_EVERY)
        self.lease.check()

    def _must_wait(self) -> bool:
        if self.lease.is_short():
            return self.is_delivery
        return not self.lease.lost and not self.lease.is_sure()
