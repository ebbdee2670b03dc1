"""The stages on which accounts are linked: a person with a chat on each platform."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from core.db import Sessions
from tests.bot import Process, bot, process
from tests.core.conftest import connected
from tests.dialogs.stages import DiscordStage, TelegramStage, World, env
from tests.fakes.discord import DiscordServer
from tests.fakes.telegram import TelegramServer


@dataclass
class Pair:
    """A person's private chats on two platforms."""

    world: World
    telegram: TelegramStage
    discord: DiscordStage

    @asynccontextmanager
    async def running(self, **values: object) -> AsyncIterator[None]:
        """Run Parley on both platforms, with additional settings."""
        every = self.telegram.values() | self.discord.values() | values
        async with bot("telegram", "discord", **every):
            await self.discord.met()
            yield

    @asynccontextmanager
    async def process(self, **values: object) -> AsyncIterator[Process]:
        """Run Parley on both platforms as a process that can be killed."""
        every = env(self.telegram.values() | self.discord.values() | values)
        log = self.world.directory / "log"
        async with process("telegram", "discord", log=log, environment=every) as started:
            yield started


@pytest.fixture
def world(either_world: World) -> World:
    """The surroundings of all stages here, once on each engine."""
    return either_world


@pytest.fixture
def pair(world: World, telegram_server: TelegramServer, discord_server: DiscordServer) -> Pair:
    """A chat on each platform."""
    return Pair(world, TelegramStage(world, telegram_server), DiscordStage(world, discord_server))


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Sessions on a fresh database."""
    async with connected(database_url) as opened:
        yield opened
