"""Processes die at any moment of an announcement: nobody gets it twice, and nobody is left out."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from core.db import Sessions
from tests.announcements.audience import begin, gather, received
from tests.announcements.test_announcements import values
from tests.bot import process
from tests.dialogs.stages import env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import PATIENCE, Records, eventually

KILLS = int(os.environ.get("KILLS", "3"))
WEARY = "SELECT count(*) FROM turns WHERE delivered_at IS NULL AND deaths >= 4"
"""Turns that are left in peace for a while: further deaths would end them, and should."""
EACH = 12
"""The people for each kill."""


@pytest.mark.chaos
async def test_kills_double_nothing_and_leave_nobody_out(
    sessions: Sessions,
    database_url: str,
    model: ModelServer,
    telegram_server: TelegramServer,
    tmp_path: Path,
) -> None:
    server, choice = telegram_server, random.Random(7)
    people = await gather(sessions, server, EACH * (KILLS + 1))
    await begin(sessions)
    records = Records(database_url)
    environment = env(values(database_url, server, model, lease_seconds=5))

    def is_over() -> bool:
        """Return whether a slow test has let the bot tell everybody before the last kill."""
        return all(received(server, people).values())

    for kill in range(KILLS):
        async with process("telegram", log=tmp_path / f"log{kill}", environment=environment) as bot:
            before = len(server.calls)
            await eventually(lambda: not records.one(WEARY))
            moment = before + choice.randrange(3, 20)
            await server.wait(
                lambda: len(server.calls) >= moment or is_over(),  # noqa: B023
                timeout=PATIENCE,
            )
            await asyncio.sleep(choice.random() * 0.1)
            bot.kill()
            await bot.wait()
    left = "SELECT count(*) FROM turns WHERE delivered_at IS NULL"
    async with process("telegram", log=tmp_path / "last", environment=environment):
        await eventually(
            lambda: (
                records.one("SELECT count(*) FROM walks WHERE ended_at IS NOT NULL") == 1
                and records.one(left) == 0
            )
        )
    found = received(server, people)
    assert {number: times for number, times in found.items() if times != 1} == {}
