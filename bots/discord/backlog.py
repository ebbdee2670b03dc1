"""Messages that nobody heard, read from the histories of their channels."""

import asyncio
import logging
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import discord
from discord.abc import Snowflake
from discord.utils import time_snowflake, utcnow

from bots.discord.arrivals import Arrivals
from bots.discord.inbound import Joined, read
from bots.discord.rest import call, translating
from bots.pieces import Pieces
from core.adapter import InboundMessage, Known
from core.errors import MISSHAPEN, DeliveryError, RetryAfter, Unreachable, place

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOKBACK = timedelta(hours=24)
"""The greatest age of a question that is still answered when nobody heard it."""
OVERLAP = 10 * 60_000 << 22
"""Ten minutes in ids, which are read again. A process may have died after it stored a message of
one channel and before it stored an older one of another."""
PAGE = 100
LONGEST_ID = 20
"""The most digits of an id of Discord's, which has 64 bits."""
CALLS = 10.0
"""Calls per second for all channels; answers need the rest of Discord's limit."""
LOOKUPS = 8
SHARED = 60.0
"""The seconds for which channels without stored messages share a look-up; `OVERLAP` is longer."""
PATIENCE = 30.0
"""The seconds that a page may take, with waits for rate limits."""

ServerChannel = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread
Channel = ServerChannel | discord.PartialMessageable


