"""The adapter of Discord."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace

import aiohttp
import discord
from discord.http import Route

from bots.discord import tickets
from bots.discord.arrivals import CAPACITY, Event
from bots.discord.files import fetch
from bots.discord.gateway import Gateway
from bots.discord.inbound import PLATFORM
from bots.discord.markup import fits, render
from bots.discord.portal import WRONG_TOKEN
from bots.discord.rest import (
    NO_PERMISSION,
    NO_PINGS,
    Json,
    Refused,
    Silenced,
    call,
    field,
    shorten_log,
    translating,
)
from bots.discord.threads import open_again, parent
from bots.discord.way import Way
from bots.discord.whispers import Whispers
from core.adapter import (
    Address,
    Attachment,
    Button,
    Change,
    InboundMessage,
    Known,
    Leeway,
)
from core.errors import MessageGone, SettingsError, Undeliverable, Unreachable

RATE = 40.0
"""The calls a second in all channels together. Discord allows 50, and catching up takes up to 10 of
them."""
BROADCAST_RATE = 1.0
"""The messages a second to people who have asked nothing. Discord takes many private messages that
come fast for spam, and tells no number."""
LARGEST = 10_000_000
"""The most bytes of a file; Discord takes 10 MiB with the rest of the message."""
PACE = 1.25
"""The seconds between two edits. Discord allows 5 in 5 s in a channel; one is left for the last."""
LOGIN = 10.0
"""The most seconds for one attempt to log in."""
REMEMBERED = 10_000
"""The most channels whose kind is remembered."""

HISTORY = 50
"""The messages of a channel among which doubles are sought."""

_NO_PREVIEWS, _LOADING = 1 << 2, 1 << 7
_NO_REPLIES = {50013, 50035, 160002}
"""The codes for missing permissions, a refused form, and no permission to read the history."""
_ROW, _BUTTON, _GREY = 1, 2, 2
_PRIVATE = 1

_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = "/channels/{channel_id}/messages/{message_id}"


@asynccontextmanager
async def connect(
    token: str,
    api_url: str,
    known: Known,
    *,
    capacity: int = CAPACITY,
) -> AsyncIterator["DiscordAdapter"]:
    """Yield the adapter of a bot's account.

    Messages since the newest `known` one are caught up. At most `capacity` events wait in memory.
    Raises SettingsError if the token is wrong, and Unreachable or RetryAfter if Discord does not
    answer.
    """
    shorten_log()
    Route.BASE = api_url
    way = Way.to(api_url)
    client = await _log_in(token, Gateway(known, capacity, way))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        files = await stack.enter_async_context(
            aiohttp.ClientSession(proxy=way.proxy, connector=way.connector())
        )
        adapter = DiscordAdapter(client, files)
        stack.push_async_callback(adapter.cancel_whispers)
        yield adapter


async def _log_in(token: str, client: Gateway) -> Gateway:
    """Log a client in and return it; close it if that fails."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        try:
            with translating():
                async with asyncio.timeout(LOGIN):
                    await client.login(token)
        except discord.LoginFailure:
            raise SettingsError(WRONG_TOKEN) from None
        except (Unreachable, Undeliverable) as failure:
            why = f"DISCORD_API_URL: no answer from {Route.BASE} ({failure})"
            raise Unreachable(why) from failure
        stack.pop_all()
    return client


