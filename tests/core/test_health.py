"""The look at a process: what the database tells, and one that does not answer in time."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.db import Sessions
from core.health import Health
from core.vitals import State
from tests.core import rows
from tests.core.rows import HOME, NOW, ask, speaker
from tests.memory.desk import Paper

ACCOUNT = HOME.platform, HOME.bot_id
LOCK = text("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")


def health(sessions: Sessions, paper: Paper) -> Health:
    return Health(
        sessions,
        [HOME.platform],
        adapters=lambda: {ACCOUNT: paper},
        states=lambda: {ACCOUNT: State.LISTENING},
        running=lambda: 3,
        stopping=lambda: False,
        now=lambda: NOW + timedelta(seconds=40),
    )


async def test_the_oldest_turn_that_waits_is_told(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.health.PATIENCE", 60.0)
    look = health(sessions, Paper())
    vitals = await look.look()
    assert (vitals.waiting, vitals.oldest_waiting, vitals.running) == (0, None, 3)
    assert vitals.problem == ""
    await ask(sessions, await speaker(sessions), "1")
    look = health(sessions, Paper())
    vitals = await look.look()
    assert vitals.waiting == 1
    assert vitals.oldest_waiting == 40


async def test_a_database_that_hangs_is_told_in_time(
    postgres_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.health.PATIENCE", 0.2)
    monkeypatch.setattr("core.health.KEPT", 0.0)
    look = health(postgres_sessions, Paper())
    async with rows.begin(postgres_sessions) as holding:
        await holding.execute(LOCK)
        first, second = await asyncio.gather(look.look(), look.look())
        assert first.database_seconds is second.database_seconds is None
        assert first.unready == "The database does not answer."
    async with asyncio.timeout(60):
        while (await look.look()).unready:
            pass


async def test_an_account_that_was_dismissed_is_told(sessions: Sessions) -> None:
    look = health(sessions, Paper())
    look.adapters = dict
    [account] = (await look.look()).accounts
    assert account.state is State.REFUSED
