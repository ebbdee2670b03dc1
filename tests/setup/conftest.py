"""A bot that is set up well."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bots.doctor._settings import NAMES, OF_MACHINE
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.setup.scene import Scene


@pytest.fixture
def narrow() -> Iterator[None]:
    """Let nobody else read the files that a bot in this process makes."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
async def scene(
    tmp_path: Path,
    telegram_server: TelegramServer,
    discord_server: DiscordServer,
    model: ModelServer,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    for name in (*NAMES, *OF_MACHINE, "DYNO"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    (tmp_path / "parley.db").chmod(0o600)
    folder = tmp_path / "home"
    folder.mkdir()
    made = Scene(folder, telegram_server, discord_server, model, sqlite_url, monkeypatch)
    # Where a process listens, no check has to wait for another program that polls.
    await made.listen("telegram", telegram_server.bot_id)
    return made
