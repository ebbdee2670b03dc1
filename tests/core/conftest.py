"""Fixtures: sessions on databases with an empty schema, a person, and the time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from core import db
from core.db import Sessions
from core.turns import Speaker
from tests.core import rows


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Sessions on a fresh database, once on each engine."""
    async with connected(database_url) as sessions:
        yield sessions


@pytest.fixture
async def postgres_sessions(postgres_url: str) -> AsyncIterator[Sessions]:
    """Sessions on a fresh PostgreSQL database, for tests of several processes."""
    async with connected(postgres_url) as sessions:
        yield sessions


@pytest.fixture
async def sqlite_sessions(sqlite_url: str) -> AsyncIterator[Sessions]:
    """Sessions on a fresh SQLite database."""
    async with connected(sqlite_url) as sessions:
        yield sessions


@pytest.fixture
async def ada(sessions: Sessions) -> Speaker:
    """A person in a private chat with the bot."""
    return await rows.speaker(sessions)


@dataclass
class Ahead:
    """The seconds by which a test has moved the event loop's time on.

    A limit of minutes that ends in this way is not touched by a machine that stands still for a
    few seconds.
    """

    seconds: float = 0.0

    async def until(self, happened: Callable[[], bool], step: float) -> None:
        """Let time pass in large steps until something happens."""
        while not happened():
            self.seconds += step
            await asyncio.sleep(0.01)


@pytest.fixture
async def ahead(monkeypatch: pytest.MonkeyPatch) -> Ahead:
    """The time, which a test can move on."""
    moved, loop = Ahead(), asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + moved.seconds)
    return moved


@asynccontextmanager
async def connected(url: str, connections: int = 20) -> AsyncIterator[Sessions]:
    """Sessions as the bot has them, with as many connections as several processes would use."""
    sessions = db.connect(url, connections)
    try:
        yield sessions
    finally:
        sessions.close()
