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
from bots.parts import Parts
from core.errors import DeliveryError, RetryAfter, Unreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

Newest = Callable[[str], Awaitable[str | None]]
"""The id of the newest message of a person that is stored, of a channel or else of all."""
Channels = Callable[[], Awaitable[list[str]]]
"""The ids of all channels that something is stored of."""

LOOKBACK = timedelta(hours=24)
"""How old a question may be that nobody has heard yet."""
OVERLAP = 10 * 60_000 << 22
"""Ten minutes in ids: what is stored of one channel need not mean that all before was heard in
another, when a process died in between."""
PAGE = 100
CALLS = 10.0
"""Calls a second over all channels; answers need the rest of what Discord allows."""
READERS = 4
LOOKUPS = 8
PATIENCE = 30.0
"""Seconds that a page may take, waits for rate limits included."""

Room = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread


class Backlog:
    """Channels that are behind. What is heard in one waits until its history has been read."""

    def __init__(
        self, client: discord.Client, me: Snowflake, arrivals: Arrivals, newest: Newest
    ) -> None:
        self._client = client
        self._me = me
        self._arrivals = arrivals
        self._newest = newest
        self._over = False
        self._again: set[str] = set()
        self._due = 0.0
        # Where nothing was ever stored there is nothing to catch up with before now.
        self._began = time_snowflake(utcnow())
        self._tasks = asyncio.TaskGroup()
        self._looking = asyncio.Semaphore(LOOKUPS)
        self._reading = asyncio.Semaphore(READERS)

    async def run(self) -> None:
        """Read until cancelled."""
        async with self._tasks:
            try:
                await asyncio.Event().wait()
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
            start = after or await self._start(chat)
            await self._read(chat, start)
            while chat in self._again:
                self._again.discard(chat)
                await self._read(chat, start)
        except DeliveryError as error:
            log.debug("channel %s cannot be read: %s", chat, error)
        lost = self._arrivals.release(chat)
        if lost:
            self.catch_up(chat, lost - 1)

    async def _start(self, chat: str) -> int:
        async with self._looking:
            newest = await self._newest(chat)
        digits = re.match(r"\d+", newest or "")
        start = int(digits[0]) - OVERLAP if digits else self._began
        return max(start, time_snowflake(utcnow() - LOOKBACK))

    async def _read(self, chat: str, after: int) -> None:
        """Hand over what was said after a message."""
        room, newest = await self._find(chat)
        if newest > after:
            async with self._reading:
                await self._read_on(room, after)

    async def _find(self, chat: str) -> tuple[discord.abc.Messageable, int]:
        """A channel and its newest message."""
        known = self._client.get_channel(int(chat))
        if isinstance(known, Room):
            return known, known.last_message_id or 0
        # No server told about it: a private channel, or a thread that was closed.
        path = "/channels/{channel_id}"
        told = await self._patiently(lambda: call(self._client, "GET", path, channel_id=chat))
        guild_id = told.get("guild_id")
        room = self._client.get_partial_messageable(
            int(chat),
            guild_id=int(guild_id) if guild_id else None,
            type=None if guild_id else discord.ChannelType.private,
        )
        return room, int(told.get("last_message_id") or 0)

    async def _read_on(self, room: discord.abc.Messageable, after: int) -> None:
        parts = Parts()
        while True:
            await self._arrivals.room()
            page = await self._patiently(partial(_page, room, after))
            for message in page:
                for said in read(parts, message, self._me):
                    await self._arrivals.insert(said)
            if len(page) < PAGE:
                return
            after = page[-1].id

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """A call when its turn comes, again and again while Discord does not answer."""
        pause = 1.0
        while True:
            await self._turn()
            try:
                return await ask()
            except RetryAfter as limit:
                await asyncio.sleep(limit.retry_after)
            except Unreachable as error:
                log.warning("a channel cannot be read now, trying again: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 60.0)

    async def _turn(self) -> None:
        """Wait until the next call may start."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + 1 / CALLS, now)
        await asyncio.sleep(self._due - now)


async def _page(room: discord.abc.Messageable, after: int) -> list[discord.Message]:
    """The next messages, oldest first."""
    with translating():
        async with asyncio.timeout(PATIENCE):
            start = discord.Object(after)
            history = room.history(limit=PAGE, after=start, oldest_first=True)
            return [message async for message in history]
