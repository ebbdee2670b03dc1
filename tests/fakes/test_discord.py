"""The fake Discord, met by the unmodified discord.py, and by hand where that is too polite."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands

from tests.core.conftest import Ahead
from tests.fakes.discord import Channel, DiscordServer, Guild, Person

Json = dict[str, Any]


class Clock:
    """A clock that a test can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Bot(discord.AutoShardedClient):
    """A client that records its events."""

    def __init__(self, intents: discord.Intents) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.1)
        self.heard: list[discord.Message] = []
        self.edits: list[discord.RawMessageUpdateEvent] = []
        self.deletions: list[discord.RawMessageDeleteEvent] = []
        self.interactions: list[discord.Interaction] = []
        self.typings: list[discord.RawTypingEvent] = []
        self.resumed = 0
        self.identified = 0
        self.up = asyncio.Event()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Start at once; the library would wait for 5 s after an invalid session."""

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            self.heard.append(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.edits.append(event)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self.deletions.append(event)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interactions.append(interaction)

    async def on_raw_typing(self, event: discord.RawTypingEvent) -> None:
        self.typings.append(event)

    async def on_resumed(self) -> None:
        self.resumed += 1

    async def on_shard_connect(self, shard_id: int) -> None:
        self.identified += 1

    async def on_ready(self) -> None:
        self.up.set()

    @property
    def texts(self) -> list[str]:
        return [message.content for message in self.heard]


class Call(Protocol):
    def __call__(
        self, method: str, path: str, body: Json | list[Json] | None = None
    ) -> Awaitable[tuple[int, Any, dict[str, str]]]: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordServer]:
    async with DiscordServer(clock=clock) as server:
        point_discord_at(server, monkeypatch)
        yield server


def point_discord_at(server: DiscordServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discord.http.Route.BASE", server.url)
    address = yarl.URL(server.gateway_url)
    monkeypatch.setattr("discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY", address)


@pytest.fixture
def ada(server: DiscordServer) -> Person:
    return server.person("Ada")


@pytest.fixture
def guild(server: DiscordServer, ada: Person) -> Guild:
    return server.guild("Friends", members=[ada])


@pytest.fixture
def channel(server: DiscordServer, guild: Guild) -> Channel:
    return server.channel(guild, "general")


@contextlib.asynccontextmanager
async def connected(
    server: DiscordServer, intents: discord.Intents | None = None
) -> AsyncIterator[Bot]:
    """A bot that is ready; its error if it cannot be."""
    bot = Bot(intents or discord.Intents(messages=True, guilds=True, message_content=True))
    running = asyncio.create_task(bot.start(server.token))
    ready = asyncio.create_task(bot.up.wait())
    try:
        await asyncio.wait({running, ready}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield bot
    finally:
        ready.cancel()
        await bot.close()
        await asyncio.wait({running}, timeout=60)


@pytest.fixture
async def bot(server: DiscordServer, channel: Channel) -> AsyncIterator[Bot]:
    async with connected(server) as bot:
        yield bot


@contextlib.asynccontextmanager
async def calling(server: DiscordServer) -> AsyncIterator[Call]:
    """The REST API by hand: status, body and headers of each call."""
    headers = {"Authorization": f"Bot {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def request(
            method: str, path: str, body: Json | list[Json] | None = None
        ) -> tuple[int, Any, dict[str, str]]:
            async with session.request(method, server.url + path, json=body) as response:
                text = await response.text()
                return response.status, json.loads(text or "null"), dict(response.headers)

        yield request


@pytest.fixture
async def call(server: DiscordServer) -> AsyncIterator[Call]:
    async with calling(server) as call:
        yield call


def buttons(*names: str, label: str = "Stop") -> Json:
    """The form of a message with a row of buttons."""
    row = [{"type": 2, "style": 1, "custom_id": name, "label": label} for name in names]
    return {"content": "x", "components": [{"type": 1, "components": row}]}


def create(channel: Channel) -> tuple[str, str]:
    return "POST", f"/channels/{channel.id}/messages"


# Logging in


async def test_the_scene_is_told_when_a_client_logs_in(
    server: DiscordServer, guild: Guild, channel: Channel
) -> None:
    thread = server.thread(channel, "talk")
    async with connected(server) as bot:
        assert bot.user is not None
        assert str(bot.user.id) == server.bot_id
        assert str(bot.application_id) == server.application_id
        seen = bot.get_guild(int(guild.id))
        assert seen is not None
        assert [item.name for item in seen.text_channels] == ["general"]
        assert [str(item.id) for item in seen.threads] == [thread.id]
        assert seen.me.get_role(int(guild.bot_role)) is not None
    assert server.violations == []


async def test_a_wrong_token_is_refused(server: DiscordServer) -> None:
    async with Bot(discord.Intents.none()) as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.start("another")


async def test_an_intent_that_is_switched_off_is_refused(server: DiscordServer) -> None:
    server.intents_allowed.discard("message_content")
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with connected(server):
            pass


@pytest.mark.parametrize("code", [4004, 4014])
async def test_the_next_identify_can_be_refused(server: DiscordServer, code: int) -> None:
    server.close_with(code)
    with pytest.raises((discord.ConnectionClosed, discord.PrivilegedIntentsRequired)):
        async with connected(server):
            pass
    async with connected(server) as bot:
        assert bot.up.is_set()


async def test_the_bot_can_query_members(server: DiscordServer, guild: Guild) -> None:
    async with connected(server, discord.Intents(guilds=True, members=True)) as bot:
        seen = bot.get_guild(int(guild.id))
        assert seen is not None
        members = await seen.query_members(user_ids=[int(server.bot_id)])
        assert [str(member.id) for member in members] == [server.bot_id]


async def test_each_shard_is_told_of_its_guilds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    async with DiscordServer(shards=2, clock=clock) as server:
        point_discord_at(server, monkeypatch)
        ada = server.person("Ada")
        channels = [server.channel(server.guild("Friends", members=[ada]), "a")]
        while {(int(item.guild_id or 0) >> 22) % 2 for item in channels} != {0, 1}:
            clock.ahead += 0.001
            channels.append(server.channel(server.guild("Friends", members=[ada]), "a"))
        async with connected(server) as bot:
            for item in channels:
                await server.say(item, ada, f"{server.mention} {item.id}")
            await server.say(server.dm(ada), ada, "private")
            await server.wait(lambda: len(bot.heard) == len(channels) + 1)
            assert {guild.shard_id for guild in bot.guilds} == {0, 1}


# Messages


async def test_a_question_is_heard_and_answered(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    question = await server.say(channel, ada, f"{server.mention} hello")
    await server.wait(lambda: bot.heard)
    heard = bot.heard[0]
    assert bot.user in heard.mentions
    sent = await heard.reply("Hello, Ada")
    edited = await sent.edit(content="Hello, Ada!")
    answer = server.answers(channel)[0]
    assert (answer.id, answer.content, answer.reference) == (
        str(sent.id),
        "Hello, Ada!",
        question.id,
    )
    assert [text for _, text in answer.history] == ["Hello, Ada", "Hello, Ada!"]
    assert answer.sent_at < (answer.edited_at or 0)
    assert edited.edited_at is not None
    assert sent.reference is not None
    assert isinstance(sent.reference.resolved, discord.Message)
    assert server.violations == []


async def test_a_private_conversation(server: DiscordServer, bot: Bot, ada: Person) -> None:
    await server.say(server.dm(ada), ada, "hello")
    await server.wait(lambda: bot.texts == ["hello"])
    assert isinstance(bot.heard[0].channel, discord.DMChannel)
    await (await bot.fetch_user(int(ada.id))).send("Hello, Ada")
    assert [answer.content for answer in server.answers(server.dm(ada))] == ["Hello, Ada"]


async def test_a_thread_has_the_id_of_its_starter(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    starter = await server.say(channel, ada, "let us talk")
    thread = server.thread(channel, "talk", starter=starter)
    await server.say(thread, ada, "here")
    await server.wait(lambda: len(bot.heard) == 3)
    _, first, said = bot.heard
    assert first.type is discord.MessageType.thread_starter_message
    assert isinstance(said.channel, discord.Thread)
    assert thread.id == starter.id
    await said.channel.send("yes")
    assert [answer.content for answer in server.answers(thread)] == ["yes"]


async def test_changes_by_people_are_told(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    message = await server.say(channel, ada, "helo")
    await server.edit_by_person(message, "hello")
    await server.delete_by_person(message)
    await server.wait(lambda: bot.deletions)
    assert [event.message.content for event in bot.edits] == ["hello"]
    assert [str(event.message_id) for event in bot.deletions] == [message.id]
    assert server.messages(channel) == []


async def test_the_bot_deletes_its_own_messages_only(
    server: DiscordServer, call: Call, ada: Person, channel: Channel
) -> None:
    own = (await call(*create(channel), {"content": "x"}))[1]["id"]
    foreign = await server.say(channel, ada, "y")
    place = f"/channels/{channel.id}/messages"
    assert (await call("DELETE", f"{place}/{own}"))[0] == 204
    assert (await call("DELETE", f"{place}/{own}"))[1]["code"] == 10008
    assert (await call("DELETE", f"{place}/{foreign.id}"))[1]["code"] == 50013
    assert (await call("PATCH", f"{place}/{foreign.id}", {"content": "z"}))[1]["code"] == 50005
    assert server.messages(channel) == [foreign]


async def test_a_repeated_nonce_makes_no_second_message(
    server: DiscordServer, bot: Bot, clock: Clock, channel: Channel
) -> None:
    target = bot.get_partial_messageable(int(channel.id))
    first = await target.send("once", nonce="a-nonce")
    assert (await target.send("once", nonce="a-nonce")).id == first.id
    clock.ahead += 301
    assert (await target.send("once", nonce="a-nonce")).id != first.id
    assert len(server.answers(channel)) == 2


async def test_content_is_hidden_without_the_intent(
    server: DiscordServer, ada: Person, channel: Channel
) -> None:
    async with connected(server, discord.Intents(guilds=True, messages=True)) as bot:
        await server.say(channel, ada, "secret")
        await server.say(channel, ada, f"{server.mention} for you")
        await server.say(server.dm(ada), ada, "private")
        await server.wait(lambda: len(bot.heard) == 3)
        assert bot.texts == ["", f"{server.mention} for you", "private"]


async def test_only_intents_bring_events(
    server: DiscordServer, ada: Person, channel: Channel
) -> None:
    async with connected(server, discord.Intents(guilds=True, dm_messages=True)) as bot:
        await server.say(channel, ada, "in the guild")
        await server.say(server.dm(ada), ada, "private")
        await server.wait(lambda: bot.heard)
        assert bot.texts == ["private"]


async def test_files_travel_both_ways_and_links_expire(
    server: DiscordServer, bot: Bot, clock: Clock, ada: Person, channel: Channel
) -> None:
    files = [("notes.txt", b"from Ada", "text/plain")]
    await server.say(channel, ada, "read", attachments=files)
    await server.wait(lambda: bot.heard)
    attachment = bot.heard[0].attachments[0]
    assert (attachment.filename, attachment.size) == ("notes.txt", 8)
    assert await attachment.read() == b"from Ada"
    target = bot.get_partial_messageable(int(channel.id))
    await target.send(file=discord.File(__file__, "answer.py"))
    sent = server.answers(channel)[0].attachments[0]
    assert (sent.name, sent.content_type) == ("answer.py", "text/x-python")
    clock.ahead += 25 * 3600
    with pytest.raises(discord.NotFound):
        await attachment.read()


async def test_typing_is_shown(server: DiscordServer, ada: Person, channel: Channel) -> None:
    async with connected(server, discord.Intents(guilds=True, typing=True)) as bot:
        await bot.get_partial_messageable(int(channel.id)).typing()
        await server.wait(lambda: bot.typings)
        assert [str(event.channel_id) for event in bot.typings] == [channel.id]


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        ({"content": "x" * 2001}, 50035, "BASE_TYPE_MAX_LENGTH"),
        ({"content": "  "}, 50006, ""),
        ({"embeds": [{"description": "x" * 4097}]}, 50035, "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "x" * 4000}] * 2}, 50035, "MAX_EMBED_SIZE_EXCEEDED"),
        ({"content": "x", "nonce": "n" * 26}, 50035, "BASE_TYPE_MAX_LENGTH"),
        (
            {"content": "x", "message_reference": {"message_id": "1"}},
            50035,
            "MESSAGE_REFERENCE_UNKNOWN_MESSAGE",
        ),
        ({"content": "x", "components": [{"type": 2}]}, 50035, "UNION_TYPE_CHOICES"),
        (buttons("a", "a"), 50035, "COMPONENT_CUSTOM_ID_DUPLICATED"),
        (buttons("a" * 101), 50035, "BASE_TYPE_MAX_LENGTH"),
        (buttons("a", label="x" * 81), 50035, "BASE_TYPE_MAX_LENGTH"),
        (buttons(*"abcdef"), 50035, "BASE_TYPE_BAD_LENGTH"),
        ({"content": "x", "components": [{"type": 1}] * 6}, 50035, "BASE_TYPE_MAX_LENGTH"),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            50035,
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
    ],
)
async def test_a_bad_form_is_refused(
    server: DiscordServer, call: Call, channel: Channel, body: Json, code: int, detail: str
) -> None:
    status, answer, _ = await call(*create(channel), body)
    assert (status, answer["code"]) == (400, code)
    assert detail in json.dumps(answer)
    assert server.messages(channel) == []


async def test_a_vanished_reference_can_be_forgiven(
    server: DiscordServer, call: Call, channel: Channel
) -> None:
    reference = {"message_id": "1", "fail_if_not_exists": False}
    status, _, _ = await call(*create(channel), {"content": "x", "message_reference": reference})
    assert status == 200
    assert server.answers(channel)[0].reference is None


async def test_missing_permissions_are_refused(
    server: DiscordServer, call: Call, ada: Person, channel: Channel
) -> None:
    question = await server.say(channel, ada, "hello")
    reply = {"content": "x", "message_reference": {"message_id": question.id}}
    server.deny(channel, "EMBED_LINKS")
    assert (await call(*create(channel), {"embeds": [{"title": "x"}]}))[1]["code"] == 50013
    server.deny(channel, "READ_MESSAGE_HISTORY")
    assert (await call(*create(channel), reply))[1]["code"] == 160002
    assert (await call("GET", f"/channels/{channel.id}/messages"))[1] == []
    one = f"/channels/{channel.id}/messages/{question.id}"
    assert (await call("GET", one))[1]["code"] == 50013
    server.deny(channel, "SEND_MESSAGES")
    assert (await call(*create(channel), {"content": "x"}))[:2] == (
        403,
        {"message": "Missing Permissions", "code": 50013},
    )
    server.deny(channel, "VIEW_CHANNEL")
    assert (await call("GET", f"/channels/{channel.id}"))[1]["code"] == 50001
    assert (await call("GET", "/channels/1"))[1]["code"] == 10003
    assert (await call("GET", "/channels/general"))[1]["code"] == 50035
    private = server.dm(ada)
    server.deny(private, "SEND_MESSAGES")
    assert (await call(*create(private), {"content": "x"}))[1]["code"] == 50007


async def test_only_allowed_mentions_ping(
    server: DiscordServer, bot: Bot, ada: Person, guild: Guild, channel: Channel
) -> None:
    question = await server.say(channel, ada, f"{server.mention} hello")
    await server.wait(lambda: bot.heard)
    text = f"@everyone {ada.mention} <@&{guild.admin_role}>"
    none = discord.AllowedMentions.none()
    await bot.heard[0].channel.send(text)
    await bot.heard[0].reply(text, allowed_mentions=none)
    await bot.heard[0].reply("yes")
    await bot.heard[0].channel.send(
        text, allowed_mentions=discord.AllowedMentions(users=True, roles=False, everyone=False)
    )
    pinged = [answer.mentions for answer in server.answers(channel)]
    assert pinged == [[ada.id, guild.admin_role, "everyone"], [], [ada.id], [ada.id]]
    assert question.mentions == [server.bot_id]


async def test_the_history_is_read_in_pages(
    server: DiscordServer, bot: Bot, call: Call, clock: Clock, ada: Person, channel: Channel
) -> None:
    said = [await server.say(channel, ada, str(number)) for number in range(150)]
    target = bot.get_partial_messageable(int(channel.id))
    after = [
        item.content async for item in target.history(after=discord.Object(said[9].id), limit=None)
    ]
    assert after == [str(number) for number in range(10, 150)]
    before = [item.content async for item in target.history(before=discord.Object(said[9].id))]
    assert before == [str(number) for number in range(8, -1, -1)]
    clock.ahead += 5
    path = f"/channels/{channel.id}/messages"
    around = (await call("GET", f"{path}?around={said[9].id}&limit=3"))[1]
    assert [item["content"] for item in around] == ["10", "9", "8"]
    assert (await call("GET", f"{path}?limit=101"))[0] == 400
    assert [item["content"] for item in (await call("GET", f"{path}?limit=2"))[1]] == ["149", "148"]


async def test_doubles_are_counted(
    server: DiscordServer, call: Call, ada: Person, channel: Channel
) -> None:
    await server.say(channel, ada, "hello")
    await call(*create(channel), {"content": "Hello"})
    await server.say(channel, ada, "again")
    await call(*create(channel), {"content": "Hello"})
    assert server.doubles(channel) == 0
    await call(*create(channel), {"content": "Hello"})
    assert server.doubles(channel) == 1


# Commands and buttons


async def command(bot: Bot) -> None:
    """Register `/new topic`; the bot answers nothing by itself."""
    tree = app_commands.CommandTree(bot)

    @tree.command(name="new", description="Start over")
    async def new(interaction: discord.Interaction, topic: str = "") -> None: ...

    await tree.sync()


async def test_a_command_is_deferred_and_answered(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    await command(bot)
    used = await server.slash(channel, ada, "new", topic="cats")
    await server.wait(lambda: bot.interactions)
    heard = bot.interactions[0]
    assert heard.data is not None
    assert heard.data.get("options") == [{"name": "topic", "type": 3, "value": "cats"}]
    await heard.response.defer()
    assert used.acknowledged
    await heard.followup.send("A new conversation")
    await heard.followup.send("about cats")
    await heard.edit_original_response(content="A new conversation!")
    assert [item.content for item in server.answers(channel)] == [
        "A new conversation!",
        "about cats",
    ]
    assert [item.content for item in used.followups] == ["about cats"]
    assert not used.failed


async def test_an_unanswered_command_fails_after_three_seconds(
    server: DiscordServer, bot: Bot, clock: Clock, ada: Person, channel: Channel
) -> None:
    await command(bot)
    used = await server.slash(channel, ada, "new")
    await server.wait(lambda: bot.interactions)
    clock.ahead += 3
    assert used.failed
    with pytest.raises(discord.NotFound) as refused:
        await bot.interactions[0].response.send_message("late")
    assert refused.value.code == 10062


async def test_a_token_serves_for_fifteen_minutes(
    server: DiscordServer, bot: Bot, clock: Clock, ada: Person, channel: Channel
) -> None:
    await command(bot)
    used = await server.slash(channel, ada, "new")
    await server.wait(lambda: bot.interactions)
    await bot.interactions[0].response.send_message("now", ephemeral=True)
    assert server.answers(channel) == []
    clock.ahead += 14 * 60
    await bot.interactions[0].edit_original_response(content="later")
    assert used.original is not None
    assert used.original.content == "later"
    clock.ahead += 61
    with pytest.raises(discord.HTTPException) as refused:
        await bot.interactions[0].edit_original_response(content="too late")
    assert refused.value.code == 50027


async def test_an_interaction_is_acknowledged_once(
    server: DiscordServer, bot: Bot, call: Call, ada: Person, channel: Channel
) -> None:
    await command(bot)
    used = await server.slash(channel, ada, "new")
    path = f"/interactions/{used.id}/{used.token}/callback"
    hook = f"/webhooks/{server.application_id}/{used.token}"
    assert (await call("POST", hook, {"content": "x"}))[1]["code"] == 10015
    assert (await call("POST", path, {"type": 6}))[1]["code"] == 50035
    assert (await call("POST", path, {"type": 4, "data": {"content": "x"}}))[0] == 204
    assert (await call("POST", path, {"type": 5}))[1]["code"] == 40060
    assert used.responses == [{"type": 4, "data": {"content": "x"}}]


async def test_a_button_is_pressed(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button[discord.ui.View](label="Stop", custom_id="stop:1"))
    await bot.get_partial_messageable(int(channel.id)).send("growing", view=view)
    answer = server.answers(channel)[0]
    for button in ("Stop", "stop:1", 0):
        await server.press(answer, button, ada)
    await server.wait(lambda: len(bot.interactions) == 3)
    pressed = bot.interactions[0]
    assert pressed.data is not None
    assert pressed.data.get("custom_id") == "stop:1"
    await pressed.response.edit_message(content="stopped", view=None)
    assert (answer.content, answer.buttons) == ("stopped", [])
    with pytest.raises(LookupError):
        await server.press(answer, "Stop", ada)


async def test_only_registered_commands_can_be_used(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    await command(bot)
    with pytest.raises(ValueError, match="takes"):
        await server.slash(channel, ada, "new", colour="red")
    assert [item["name"] for item in server.commands] == ["new"]


@pytest.mark.parametrize(
    ("commands", "detail"),
    [
        ([{"name": "New", "description": "x"}], "APPLICATION_COMMAND_INVALID_NAME"),
        ([{"name": "new"}], "BASE_TYPE_BAD_LENGTH"),
        ([{"name": "new", "description": "x"}] * 2, "APPLICATION_COMMANDS_DUPLICATE_NAME"),
        ([{"name": "Look", "type": 3, "description": "x"}], "APPLICATION_COMMAND_CONTEXT_MENU"),
        ([{"name": "new", "description": "x", "contexts": [3]}], "BASE_TYPE_CHOICES"),
        ([{"name": "new", "description": "x", "integration_types": [2]}], "BASE_TYPE_CHOICES"),
    ],
)
async def test_a_bad_command_is_refused(
    server: DiscordServer, call: Call, commands: list[Json], detail: str
) -> None:
    path = f"/applications/{server.application_id}/commands"
    status, answer, _ = await call("PUT", path, commands)
    assert status == 400
    assert detail in json.dumps(answer)
    assert server.commands == []


async def test_a_command_of_one_guild_is_known_there_only(
    server: DiscordServer, call: Call, ada: Person, guild: Guild, channel: Channel
) -> None:
    path = f"/applications/{server.application_id}/guilds/{guild.id}/commands"
    made = (await call("PUT", path, [{"name": "new", "description": "x"}]))[1]
    again = (await call("PUT", path, [{"name": "new", "description": "y"}]))[1]
    assert made[0]["id"] == again[0]["id"]
    assert (await call("GET", path))[1] == again
    used = await server.slash(channel, ada, "new")
    assert used.data["data"]["id"] == made[0]["id"]
    assert server.commands == []


async def test_a_person_uses_a_command_where_the_bot_is_no_member(
    server: DiscordServer, call: Call, ada: Person
) -> None:
    far = server.channel(server.guild("Far", members=[ada], has_bot=False), "general")
    path = f"/applications/{server.application_id}/commands"
    menu: Json = {"name": "Look", "type": 3, "integration_types": [1], "contexts": [0]}
    await call("PUT", path, [menu])
    said = await server.say(far, ada, "Look at me")
    with pytest.raises(ValueError, match="not on offer"):
        await server.use(said, ada, "Look")
    server.install(ada)
    used = await server.use(said, ada, "Look")
    assert used.data["data"]["resolved"]["messages"][said.id]["content"] == "Look at me"
    for method, rest in (("GET", ""), ("POST", "/messages"), ("POST", "/typing")):
        assert (await call(method, f"/channels/{far.id}{rest}", {"content": "x"}))[0] == 403
    await call("POST", f"/interactions/{used.id}/{used.token}/callback", {"type": 5})
    hook = f"/webhooks/{server.application_id}/{used.token}"
    await call("PATCH", f"{hook}/messages/@original", {"content": "0"})
    assert (await call("POST", hook, {"content": "1"}))[0] == 200
    used.followups *= 5
    assert (await call("POST", hook, {"content": "6"}))[1]["code"] == 40094
    with pytest.raises(ValueError, match="not on offer"):
        await server.use(await server.say(server.among(ada, ada), ada, "x"), ada, "Look")


# Trouble at the gateway


async def test_events_missed_in_a_short_drop_are_replayed(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    await server.say(channel, ada, "before")
    await server.wait(lambda: bot.texts == ["before"])
    await server.drop_gateway()
    await server.say(channel, ada, "in the gap")
    await server.wait(lambda: bot.resumed)
    await server.say(channel, ada, "after")
    await server.wait(lambda: bot.texts == ["before", "in the gap", "after"])
    assert bot.identified == 1


async def test_an_invalid_session_starts_anew_and_history_fills_the_gap(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    await server.drop_gateway(resumable=False)
    missed = await server.say(channel, ada, "in the gap")
    await server.wait(lambda: bot.identified == 2)
    await server.say(channel, ada, "after")
    await server.wait(lambda: bot.texts == ["after"])
    target = bot.get_partial_messageable(int(channel.id))
    start = discord.Object(int(missed.id) - 1)
    assert [item.content async for item in target.history(after=start)] == ["in the gap", "after"]
    assert bot.resumed == 0


async def test_a_client_asked_to_reconnect_resumes(
    server: DiscordServer, bot: Bot, ada: Person, channel: Channel
) -> None:
    await server.request_reconnect()
    await server.wait(lambda: bot.resumed)
    await server.say(channel, ada, "after")
    await server.wait(lambda: bot.texts == ["after"])
    assert bot.identified == 1


@contextlib.asynccontextmanager
async def gateway(server: DiscordServer) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A connection by hand, after HELLO."""
    address = f"{server.gateway_url}?v=10&encoding=json"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        assert (await socket.receive_json(timeout=60))["op"] == 10
        yield socket


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"op": 2, "d": {"token": "another", "intents": 1}}, 4004),
        ({"op": 2, "d": {"token": "bot-token", "intents": 1, "shard": [1, 1]}}, 4010),
        ({"op": 2, "d": {"token": "bot-token", "intents": 1 << 40}}, 4013),
        ({"op": 3, "d": {}}, 4003),
        ({"op": 99, "d": {}}, 4001),
        ({"no": "op"}, 4002),
    ],
)
async def test_a_wrong_payload_closes_the_gateway(
    server: DiscordServer, payload: Json, code: int
) -> None:
    async with gateway(server) as socket:
        await socket.send_json(payload)
        closed = await socket.receive(timeout=60)
        assert closed.type is aiohttp.WSMsgType.CLOSE
        assert closed.data == code