class DiscordAdapter:
    """The account of one bot on Discord. Only `listen` uses the gateway; the rest uses REST."""

    broadcast_rate = BROADCAST_RATE
    is_pushed = False

    def __init__(self, client: Gateway, files: aiohttp.ClientSession) -> None:
        self._client = client
        self._files = files
        self._private: dict[str, bool] = {}
        self._whispers = Whispers(client)

    @property
    def name(self) -> str:
        """The platform's name."""
        return PLATFORM

    @property
    def bot_id(self) -> str:
        """The id of our account."""
        return str(self._client.me.id)

    @property
    def rate(self) -> float:
        """The calls a second in all channels together."""
        return RATE

    @property
    def hears(self) -> bool:
        """True while all shards of the gateway are connected."""
        return self._client.links.hear

    @property
    def heard_at(self) -> float | None:
        """The time of the oldest heartbeat that a shard has had acknowledged last."""
        return self._client.links.heard_at

    @property
    def largest_file(self) -> int:
        """The most bytes of a file that is posted."""
        return LARGEST

    def pace(self, address: Address) -> float:
        """Return the seconds between previews, which are the same everywhere."""
        return PACE

    def leeway(self, ticket: str) -> Leeway:
        """Return the bounds of an answer that only a ticket can write."""
        return tickets.leeway(ticket)

    def fits(self, markdown: str) -> bool:
        """Return whether the rendered text is neither empty nor longer than a message may be."""
        return fits(markdown)

    async def listen(self) -> AsyncGenerator[Event, str | None]:
        """Yield events of the gateway, and messages that were missed since the newest stored one.

        Raises SettingsError when Discord refuses the login.
        """
        async with aclosing(self._client.hear()) as events:
            async for event in events:
                if isinstance(event, InboundMessage):
                    self._learn(event.address.chat, event.private)
                told = yield event
                if told and isinstance(event, Change):
                    self._whispers.tell(event, told)

    @property
    def reconnects(self) -> int:
        """The number of connections to the gateway that followed a lost one."""
        return self._client.links.reconnects

    async def subscribe(self) -> None:
        """Do nothing, because Discord pushes nothing to a bot with a gateway."""

    async def send(
        self,
        address: Address,
        markdown: str,
        *,
        final: bool,
        reply_to: str | None = None,
        ticket: str = "",
        whom: str | None = None,
        buttons: tuple[Button, ...] = (),
        nonce: str,
    ) -> str:
        """Post a message, in a server as a reply; a command's answer replaces "is thinking…".

        Only the answer to an interaction can be hidden from others.
        """
        body = _body(markdown, buttons) | {"flags": _NO_PREVIEWS}
        held = tickets.read(ticket)
        if held and (held.alone or reply_to or whom):
            is_first = reply_to is not None
            is_secret = whom is not None and held.way is not tickets.Way.HIDDEN
            write = tickets.whisper if is_secret else tickets.write
            if message_id := await write(self._client, self._files, held, body, first=is_first):
                return message_id
            tickets.refuse_late(held)
            reply_to = None  # an interaction is no message
        body |= {"nonce": nonce, "enforce_nonce": True}
        with tickets.ending(held):
            if reply_to and not await self._is_private(address.chat):
                with suppress(_NoReply):
                    return await self._reply(address, reply_to, body)
            return await self._post(address, body)

    async def _reply(self, address: Address, reply_to: str, body: Json) -> str:
        """Post as a reply; raises _NoReply if Discord accepts the message only without one."""
        reference = {"message_id": reply_to, "fail_if_not_exists": False}
        try:
            return await self._post(address, body | {"message_reference": reference})
        except Refused as refusal:
            if refusal.code not in _NO_REPLIES:
                raise
            raise _NoReply from refusal

    async def _post(self, address: Address, body: Json) -> str:
        message = await call(self._client, "POST", _MESSAGES, body=body, channel_id=address.chat)
        return field(message, "id", str)

    async def edit(
        self,
        address: Address,
        message_id: str,
        markdown: str,
        *,
        final: bool,
        ticket: str = "",
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Replace a message's text and buttons."""
        held, body = tickets.read(ticket), _body(markdown, buttons)
        if held and held.alone and await tickets.edit(self._client, held, message_id, body):
            return
        tickets.refuse_late(held)

        async def edit() -> None:
            await call(
                self._client,
                "PATCH",
                _MESSAGE,
                body=body,
                channel_id=address.chat,
                message_id=message_id,
            )

        with tickets.ending(held):
            try:
                await edit()
            except Silenced as refusal:
                await open_again(self._client, address.chat, refusal)
                await edit()

    async def unbutton(self, address: Address, message_id: str) -> None:
        """Take the buttons off a message."""
        await call(
            self._client,
            "PATCH",
            _MESSAGE,
            body={"components": [], "allowed_mentions": NO_PINGS},
            channel_id=address.chat,
            message_id=message_id,
        )

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Delete "is thinking…"."""
        if held := tickets.read(ticket):
            await tickets.withdraw(self._client, held)

    async def delete(self, address: Address, message_id: str, *, ticket: str = "") -> None:
        """Delete a message of ours."""
        held = tickets.read(ticket)
        with suppress(MessageGone), tickets.ending(held):
            if held and held.alone and await tickets.delete(self._client, held, message_id):
                return
            await call(
                self._client, "DELETE", _MESSAGE, channel_id=address.chat, message_id=message_id
            )

    async def upload(
        self,
        address: Address,
        name: str,
        data: bytes,
        *,
        reply_to: str | None = None,
        ticket: str = "",
        picture: bool = False,
        nonce: str,
    ) -> str:
        """Post a file; a picture shows. Files may be forbidden where texts are not."""
        held, body = tickets.read(ticket), {"allowed_mentions": NO_PINGS}
        if held and held.alone:
            file = name, data
            file_id = await tickets.attach(self._client, self._files, held, body, file)
            if file_id is not None:
                return file_id
            tickets.refuse_late(held)
        try:
            with tickets.ending(held):
                message = await call(
                    self._client,
                    "POST",
                    _MESSAGES,
                    body=body | {"nonce": nonce, "enforce_nonce": True},
                    file=(name, data),
                    channel_id=address.chat,
                )
        except Silenced as refusal:
            if refusal.code != NO_PERMISSION:
                raise
            raise Refused(str(refusal), refusal.code) from refusal
        return field(message, "id", str)

    async def suspects(
        self,
        address: Address,
        *,
        after: str | None,
        before: str | None,
        known: Collection[tuple[str, str]],
        earlier: Collection[tuple[str, str]] = (),
    ) -> list[str]:
        """Return our own messages in the channel's history, for a repeat after its nonce expired.

        A message that shows "is thinking…" is none of them.
        """
        if after is None:
            here = [int(message_id) for chat, message_id in known if chat == address.chat]
            # Ids grow with time in all channels.
            here += sorted(int(message_id) for _, message_id in earlier)[:1]
            after = str(max((each for each in here if each < int(before or 0)), default=""))
        if not after:
            return []
        path = f"{_MESSAGES}?limit={HISTORY}&after={int(after)}"
        try:
            page = await call(self._client, "GET", path, channel_id=address.chat)
        except Refused:
            return []  # without the history, the nonce has to do
        with translating():
            ours = [each["id"] for each in page if _is_said(each, self.bot_id)]
            return [each for each in sorted(ours, key=int) if not before or int(each) < int(before)]

    async def is_ours(self, address: Address, message_id: str, markdown: str | None) -> bool:
        """Return whether a message of ours holds a text, or a file if `markdown` is None."""
        try:
            message = await call(
                self._client, "GET", _MESSAGE, channel_id=address.chat, message_id=message_id
            )
        except (MessageGone, Undeliverable):
            return False
        with translating():
            is_file = bool(message["attachments"])
            return _is_said(message, self.bot_id) and is_file == (markdown is None)

    async def cancel_whispers(self) -> None:
        """Cancel the answers to pressed buttons that are still on their way."""
        await self._whispers.cancel()

    async def typing(self, address: Address, *, ticket: str = "") -> None:
        """Show "is typing" for ten seconds; with a ticket, people see "is thinking…" instead."""
        held = tickets.read(ticket)
        if held and held.alone and await tickets.serves(self._client, held):
            return
        path = "/channels/{channel_id}/typing"
        with tickets.ending(held):
            await call(self._client, "POST", path, channel_id=address.chat)

    async def around(self, address: Address) -> Address | None:
        """Return the address of the channel around a public thread."""
        found = await parent(self._client, self._client.deleted, address.chat)
        return None if found is None else replace(address, chat=found)

    async def leave(self, address: Address) -> None:
        """Leave a server; one that the bot is not in any more is no error."""
        if address.places:
            path, guild = "/users/@me/guilds/{guild_id}", address.places[-1]
            with suppress(Undeliverable):
                await call(self._client, "DELETE", path, guild_id=guild)

    def link(self, payload: str) -> str:
        """Return "", because a link to a bot on Discord carries nothing."""
        return ""

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """Return the bytes of a file; its URL has to be asked for again, because it expires."""
        return await fetch(self._client, self._files, attachment, limit)

    async def _is_private(self, chat: str) -> bool:
        """Return whether a channel is private; ask Discord unless it is known already."""
        if chat not in self._private:
            found = await call(self._client, "GET", "/channels/{channel_id}", channel_id=chat)
            self._learn(chat, field(found, "type", int) == _PRIVATE)
        return self._private[chat]

    def _learn(self, chat: str, private: bool) -> None:
        if len(self._private) >= REMEMBERED:
            self._private.clear()
        self._private[chat] = private


class _NoReply(Exception):
    """A message cannot be posted as a reply."""


def _is_said(message: Json, bot_id: str) -> bool:
    """Return whether a message is ours and does not only show that an answer is on its way."""
    return message["author"]["id"] == bot_id and not message.get("flags", 0) & _LOADING


def _body(markdown: str, buttons: Sequence[Button]) -> Json:
    return {
        "content": render(markdown),
        "components": _rows(buttons),
        "allowed_mentions": NO_PINGS,
    }


def _rows(buttons: Sequence[Button]) -> list[Json]:
    """Return a row of buttons; each id is the kind of its change, so it works after a restart."""
    if not buttons:
        return []
    row = [
        {"type": _BUTTON, "style": _GREY, "label": button.label, "custom_id": button.kind.value}
        for button in buttons
    ]
    return [{"type": _ROW, "components": row}]
