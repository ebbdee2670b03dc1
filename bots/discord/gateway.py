"""The library's client: REST once logged in, and the gateway's events put in order."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any

import discord
from discord.gateway import DiscordWebSocket
from yarl import URL

from bots.discord.arrivals import Arrivals, Event
from bots.discord.backlog import LOOKBACK, Backlog, ServerChannel
from bots.discord.commands import register
from bots.discord.inbound import parse_deletion, parse_edit, parse_interaction, read
from bots.discord.interactions import acknowledge
from bots.discord.rest import Json, call
from bots.pieces import Pieces
from core.adapter import InboundMessage, Known
from core.errors import DeliveryError, SettingsError

log = logging.getLogger(__name__)

PORTAL = "https://discord.com/developers/applications"
WRONG_TOKEN = (
    f"DISCORD_TOKEN is not accepted: copy it again from {PORTAL}"
    " (your application, Bot, Reset Token)"
)

IDENTIFY_WINDOW = 5.5
"""Seconds in which `max_concurrency` sessions start: Discord's 5, and some for the way there."""
ACKNOWLEDGE_WITHIN = 3.0
REMEMBERED = 1000
"""Messages whose author is known when they are deleted."""
CLOSING = 3.0

_INTENTS = discord.Intents(guilds=True, messages=True, message_content=True)


