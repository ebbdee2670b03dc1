"""The stages on which the dialogs are held."""

import pytest

from tests.dialogs.stages import (
    ButtonStage,
    ConsoleStage,
    DiscordStage,
    Stage,
    TelegramStage,
    World,
)
from tests.fakes.telegram import TelegramServer


@pytest.fixture
def telegram(world: World, telegram_server: TelegramServer) -> TelegramStage:
    """A chat on Telegram."""
    return TelegramStage(world, telegram_server)


@pytest.fixture(params=["telegram", "discord"])
def buttons(request: pytest.FixtureRequest, world: World) -> ButtonStage:
    """Each platform with buttons in turn."""
    if request.param == "telegram":
        return TelegramStage(world, request.getfixturevalue("telegram_server"))
    return DiscordStage(world, request.getfixturevalue("discord_server"))


@pytest.fixture(params=["telegram", "discord", "console"])
def stage(request: pytest.FixtureRequest, world: World) -> Stage:
    """Each platform in turn."""
    if request.param == "telegram":
        server: TelegramServer = request.getfixturevalue("telegram_server")
        return TelegramStage(world, server)
    if request.param == "discord":
        return DiscordStage(world, request.getfixturevalue("discord_server"))
    return ConsoleStage(world)
