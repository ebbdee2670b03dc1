"""What was said in channels while nobody heard it, read from their histories."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import discord
from discord.utils import time_snowflake, utcnow

from bots.discord.arrivals import Arrivals
from bots.discord.inbound import parse_message
from bots.discord.rest import call, translating
from core.errors import DeliveryError, RetryAfter, Undeliverable, Unreachable

log = logging.getLogger(__name__)

Newest = Callable[[str], Awaitable[str | None]]
"""The id of the newest message of a person that is stored, of a channel or else of all."""
Channels = Callable[[], Awaitable[list[str]]]
"""The ids of all channels that something is stored of."""

LOOKBACK = timedelta(hours=24)
"""How old a question may be that nobody has heard yet."""
PAGE = 100
CALLS = 10.0
"""Pages a second over all channels; answers need the rest of what Discord allows."""
READERS = 4
LOOKUPS = 8
PATIENCE = 30.0
"""Seconds that a page may take, waits for rate limits included."""

Room = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread


class Backlog:
    """Channels that are behind. What is heard in one waits until its history has been read."""

    def __init__(self, client: discord.Client, arrivals: Arrivals, newest: Newest) -> None:
        self._client = client
        self._arrivals = arrivals
        self._newest = newest
        self._over = False
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

    def catch_up(self, chat: str, after: int | None = None) -> None:
        """Read a channel from a message on, by default from the newest that is stored."""
        if not self._over and self._arrivals.hold(chat):
            self._tasks.create_task(self._catch_up(chat, after))

    async def _catch_up(self, chat: str, after: int | None) -> None:
        read = range(0)
        try:
            start = after or await self._start(chat)
            read = range(start + 1, await self._read(chat, start) + 1)
        except DeliveryError as error:
            log.debug("channel %s cannot be read: %s", chat, error)
        lost = self._arrivals.release(chat, read)
        if lost:
            self.catch_up(chat, lost - 1)

    async def _start(self, chat: str) -> int:
        async with self._looking:
            newest = await self._newest(chat)
        digits = re.match(r"\d+", newest or "")
        start = int(digits[0]) if digits else self._began
        return max(start, time_snowflake(utcnow() - LOOKBACK))

    async def _read(self, chat: str, after: int) -> int:
        """Hand over what was said after a message; the newest that was read."""
        room = self._client.get_channel(int(chat))
        if isinstance(room, Room) and (room.last_message_id or 0) <= after:
            return after
        async with self._reading:
            if isinstance(room, Room):
                return await self._read_on(room, after)
            await self._turn()
            distant, newest = await self._find(chat)
            return await self._read_on(distant, after) if newest > after else after

    async def _find(self, chat: str) -> tuple[discord.PartialMessageable, int]:
        """A channel that no server told about: a private one, a thread that was closed."""
        found = await call(self._client, "GET", "/channels/{channel_id}", channel_id=chat)
        guild_id = found.get("guild_id")
        room = self._client.get_partial_messageable(
            int(chat),
            guild_id=int(guild_id) if guild_id else None,
            type=None if guild_id else discord.ChannelType.private,
        )
        return room, int(found.get("last_message_id") or 0)

    async def _read_on(self, room: discord.abc.Messageable, after: int) -> int:
        me = self._client.user
        while me is not None:
            await self._arrivals.room()
            page = await self._page(room, after)
            for message in page:
                if said := parse_message(message, me):
                    await self._arrivals.insert(said)
                after = message.id
            if len(page) < PAGE:
                break
        return after

    async def _page(self, room: discord.abc.Messageable, after: int) -> list[discord.Message]:
        """The next messages, oldest first, with patience while Discord does not answer."""
        pause = 1.0
        while True:
            await self._turn()
            try:
                return await _page(room, after)
            except Undeliverable:
                raise
            except RetryAfter as limit:
                await asyncio.sleep(limit.retry_after)
            except Unreachable as error:
                log.warning("a channel's history cannot be read, trying again: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 60.0)

    async def _turn(self) -> None:
        """Wait until the next call may start."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due + 1 / CALLS, now)
        await asyncio.sleep(self._due - now)


async def _page(room: discord.abc.Messageable, after: int) -> list[discord.Message]:
    with translating():
        async with asyncio.timeout(PATIENCE):
            start = discord.Object(after)
            history = room.history(limit=PAGE, after=start, oldest_first=True)
            return [message async for message in history]