async def test_an_unknown_session_is_invalid(server: DiscordServer) -> None:
    async with gateway(server) as socket:
        lost = {"token": server.token, "session_id": "lost", "seq": 1}
        await socket.send_json({"op": 6, "d": lost})
        answer = await socket.receive_json(timeout=60)
        assert (answer["op"], answer["d"]) == (9, False)


async def test_a_replay_needs_events_that_are_kept(
    server: DiscordServer, ada: Person, channel: Channel
) -> None:
    async with gateway(server) as first:
        session, read = await identify(server, first)
        await first.send_json({"op": 1, "d": read})
        assert (await first.receive_json(timeout=60))["op"] == 11
        await server.drop_gateway()
    await server.say(channel, ada, "in the gap")
    assert await resume(server, session, read) == ["MESSAGE_CREATE", "RESUMED"]
    assert await resume(server, session, read - 1) == ["invalid"]
    assert await resume(server, session, read + 99) == ["invalid"]


async def identify(
    server: DiscordServer, socket: aiohttp.ClientWebSocketResponse
) -> tuple[str, int]:
    """Start a session for the messages of guilds: its id, and the last event's number."""
    wanted = {"token": server.token, "intents": 1 | 1 << 9 | 1 << 15}
    await socket.send_json({"op": 2, "d": wanted})
    ready = await socket.receive_json(timeout=60)
    last = [await socket.receive_json(timeout=60) for _ in ready["d"]["guilds"]][-1]
    return ready["d"]["session_id"], last["s"]


