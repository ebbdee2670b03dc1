"""Whole turns on Discord: in servers, and with trouble at the gateway."""

import pytest

from core.words import MODEL_WAITS
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import Channel, DiscordServer
from tests.fakes.model import Answer, Fault, ModelServer
from tests.records import eventually


@pytest.fixture
def stage(world: World, discord_server: DiscordServer) -> DiscordStage:
    """Ada, a server with a channel, and Parley."""
    return DiscordStage(world, discord_server)


@pytest.fixture
def channel(stage: DiscordStage) -> Channel:
    """A channel of a server that Ada is in."""
    return stage.server.channel(stage.server.guild("Friends", members=[stage.ada]), "general")


async def test_a_mention_in_a_server_is_answered_by_a_reply(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    async with stage.running():
        await server.say(channel, stage.ada, "not for the bot")
        asked = await server.say(channel, stage.ada, f"{server.mention} Hello")
        await stage.records.idle(1)
    [answer] = server.answers(channel)
    assert answer.reference == asked.id
    assert "How can I help you?" in answer.content
    assert [button["label"] for button in answer.buttons] == ["Regenerate"]
    assert server.violations == []


async def test_a_thread_is_a_conversation_of_its_own(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    thread = server.thread(channel, "talk")
    async with stage.running():
        await server.say(channel, stage.ada, f"{server.mention} say secret")
        await stage.records.idle(1)
        await server.say(thread, stage.ada, f"{server.mention} Hello")
        await stage.records.idle(2)
    assert "secret" not in str(model.requests[1].messages)
    assert len(server.answers(thread)) == 1


async def test_model_text_pings_nobody(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue(f"@everyone @here <@{stage.ada.id}> look!")
    async with stage.running():
        await server.say(channel, stage.ada, f"{server.mention} Hello", ping=False)
        await stage.records.idle(1)
    [answer] = server.answers(channel)
    assert answer.content == f"@\u2060everyone @\u2060here <\u2060@{stage.ada.id}> look!"
    assert list(answer.mentions) == []


async def test_a_gateway_that_drops_in_mid_answer_costs_nothing(
    stage: DiscordStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            await stage.say("count to 60")
            await stage.records.posted()
            await server.drop_gateway(resumable=True)
            await stage.say("say afterwards")
        await stage.records.idle(2)
    first, second = server.answers(stage.channel)
    assert first.content.endswith("60")
    assert second.content == "afterwards"
    assert len(model.requests) == 2


async def test_an_invalid_session_is_caught_up_with(
    stage: DiscordStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        await stage.say("say before")
        await stage.records.idle(1)
        await server.drop_gateway(resumable=False)
        await stage.say("say meanwhile")
        await stage.records.idle(2)
    assert [answer.content for answer in server.answers(stage.channel)] == ["before", "meanwhile"]
    assert len(model.requests) == 2


@pytest.mark.slow
async def test_messages_sent_while_it_was_down_are_answered_once_in_order(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        await stage.say("say before")
        await stage.records.idle(1)
    await stage.say("say one")
    await stage.say("say two")
    await server.say(channel, stage.ada, f"{server.mention} say three")
    async with stage.running():
        await stage.records.idle(4)
    async with stage.running():
        await stage.say("say last")
        await stage.records.idle(5)
    answers = [answer.content for answer in server.answers(stage.channel)]
    assert answers == ["before", "one", "two", "last"]
    assert [answer.content for answer in server.answers(channel)] == ["three"]
    assert len(model.requests) == 5


async def test_a_bot_that_lost_its_right_to_listen_hears_again_once_it_has_it_back(
    stage: DiscordStage,
) -> None:
    server, records = stage.server, stage.records
    async with stage.running():
        await stage.say("say before")
        await records.idle(1)
        await records.write("UPDATE listeners SET worker_id = 'other', lease_until = '2999-01-01'")
        await server.wait(lambda: not server.gateway.connections)
        await stage.say("say meanwhile")
        await records.write("DELETE FROM listeners")
        await records.idle(2)
        await stage.say("say after")
        await records.idle(3)
    answers = [answer.content for answer in server.answers(stage.channel)]
    assert answers == ["before", "meanwhile", "after"]


async def test_a_killed_answer_is_finished_in_its_message(
    stage: DiscordStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.process() as process:
        with model.hold():
            await stage.say("count to 100")
            await server.wait(lambda: server.answers(stage.channel))
            shown = server.answers(stage.channel)[0].id
            # Thanks to the nonce there is no second message, even if its id is not stored yet.
            process.kill()
            await process.wait()
    async with stage.running():
        await stage.records.idle(1)
    [answer] = server.answers(stage.channel)
    assert answer.id == shown
    assert answer.content.endswith("100")
    assert stage.records.drift() == []


async def test_stop_and_try_again_work_after_a_restart(
    stage: DiscordStage, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue(*[Answer("One two three four", cut_after=8)] * 3, "All of it.")
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    [answer] = server.answers(stage.channel)
    assert [button["label"] for button in answer.buttons] == ["Try again"]
    async with stage.running():
        await stage.records.idle(1)
        await eventually(lambda: bool(server.gateway.sessions))
        pressed = await server.press(answer, "Try again", stage.ada)
        await server.wait(lambda: answer.content == "All of it.")
        await stage.records.idle(1)
        await server.wait(lambda: pressed.acknowledged)
    assert server.answers(stage.channel) == [answer]


async def test_who_waits_for_the_model_is_told_and_then_gets_the_answer_in_that_message(
    stage: DiscordStage, model: ModelServer
) -> None:
    server = stage.server
    model.respond = lambda request: Fault(503)
    async with stage.running(notice_after=0.1):
        await stage.say("Hello")
        await server.wait(
            lambda: [each.content for each in server.answers(stage.channel)] == [MODEL_WAITS]
        )
        [answer] = server.answers(stage.channel)
        assert [button["label"] for button in answer.buttons] == ["Stop"]
        model.respond = lambda request: "Here I am."
        await server.wait(lambda: answer.content == "Here I am.")
        await stage.records.idle(1)
    assert server.answers(stage.channel) == [answer]
    assert stage.records.drift() == []


@pytest.mark.parametrize("times", [1, 3])
async def test_a_file_is_posted_once_though_nobody_heard_that_it_was(
    stage: DiscordStage, times: int
) -> None:
    server = stage.server
    server.fail("POST /channels/{id}/messages", drop="after", times=times)
    async with stage.running(retry_seconds=1):
        await stage.say("/export")
        await stage.records.idle(1)
    where = f"/channels/{stage.channel.id}/messages"
    tries = [call for call in server.calls if (call.method, call.path) == ("POST", where)]
    assert len(tries) == times + 1
    files = [answer for answer in server.answers(stage.channel) if answer.attachments]
    assert len(files) == 1


async def test_a_slash_command_is_answered_in_its_place(stage: DiscordStage) -> None:
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
        interaction = await stage.server.slash(stage.channel, stage.ada, "usage")
        await stage.records.idle(2)
    assert interaction.acknowledged
    assert not interaction.failed
    assert interaction.original is not None
    assert "This month: 1 answer" in interaction.original.content
