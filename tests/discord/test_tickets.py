"""Tickets of slash commands: an answer replaces "is thinking…", or "is thinking…" goes away."""

import asyncio
from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config

from core import db, schema
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import DiscordServer
from tests.fakes.discord.records import Interaction
from tests.fakes.model import Answer, ModelServer
from tests.records import eventually

NEVER = Answer("never said", stall_after=0)


@pytest.fixture
def stage(either_world: World, discord_server: DiscordServer) -> DiscordStage:
    """Ada alone with Parley, once on each database."""
    return DiscordStage(either_world, discord_server)


@pytest.fixture
def tickets(stage: DiscordStage) -> Callable[[], int]:
    """Count the tickets that are stored."""
    return lambda: stage.records.one("SELECT count(*) FROM turns WHERE ticket <> ''")


async def retry_stalled(stage: DiscordStage, model: ModelServer) -> Interaction:
    """Let Ada ask, then `/retry`; return the interaction while the model says nothing."""
    await stage.say("Hello")
    await stage.records.idle(1)
    model.enqueue(NEVER)
    retry = await stage.server.slash(stage.channel, stage.ada, "retry")
    await model.seen(2)
    return retry


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late"])
async def test_a_command_that_is_stopped_before_its_first_text_stops_thinking(
    stage: DiscordStage, model: ModelServer, tickets: Callable[[], int], late: bool
) -> None:
    server = stage.server
    async with stage.running():
        retry = await retry_stalled(stage, model)
        assert tickets() == 1
        if late:
            server.fail("DELETE /webhooks/{id}/{token}/messages/{id}", code=50027)
        await server.slash(stage.channel, stage.ada, "stop")
        await stage.records.idle(3)
    assert retry.original is not None
    assert retry.original.deleted is not late
    assert [answer.content for answer in server.answers(stage.channel)][-1] == "Stopped."
    assert tickets() == 0
    assert server.violations == []


async def test_a_command_that_is_forgotten_stops_thinking(
    stage: DiscordStage, model: ModelServer, tickets: Callable[[], int]
) -> None:
    async with stage.running():
        retry = await retry_stalled(stage, model)
        await stage.say("/forget yes")
        await stage.records.idle(3)
    assert retry.original is not None
    assert retry.original.deleted
    assert "is deleted" in stage.heard()
    assert tickets() == 0
    assert stage.server.violations == []


async def test_a_command_that_is_given_up_keeps_no_ticket(
    stage: DiscordStage, tickets: Callable[[], int]
) -> None:
    stage.server.fail("PATCH /webhooks/{id}/{token}/messages/{id}", code=50013)
    async with stage.running():
        await stage.server.slash(stage.channel, stage.ada, "usage")
        await stage.records.idle(1)
    assert stage.records.one("SELECT outcome FROM turns") == "undeliverable"
    assert tickets() == 0


@pytest.mark.parametrize("delivered", [False, True])
@pytest.mark.slow
async def test_a_token_behind_a_message_id_becomes_a_ticket_until_it_is_spent(
    stage: DiscordStage, tickets: Callable[[], int], delivered: bool
) -> None:
    """Old releases wrote the token behind the message's id, in the turn and in its post."""
    records = stage.records
    async with stage.running():
        await stage.say("Hello")
        await records.idle(1)
    await records.write("UPDATE posts SET message_id = '123/to-ken' WHERE part IS NULL")
    await records.write("UPDATE turns SET message_id = '123/to-ken'")
    if not delivered:
        await records.write("UPDATE turns SET delivered_at = NULL")
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.attributes["url"] = db.normal_url(records.url)
    command.downgrade(config, "0009")
    command.upgrade(config, "head")
    [turn] = records.all("SELECT message_id, ticket FROM turns")
    assert tuple(turn) == ("123", "" if delivered else "to-ken")
    assert records.one("SELECT message_id FROM posts WHERE part IS NULL") == "123"


async def test_no_ticket_is_kept_among_the_posts(stage: DiscordStage) -> None:
    async with stage.running():
        command = await stage.server.slash(stage.channel, stage.ada, "usage")
        await stage.records.idle(1)
    known = [row.message_id for row in stage.records.all("SELECT message_id FROM posts")]
    assert command.id in known
    assert not any(command.token in str(message_id) for message_id in known)


@pytest.mark.parametrize("ahead", [0, 2], ids=["alone", "behind others"])
async def test_a_stop_before_a_command_is_stored_ends_thinking(
    stage: DiscordStage, ahead: int
) -> None:
    """Discord is slow to take that the first command is acknowledged, and then the bot stops."""
    server, channel, ada = stage.server, stage.channel, stage.ada
    stops, log = asyncio.Event(), stage.world.directory / "log"
    async with stage.process() as running:
        await stage.say("Hello")
        await stage.records.idle(1)
        server.fail("POST /interactions/{id}/{token}/callback", until=stops)
        asked = [await server.slash(channel, ada, "usage") for _ in range(1 + ahead)]
        await server.wait(lambda: _callbacks(server) == 1 + ahead)
        await server.wait(lambda: all(each.acknowledged for each in asked[1:]))
        running.terminate()
        await eventually(lambda: "stopping: " in log.read_text())
        stops.set()
        assert await running.wait() == 0
    assert [each.original is None or each.original.deleted for each in asked] == [True] * len(asked)
    assert asked[0].original is not None
    assert stage.records.one("SELECT count(*) FROM turns") == 1
    assert server.violations == []


def _callbacks(server: DiscordServer) -> int:
    return sum(call.path.endswith("/callback") for call in server.calls)