async def resume(server: DiscordServer, session: str, sequence: int) -> list[str]:
    """The events up to RESUMED, or that the session is invalid; the line is cut then."""
    async with gateway(server) as socket:
        lost = {"token": server.token, "session_id": session, "seq": sequence}
        await socket.send_json({"op": 6, "d": lost})
        seen: list[str] = []
        while not {"RESUMED", "invalid"} & set(seen):
            payload = await socket.receive_json(timeout=60)
            seen.append(payload["t"] or "invalid")
        await server.drop_gateway()
        return seen


async def test_a_client_without_heartbeats_is_closed(ahead: Ahead) -> None:
    async with (
        DiscordServer(heartbeat_interval=60) as server,
        gateway(server) as silent,
        gateway(server) as alive,
    ):
        closed = asyncio.create_task(silent.receive(timeout=3600))
        while not closed.done():
            await beat(alive)
            ahead.seconds += 10
            await asyncio.wait({closed}, timeout=0.05)
        assert closed.result().data == 4009
        await beat(alive)


async def beat(socket: aiohttp.ClientWebSocketResponse) -> None:
    """A heartbeat that is acknowledged."""
    await socket.send_json({"op": 1, "d": None})
    assert (await socket.receive_json(timeout=60))["op"] == 11


async def test_the_gateway_can_stay_away(server: DiscordServer) -> None:
    server.close_gateway()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with gateway(server):
            pass
    server.open_gateway()
    async with gateway(server):
        pass


