"""Discord as an adapter."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress

import aiohttp
import discord
from discord.http import Route

from bots.discord.arrivals import CAPACITY
from bots.discord.files import fetch
from bots.discord.gateway import WRONG_TOKEN, Gateway
from bots.discord.inbound import PLATFORM
from bots.discord.interactions import respond, withdraw
from bots.discord.markup import fits, render
from bots.discord.rest import Json, Refused, call, hide_tokens, translating
from core.adapter import Address, Attachment, Button, Change, InboundMessage, Known
from core.errors import MessageGone, SettingsError, Undeliverable, Unreachable

RATE = 40.0
"""Calls a second over all channels; Discord allows 50, and catching up takes up to 10 of them."""
PACE = 1.25
"""Seconds between edits: Discord allows 5 in 5 s in a channel, and the last must find room."""
LOGIN = 10.0
"""Seconds that one attempt to log in may take."""
REMEMBERED = 10_000
"""Channels of which it is known whether they are private."""

_NO_PINGS: Json = {"parse": []}
_NO_PREVIEWS = 1 << 2
_NO_REPLIES = {50013, 50035, 160002}
"""Missing permissions, a form that is refused, no permission to read the history."""
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
    room: int = CAPACITY,
) -> AsyncIterator["DiscordAdapter"]:
    """The adapter of a bot's account; SettingsError if the token is wrong, Unreachable (or
    RetryAfter) if Discord does not answer.

    Missed messages are read from what is `known` on; `room` is for events that wait.
    """
    hide_tokens()
    Route.BASE = api_url.rstrip("/")
    client = await _log_in(token, Gateway(known, room))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        files = await stack.enter_async_context(aiohttp.ClientSession())
        yield DiscordAdapter(client, files)


async def _log_in(token: str, client: Gateway) -> Gateway:
    """A client that knows who it is."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        try:
            with translating():
                async with asyncio.timeout(LOGIN):
                    await client.login(token)
        except discord.LoginFailure:
            raise SettingsError(WRONG_TOKEN) from None
        except (Unreachable, Undeliverable) as failure:
            told = f"DISCORD_API_URL: no answer from {Route.BASE} ({failure})"
            raise Unreachable(told) from failure
        stack.pop_all()
    return client


class DiscordAdapter:
    """One bot's account on Discord. Only `listen` needs the gateway; all else is REST."""

    def __init__(self, client: Gateway, files: aiohttp.ClientSession) -> None:
        self._client = client
        self._files = files
        self._private: dict[str, bool] = {}

    @property
    def name(self) -> str:
        """The platform's name."""
        return PLATFORM

    @property
    def bot_id(self) -> str:
        """Our account's id."""
        return str(self._client.me.id)

    @property
    def rate(self) -> float:
        """Calls a second over all channels."""
        return RATE

    def pace(self, address: Address) -> float:
        """Seconds between previews."""
        return PACE

    def fits(self, markdown: str) -> bool:
        """Whether the rendered text is neither empty nor longer than a message may be."""
        return fits(markdown)

    async def listen(self) -> AsyncGenerator[InboundMessage | Change, None]:
        """Events of the gateway, and what was missed since the newest that is stored.

        SettingsError when Discord does not let us in.
        """
        async with aclosing(self._client.hear()) as events:
            async for event in events:
                if isinstance(event, InboundMessage):
                    self._learn(event.address.chat, event.private)
                yield event

    async def send(
        self,
        address: Address,
        markdown: str,
        *,
        final: bool,
        reply_to: str | None = None,
        ticket: str = "",
        buttons: tuple[Button, ...] = (),
        nonce: str,
    ) -> str:
        """Post a message: in a server as a reply, to a command in the place of "is thinking…"."""
        body = _body(markdown, buttons) | {"flags": _NO_PREVIEWS}
        if ticket := _ticket(reply_to, ticket):
            if message_id := await respond(self._client, ticket, body):
                return message_id
            reply_to = None  # what is answered is no message
        body |= {"nonce": nonce, "enforce_nonce": True}
        if reply_to and not await self._is_private(address.chat):
            with suppress(_NoReply):
                return await self._reply(address, reply_to, body)
        return await self._post(address, body)

    async def _reply(self, address: Address, reply_to: str, body: Json) -> str:
        """Post as a reply; _NoReply where that is what Discord refuses."""
        reference = {"message_id": reply_to, "fail_if_not_exists": False}
        try:
            return await self._post(address, body | {"message_reference": reference})
        except Refused as refusal:
            if refusal.code not in _NO_REPLIES:
                raise
            raise _NoReply from refusal

    async def _post(self, address: Address, body: Json) -> str:
        message = await call(self._client, "POST", _MESSAGES, body=body, channel_id=address.chat)
        return str(message["id"])

    async def edit(
        self,
        address: Address,
        message_id: str,
        markdown: str,
        *,
        final: bool,
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Replace a message's text and buttons."""
        await call(
            self._client,
            "PATCH",
            _MESSAGE,
            body=_body(markdown, buttons),
            channel_id=address.chat,
            message_id=message_id,
        )

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Take "is thinking…" away."""
        if ticket := _ticket(reply_to, ticket):
            await withdraw(self._client, ticket)

    async def delete(self, address: Address, message_id: str) -> None:
        """Delete a message of ours."""
        with suppress(MessageGone):
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
        nonce: str,
    ) -> None:
        """Post a file."""
        await call(
            self._client,
            "POST",
            _MESSAGES,
            body={"allowed_mentions": _NO_PINGS, "nonce": nonce, "enforce_nonce": True},
            file=(name, data),
            channel_id=address.chat,
        )

    async def typing(self, address: Address) -> None:
        """Show "is typing" for ten seconds."""
        await call(self._client, "POST", "/channels/{channel_id}/typing", channel_id=address.chat)

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a file, whose address is asked for anew since it expires."""
        return await fetch(self._client, self._files, attachment, limit)

    async def _is_private(self, chat: str) -> bool:
        """Whether a channel is private; who does not listen has to ask once."""
        if chat not in self._private:
            found = await call(self._client, "GET", "/channels/{channel_id}", channel_id=chat)
            self._learn(chat, found["type"] == _PRIVATE)
        return self._private[chat]

    def _learn(self, chat: str, private: bool) -> None:
        if len(self._private) >= REMEMBERED:
            self._private.clear()
        self._private[chat] = private


class _NoReply(Exception):
    """A message cannot be posted as a reply."""


def _ticket(reply_to: str | None, ticket: str) -> str:
    """Return the ticket; the release before this one stored it behind the interaction's id."""
    return ticket or (reply_to or "").partition("/")[2]


def _body(markdown: str, buttons: Sequence[Button]) -> Json:
    return {
        "content": render(markdown),
        "components": _rows(buttons),
        "allowed_mentions": _NO_PINGS,
    }


def _rows(buttons: Sequence[Button]) -> list[Json]:
    """Buttons by the kind of their change: they work as long as the message stands."""
    if not buttons:
        return []
    row = [
        {"type": _BUTTON, "style": _GREY, "label": button.label, "custom_id": button.kind.value}
        for button in buttons
    ]
    return [{"type": _ROW, "components": row}]
