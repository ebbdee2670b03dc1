"""What was said in channels while nobody heard it, read from their histories."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import discord
from discord.abc import Snowflake
from discord.utils import time_snowflake, utcnow

from bots.discord.arrivals import Arrivals
from bots.discord.inbound import read
from bots.discord.rest import call, translating
from bots.pieces import Pieces
from core.adapter import InboundMessage
from core.errors import DeliveryError, RetryAfter, Unreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

Newest = Callable[[str, str], Awaitable[str | None]]
"""The id of the newest message of a person that is stored for an account of ours, of a channel or
else of all."""
Channels = Callable[[str], Awaitable[list[str]]]
"""The ids of all channels that something is stored of for an account of ours."""

LOOKBACK = timedelta(hours=24)
"""How old a question may be that nobody has heard yet."""
OVERLAP = 10 * 60_000 << 22
"""Ten minutes in ids: what is stored of one channel need not mean that all before was heard in
another, when a process died in between."""
PAGE = 100
CALLS = 10.0
"""Calls a second over all channels; answers need the rest of what Discord allows."""
LOOKUPS = 8
PATIENCE = 30.0
"""Seconds that a page may take, waits for rate limits included."""

Room = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread


class Backlog:
    """Channels that are behind. What is heard in one waits until its history has been read."""

    def __init__(
        self,
        client: discord.Client,
        me: Snowflake,
        arrivals: Arrivals,
        newest: Newest,
        remember: Callable[[InboundMessage], None],
    ) -> None:
        """`remember` is told what was read, before it is handed over."""
        self._client = client
        self._me = me
        self._arrivals = arrivals
        self._newest = newest
        self._remember = remember
        self._over = False
        self._again: set[str] = set()
        # Where nothing was ever stored there is nothing to catch up with before now.
        self._began = time_snowflake(utcnow())
        self._tasks = asyncio.TaskGroup()
        self._looking = asyncio.Semaphore(LOOKUPS)
        self._queue: list[tuple[str, asyncio.Future[None]]] = []  # calls to come, by channel
        self._queued = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        async with self._tasks:
            try:
                await self._pace()
            finally:
                self._over = True

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that ends with the reading, at the latest; nothing when that is over."""
        if self._over:
            work.close()
        else:
            self._tasks.create_task(work)

    def catch_up(self, chat: str, after: int | None = None) -> None:
        """Read a channel from a message on, by default from the newest that is stored.

        One that is being read already is read once more.
        """
        if self._arrivals.hold(chat) and not self._over:
            self._tasks.create_task(self._catch_up(chat, after))
        else:
            self._again.add(chat)

    async def _catch_up(self, chat: str, after: int | None) -> None:
        try:
            start = await self._read(chat, after)
            while chat in self._again:
                self._again.discard(chat)
                start = await self._read(chat, start)
        except DeliveryError as error:
            log.debug("channel %s cannot be read: %s", chat, error)
        lost = self._arrivals.release(chat)
        if lost:
            self.catch_up(chat, lost - 1)

    async def _start(self, chat: str) -> int:
        async with self._looking:
            newest = await self._newest(str(self._me.id), chat)
        digits = re.match(r"\d+", newest or "")
        start = int(digits[0]) - OVERLAP if digits else self._began
        return max(start, time_snowflake(utcnow() - LOOKBACK))

    async def _read(self, chat: str, after: int | None) -> int:
        """Hand over what was said after a message, and return from where to read on."""
        room, newest = await self._find(chat)
        start = after or await self._start(chat)
        if newest > start:
            start = await self._read_on(chat, room, start)
        return start

    async def _find(self, chat: str) -> tuple[discord.abc.Messageable, int]:
        """A channel and its newest message; 0 where nobody is to be answered any more."""
        known = self._client.get_channel(int(chat))
        if isinstance(known, Room):
            return known, known.last_message_id or 0
        # No server told about it: a private channel, or a thread that was closed.
        path = "/channels/{channel_id}"
        told = await self._patiently(chat, lambda: call(self._client, "GET", path, channel_id=chat))
        guild_id = told.get("guild_id")
        room = self._client.get_partial_messageable(
            int(chat),
            guild_id=int(guild_id) if guild_id else None,
            type=None if guild_id else discord.ChannelType.private,
        )
        is_closed = told.get("thread_metadata", {}).get("archived", False)
        return room, 0 if is_closed else int(told.get("last_message_id") or 0)

    async def _read_on(self, chat: str, room: discord.abc.Messageable, after: int) -> int:
        """Hand over page after page; the id of the last message."""
        pieces = Pieces()
        while True:
            page = await self._patiently(chat, partial(_page, room, after))
            for message in page:
                if said := read(pieces, message, self._me):
                    self._remember(said)
                    await self._arrivals.insert(said)
            after = page[-1].id if page else after
            if len(page) < PAGE:
                return after

    async def _patiently(self, chat: str, ask: Callable[[], Awaitable[T]]) -> T:
        """A call when its turn comes, again and again while Discord does not answer."""
        pause = 1.0
        while True:
            await self._turn(chat)
            try:
                return await ask()
            except RetryAfter as limit:
                await asyncio.sleep(limit.retry_after)
            except Unreachable as error:
                log.warning("a channel cannot be read now, trying again: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 60.0)

    async def _turn(self, chat: str) -> None:
        """Wait until the next call for a channel may start."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((chat, turn))
        self._queued.set()
        await turn

    async def _pace(self) -> None:
        """Let calls start at their rate while there is room for what they bring."""
        while True:
            await self._queued.wait()
            await self._arrivals.room()
            self._next().set_result(None)
            if not self._queue:
                self._queued.clear()
            await asyncio.sleep(1 / CALLS)

    def _next(self) -> asyncio.Future[None]:
        """The call whose turn it is: where somebody has just spoken, nobody should have to wait
        for all the channels in which it is quiet."""
        waited_for = (at for at, (chat, _) in enumerate(self._queue) if self._arrivals.waits(chat))
        _, turn = self._queue.pop(next(waited_for, 0))
        return turn


async def _page(room: discord.abc.Messageable, after: int) -> list[discord.Message]:
    """The next messages, oldest first."""
    with translating():
        async with asyncio.timeout(PATIENCE):
            start = discord.Object(after)
            history = room.history(limit=PAGE, after=start, oldest_first=True)
            return [message async for message in history]
