"""Messages whose fate is not known, that fail alone, or that the bot may not write at all."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import discord
import pytest

from bots.discord.rest import REFUSALS_TO_WRITE, Refused, translated
from core.errors import Muted
from core.words import NOT_WRITTEN
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import Channel, DiscordServer
from tests.fakes.model import Answer, ModelServer
from tests.records import eventually

CREATE = "POST /channels/{id}/messages"
PAUSED = "SELECT count(*) FROM mutes WHERE until > :now"
PAID = "SELECT used FROM allowances WHERE owner_id > 0"
LONG = Answer("word " * 200, pace=0.02)


def utc() -> str:
    """Return the time as SQLite stores it."""
    return str(datetime.now(UTC).replace(tzinfo=None))


class Clock:
    """A clock that a test can move on."""

    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.later


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def stage(
    model: ModelServer, sqlite_url: str, tmp_path: Path, clock: Clock
) -> AsyncIterator[DiscordStage]:
    """Ada alone with Parley."""
    async with DiscordServer(clock=clock) as server:
        yield DiscordStage(World(model, sqlite_url, tmp_path), server)


@pytest.fixture
def channel(stage: DiscordStage) -> Channel:
    """A channel of a server that Ada is in."""
    return stage.server.channel(stage.server.guild("Friends", members=[stage.ada]), "general")


async def killed_while_it_makes_a_message(stage: DiscordStage, model: ModelServer) -> None:
    """Kill a process whose message stands, but which does not know its id."""
    stage.server.fail(CREATE, drop="after", times=1000)
    async with stage.process() as process:
        with model.hold():
            await stage.say("count to 60")
            await stage.server.wait(lambda: stage.server.answers(stage.channel))
            process.kill()
            await process.wait()
    stage.server.relent()


async def test_a_nonce_that_has_expired_is_made_up_for(
    stage: DiscordStage, model: ModelServer, clock: Clock
) -> None:
    server = stage.server
    await killed_while_it_makes_a_message(stage, model)
    clock.later += 3600
    async with stage.running():
        await stage.records.idle(1)
    [answer] = server.answers(stage.channel)
    assert answer.content.endswith("60")


async def test_an_answer_to_a_command_that_was_not_heard_of_stands_once(
    stage: DiscordStage,
) -> None:
    server = stage.server
    server.fail("PATCH /webhooks/{id}/{token}/messages/{id}", drop="after", times=2)
    async with stage.running(retry_seconds=0.1):
        await stage.say("/help")
        await stage.records.idle(1)
    assert len(server.answers(stage.channel)) == 1


@pytest.mark.parametrize(
    ("close", "open_"),
    [
        (
            lambda server, where: server.deny(where, "SEND_MESSAGES"),
            lambda server, where: server.allow(where, "SEND_MESSAGES"),
        ),
        (
            lambda server, where: server.lock(where),
            lambda server, where: server.lock(where, locked=False),
        ),
    ],
    ids=["denied channel", "locked thread"],
)
async def test_where_the_bot_may_not_write_nothing_is_asked_and_nothing_charged(
    stage: DiscordStage,
    channel: Channel,
    model: ModelServer,
    request: pytest.FixtureRequest,
    close: Callable[[DiscordServer, Channel], None],
    open_: Callable[[DiscordServer, Channel], None],
) -> None:
    server, records = stage.server, stage.records
    where = channel if "channel" in request.node.name else server.thread(channel, "talk")
    is_thread = where != channel  # its person is told beside it
    model.enqueue(LONG)
    async with stage.running(quota="5 turns/day, 1 usd/month"):
        close(server, where)
        await server.say(where, stage.ada, f"{server.mention} Hello")
        await records.idle(1 + is_thread)
        await model.wait(lambda: model.requests[0].cut)  # the call ends early
        await server.say(where, stage.ada, f"{server.mention} Hello?")
        await records.idle(2 + is_thread)
        assert len(model.requests) == 1
        assert [row.used for row in records.all(PAID)] == [0, 0]
        open_(server, where)
        await eventually(lambda: records.one(PAUSED, now=utc()) == 0)
        await server.say(where, stage.ada, f"{server.mention} say it")
        await records.idle(3 + is_thread)
    assert [answer.content for answer in server.answers(where)] == ["it"]
    told = [answer.content for answer in server.answers(channel)][:is_thread]
    assert told == [NOT_WRITTEN.format(name="Ada")] * is_thread
    assert records.drift() == []


@pytest.mark.parametrize("end", ["archived", "locked", "deleted"])
async def test_a_thread_that_ends_while_its_answer_is_written(
    stage: DiscordStage, channel: Channel, model: ModelServer, end: str
) -> None:
    """It is opened again if that is allowed; otherwise the person is told beside it."""
    server, records = stage.server, stage.records
    thread = server.thread(channel, "talk")
    async with stage.running():
        with model.hold():
            await server.say(thread, stage.ada, f"{server.mention} count to 60")
            await records.posted()
            {"archived": server.close, "locked": server.lock, "deleted": server.delete}[end](thread)
            if end == "locked":
                server.close(thread)
        await eventually(lambda: records.turns() == 1 + (end != "archived"))
        await records.idle(1)
    told = [answer.content for answer in server.answers(channel)]
    if end == "archived":
        assert server.answers(thread)[0].content.endswith("60")
        assert told == []
    else:
        assert told == [NOT_WRITTEN.format(name="Ada")]


async def test_a_command_is_answered_where_the_bot_may_not_write(
    stage: DiscordStage, channel: Channel, model: ModelServer
) -> None:
    """The answer goes another way, by the ticket of the command."""
    server, records = stage.server, stage.records
    async with stage.running():
        server.deny(channel, "SEND_MESSAGES")
        await server.say(channel, stage.ada, f"{server.mention} Hello")
        await records.idle(1)
        await server.slash(channel, stage.ada, "help")
        await records.idle(2)
    assert "/new" in server.answers(channel)[-1].content
    assert records.one("SELECT count(*) FROM mutes") == 1


@pytest.mark.parametrize("code", sorted(REFUSALS_TO_WRITE))
def test_every_refusal_to_let_the_bot_write_is_known(code: int) -> None:
    refusal = translated(failure(code))
    assert isinstance(refusal, Muted)
    assert isinstance(refusal, Refused)


def test_other_refusals_are_about_one_message() -> None:
    assert not isinstance(translated(failure(50035)), Muted)


def failure(code: int) -> discord.HTTPException:
    """Return a failure of the library with one of Discord's codes."""

    class Response:
        status, reason = 403, "Forbidden"

    return discord.HTTPException(cast("Any", Response()), {"code": code, "message": "no"})
