"""When the next call to a platform may start: one gate for each chat, one for the account."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core.adapter import Adapter, Address
from core.errors import RetryAfter

Clock = Callable[[], float]
"""Seconds that only grow, as the event loop counts them."""

BURST = 4
"""Calls that may follow each other at once in a chat that was quiet."""
ROOM = 2
"""Calls that previews leave free, so that first and final texts need not wait."""
LATE = 0.5
"""Seconds for which an answer is put back that another one has to precede."""


@dataclass(slots=True)
class Gate:
    """A bucket of calls that fills with one call every `interval` seconds."""

    interval: float
    burst: float
    clock: Clock
    paused_until: float = 0.0
    _late: dict[str, int] = field(default_factory=dict)
    """Threads in which answers were put off, with the last turn: later ones look for them first."""
    _whole: dict[int, asyncio.Event] = field(default_factory=dict)
    """What tells the end of each turn whose answer is whole and does not stand yet."""
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        """A new gate is full."""
        self._level = self.burst
        self._at = self.clock()

    def wait(self, room: float = 0) -> float:
        """Seconds until a call may start that leaves `room` calls free."""
        now = self.clock()
        # More than a full gate holds is never free.
        missing = min(room + 1, self.burst) - self._fill(now)
        # A sum of small waits must reach the level in spite of rounding.
        due = 0.0 if missing <= 1e-9 else missing * self.interval
        return max(due, self.paused_until - now, 0.0)

    def enter(self) -> None:
        """Count a call that starts now."""
        self._level = self._fill(self.clock()) - 1

    def pause(self, seconds: float) -> None:
        """Let nothing through for a time, as the platform asked."""
        self.paused_until = max(self.paused_until, self.clock() + seconds)

    def is_paused(self) -> bool:
        """Whether the platform wants nothing now."""
        return self.paused_until > self.clock()

    def is_idle(self) -> bool:
        """Whether forgetting this gate changes nothing."""
        now = self.clock()
        return (
            self.paused_until <= now
            and self._fill(now) >= self.burst
            and not self._late
            and not self._whole
        )

    def finish(self, turn_id: int) -> None:
        """The answer of a turn is whole: it goes up before what is still growing."""
        self._whole.setdefault(turn_id, asyncio.Event())

    def leave(self, turn_id: int) -> None:
        """Nothing more is to be put up for a turn here."""
        if end := self._whole.pop(turn_id, None):
            end.set()

    def is_due(self, thread: str) -> bool:
        """Whether a whole answer is still to be put up, in this thread or by us in any."""
        return bool(self._whole) or thread in self._late

    def put_off(self, thread: str, turn_id: int) -> None:
        """The answer of a turn goes up later, whoever does it."""
        self._late[thread] = max(turn_id, self._late.get(thread, 0))

    def is_late(self, thread: str) -> bool:
        """Whether an answer may have been put off in a thread."""
        return thread in self._late

    def caught_up(self, thread: str, turn_id: int) -> None:
        """No answer from before a turn is missing: nothing that was put off, if none came later."""
        if self._late.get(thread, 0) <= turn_id:
            self._late.pop(thread, None)

    @asynccontextmanager
    async def order(self, thread: str, turn_id: int) -> AsyncIterator[None]:
        """In which an answer is put up: after those of earlier turns, one at a time.

        Raises RetryAfter when one that was waited for was put off.
        """
        waited = False
        while earlier := [end for other, end in self._whole.items() if other < turn_id]:
            await earlier[0].wait()
            waited = True
        if waited and self.is_late(thread):
            raise RetryAfter(LATE)
        async with self._order:
            yield

    def _fill(self, now: float) -> float:
        self._level = min(self.burst, self._level + (now - self._at) / self.interval)
        self._at = now
        return self._level


class Gates:
    """The gates of one account of ours."""

    def __init__(self, adapter: Adapter, clock: Clock) -> None:
        self._adapter = adapter
        self._clock = clock
        self._account = Gate(1 / adapter.rate, _at_once(adapter.rate), clock)
        self._chats: dict[str, Gate] = {}
        self._limit = 256
        self.streams = 0
        """Answers that are growing now; they share what the account may send."""

    def of(self, address: Address) -> Gate:
        """The gate of a chat; its threads share it."""
        gate = self._chats.get(address.chat)
        if gate is None:
            self._forget_idle()
            gate = Gate(self._adapter.pace(address), BURST, self._clock)
            self._chats[address.chat] = gate
        return gate

    def interval(self, address: Address) -> float:
        """Seconds between the previews of one growing answer."""
        return max(self._adapter.pace(address), self.streams * self._account.interval)

    def wait(self, address: Address, room: float = 0) -> float:
        """Seconds until a call to a chat may start that leaves `room` calls free there."""
        return max(self.of(address).wait(room), self._account.wait(room))

    async def enter(self, address: Address) -> None:
        """Wait until a call to a chat may start, and count it."""
        while seconds := self.wait(address):  # noqa: ASYNC110 - time is what is waited for
            await asyncio.sleep(seconds)
        self.count(address)

    def share(self, processes: int) -> None:
        """Divide what the account may send among so many processes."""
        rate = self._adapter.rate / max(processes, 1)
        self._account.interval, self._account.burst = 1 / rate, _at_once(rate)

    def count(self, address: Address) -> None:
        """Count a call that starts now."""
        self.of(address).enter()
        self._account.enter()

    def _forget_idle(self) -> None:
        """Keep no gate for ever; looked at only when the number has doubled."""
        if len(self._chats) >= self._limit:
            self._chats = {chat: gate for chat, gate in self._chats.items() if not gate.is_idle()}
            self._limit = max(2 * len(self._chats), 256)


def _at_once(rate: float) -> float:
    """Calls that an account may start at one moment: in the second after it come as many as the
    rate, and together they must not be more than the platform takes in a second."""
    return max(rate / 5, 1)


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer than that; whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
