"""Fixtures: sessions on databases with an empty schema, and a person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Sessions]:
    """Sessions as the bot has them, with as many connections as several processes would use."""
    sessions = db.connect(url, connections=20)
    try:
        yield sessions
    finally:
        sessions.close()
