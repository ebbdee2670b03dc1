"""Events on their way to the core."""

import asyncio

from core.adapter import Change, InboundMessage

Event = InboundMessage | Change

ROOM = 10_000
"""Events that wait for a core that is stuck, say because the database is away."""


class Arrivals:
    """A bounded queue in the order of arrival.

    A channel can be held: what is heard there waits until what was said before has been read
    from its history. A message that finds no room is not kept; the history has it.
    """

    def __init__(self, room: int) -> None:
        self._bound = room
        self._ready: asyncio.Queue[tuple[Event, asyncio.Event | None]] = asyncio.Queue()
        self._held: dict[str, list[Event]] = {}
        self._waiting = 0  # in all of these
        self._lost: dict[str, int] = {}  # the first message of a held channel that found no room
        self._vacant = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the next event would find no room."""
        return self._ready.qsize() >= self._bound

    def add(self, event: Event) -> bool:
        """Take what was heard; False if it is a message to be read from the history later."""
        if event.address.chat in self._held:
            self._hold_back(event)
        elif self.is_full:
            return isinstance(event, Change)
        else:
            self._ready.put_nowait((event, None))
        return True

    def _hold_back(self, event: Event) -> None:
        chat = event.address.chat
        if chat in self._lost:
            return
        if self._waiting < self._bound:
            self._held[chat].append(event)
            self._waiting += 1
        elif isinstance(event, InboundMessage):
            self._lost[chat] = int(event.message_id)

    def reserve(self, event: Event) -> asyncio.Event:
        """Take what stands in no history and waits for none: a command, a pressed button.

        It has its place from now on; whoever comes to it waits until what is returned is set.
        """
        released = asyncio.Event()
        self._ready.put_nowait((event, released))
        return released

    async def insert(self, event: Event) -> None:
        """Take what a history holds, as soon as there is room."""
        await self.room()
        self._ready.put_nowait((event, None))

    async def room(self) -> None:
        """Wait until there is room for an event."""
        while self.is_full:
            self._vacant.clear()
            await self._vacant.wait()

    def is_held(self, chat: str) -> bool:
        """Whether what is heard in a channel waits."""
        return chat in self._held

    def waits(self, chat: str) -> bool:
        """Whether something was heard in a channel that is held."""
        return bool(self._held.get(chat))

    def hold(self, chat: str) -> bool:
        """Begin to hold a channel; False if it is held already."""
        if chat in self._held:
            return False
        self._held[chat] = []
        return True

    def release(self, chat: str) -> int | None:
        """Let go on what was heard in a channel; some of it may have been in its history too.

        Returns the first message that found no room meanwhile.
        """
        held = self._held.pop(chat)
        self._waiting -= len(held)
        for event in held:
            self._ready.put_nowait((event, None))
        return self._lost.pop(chat, None)

    async def get(self) -> Event:
        """The next event."""
        event, released = await self._ready.get()
        if released:
            await released.wait()
        if not self.is_full:
            self._vacant.set()
        return event