class Gateway(discord.AutoShardedClient):
    """Handlers run in the order of the events, each up to its first await: none awaits before
    it has put its event in the queue."""

    def __init__(self, known: Known, room: int) -> None:
        # Voice is not for us; the library would warn that it is not installed.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=_INTENTS,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            # Only private channels wait for the last server.
            guild_ready_timeout=0.5,
            # The least that the library takes; it sleeps for shorter ones by itself.
            max_ratelimit_timeout=30.0,
        )
        self._room = room
        self._arrivals: Arrivals
        self._backlog: Backlog
        self._known = known
        self._said: dict[str, InboundMessage] = {}
        self._pieces = Pieces()
        self._starting: set[int]  # shards whose servers are not all there yet
        self._identified: deque[float] = deque(maxlen=1)

    @property
    def me(self) -> discord.ClientUser:
        """Our account."""
        assert self.user is not None, "not logged in"
        return self.user

    async def hear(self) -> AsyncGenerator[Event, None]:
        """Events as long as the gateway is kept open, which is until this generator is closed.

        SettingsError if Discord does not let us in. Each time it begins anew: what was not
        taken the last time is read from the history.
        """
        arrivals = self._arrivals = Arrivals(self._room)
        self._backlog = Backlog(self, self.me, arrivals, self._known, self._remember)
        self._starting = set()
        hearing = asyncio.create_task(_first_to_end(self._backlog.run(), self._open()))
        try:
            while event := await _unless_ended(arrivals, hearing):
                yield event
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def _open(self) -> None:
        # The library keeps what its shards asked for last: one would come back that nobody closes.
        await self._async_setup_hook()
        await self._find_gateway()
        await register(self)
        connecting = asyncio.create_task(self.connect())
        try:
            await asyncio.wait({connecting})
            connecting.result()
        except discord.PrivilegedIntentsRequired:
            raise SettingsError(
                "DISCORD_TOKEN: the bot may not read messages yet; switch on the Message Content"
                f" Intent at {PORTAL}/{self.application_id}/bot"
            ) from None
        except discord.ConnectionClosed as closed:
            if closed.code != 4004:
                raise
            raise SettingsError(WRONG_TOKEN) from None
        finally:
            await self._leave(connecting)

    async def _leave(self, connecting: asyncio.Task[None]) -> None:
        """Close the gateway alone: answers in hand still need REST."""
        # While a shard connects, the library may swallow a cancellation and go on.
        while not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=0.1)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await asyncio.gather(*(shard.disconnect() for shard in self.shards.values()))

    async def _find_gateway(self) -> None:
        """Learn the gateway's address, in how many shards to connect, and how fast."""
        found = await self._ask_for_gateway()
        # After a session that cannot be resumed the library goes to its built-in address.
        DiscordWebSocket.DEFAULT_GATEWAY = URL(found["url"])
        self.shard_count = found["shards"]
        limit = found["session_start_limit"]
        self._identified = deque(self._identified, maxlen=limit["max_concurrency"])
        if limit["remaining"] < found["shards"]:
            # Who starts more of them than Discord allows in a day gets a new token.
            seconds = limit["reset_after"] / 1000
            log.warning("Discord lets no session start for %.0f s", seconds)
            await asyncio.sleep(seconds)

    async def _ask_for_gateway(self) -> Json:
        pause = 1.0
        while True:
            try:
                found: Json = await call(self, "GET", "/gateway/bot")
                return found
            except DeliveryError as error:
                log.warning("Discord tells no gateway, trying again in %g s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 60.0)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Start sessions as fast as Discord allows; the library would wait 5 s before each."""
        clock = asyncio.get_running_loop().time
        if len(self._identified) == self._identified.maxlen:
            await asyncio.sleep(self._identified[0] + IDENTIFY_WINDOW - clock())
        self._identified.append(clock())

    # A session starts: first what was missed, then what is heard.

    async def on_shard_connect(self, shard_id: int) -> None:
        """A new session, not a resumed one: what was said before it is not known yet."""
        self._starting.add(shard_id)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Catch up with the channels of a server in which something was said lately."""
        since = discord.utils.time_snowflake(discord.utils.utcnow() - LOOKBACK)
        for room in (*guild.channels, *guild.threads):
            if (
                isinstance(room, ServerChannel)
                and (room.last_message_id or 0) > since
                and _may_read(room)
            ):
                self._backlog.catch_up(str(room.id))

    async def on_shard_ready(self, shard_id: int) -> None:
        """All servers of a shard are there. The library may say so after we have left."""
        self._backlog.begin(self._catch_up_private(shard_id))

    async def _catch_up_private(self, shard_id: int) -> None:
        """Catch up with the channels of no server, which belong to the first shard."""
        if shard_id == 0:
            for chat in await self._known.chats(str(self.me.id)):
                if self.get_channel(int(chat)) is None:
                    self._backlog.catch_up(chat)
        self._starting.discard(shard_id)

    # What is heard.

    async def on_message(self, message: discord.Message) -> None:
        """Something was said."""
        if said := read(self._pieces, message, self.me):
            self._remember(said)
            self._hear(said, message.guild.id if message.guild else 0)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """A message was changed."""
        if change := parse_edit(event.message, self.me):
            self._hear(change, event.guild_id or 0)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """A message was deleted, by its author or by a moderator."""
        self._forget(event.message_id, event.guild_id or 0)

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Messages were deleted together, by a moderator or another bot."""
        for message_id in sorted(event.message_ids):
            self._forget(message_id, event.guild_id or 0)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """A command or a pressed button: acknowledged first, whatever the core is waiting for.

        What is heard meanwhile comes after it: a question after `/new` is a new beginning.

        If this process dies in between, the person sees "is thinking…" to no end and says it
        again; stored first, a database that is away would make it fail in any case.
        """
        event = parse_interaction(interaction, self.me)
        if event is None or self._arrivals.is_full:
            return
        acknowledged = self._arrivals.reserve(event)
        try:
            async with asyncio.timeout(ACKNOWLEDGE_WITHIN):
                await acknowledge(self, interaction)
        except (DeliveryError, TimeoutError) as error:
            log.warning("an interaction was not acknowledged: %r", error)
        finally:
            acknowledged.set()

    def _hear(self, event: Event, guild_id: int) -> None:
        chat = event.address.chat
        starting = (guild_id >> 22) % (self.shard_count or 1) in self._starting
        if starting and not self._arrivals.is_held(chat):
            self._backlog.catch_up(chat)
        if not self._arrivals.add(event):
            self._backlog.catch_up(chat, int(event.message_id) - 1)

    def _forget(self, message_id: int, guild_id: int) -> None:
        if said := self._said.pop(str(message_id), None):
            self._hear(parse_deletion(said), guild_id)

    def _remember(self, said: InboundMessage) -> None:
        self._said[said.message_id] = said
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]


def _may_read(room: ServerChannel) -> bool:
    if isinstance(room, discord.Thread) and room.parent is None:
        return False
    return room.permissions_for(room.guild.me).read_message_history


async def _unless_ended(arrivals: Arrivals, hearing: asyncio.Task[None]) -> Event | None:
    """The next event; None, or why, when no more will come and all were taken."""
    getting = asyncio.create_task(arrivals.get())
    try:
        await asyncio.wait((getting, hearing), return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        return hearing.result()
    finally:
        getting.cancel()


async def _first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run side by side until one ends or fails, then end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
