"""Threads with the bot in them, servers that withhold content, and channels out of its sight."""

import logging

import pytest

from core.words import WITHHELD
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import Channel, DiscordServer, Guild, Person
from tests.fakes.discord.records import CATEGORY, FORUM, TEXT, VOICE


@pytest.fixture
def stage(world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(world, discord_server)


@pytest.fixture
def bob(stage: DiscordStage) -> Person:
    return stage.server.person("Bob")


@pytest.fixture
def guild(stage: DiscordStage, bob: Person) -> Guild:
    return stage.server.guild("Friends", members=[stage.ada, bob])


@pytest.fixture
def channel(stage: DiscordStage, guild: Guild) -> Channel:
    return stage.server.channel(guild, "general")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the platform's code warned of; the core also tells of a slow database."""
    found = [each for each in caplog.records if each.levelno >= logging.WARNING]
    return [each.getMessage() for each in found if not each.name.startswith("core.")]


async def test_a_thread_that_the_bot_was_called_into_needs_no_further_mention(
    stage: DiscordStage, channel: Channel, bob: Person
) -> None:
    server, ada = stage.server, stage.ada
    talk, other = server.thread(channel, "talk"), server.thread(channel, "other")
    async with stage.running():
        await server.say(talk, bob, "say before")
        await server.say(talk, ada, f"{server.mention} say one")
        await stage.records.idle(1)
        await server.say(talk, bob, "say two")
        await stage.records.idle(2)
        asked = await server.say(talk, bob, "hm", reply_to=server.messages(talk)[1])
        await server.say(talk, bob, f"{ada.mention} say nothing")
        await server.say(talk, bob, "@everyone say nothing")
        await server.say(talk, bob, "say three", reply_to=asked, ping=False)
        await server.say(other, ada, "say nothing")
        await server.say(channel, ada, "say nothing")
        await stage.records.idle(3)
    async with stage.running():
        await server.say(talk, ada, "say four")
        await stage.records.idle(4)
    answers = [answer.content for answer in server.answers(talk)]
    assert answers == ["one", "two", "three", "four"]
    assert not server.answers(other) + server.answers(channel)


async def test_a_command_calls_the_bot_into_a_thread_too(
    stage: DiscordStage, channel: Channel, bob: Person
) -> None:
    server = stage.server
    talk = server.thread(channel, "talk")
    async with stage.running():
        await server.slash(talk, stage.ada, "ask", question="say one")
        await stage.records.idle(1)
        await server.say(talk, bob, "say two")
        await stage.records.idle(2)
    assert [answer.content for answer in server.answers(talk)] == ["one", "two"]


async def test_an_edit_in_such_a_thread_is_answered(stage: DiscordStage, channel: Channel) -> None:
    server = stage.server
    talk = server.thread(channel, "talk")
    async with stage.running():
        await server.say(talk, stage.ada, f"{server.mention} say one")
        await stage.records.idle(1)
        asked = await server.say(talk, stage.ada, "say two")
        await stage.records.idle(2)
        await server.edit_by_person(asked, "say three")
        await stage.records.idle(3)
    assert [answer.content for answer in server.answers(talk)] == ["one", "three"]


async def test_a_mention_that_an_edit_adds_is_a_question(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    async with stage.running():
        await server.say(stage.channel, stage.ada, "say that you listen")
        await stage.records.idle(1)
        message = await server.say(channel, stage.ada, "say hello")
        await server.edit_by_person(message, f"{server.mention} say hello")
        await stage.records.idle(2)
        await server.edit_by_person(message, f"{server.mention} say goodbye")
        await stage.records.idle(3)
    assert [answer.content for answer in server.answers(channel)] == ["goodbye"]


@pytest.mark.slow
async def test_without_the_content_intent_mentions_replies_and_commands_are_answered(
    stage: DiscordStage,
    channel: Channel,
    bob: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, ada = stage.server, stage.ada
    server.intents_allowed.discard("message_content")
    talk = server.thread(channel, "talk")
    async with stage.running():
        await stage.say("say in private")
        await server.say(talk, ada, f"{server.mention} say mention")
        await stage.records.idle(2)
        await server.say(talk, bob, "say nothing")
        [answer] = server.answers(talk)
        await server.say(talk, ada, "say reply", reply_to=answer)
        await stage.records.idle(3)
        await server.say(talk, bob, "say reply", reply_to=answer, ping=False)
        await stage.records.idle(4)
        await server.slash(talk, ada, "help")
        await stage.records.idle(5)
    assert server.answers(stage.channel)[-1].content == "in private"
    mention, reply, withheld, _ = [each.content for each in server.answers(talk)]
    assert (mention, reply, withheld) == ("mention", "reply", WITHHELD)
    [warning] = warnings(caplog)
    assert "Message Content Intent" in warning
    assert server.violations == []


@pytest.mark.parametrize("kind", [TEXT, VOICE, CATEGORY, FORUM])
async def test_hidden_channels_disturb_nothing(
    stage: DiscordStage,
    guild: Guild,
    channel: Channel,
    kind: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, ada = stage.server, stage.ada
    early = server.channel(guild, "secret", kind=kind, hidden=True)
    async with stage.running():
        await server.say(channel, ada, f"{server.mention} say one")
        await stage.records.idle(1)
        late = server.channel(guild, "new secret", kind=kind, hidden=True)
        server.allow(early, "VIEW_CHANNEL")
        server.deny(early, "VIEW_CHANNEL")
        server.allow(late, "VIEW_CHANNEL")
        places = {FORUM: lambda: server.thread(late, "talk"), CATEGORY: lambda: channel}
        where = places.get(kind, lambda: late)()
        await server.say(where, ada, f"{server.mention} say two")
        await stage.records.idle(2)
    assert server.answers(channel)[0].content == "one"
    assert server.answers(where)[-1].content == "two"
    assert not warnings(caplog)
    assert server.violations == []