class Backlog:
    """The channels that are behind. New events of one wait until its history has been read."""

    def __init__(
        self,
        client: discord.Client,
        me: Snowflake,
        arrivals: Arrivals,
        known: Known,
        joined: Joined,
        remember: Callable[[InboundMessage], None],
    ) -> None:
        """Make a backlog; it calls `remember` with each message before it hands that over.

        A message in a thread among the `joined` ones need not name the bot.
        """
        self._client = client
        self._me = me
        self._arrivals = arrivals
        self._known = known
        self._joined = joined
        self._remember = remember
        self._over = False
        self._again: set[str] = set()
        # A channel without stored messages has nothing to catch up with before now.
        self._began = time_snowflake(utcnow())
        self._tasks = asyncio.TaskGroup()
        self._looking = asyncio.Semaphore(LOOKUPS)
        self._sharing = asyncio.Lock()
        self._shared: str | None = None  # the newest stored message of all channels
        self._shared_until = -math.inf
        # The calls to come, by channel; a plain dict would search its deleted ones for the first.
        self._queue: OrderedDict[str, asyncio.Future[None]] = OrderedDict()
        self._queued = asyncio.Event()

    async def run(self) -> None:
        """Read histories until cancelled."""
        async with self._tasks:
            try:
                await self._pace()
            finally:
                self._over = True

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that ends with `run` at the latest; do nothing when that is over."""
        if self._over:
            work.close()
        else:
            self._tasks.create_task(work)

    def catch_up(self, chat: str, after: int | None = None) -> None:
        """Read a channel from a message on, by default from the newest stored one.

        A channel that is being read is read once more afterwards, unless a call for it is still to
        come: that finds everything.
        """
        if self._arrivals.hold(chat) and not self._over:
            self._tasks.create_task(self._catch_up(chat, after))
        elif chat not in self._queue:
            self._again.add(chat)

    async def _catch_up(self, chat: str, after: int | None) -> None:
        try:
            start = await self._read(chat, after)
            while chat in self._again:
                self._again.discard(chat)
                start = await self._read(chat, start)
        except DeliveryError as error:
            log.debug("channel %s cannot be read: %s", chat, error)
        except MISSHAPEN as error:  # one channel must not stop the others
            log.error("Cannot read the history of channel %s: %s", chat, place(error))
        lost = self._arrivals.release(chat)
        if lost:
            self.catch_up(chat, lost - 1)

    async def _start(self, chat: str) -> int:
        async with self._looking:
            newest = await self._newest(chat)
        digits = re.match(r"\d+", newest or "")
        start = int(digits[0]) - OVERLAP if digits else self._began
        return max(start, time_snowflake(utcnow() - LOOKBACK))

    async def _newest(self, chat: str) -> str | None:
        """Return the newest stored message of a channel; if there is none, that of all channels.

        At a start most channels have none, so they share what was looked up a moment ago.
        """
        if chat in self._joined:
            return await self._known.newest(str(self._me.id), chat)
        async with self._sharing:
            now = asyncio.get_running_loop().time()
            if now >= self._shared_until:
                self._shared = await self._known.newest(str(self._me.id), chat)
                self._shared_until = now + SHARED
            return self._shared

    async def _read(self, chat: str, after: int | None) -> int:
        """Hand over the messages after one, and return the id of the last."""
        channel, newest = await self._find(chat)
        start = after or await self._start(chat)
        if newest > start:
            start = await self._read_on(chat, channel, start)
        return start

    async def _find(self, chat: str) -> tuple[Channel, int]:
        """Return a channel and the id of its newest message; 0 for an archived thread."""
        known = self._client.get_channel(int(chat))
        if isinstance(known, ServerChannel):
            return known, known.last_message_id or 0
        # No server has told of it: it is a private channel or an archived thread.
        path = "/channels/{channel_id}"
        found = await self._patiently(
            chat, lambda: call(self._client, "GET", path, channel_id=chat)
        )
        guild_id = found.get("guild_id")
        channel = self._client.get_partial_messageable(
            int(chat),
            guild_id=int(guild_id) if guild_id else None,
            type=None if guild_id else discord.enums.try_enum(discord.ChannelType, found["type"]),
        )
        is_archived = found.get("thread_metadata", {}).get("archived", False)
        return channel, 0 if is_archived else int(found.get("last_message_id") or 0)

    async def _read_on(self, chat: str, channel: Channel, after: int) -> int:
        """Hand over page after page, and return the id of the last message."""
        pieces = Pieces()
        while True:
            page = await self._patiently(chat, partial(_page, self._client, chat, after))
            for number in sorted(page):
                if said := self._heard(pieces, channel, page[number]):
                    self._remember(said)
                    await self._arrivals.insert(said)
            last = max(page, default=after)
            if len(page) < PAGE or last <= after:
                return last
            after = last

    def _heard(self, pieces: Pieces, channel: Channel, raw: Any) -> InboundMessage | None:
        """Return a message to the bot; None for any other, and for one that cannot be read."""
        try:
            message = channel._state.create_message(channel=channel, data=raw)  # as `history` does
            return read(pieces, message, self._me, self._joined)
        except Exception as error:  # one message must not stop the others
            log.error("Cannot read message %s, it is passed over: %s", raw["id"], place(error))
            log.debug("message %s", raw["id"], exc_info=True)
            return None

    async def _patiently(self, chat: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Make a call when its turn comes, and repeat it while Discord does not answer."""
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
        """Wait until the next call for a channel may start; a channel has one at a time."""
        turn = self._queue[chat] = asyncio.get_running_loop().create_future()
        self._queued.set()
        await turn

    async def _pace(self) -> None:
        """Let calls start at their rate, as long as the queue of events is not full."""
        while True:
            await self._queued.wait()
            await self._arrivals.wait_until_free()
            self._next().set_result(None)
            if not self._queue:
                self._queued.clear()
            await asyncio.sleep(1 / CALLS)

    def _next(self) -> asyncio.Future[None]:
        """Take the next call; a channel in which somebody has just spoken comes first."""
        chat = next((chat for chat in self._arrivals.waiting if chat in self._queue), None)
        return self._queue.popitem(last=False)[1] if chat is None else self._queue.pop(chat)


async def _page(client: discord.Client, chat: str, after: int) -> dict[int, Any]:
    """Read the next messages, by their ids."""
    path, query = "/channels/{channel_id}/messages", {"limit": PAGE, "after": after}
    with translating():
        async with asyncio.timeout(PATIENCE):
            found = await call(client, "GET", path, query=query, channel_id=chat)
        if not isinstance(found, list):
            raise TypeError("a page is a list")
    # The library's own `history` loses a whole page for one message that it cannot read.
    return {int(raw["id"]): raw for raw in found if _has_id(raw)}


def _has_id(raw: object) -> bool:
    number = raw.get("id") if isinstance(raw, dict) else None
    return isinstance(number, str) and number.isdecimal() and len(number) <= LONGEST_ID
