"""`/usage`: the text on every platform, and the picture where people see pictures."""

import io
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from PIL import Image
from sqlalchemy.engine.default import DefaultDialect

from core import charts
from tests.bot import hasty_bot
from tests.dialogs.stages import ButtonStage, ConsoleStage, TelegramStage, World, ask
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

LIMITS = "10 turns/minute, 200 turns/day, 200k tokens/week, 1 usd/month"
ANSWERED = "SELECT count(*) FROM turns WHERE answer IS NOT NULL"


@pytest.fixture
def world(either_world: World) -> World:
    """The surroundings of all stages here, once on each engine."""
    return either_world


def pictures(stage: ButtonStage) -> list[Image.Image]:
    """The pictures that Ada sees."""
    if isinstance(stage, TelegramStage):
        photos = [message.content.get("photo") for message in stage.server.answers(stage.chat)]
        found = [stage.server.sent(photo[-1]["file_id"]) for photo in photos if photo]
    else:
        posts = stage.server.answers(stage.channel)
        files = [each for post in posts for each in post.attachments]
        found = [each.data for each in files if each.name.endswith(".png")]
    return [Image.open(io.BytesIO(data)) for data in found]


@pytest.mark.slow
async def test_usage_is_a_text_and_a_picture(buttons: ButtonStage) -> None:
    async with buttons.running(quota=LIMITS):
        await ask(buttons, "say hello")
        told = await ask(buttons, "/usage")
    assert "This month: 1 answer, for" in told
    assert "Left: 199 of 200 answers a day" in told
    assert "of $1.00 a month" in told
    [picture] = pictures(buttons)
    assert picture.size[0] == charts.WIDTH
    assert 1000 < picture.size[1] < 1300, "four bars and two charts"


async def test_the_terminal_shows_the_text_alone(world: World) -> None:
    stage = ConsoleStage(world)
    async with stage.running(quota=LIMITS):
        await ask(stage, "say hello")
        told = await ask(stage, "/usage")
        await stage.records.idle(2)
    assert "Left: 199 of 200 answers a day" in told
    assert "Written to" not in stage.heard()


async def test_a_picture_that_a_platform_does_not_take_leaves_the_text_alone(
    buttons: ButtonStage,
) -> None:
    async with buttons.running(quota=LIMITS):
        if isinstance(buttons, TelegramStage):
            buttons.server.fail("sendPhoto", status=400, description="Bad Request: no photos here")
        else:
            buttons.server.fail("POST /channels/{id}/messages", status=400, code=50035)
        told = await ask(buttons, "/usage")
        await buttons.records.idle(1)
    assert "Left: 200 of 200 answers a day" in told
    assert pictures(buttons) == []
    assert buttons.place() == 1


async def test_a_picture_that_cannot_be_drawn_leaves_the_text_alone(
    buttons: ButtonStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)  # as if it were not installed
    async with buttons.running(quota=LIMITS):
        told = await ask(buttons, "/usage")
        await buttons.records.idle(1)
    assert "Left: 200 of 200 answers a day" in told
    assert buttons.place() == 1


class Hasty(TelegramStage):
    """A private chat where nothing has to be slow."""

    @asynccontextmanager
    async def running(self, **values: object) -> AsyncIterator[None]:
        await self.world.begin()
        async with hasty_bot(self.platform, **self.values(**values)):
            yield


@pytest.mark.slow
async def test_a_picture_whose_upload_was_not_heard_of_stands_once(world: World) -> None:
    async with TelegramServer(flood=False) as server:
        stage = Hasty(world, server)
        server.fail("sendPhoto", drop="after", times=2)
        async with stage.running(quota=LIMITS):
            await stage.say("/usage")
            await stage.records.idle(1)
        assert len(pictures(stage)) == 1
        assert stage.place() == 2
        assert len([call for call in server.calls if call.method == "sendPhoto"]) == 3


@pytest.mark.slow
async def test_a_kill_between_text_and_picture_loses_and_doubles_nothing(world: World) -> None:
    async with TelegramServer(flood=False) as server:
        stage = Hasty(world, server)
        server.fail("sendPhoto", delay=30)  # the photo stands, and the process never hears of it
        async with stage.process(quota=LIMITS) as process:
            await stage.say("/usage")
            await server.wait(lambda: pictures(stage))
            process.kill()
            await process.wait()
        async with stage.running(quota=LIMITS):
            await stage.records.idle(1)
        assert len(pictures(stage)) == 1
        assert stage.place() == 2


async def test_in_a_group_usage_tells_only_what_is_left(
    model: ModelServer, telegram_server: TelegramServer, world: World
) -> None:
    stage = TelegramStage(world, telegram_server)
    group = stage.group()
    async with stage.running(quota=LIMITS):
        await telegram_server.say(group, stage.ada, f"@{telegram_server.username} say hello")
        await stage.records.idle(1)
        await telegram_server.say(group, stage.ada, f"/usage@{telegram_server.username}")
        await stage.records.idle(2)
    _, told = telegram_server.answers(group)
    assert "Left: 199 of 200 answers a day" in told.text
    assert "This month" not in told.text
    assert "tokens, which" not in told.text


# The warning


async def test_most_of_a_limit_used_is_told_once_below_the_answer(buttons: ButtonStage) -> None:
    limits = "5 turns/month, 5 turns/minute, 1000k tokens/week"
    async with buttons.running(quota=limits):
        told = [await ask(buttons, f"say {number}") for number in range(5)]
    assert told[:3] == ["0", "1", "2"]
    assert told[3].startswith("3\n\n")
    assert "Most of your limit is used. Left: 1 of 5 answers a month" in told[3]
    assert "answers a minute" not in told[3]
    assert told[4] == "4", "once in a window"
    remembered = [said for role, said in buttons.records.memory() if role == "assistant"]
    assert remembered == ["0", "1", "2", "3", "4"], "the model does not read it"


async def test_a_commit_that_was_not_heard_keeps_the_warning(
    world: World, telegram_server: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database stores the answer, and its connection ends before it can say so."""
    stage, unheard = TelegramStage(world, telegram_server), list[bool]()

    def commit(dialect: DefaultDialect, connection: Any) -> None:
        connection.commit()
        if not unheard and stage.records.all("SELECT * FROM turns WHERE answer LIKE '%Most of%'"):
            unheard.append(True)
            if dialect.name == "postgresql":
                raise psycopg.OperationalError("the connection is lost")
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error

    async with stage.running(quota="5 turns/month"):
        for number in range(3):
            await ask(stage, f"say {number}")
        monkeypatch.setattr(DefaultDialect, "do_commit", commit)
        told = await ask(stage, "say 3")
    assert unheard
    assert told.count("Most of your limit is used") == 1
    assert stage.records.drift() == []


async def test_a_kill_after_the_warning_was_stored_tells_it_once(world: World) -> None:
    async with TelegramServer(flood=False) as server:
        stage = Hasty(world, server)
        async with stage.process(quota="5 turns/month") as process:
            for number in range(3):
                await stage.say(f"say {number}")
                await stage.records.idle(number + 1)
            server.fail("sendMessage", delay=30)
            await stage.say("say hello")
            await eventually(lambda: stage.records.one(ANSWERED) == 1)
            process.kill()
            await process.wait()
        server.relent()
        async with stage.running(quota="5 turns/month"):
            await stage.records.idle(4)
        *_, answer = server.answers(stage.chat)
        assert len(server.answers(stage.chat)) == 4
        assert answer.text.count("Most of your limit") == 1
        assert stage.records.drift() == []
