"""The library's client: it makes calls over REST, and puts the gateway's events in order."""

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiohttp
import discord
from discord.gateway import DiscordWebSocket

from bots.discord import tickets
from bots.discord.arrivals import Arrivals, Event
from bots.discord.backlog import LOOKBACK, Backlog, ServerChannel
from bots.discord.commands import register
from bots.discord.copies import WAIT, Copies
from bots.discord.entrance import find
from bots.discord.inbound import parse_access, parse_deletion, parse_edit, read
from bots.discord.interactions import acknowledge, parse_interaction
from bots.discord.openings import Openings
from bots.discord.parsers import passing_over, seeing
from bots.discord.places import address_of, parse_membership
from bots.discord.portal import PORTAL, WRONG_TOKEN
from bots.discord.shards import Shards
from bots.discord.threads import Deleted
from bots.discord.waits import first_to_end, next_unless_ended
from bots.discord.way import Way
from bots.pieces import Pieces
from bots.spare import Rate, Spare
from core.adapter import Change, Copy, InboundMessage, Known
from core.errors import DeliveryError, SettingsError, Unreachable, place

log = logging.getLogger(__name__)

IDENTIFY_WINDOW = 5.5
"""The seconds in which `max_concurrency` sessions may start: 5, and some for the network."""
ACKNOWLEDGE_WITHIN = 3.0
"""The seconds in which Discord wants an interaction acknowledged."""
ACKNOWLEDGED, EACH = Rate(50, 50), Rate(2, 20)
"""The interactions that are acknowledged: of all people together, and of one. The others are
stored, too: Discord says that they failed, and a command is answered in a new message."""
REMEMBERED = 1000
"""The most messages that are remembered; a deletion tells only the id of one."""
SOCKETS, SOCKETS_WITHIN = 4, 1.0
"""The most websockets that are opened within so many seconds."""
CLOSING = 3.0
"""The most seconds for closing the gateway."""
WITHDRAWING = ACKNOWLEDGE_WITHIN + 1.0
"""The most seconds for ending "is thinking…" of the commands that nobody will carry out."""

WITHOUT_CONTENT = (
    "Discord does not let the bot read messages that do not mention it: in threads people have to"
    " mention it each time, and what they reply to or forward may stay unread. Switch on the"
    f" Message Content Intent at {PORTAL}/%s/bot and start again to change that"
)

_INTENTS = discord.Intents(guilds=True, messages=True, message_content=True)
_WITHOUT_CONTENT = discord.Intents(guilds=True, messages=True)