# Trouble with REST


async def test_creates_and_edits_are_limited_apart_in_each_channel(
    server: DiscordServer, call: Call, clock: Clock, guild: Guild, channel: Channel
) -> None:
    sent = [await call(*create(channel), {"content": "x"}) for _ in range(6)]
    assert [status for status, _, _ in sent] == [200] * 5 + [429]
    assert [item[2]["X-RateLimit-Remaining"] for item in sent] == ["4", "3", "2", "1", "0", "0"]
    _, body, headers = sent[-1]
    assert 4 < body["retry_after"] <= 5
    assert body["global"] is False
    assert headers["X-RateLimit-Scope"] == "user"
    assert len(server.violations) == 1
    message = f"/channels/{channel.id}/messages/{sent[0][1]['id']}"
    assert (await call("PATCH", message, {"content": "y"}))[0] == 200
    assert (await call(*create(server.channel(guild, "other")), {"content": "x"}))[0] == 200
    await call(*create(channel), {"content": "x"})
    assert "before retry_after" in server.violations[1]
    clock.ahead += 5
    assert (await call(*create(channel), {"content": "x"}))[0] == 200


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("GET", ""),
        ("POST", "/typing"),
        ("GET", "/messages"),
        ("GET", "/messages/{message}"),
        ("DELETE", "/messages/{message}"),
    ],
)
async def test_whatever_is_done_in_a_channel_is_limited(
    server: DiscordServer, call: Call, guild: Guild, channel: Channel, method: str, place: str
) -> None:
    message = (await call(*create(channel), {"content": "x"}))[1]["id"]
    path = place.format(message=message)
    statuses = [(await call(method, f"/channels/{channel.id}{path}"))[0] for _ in range(6)]
    assert [status == 429 for status in statuses] == [False] * 5 + [True]
    other = server.channel(guild, "other")
    assert (await call(method, f"/channels/{other.id}{path}"))[0] != 429


