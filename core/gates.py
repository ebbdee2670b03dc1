"""The pace of calls to a platform: one gate for each chat, and one for the account."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from core.adapter import Adapter, Address

P = ParamSpec("P")
T = TypeVar("T")

Clock = Callable[[], float]
"""Returns monotonic seconds, as the event loop counts them."""

BURST = 4
"""The calls that may start at once in a quiet chat."""
SPARE = 2
"""The calls that previews leave free, so that first and final texts need not wait."""


@dataclass(slots=True)
class _Line:
    """The calls of one person that wait at a gate, or are at its front."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0


@dataclass(slots=True)
class Gate:
    """A bucket of calls that fills with one call every `interval` seconds."""

    interval: float
    burst: float
    clock: Clock
    paused_until: float = 0.0
    _level: float = field(init=False)
    _at: float = field(init=False)
    _front: asyncio.Lock = field(default_factory=asyncio.Lock)
    _lines: dict[int, _Line] = field(default_factory=dict)
    _creates: list[asyncio.Event] = field(default_factory=list)
    """The creates of messages that are under way."""

    def __post_init__(self) -> None:
        """Fill the bucket."""
        self._level = self.burst
        self._at = self.clock()

    def wait(self, spare: float = 0) -> float:
        """Return the seconds until a call may start and leave `spare` calls free."""
        now = self.clock()
        # A gate never holds more than `burst` calls.
        missing = min(spare + 1, self.burst) - self._fill(now)
        # Rounding errors must not keep many small waits from filling the bucket.
        due = 0.0 if missing <= 1e-9 else missing * self.interval
        return max(due, self.paused_until - now, 0.0)

    def enter(self) -> None:
        """Count a call that starts now."""
        self._level = self._fill(self.clock()) - 1

    @asynccontextmanager
    async def at_the_front(self, person: int) -> AsyncIterator[None]:
        """Wait in line; each person stands in it once, so many calls of one delay nobody else."""
        line = self._lines.setdefault(person, _Line())
        line.calls += 1
        try:
            async with line.lock, self._front:
                yield
        finally:
            line.calls -= 1
            if not line.calls:
                del self._lines[person]

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Tell that a message is being made, until its id is stored or its outcome unknown."""
        done = asyncio.Event()
        self._creates.append(done)
        try:
            yield
        finally:
            self._creates.remove(done)
            done.set()

    async def created(self) -> None:
        """Wait until no message is being made whose create has begun before."""
        for done in self._creates.copy():
            await done.wait()

    def pause(self, seconds: float) -> None:
        """Let no call start for so many seconds, because the platform asked for it."""
        self.paused_until = max(self.paused_until, self.clock() + seconds)

    def is_idle(self) -> bool:
        """Return whether the gate can be dropped: a new one would behave the same."""
        now = self.clock()
        is_used = self._lines or self._creates
        return self.paused_until <= now and self._fill(now) >= self.burst and not is_used

    def _fill(self, now: float) -> float:
        self._level = min(self.burst, self._level + (now - self._at) / self.interval)
        self._at = now
        return self._level


class Gates:
    """The gates of one account of ours."""

    def __init__(self, adapter: Adapter, clock: Clock) -> None:
        self._adapter = adapter
        self._clock = clock
        self._account = Gate(1 / adapter.rate, _burst(adapter.rate), clock)
        self._unasked = Gate(1 / adapter.broadcast_rate, 1, clock)
        self._order = asyncio.Lock()
        """The order in which chats with an open gate get a call of the account."""
        self._chats: dict[str, Gate] = {}
        self._limit = 256
        self.streams = 0
        """The number of answers that are growing now; they share the account's rate."""
        self.worked_at = -math.inf
        """The time of the last call that the platform carried out, by the clock."""

    def of(self, address: Address) -> Gate:
        """Return the gate of a chat; its threads share it."""
        gate = self._chats.get(address.chat)
        if gate is None:
            self._forget_idle()
            gate = Gate(self._adapter.pace(address), BURST, self._clock)
            self._chats[address.chat] = gate
        return gate

    def interval(self, address: Address) -> float:
        """Return the seconds between the previews of one growing answer."""
        return max(self._adapter.pace(address), self.streams * self._account.interval)

    def wait(self, address: Address, spare: float = 0) -> float:
        """Return the seconds until a call to a chat may start and leave `spare` calls free."""
        return max(self.of(address).wait(spare), self._account.wait(spare))

    async def enter(self, address: Address, person: int) -> None:
        """Wait until a call to a chat may start for a person, and count it."""
        gate = self.of(address)
        async with gate.at_the_front(person):
            while True:
                while seconds := gate.wait():  # noqa: ASYNC110 - a gate opens by time alone
                    await asyncio.sleep(seconds)
                # Only the first chat looks at the account: if all did, all would wake for one call.
                async with self._order:
                    while seconds := self._account.wait():  # noqa: ASYNC110 - as above
                        await asyncio.sleep(seconds)
                    if not gate.wait():
                        self.count(address)
                        return

    async def enter_behind(self, address: Address) -> None:
        """Wait until a call may start that nobody waits for, and count it.

        It starts at a quiet moment, so that the calls of others find all gates open after it.
        """
        # The chat's gate may be dropped while it is idle, and a new one be paused.
        while seconds := self.of(address).wait(math.inf):  # noqa: ASYNC110 - a gate opens by time alone
            await asyncio.sleep(seconds)
        async with self._unasked.at_the_front(0):
            while seconds := max(  # noqa: ASYNC110 - as above
                self.of(address).wait(), self._account.wait(math.inf), self._unasked.wait()
            ):
                await asyncio.sleep(seconds)
            self._unasked.enter()
            self.count(address)

    def rest(self, seconds: float) -> None:
        """Let no call start for so many seconds that nobody waits for."""
        self._unasked.pause(seconds)

    def paced(
        self, person: int, call: Callable[P, Awaitable[T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return a call for a person that is in no chat, such as a download, at the account's rate.

        It leaves room for first and final texts.
        """

        async def enter_and_call(*args: P.args, **kwargs: P.kwargs) -> T:
            async with self._account.at_the_front(person):
                while seconds := self._account.wait(SPARE):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(seconds)
                self._account.enter()
            return await call(*args, **kwargs)

        return enter_and_call

    def share(self, processes: int) -> None:
        """Divide the account's rate among so many processes."""
        rate = self._adapter.rate / max(processes, 1)
        self._account.interval, self._account.burst = 1 / rate, _burst(rate)

    def worked(self) -> None:
        """Note that the platform carries out calls now."""
        self.worked_at = self._clock()

    def count(self, address: Address) -> None:
        """Count a call that starts now."""
        self.of(address).enter()
        self._account.enter()

    def _forget_idle(self) -> None:
        """Drop idle gates whenever the number of gates has doubled."""
        if len(self._chats) >= self._limit:
            self._chats = {chat: gate for chat, gate in self._chats.items() if not gate.is_idle()}
            self._limit = max(2 * len(self._chats), 256)


def _burst(rate: float) -> float:
    """Return the calls that an account may start at one moment.

    In the second that follows, `rate` more calls may start. Together they must stay below the
    platform's limit for a second.
    """
    return max(rate / 5, 1)


async def happens(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for an event, at most so many seconds if any are told; return whether it is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
