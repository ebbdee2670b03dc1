"""The queue of events between the gateway and the core."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable

from core.adapter import Access, Change, Copy, InboundMessage, Membership

Event = InboundMessage | Change | Access | Membership | Copy

CAPACITY = 10_000
"""The most events that wait while the core is stuck, for example without a database."""


class Arrivals:
    """A bounded queue of events, in the order of arrival.

    A channel can be held: its new events wait until the older ones have been read from its
    history. A message that comes when the queue is full is dropped; it is read from the history
    later.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ready: deque[tuple[Event, asyncio.Event | None]] = deque()
        self._came = asyncio.Event()
        self._held: dict[str, list[Event]] = {}
        self._waiting = 0  # events in all held channels
        self._spoken_in: OrderedDict[str, None] = OrderedDict()  # the held channels with events
        self._lost: dict[str, int] = {}  # the first dropped message of each held channel
        self._vacant = asyncio.Event()
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """True if the queue takes no more events."""
        return self._is_over or len(self._ready) >= self._capacity

    def add(self, event: Event) -> bool:
        """Take an event. Return False for a dropped message, to be read from the history later."""
        if event.address.chat in self._held:
            self._hold_back(event)
        elif self.is_full:
            return not isinstance(event, InboundMessage)
        else:
            self._put(event)
        return True

    def _put(self, event: Event, released: asyncio.Event | None = None) -> None:
        self._ready.append((event, released))
        self._came.set()

    def _hold_back(self, event: Event) -> None:
        chat = event.address.chat
        if chat in self._lost:
            return
        if self._waiting < self._capacity:
            self._held[chat].append(event)
            self._spoken_in[chat] = None
            self._waiting += 1
        elif isinstance(event, InboundMessage):
            self._lost[chat] = int(event.message_id)

    def reserve(self, event: Event) -> asyncio.Event:
        """Take a command or a pressed button, which is in no history, even if the queue is full.

        It keeps its position in the queue, but `first` returns it only once the returned event is
        set.
        """
        released = asyncio.Event()
        self._put(event, released)
        return released

    async def insert(self, event: Event) -> None:
        """Take an event from a history, as soon as the queue is not full."""
        await self.wait_until_free()
        self._put(event)

    async def wait_until_free(self) -> None:
        """Wait until the queue is not full."""
        while self.is_full:
            self._vacant.clear()
            await self._vacant.wait()

    def is_held(self, chat: str) -> bool:
        """Return True if a channel is held."""
        return chat in self._held

    @property
    def waiting(self) -> Iterable[str]:
        """The held channels that have new events, the one that waits longest first."""
        return self._spoken_in

    def hold(self, chat: str) -> bool:
        """Begin to hold a channel. Return False if it is held already."""
        if chat in self._held:
            return False
        self._held[chat] = []
        return True

    def release(self, chat: str) -> int | None:
        """Stop holding a channel and queue its new events, some of which its history may hold too.

        Returns the id of the first message that was dropped meanwhile, if any.
        """
        held = self._held.pop(chat)
        self._spoken_in.pop(chat, None)
        self._waiting -= len(held)
        for event in held:
            self._put(event)
        return self._lost.pop(chat, None)

    async def first(self) -> Event:
        """Return the next event, and wait for it; it stays in the queue until it is taken."""
        while not self._ready:
            self._came.clear()
            await self._came.wait()
        event, released = self._ready[0]
        if released:
            await released.wait()
        return event

    def take(self) -> None:
        """Take the next event out of the queue."""
        self._ready.popleft()
        if not self.is_full:
            self._vacant.set()

    def end(self) -> list[tuple[Event, asyncio.Event]]:
        """Take no more events; return the reserved ones that are left, with their releases."""
        self._is_over = True
        return [(event, released) for event, released in self._ready if released]
