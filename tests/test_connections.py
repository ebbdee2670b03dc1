"""Several platforms in one process: a failure of one does not disturb the others."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

import pytest

from bots.connections import Connections
from core.adapter import Adapter
from core.errors import RetryAfter, SettingsError
from tests.bot import bot, process
from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask, env
from tests.fakes.discord import DiscordServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually
from tests.web.ports import free_port

BOTH = ("telegram", "discord")
CONNECTIONS = "bots.connections"


@pytest.fixture
def telegram(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.fixture
def discord(world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(world, discord_server)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the messages for the operator about the connections."""
    shown = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record.getMessage() for record in shown if record.name == CONNECTIONS]


async def test_a_platform_that_is_away_at_the_start_is_waited_for_while_the_other_works(
    world: World,
    telegram: TelegramStage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    discord_url = f"http://127.0.0.1:{port}/api/v10"
    values = {**telegram.values(), "discord_token": "bot-token", "discord_api_url": discord_url}
    async with bot(*BOTH, **values):
        assert "How can I help you?" in await ask(telegram, "Hello")
        await eventually(lambda: bool(told(caplog)))
        async with DiscordServer(port=port) as server:
            later = DiscordStage(world, server)
            await server.wait(lambda: server.gateway.sessions)
            assert "How can I help you?" in await ask(later, "Hello")
    [line] = told(caplog)
    assert line.startswith(f"DISCORD_API_URL: no answer from {discord_url}")


async def test_a_flood_limit_at_the_login_is_waited_out(
    telegram: TelegramStage, caplog: pytest.LogCaptureFixture
) -> None:
    telegram.server.fail("getMe", status=429, retry_after=2)
    async with bot("telegram", **telegram.values()):
        assert "How can I help you?" in await ask(telegram, "Hello")
    first, second = (call.at for call in telegram.server.calls if call.method == "getMe")
    assert second - first >= 2
    assert told(caplog) == ["telegram: flood limit, retry after 2 s; trying again then"]


async def test_a_flood_limit_at_the_first_attempt_is_waited_out() -> None:
    """Discord's library waits by itself unless the limit is longer than 30 seconds."""
    attempts: list[float] = []
    errors = [RetryAfter(1.5), SettingsError("the token is wrong")]
    clock = asyncio.get_running_loop().time

    @asynccontextmanager
    async def connect() -> AsyncIterator[Adapter]:
        attempts.append(clock())
        if errors:
            raise errors.pop(0)
        yield cast("Adapter", None)

    async def use(adapter: Adapter) -> None:
        raise AssertionError("nothing is connected")

    async with AsyncExitStack() as stack:
        with pytest.raises(ExceptionGroup):
            await Connections(stack, use).run({"discord": connect})
    first, second = attempts
    assert second - first >= 1.5


async def test_a_token_that_is_revoked_silences_its_platform_alone(
    telegram: TelegramStage, discord: DiscordStage, caplog: pytest.LogCaptureFixture
) -> None:
    async with bot(*BOTH, **{**telegram.values(), **discord.values()}):
        await discord.server.wait(lambda: discord.server.gateway.sessions)
        await telegram.server.wait(lambda: telegram.server.polling)
        telegram.server.fail("getUpdates", status=401)
        telegram.server.push({})  # ends the poll that is under way, and makes no turn
        await eventually(lambda: bool(told(caplog)))
        assert "How can I help you?" in await ask(discord, "Hello")
    [line] = told(caplog)
    assert line.startswith("TELEGRAM_TOKEN is no longer valid")


async def test_turns_of_a_platform_that_is_refused_are_left_for_later(
    telegram: TelegramStage, discord: DiscordStage, caplog: pytest.LogCaptureFixture
) -> None:
    records = discord.records
    async with discord.running():
        await ask(discord, "Hello")
    discord.server.close_with(4004)
    async with bot(*BOTH, **{**telegram.values(), **discord.values()}):
        await eventually(lambda: bool(told(caplog)))
        await records.write("UPDATE turns SET delivered_at = NULL")
        await telegram.say("Hello")
        await eventually(lambda: records.turns() == 2 and records.busy() == 1)
        assert records.one("SELECT attempt FROM turns WHERE platform = 'discord'") == 1
    [line] = told(caplog)
    assert line.startswith("DISCORD_TOKEN is not accepted")


async def test_the_last_platform_that_is_refused_ends_the_process(
    telegram: TelegramStage, discord: DiscordStage
) -> None:
    discord.server.close_with(4004)
    values = env({**telegram.values(), **discord.values()})
    log = telegram.world.directory / "log"
    async with process(log=log, environment=values) as running:
        await telegram.server.wait(lambda: telegram.server.polling)
        await eventually(lambda: "DISCORD_TOKEN is not accepted" in log.read_text())
        await asyncio.sleep(0)
        assert running.process.returncode is None
        telegram.server.fail("getUpdates", status=401)
        await telegram.say("this ends the poll that is under way")
        assert await running.wait() == 2
    assert running.lines()[-1].startswith("TELEGRAM_TOKEN is no longer valid")
    assert "Traceback" not in log.read_text()


async def test_a_token_that_is_wrong_at_the_start_ends_the_process_with_one_line(
    telegram: TelegramStage, discord: DiscordStage
) -> None:
    values = env({**telegram.values(), **discord.values(), "discord_token": "sesame-open"})
    log = telegram.world.directory / "log"
    async with process(log=log, environment=values) as running:
        assert await running.wait() == 2
    assert running.lines()[-1].startswith("DISCORD_TOKEN is not accepted")
    assert "Traceback" not in log.read_text()
    assert "sesame" not in log.read_text()