class Gateway(discord.AutoShardedClient):
    """The client of one account.

    The library starts the `on_…` methods in the order of the events, and runs each up to its first
    await. To keep that order, each puts its event in the queue before it awaits anything.
    """

    def __init__(self, known: Known, capacity: int, way: Way) -> None:
        # The bot uses no voice; otherwise the library warns that it is not installed.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=_INTENTS,
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            # Only private channels wait for the last server.
            guild_ready_timeout=0.5,
            # The least that the library accepts; shorter rate limits it waits out by itself.
            max_ratelimit_timeout=30.0,
            proxy=way.proxy,
            connector=way.connector(limit=0),
        )
        self._capacity = capacity
        self._arrivals: Arrivals
        self._backlog: Backlog
        self._known = known
        self._said: dict[str, InboundMessage] = {}
        self._pieces = Pieces()
        self._joined: dict[str, int] = {}  # see `inbound.Joined`
        self._copies: Copies
        self._me: discord.ClientUser | None = None
        self._spare = Spare(ACKNOWLEDGED, EACH, time.monotonic)
        self.deleted = Deleted()
        self.links = Shards(self)
        self._starting: set[int]  # shards that have not heard of all their servers yet
        self._identified: deque[float] = deque(maxlen=1)
        self._opened: deque[float] = deque(maxlen=SOCKETS)
        self._connecting: asyncio.Task[None] | None = None
        self._library_opens = self.http.ws_connect
        # The library has no other place in which to wait before it opens a websocket.
        self.http.ws_connect = self._open_socket  # type: ignore[method-assign]
        parsers = seeing(self._connection.parsers, self)
        self._connection.parsers = {name: passing_over(name, parsers[name]) for name in parsers}

    @property
    def me(self) -> discord.ClientUser:
        """The account of the token, as the login told it: what the gateway tells may differ."""
        if self._me is None:
            self._me = self.user
        assert self._me is not None, "not logged in"
        return self._me

    async def hear(self) -> AsyncGenerator[Event, None]:
        """Open the gateway and yield events until this generator is closed.

        Messages that a former generator did not yield are read from the histories. Commands are in
        none: what shows that their answers are on their way ends, so that people ask again. Raises
        SettingsError if Discord refuses the login.
        """
        arrivals = self._arrivals = Arrivals(self._capacity)
        self._backlog = Backlog(self, self.me, arrivals, self._known, self._joined, self._remember)
        self._copies = Copies(self.me, time.monotonic)
        openings = Openings(self, self.me)
        self._starting = set()
        hearing = asyncio.create_task(first_to_end(self._backlog.run(), self._open()))
        try:
            while event := await next_unless_ended(arrivals, hearing):
                event = await openings.added_to(event)
                arrivals.take()
                yield event
        finally:
            left = arrivals.end()  # nothing more is acknowledged
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            self.links.disconnect_all()
            await self._withdraw(left)

    async def _withdraw(self, left: Sequence[tuple[Event, asyncio.Event]]) -> None:
        """End what shows that answers to commands are on their way, as far as time allows."""
        found = [self._withdraw_one(event, acknowledged) for event, acknowledged in left]
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHDRAWING):
                await asyncio.gather(*found)

    async def _withdraw_one(self, event: Event, acknowledged: asyncio.Event) -> None:
        held = tickets.read(event.ticket) if isinstance(event, InboundMessage) else None
        if held is None:
            return
        await acknowledged.wait()
        try:
            await tickets.withdraw(self, held)
        except DeliveryError as error:
            log.warning("a command that came to nothing still shows that it is thinking: %r", error)

    async def _open(self) -> None:
        known = await self._known.chats(str(self.me.id))
        self._joined.update(
            {chat: int(first) for chat, first in known.items() if first.isdecimal()}
        )
        await self._find_gateway()
        await register(self)
        try:
            await self._converse()
        except discord.PrivilegedIntentsRequired:
            log.warning(WITHOUT_CONTENT, self.application_id)
            self._connection._intents = _WITHOUT_CONTENT
            await self._converse()

    async def _converse(self) -> None:
        """Connect all shards, and stay connected until the gateway fails."""
        # Without this, the library keeps requests of old shards, and would open one of them again.
        await self._async_setup_hook()
        connecting = self._connecting = asyncio.create_task(self.connect())
        try:
            await asyncio.wait({connecting})
            connecting.result()
        except discord.PrivilegedIntentsRequired:
            if self.intents.message_content:
                raise
            raise Unreachable("Discord closed the gateway with 4014") from None
        except discord.ConnectionClosed as closed:
            if closed.code != 4004:
                raise Unreachable(f"Discord closed the gateway with {closed.code}") from None
            await super().close()
            raise SettingsError(WRONG_TOKEN) from None
        except (OSError, aiohttp.ClientError, discord.DiscordException) as error:
            raise Unreachable(f"the gateway failed: {place(error)}") from None
        except Exception as error:  # what came cannot be read
            raise Unreachable(f"the gateway cannot be read: {place(error)}") from error
        finally:
            await self._leave(connecting)

    async def close(self) -> None:
        """Close the gateway and REST.

        The library does so too when the gateway fails. That call changes nothing, because running
        answers need REST, and the gateway is opened again.
        """
        if asyncio.current_task() is not self._connecting:
            await super().close()

    async def _leave(self, connecting: asyncio.Task[None]) -> None:
        """Close the gateway, but not REST, which running answers still need."""
        # While a shard connects, the library may swallow a cancellation.
        while not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting}, timeout=0.1)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await asyncio.gather(*(shard.disconnect() for shard in self.shards.values()))

    async def _find_gateway(self) -> None:
        """Ask for the gateway's address, the number of shards, and the limit of their starts."""
        found = await find(self)
        # The library uses this address after a session that cannot be resumed.
        DiscordWebSocket.DEFAULT_GATEWAY = found.url
        self.shard_count = found.shards
        self._identified = deque(self._identified, maxlen=found.at_once)
        if found.remaining < found.shards:
            # Discord revokes the token of a bot that starts more sessions than it may in a day.
            log.warning("Discord allows no new session for %.0f s; waiting", found.reset_after)
            await asyncio.sleep(found.reset_after)

    async def _open_socket(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket; wait after some others, because a server may ask for ever new ones."""
        clock = asyncio.get_running_loop().time
        if len(self._opened) == self._opened.maxlen:
            await asyncio.sleep(self._opened[0] + SOCKETS_WITHIN - clock())
        self._opened.append(clock())
        return await self._library_opens(url, **options)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait until a session may start; the library's own hook waits 5 s before each."""
        clock = asyncio.get_running_loop().time
        if len(self._identified) == self._identified.maxlen:
            await asyncio.sleep(self._identified[0] + IDENTIFY_WINDOW - clock())
        self._identified.append(clock())

    # The start of a session: catch up on missed messages before new ones.

    async def on_shard_connect(self, shard_id: int) -> None:
        """Note a new session: messages from before it have to be caught up."""
        self._starting.add(shard_id)
        self.links.connect(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """Note a new connection of an old session."""
        self.links.connect(shard_id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """Note that a shard hears nothing."""
        self.links.disconnect(shard_id)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Queue that the bot was added to a server."""
        self._arrivals.add(parse_membership(guild, self.me))

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Queue that the bot is in a server, and catch up on its channels with a recent message."""
        self._arrivals.add(parse_membership(guild, self.me))
        since = discord.utils.time_snowflake(discord.utils.utcnow() - LOOKBACK)
        for channel in (*guild.channels, *guild.threads):
            if (
                isinstance(channel, ServerChannel)
                and (channel.last_message_id or 0) > since
                and _may_read(channel)
                and self._known.hears(address_of(channel, self.me, guild))
            ):
                self._backlog.catch_up(str(channel.id))

    async def on_shard_ready(self, shard_id: int) -> None:
        """Catch up on private channels, now that a shard knows all its servers.

        The library may call this after the gateway is closed.
        """
        self._backlog.begin(self._catch_up_private(shard_id))

    async def _catch_up_private(self, shard_id: int) -> None:
        """Catch up on private channels, which belong to the first shard."""
        if shard_id == 0:
            for chat in await self._known.private_chats(str(self.me.id)):
                if self.get_channel(int(chat)) is None:
                    self._backlog.catch_up(chat)
        self._starting.discard(shard_id)

    # Events.

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log an event that cannot be read; it is passed over, and the others go on."""
        error = sys.exc_info()[1]
        number = getattr(args[0], "id", None) or getattr(args[0], "message_id", "") if args else ""
        log.error("Cannot read event %s %s: %s", event_method, number, error and place(error))
        log.debug("event %s", event_method, exc_info=True)

    async def on_message(self, message: discord.Message) -> None:
        """Queue a message to the bot, or the copy of one that a webhook posted."""
        guild_id = message.guild.id if message.guild else 0
        if message.webhook_id and message.author.id != self.me.id:
            if copy := self._copies.post(message):
                self._replace(copy, guild_id)
        elif said := read(self._pieces, message, self.me, self._joined):
            self._remember(said)
            self._copies.hear(said, message)
            self._hear(said, guild_id)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """Queue the edit of a message to the bot, or of a webhook's, which may be a copy."""
        if change := parse_edit(event.message, self.me, self._joined):
            if change.message is not None:
                self._remember(change.message)
            self._hear(change, event.guild_id or 0)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Queue a deletion, by the author or by a moderator."""
        self._forget(event.message_id, event.guild_id or 0)

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Queue the deletions that a moderator or another bot made at once."""
        for message_id in sorted(event.message_ids):
            self._forget(message_id, event.guild_id or 0)

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        """Queue a new channel, or one that has come into sight, in which the bot may write."""
        await self.on_guild_channel_update(channel, channel)

    async def on_guild_channel_update(self, _: object, channel: discord.abc.GuildChannel) -> None:
        """Queue a change of a channel in which the bot may write: before, it may not have."""
        if channel.permissions_for(channel.guild.me).send_messages:
            self._arrivals.add(parse_access(channel, self.me, channel.guild))

    async def on_raw_thread_update(self, event: discord.RawThreadUpdateEvent) -> None:
        """Queue the change of a thread that is not locked: the bot may write there now."""
        if not event.data["thread_metadata"].get("locked"):
            thread = event.thread or discord.Object(event.thread_id)
            self._arrivals.add(parse_access(thread, self.me, discord.Object(event.guild_id)))

    async def on_raw_thread_delete(self, event: discord.RawThreadDeleteEvent) -> None:
        """Remember the channel around a thread: an answer may be on its way into it."""
        self.deleted.note(event)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Acknowledge a command or a pressed button, and queue it.

        Its position in the queue is reserved first: a question after `/new` has to come after it.

        It is acknowledged before it is stored. Between the two, a stop ends "is thinking…"; if the
        process is killed, the person sees that without end and asks again. The other order would
        fail every interaction while the database is away.
        """
        is_member = self.get_guild(interaction.guild_id or 0) is not None
        event = parse_interaction(interaction, self.me, is_member=is_member)
        if event is None or self._arrivals.is_full or not self._known.hears(event.address):
            return
        if isinstance(event, InboundMessage):
            self._join(event)
        acknowledged = self._arrivals.reserve(event)
        try:
            if self._spare.take(event.author.account_id):
                async with asyncio.timeout(ACKNOWLEDGE_WITHIN):
                    hidden = isinstance(event, InboundMessage) and event.confidential
                    await acknowledge(self, interaction, hidden=hidden)
        except (DeliveryError, TimeoutError) as error:
            log.warning("an interaction was not acknowledged: %r", error)
        finally:
            acknowledged.set()

    def _hear(self, event: InboundMessage | Change | Copy, guild_id: int) -> None:
        if not self._known.hears(event.address):
            return
        chat = event.address.chat
        starting = (guild_id >> 22) % (self.shard_count or 1) in self._starting
        if starting and not self._arrivals.is_held(chat):
            self._backlog.catch_up(chat)
        if not self._arrivals.add(event):
            self._backlog.catch_up(chat, int(event.message_id) - 1)

    def _forget(self, message_id: int, guild_id: int) -> None:
        said = self._said.get(str(message_id))
        if said is None:
            return
        if copy := self._copies.delete(message_id):
            self._replace(copy, guild_id)
        elif self._copies.is_awaited(message_id):
            self._backlog.begin(self._delete_later(said, guild_id))
        else:
            self._delete(said, guild_id)

    async def _delete_later(self, said: InboundMessage, guild_id: int) -> None:
        """Queue a deletion unless a copy of the message is posted soon."""
        await asyncio.sleep(WAIT)
        if self._copies.give_up(int(said.message_id)):
            self._delete(said, guild_id)

    def _delete(self, said: InboundMessage, guild_id: int) -> None:
        self._said.pop(said.message_id, None)
        self._hear(parse_deletion(said), guild_id)

    def _replace(self, copy: Copy, guild_id: int) -> None:
        """Queue the copy of a message, under whose id the message is remembered from now on."""
        if said := self._said.pop(copy.message_id, None):
            self._remember(replace(said, message_id=copy.copy_id))
        self._hear(copy, guild_id)

    def _join(self, said: InboundMessage) -> None:
        if said.addressed:
            self._joined.setdefault(said.address.chat, int(said.message_id))

    def _remember(self, said: InboundMessage) -> None:
        self._join(said)
        self._said[said.message_id] = said
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]


def _may_read(channel: ServerChannel) -> bool:
    if isinstance(channel, discord.Thread) and channel.parent is None:
        return False
    return channel.permissions_for(channel.guild.me).read_message_history
