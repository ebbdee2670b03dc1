"""Servers that answer nonsense: each is waited for, and disturbs nobody else."""

import json
import logging
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from tests.bot import bot
from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.postgres import administer
from tests.records import eventually

BOTH = ("telegram", "discord")


@pytest.fixture
def telegram(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.fixture
def discord(world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(world, discord_server)


def assert_calm(caplog: pytest.LogCaptureFixture, most: int) -> None:
    """Check that there were few complaints of the platforms, and that each is one line."""
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    # The core also tells of a slow database.
    few = [record.getMessage() for record in told if not record.name.startswith("core.")]
    assert 0 < len(few) <= most, few
    assert not [record for record in told if record.exc_info or "\n" in record.getMessage()]


@pytest.mark.slow
async def test_a_telegram_of_a_wrong_shape_is_waited_for_and_leaves_discord_alone(
    telegram: TelegramStage, discord: DiscordStage, caplog: pytest.LogCaptureFixture
) -> None:
    rubbish = telegram.server.rubbish
    rubbish.order("getMe", b"{}")
    rubbish.order("getUpdates", b'{"ok": true, "result": null}')
    refusal = {"ok": False, "error_code": 429, "parameters": {"retry_after": -1}}
    rubbish.order("getUpdates", json.dumps(refusal).encode(), status=429)
    async with bot(*BOTH, **{**telegram.values(), **discord.values()}):
        await discord.server.wait(lambda: discord.server.gateway.sessions)
        assert "How can I help you?" in await ask(discord, "Hello")
        await telegram.server.wait(lambda: telegram.server.polling)
        assert "How can I help you?" in await ask(telegram, "Hello")
    assert_calm(caplog, 3)


async def test_a_discord_of_a_wrong_shape_is_waited_for_and_leaves_telegram_alone(
    telegram: TelegramStage, discord: DiscordStage, caplog: pytest.LogCaptureFixture
) -> None:
    discord.server.rubbish.order("GET /users/@me", b"[]")
    discord.server.rubbish.order("GET /gateway/bot", b"null")
    discord.server.rubbish.order("GET /applications/{id}/commands", b'[{"name": []}]')
    discord.server.gateway.garbled["READY"].append({})
    async with bot(*BOTH, **{**telegram.values(), **discord.values()}):
        assert "How can I help you?" in await ask(telegram, "Hello")
        await eventually(lambda: not discord.server.gateway.garbled["READY"])
        wrong = set(discord.server.gateway.sessions)
        await eventually(lambda: not wrong >= set(discord.server.gateway.sessions))
        assert "How can I help you?" in await ask(discord, "Hello")
    assert_calm(caplog, 5)


@pytest.mark.slow
async def test_a_database_that_turns_read_only_is_waited_for(
    model: ModelServer,
    telegram_server: TelegramServer,
    postgres_server: URL,
    postgres_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    name = make_url(postgres_url).database
    setting = f'ALTER DATABASE "{name}" SET default_transaction_read_only'
    async with stage.running():
        await ask(stage, "Hello")
        with administer(postgres_server) as admin:
            admin.execute(f"{setting} = on".encode())
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            await stage.say("say well")
            await eventually(lambda: "server that takes writes" in caplog.text)
            admin.execute(f"{setting} = off".encode())
        await stage.records.idle(2)
        assert stage.heard(1) == "well"
    assert not [record for record in caplog.records if record.exc_info]