async def test_all_calls_together_are_limited() -> None:
    frozen = time.monotonic()
    async with DiscordServer(clock=lambda: frozen) as server, calling(server) as call:
        statuses = [(await call("GET", "/users/@me"))[0] for _ in range(50)]
        status, body, headers = await call("GET", "/gateway")
        assert statuses == [200] * 50
        assert (status, body["global"]) == (429, True)
        assert headers["X-RateLimit-Global"] == "true"
        assert server.violations == ["GET /gateway: over the global limit"]


async def test_limits_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with DiscordServer(limits=False) as server:
        point_discord_at(server, monkeypatch)
        channel = server.channel(server.guild("Friends"), "general")
        async with connected(server) as bot:
            target = bot.get_partial_messageable(int(channel.id))
            for number in range(12):
                await target.send(str(number))
        assert server.calls[-1].at - server.calls[-12].at < 5
        assert server.violations == []


async def test_discord_py_waits_for_a_limit(
    server: DiscordServer, bot: Bot, channel: Channel
) -> None:
    server.fail("POST /channels/{id}/messages", retry_after=0.3)
    await bot.get_partial_messageable(int(channel.id)).send("patient")
    first, second = [item for item in server.calls if item.method == "POST"]
    assert (first.status, second.status) == (429, 200)
    assert second.at - first.at >= 0.3
    assert [item.content for item in server.answers(channel)] == ["patient"]
    assert server.violations == []


