"""Fixtures: sessions beside the bot's own."""

from collections.abc import AsyncIterator

import pytest

from core.db import Sessions
from tests.core.conftest import connected


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Sessions on a fresh database, once on each engine."""
    async with connected(database_url) as sessions:
        yield sessions
