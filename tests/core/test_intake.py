"""The core stores an event, or the platform keeps it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import commands, intake
from core.intake import Intake
from core.quota import Rules
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import NOW, message


async def test_what_cannot_be_stored_is_not_tried_for_ever(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The database refuses it each time, though nobody else stores it."""
    refuse = "CREATE TRIGGER no BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'no'); END"
    caplog.set_level("INFO")
    async with connected(sqlite_url) as sessions:
        await rows.commit(sessions, lambda session: session.execute(text(refuse)))
        heard = Intake(
            sessions,
            commands.Offer(Rules((), ()), "m"),
            now=lambda: NOW,
            accepted=lambda at: None,
            changed=lambda: None,
        )
        async with asyncio.timeout(5):
            with pytest.raises(IntegrityError):
                await heard.handle(message("1"))
    assert caplog.text.count("came twice") == intake.LOOKS - 1
