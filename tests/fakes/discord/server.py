"""The server of the fake Discord, with the people's side for tests."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from aiohttp import web

from tests.fakes.discord import wire
from tests.fakes.discord.api import BODY_LIMIT, PREFIX, Api
from tests.fakes.discord.faults import Drop, Faults
from tests.fakes.discord.forms import File, Form
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.limits import Limits
from tests.fakes.discord.records import (
    TEXT,
    Call,
    Channel,
    Guild,
    Interaction,
    Json,
    Message,
    Person,
)
from tests.fakes.discord.sessions import Close
from tests.fakes.discord.world import World

PATIENCE = 0.05
"""Seconds after which a condition is looked at again though nothing was announced."""

Attachment = tuple[str, bytes, str]
"""Name, content and media type of a file that a person sends."""

REASONS = {4004: "Authentication failed.", 4014: "Disallowed intent(s)."}


class DiscordServer:
    """REST v10 and the gateway on loopback, with one bot; used as an async context manager.

    discord.py needs `discord.http.Route.BASE = server.url`. The gateway's address is told by
    `GET {url}/gateway/bot`; after an invalid session the library forgets it and turns to
    `discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY`, so that should be `gateway_url`.

    `clock` counts seconds; moving it lets interactions, links and nonces expire. Its wall clock is
    `behind` the machine's by so many seconds.
    """

    def __init__(
        self,
        token: str = "bot-token",  # noqa: S107 - it opens nothing but this server
        *,
        limits: bool = True,
        port: int = 0,
        shards: int = 1,
        heartbeat_interval: float = 41.25,
        clock: Callable[[], float] = time.monotonic,
        behind: float = 0.0,
    ) -> None:
        self.world = World(token, clock, time.time() - behind - clock())
        self.world.shards = shards
        self.gateway = Gateway(self.world, heartbeat_interval)
        self._faults = Faults()
        self._port = port
        app = web.Application(client_max_size=BODY_LIMIT)
        throttle = Limits(limits, self.world.violations, clock, self.world.now)
        api = Api(self.world, throttle, self._faults)
        api.add_to(app)
        self.rubbish = api.rubbish
        app.router.add_get("/gateway", self.gateway.accept)
        app.router.add_get("/gateway/", self.gateway.accept)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.world.origin = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.gateway.drop(resumable=False)
        await self._runner.cleanup()

    def pack_files(self) -> None:
        """Hand out files compressed from now on, whatever a client accepts."""
        self.world.packs_files = True

    @property
    def url(self) -> str:
        """The base of the REST API, as in `DISCORD_API_URL`."""
        return self.world.origin + PREFIX

    @property
    def gateway_url(self) -> str:
        """The address that `GET /gateway/bot` tells."""
        return self.world.gateway_url

    @property
    def token(self) -> str:
        """The bot's token."""
        return self.world.token

    @property
    def bot_id(self) -> str:
        """The bot's account."""
        return self.world.bot.id

    @property
    def mention(self) -> str:
        """The text that pings the bot."""
        return self.world.bot.mention

    @property
    def application_id(self) -> str:
        """The bot's application; another id than the account's, as for old bots."""
        return self.world.application_id

    # The scene

    def person(self, name: str, locale: str = "en-US") -> Person:
        """A new account that is not the bot's."""
        return self.world.person(name, locale)

    def guild(
        self,
        name: str,
        *,
        members: Iterable[Person] = (),
        admins: Iterable[Person] = (),
        has_bot: bool = True,
    ) -> Guild:
        """A new server, by default with the bot in it."""
        return self.world.guild(name, members, admins, has_bot=has_bot)

    def add_bot(self, guild: Guild) -> None:
        """An administrator adds the bot to a server."""
        self.world.join(guild)

    def install(self, person: Person) -> None:
        """Let a person install the bot for themselves."""
        self.world.installed.add(person.id)

    def among(self, *people: Person) -> Channel:
        """A private conversation of two people, or a group of more, without the bot."""
        return self.world.among(people)

    def channel(
        self, guild: Guild, name: str, *, kind: int = TEXT, hidden: bool = False
    ) -> Channel:
        """A new channel of a server, a text channel unless `kind` is another type.

        A hidden one the bot may not view, until `allow(channel, "VIEW_CHANNEL")`.
        """
        return self.world.channel(guild, name, kind, hidden=hidden)

    def thread(self, channel: Channel, name: str, *, starter: Message | None = None) -> Channel:
        """A new thread of a channel, from a message or on its own."""
        return self.world.thread(channel, name, starter)

    def close(self, thread: Channel) -> None:
        """Close a thread; it opens again when something is said in it."""
        self.world.close(thread)

    def delete(self, thread: Channel) -> None:
        """A moderator deletes a thread."""
        self.world.delete(thread)

    def dm(self, person: Person) -> Channel:
        """The private conversation of a person with the bot."""
        return self.world.private(person)

    def deny(self, channel: Channel, permission: str) -> None:
        """Take a permission from the bot in a channel: `EMBED_LINKS`, `SEND_MESSAGES` …"""
        self.world.deny(channel, permission)

    def allow(self, channel: Channel, permission: str) -> None:
        """Give the bot a permission back."""
        self.world.allow(channel, permission)

    def lock(self, thread: Channel, *, locked: bool = True) -> None:
        """Lock a thread, or unlock it."""
        self.world.lock(thread, locked=locked)

    @property
    def intents_allowed(self) -> set[str]:
        """The privileged intents that are switched on: message_content, members, presences."""
        return self.world.intents_allowed

    @property
    def commands(self) -> list[Json]:
        """The global commands that the bot registered."""
        return self.world.commands[None]

    # What people do

    async def say(
        self,
        channel: Channel,
        who: Person,
        text: str,
        *,
        reply_to: Message | None = None,
        ping: bool = True,
        attachments: Sequence[Attachment] = (),
        embeds: Sequence[Json] = (),
        stickers: Sequence[str] = (),
        poll: Sequence[str] = (),
    ) -> Message:
        """A person writes; a reply pings the author of its message unless `ping` is off.

        Stickers are named; a poll is its question and its answers. Only other bots and webhooks
        send embeds.
        """
        _require_place(channel, who)
        form = _form(text, ping, attachments, embeds, stickers, poll)
        return self.world.post(channel, who, form, reply=reply_to)

    async def forward(self, message: Message, channel: Channel, who: Person) -> Message:
        """A person passes a message on to a channel."""
        _require_place(channel, who)
        return self.world.post(channel, who, Form(), forward=message)

    async def post_in_forum(
        self,
        forum: Channel,
        who: Person,
        title: str,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
    ) -> Channel:
        """A person writes a new post, which is a thread with a first message."""
        _require_place(forum, who)
        return self.world.forum_post(forum, who, title, _form(text, True, attachments, (), (), ()))

    async def post_by_webhook(
        self,
        channel: Channel,
        name: str,
        text: str,
        *,
        attachments: Sequence[Attachment] = (),
        embeds: Sequence[Json] = (),
    ) -> Message:
        """A webhook writes under a name, as PluralKit lets it do."""
        form = _form(text, True, attachments, embeds, (), ())
        return self.world.post(channel, self.world.webhook(name), form)

    async def edit_by_person(self, message: Message, text: str) -> None:
        """The author changes the text of a message."""
        self.world.edit(message, Form(content=text, given=frozenset({"content"})))

    async def delete_by_person(self, message: Message) -> None:
        """Somebody deletes a message."""
        self.world.remove(message)

    async def delete_by_moderator(self, messages: Sequence[Message]) -> None:
        """Somebody who may do so deletes messages of one channel together."""
        self.world.remove_all(messages)

    async def slash(
        self, channel: Channel, who: Person, command: str, /, **options: object
    ) -> Interaction:
        """A person uses a command; waits for the bot to have registered it.

        An option that takes a file is given as an `Attachment`.
        """
        found = await self._offered(channel, who, command, 1)
        files = {
            name: self.world.upload(channel, File(*value))
            for name, value in options.items()
            if isinstance(value, tuple)
        }
        values = options | {name: upload.id for name, upload in files.items()}
        data = {"id": found["id"], "name": command, "type": 1, "options": _filled(found, values)}
        told = {upload.id: wire.attachment(upload, self.world.link) for upload in files.values()}
        return self.world.interact(2, who, channel, data | {"resolved": {"attachments": told}})

    async def use(self, message: Message, who: Person, command: str) -> Interaction:
        """A person uses a command in the menu of a message."""
        found = await self._offered(message.channel, who, command, 3)
        whole = wire.message(message, self.world.link)
        data = {
            "id": found["id"],
            "name": command,
            "type": 3,
            "target_id": message.id,
            "resolved": {"messages": {message.id: whole}},
        }
        return self.world.interact(2, who, message.channel, data)

    async def _offered(self, channel: Channel, who: Person, name: str, kind: int) -> Json:
        """Return a command once the bot has registered it; it must be on offer in this place."""
        _require_place(channel, who)
        await self.wait(lambda: self._command(channel, name, kind) is not None)
        found = self._command(channel, name, kind) or {}
        places, installs = found["contexts"], found["integration_types"]
        is_installed = 0 in installs and channel.has_bot
        is_installed |= 1 in installs and who.id in self.world.installed
        if not is_installed or (places is not None and wire.context(channel) not in places):
            raise ValueError(f"{name} is not on offer to {who.name} here")
        return found

    async def press(self, message: Message, button: str | int, who: Person) -> Interaction:
        """A person presses a button: its custom id, its label, or its place from 0."""
        return await self.press_gone(message, _button(message, button)["custom_id"], who)

    async def press_gone(self, message: Message, custom_id: str, who: Person) -> Interaction:
        """A person presses a button that may be gone, but that their client still shows."""
        _require_place(message.channel, who)
        data = {"custom_id": custom_id, "component_type": 2}
        return self.world.interact(3, who, message.channel, data, message)

    def _command(self, channel: Channel, name: str, kind: int) -> Json | None:
        places = [None, channel.guild_id] if channel.guild else [None]
        known = [item for place in places for item in self.world.commands.get(place, [])]
        wanted = (name, kind)
        return next((item for item in known if (item["name"], item["type"]) == wanted), None)

    # What people see

    def messages(self, channel: Channel) -> list[Message]:
        """Return the messages of a channel, the oldest first."""
        return list(channel.posts.values())

    def answers(self, channel: Channel) -> list[Message]:
        """Return the bot's messages of a channel, the oldest first."""
        return [each for each in self.messages(channel) if each.author == self.world.bot]

    def doubles(self, channel: Channel) -> int:
        """Count the bot's messages that repeat another's text in answer to the same question.

        The question is the message replied to, else the last one that a person wrote before.
        """
        question: str | None = None
        seen: list[tuple[str | None, str]] = []
        for message in self.messages(channel):
            if message.author == self.world.bot:
                seen.append((message.reference or question, message.content))
            else:
                question = message.id
        return len(seen) - len(set(seen))

    @property
    def calls(self) -> list[Call]:
        """Every request to a known route, in the order of arrival."""
        return self.world.calls

    @property
    def violations(self) -> list[str]:
        """The violations of the real service's rules: limits passed, protocol broken."""
        return self.world.violations

    async def wait(
        self,
        condition: Callable[[], object],
        timeout: float = 60.0,  # noqa: ASYNC109 - so that every wait in a test is bounded
    ) -> None:
        """Until the condition is true; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                change = self.world.change
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(change.wait(), PATIENCE)

    # Trouble

    def fail(
        self,
        route: str,
        *,
        status: int | None = None,
        times: int = 1,
        drop: Drop | None = None,
        delay: float = 0.0,
        until: asyncio.Event | None = None,
        code: int = 0,
        retry_after: float | None = None,
    ) -> None:
        """Make the next calls of a route fail: `fail("POST /channels/{id}/messages", status=503)`.

        `drop="before"` resets the connection unheard, `"after"` when the call took effect; `delay`
        seconds or `until` alone only make it slow. A code alone brings its status, `retry_after`
        alone a 429.
        """
        self._faults.order(
            route,
            status=status,
            times=times,
            drop=drop,
            delay=delay,
            until=until,
            code=code,
            retry_after=retry_after,
        )

    def push(self, name: str, data: object) -> None:
        """Send any event to all sessions."""
        for session in self.gateway.sessions.values():
            session.push(name, data)

    def push_frame(self, frame: object) -> None:
        """Send anything at all over all websockets; a text is sent as it is."""
        for connection in self.gateway.connections:
            connection.send(frame)

    def relent(self) -> None:
        """Let no more of the faults on order happen."""
        self._faults.clear()

    async def drop_gateway(self, resumable: bool = True) -> None:
        """Cut all websockets; a client that resumes gets the missed events, or an invalid session.

        The next actions of the same task, before it waits, are sure to fall into the gap.
        """
        self.gateway.drop(resumable)

    def close_gateway(self) -> None:
        """Refuse new websockets with 503 until `open_gateway`."""
        self.gateway.open = False

    def open_gateway(self) -> None:
        """Let websockets in again."""
        self.gateway.open = True

    async def request_reconnect(self) -> None:
        """Ask all connections to reconnect (opcode 7)."""
        self.gateway.ask_to_reconnect()

    def close_with(self, code: int) -> None:
        """Refuse the next identify with this close code."""
        self.gateway.refuse_with.append(Close(code, REASONS.get(code, "")))


def _form(
    text: str,
    ping: bool,
    attachments: Sequence[Attachment],
    embeds: Sequence[Json],
    stickers: Sequence[str],
    poll: Sequence[str],
) -> Form:
    return Form(
        content=text,
        files=[File(name, data, media_type) for name, data, media_type in attachments],
        embeds=embeds,
        stickers=[
            {"id": f"{at}", "name": name, "format_type": 1} for at, name in enumerate(stickers)
        ],
        poll=wire.poll(*poll) if poll else None,
        allowed={"parse": ["users", "roles", "everyone"], "replied_user": ping},
    )


def _require_place(channel: Channel, who: Person) -> None:
    private = [channel.recipient, *channel.people]
    readers = channel.guild.members.values() if channel.guild else private
    if who not in readers:
        raise ValueError(f"{who.name} cannot write in {channel.name or 'this conversation'}")


def _filled(command: Json, options: dict[str, object]) -> list[Json]:
    kinds = {option["name"]: option["type"] for option in command["options"]}
    needed = {option["name"] for option in command["options"] if option.get("required")}
    if not needed <= options.keys() <= kinds.keys():
        raise ValueError(f"/{command['name']} takes {sorted(kinds)}, not {sorted(options)}")
    return [{"name": name, "type": kinds[name], "value": value} for name, value in options.items()]


def _button(message: Message, wanted: str | int) -> Json:
    buttons = message.buttons
    if isinstance(wanted, int):
        return buttons[wanted]
    for button in buttons:
        if wanted in {button.get("custom_id"), button.get("label")} and "custom_id" in button:
            return button
    raise LookupError(f"no button {wanted!r} among {[item.get('label') for item in buttons]}")
