"""Messages that a bot deletes and posts anew by a webhook, under another name."""

import pytest

from bots.discord.copies import WAIT
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import Channel, DiscordServer, Message
from tests.fakes.model import Answer, ModelServer
from tests.records import eventually

FILE = ("notes.txt", b"The meeting is at noon.", "text/plain")


@pytest.fixture
def stage(world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(world, discord_server)


@pytest.fixture
def channel(stage: DiscordStage) -> Channel:
    return stage.server.channel(stage.server.guild("Friends", members=[stage.ada]), "general")


async def copied(
    stage: DiscordStage, channel: Channel, original: Message, *, deleted_first: bool = False
) -> Message:
    """Let a webhook post a message of Ada's without the signs that chose a name."""
    if deleted_first:
        await stage.server.delete_by_person(original)
    text = original.content.removeprefix("A: ")
    files = [(each.name, each.data, each.content_type) for each in original.attachments]
    copy = await stage.server.post_by_webhook(channel, "Alice", text, attachments=files)
    if not deleted_first:
        await stage.server.delete_by_person(original)
    return copy


async def moved(stage: DiscordStage, copy: Message) -> None:
    """Wait until a copy is known to have taken the place of its original."""
    known = "SELECT count(*) FROM turns WHERE message_id = :copy"
    await eventually(lambda: stage.records.one(known, copy=copy.id) == 1)


@pytest.mark.parametrize("deleted_first", [False, True])
async def test_a_copy_is_the_question_and_is_answered_once(
    stage: DiscordStage, channel: Channel, model: ModelServer, *, deleted_first: bool
) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            original = await server.say(channel, stage.ada, f"A: {server.mention} count to 3")
            await eventually(lambda: len(model.requests) == 1)
            copy = await copied(stage, channel, original, deleted_first=deleted_first)
            await moved(stage, copy)
        await stage.records.idle(1)
        [answer] = server.answers(channel)
        await server.say(channel, stage.ada, f"{server.mention} again", reply_to=copy)
        await stage.records.idle(2)
    assert answer.content.endswith("3")
    assert len(model.requests) == 2
    assert "count to 3" in str(model.requests[1].messages[:-1])  # the copy stands for its question
    assert server.violations == []


async def test_an_answer_that_is_not_shown_yet_replies_to_the_copy(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue(Answer("", pieces=["<think>Hm.", "</think>", "hello"]))
    lease = "SELECT lease_until FROM turns"
    async with stage.running():
        with model.hold():
            original = await server.say(channel, stage.ada, f"A: {server.mention} hello")
            await model.seen(1)
            before = stage.records.one(lease)
            copy = await copied(stage, channel, original)
            await moved(stage, copy)
            # The worker hears of it when it renews its lease, at once.
            await eventually(lambda: stage.records.one(lease) != before)
        await stage.records.idle(1)
    [answer] = server.answers(channel)
    assert (answer.content, answer.reference) == ("hello", copy.id)


async def test_a_copy_without_words_is_known_by_its_files(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        await server.say(channel, stage.ada, f"{server.mention} say hello")
        await stage.records.idle(1)
        [answer] = server.answers(channel)
        original = await server.say(channel, stage.ada, "", reply_to=answer, attachments=[FILE])
        copy = await copied(stage, channel, original)
        await moved(stage, copy)
        await stage.records.idle(2)
        await eventually(lambda: "The meeting is at noon." in str(model.requests[-1].messages))
        await stage.records.idle(2)
    assert len(server.answers(channel)) == 2


async def test_a_copy_can_be_edited_and_deleted_after_a_restart_too(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        original = await server.say(channel, stage.ada, f"A: {server.mention} say one")
        copy = await copied(stage, channel, original)
        await moved(stage, copy)
        await stage.records.idle(1)
        await server.edit_by_person(copy, f"{server.mention} say two")
        await stage.records.idle(2)
    async with stage.running():
        await server.edit_by_person(copy, f"{server.mention} say three")
        await stage.records.idle(3)
    [answer] = server.answers(channel)
    assert answer.content == "three"
    assert stage.records.one("SELECT count(DISTINCT user_id) FROM turns") == 1


async def test_webhooks_ask_nothing_by_themselves(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        original = await server.say(channel, stage.ada, f"{server.mention} say mine")
        alone = await server.post_by_webhook(channel, "Relay", f"{server.mention} say nothing")
        await server.edit_by_person(alone, f"{server.mention} say nothing either")
        await stage.records.idle(1)
        await server.post_by_webhook(channel, "Relay", f"{server.mention} say something else")
        await server.delete_by_person(original)
        await server.say(channel, stage.ada, f"{server.mention} say last")
        await stage.records.idle(2)
    assert [answer.content for answer in server.answers(channel)] == ["mine", "last"]
    assert len(model.requests) == 2


async def test_a_deletion_without_a_copy_still_stops_the_answer(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            original = await server.say(channel, stage.ada, f"{server.mention} count to 500")
            await eventually(lambda: len(model.requests) == 1)
            await server.delete_by_person(original)
            await eventually(lambda: stage.records.one("SELECT cancel FROM turns") == 1)
        await stage.records.idle(1)
    assert stage.records.one("SELECT outcome FROM turns") == "stopped"
    assert WAIT < 3