async def test_a_server_error_is_answered_as_often_as_ordered(
    server: DiscordServer, call: Call, channel: Channel
) -> None:
    server.fail("POST /channels/{id}/messages", status=503, times=2)
    server.fail("POST /channels/{id}/messages", code=50013)
    statuses = [(await call(*create(channel), {"content": "x"}))[0] for _ in range(4)]
    assert statuses == [503, 503, 403, 200]


async def test_a_connection_is_cut_before_or_after_the_effect(
    server: DiscordServer, call: Call, channel: Channel
) -> None:
    server.fail("POST /channels/{id}/messages", drop="before")
    with pytest.raises(aiohttp.ClientError):
        await call(*create(channel), {"content": "before"})
    server.fail("POST /channels/{id}/messages", drop="after")
    with pytest.raises(aiohttp.ClientError):
        await call(*create(channel), {"content": "after"})
    assert [item.content for item in server.answers(channel)] == ["after"]
    assert [item.status for item in server.calls] == [None, None]


async def test_a_call_can_be_slow(server: DiscordServer, call: Call) -> None:
    server.fail("GET /users/@me", delay=0.2)
    before = time.monotonic()
    assert (await call("GET", "/users/@me"))[0] == 200
    assert time.monotonic() - before >= 0.2


async def test_an_unknown_route_is_a_violation(server: DiscordServer, call: Call) -> None:
    assert (await call("GET", "/voice/regions"))[0] == 404
    assert server.violations == ["GET /voice/regions: no such route"]


async def test_a_condition_that_never_holds_times_out(server: DiscordServer) -> None:
    with pytest.raises(TimeoutError):
        await server.wait(lambda: False, timeout=0.1)
