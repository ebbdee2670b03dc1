"""Announcements through the whole bot, on the wire."""

import asyncio

from core import announcements
from core.db import Sessions
from tests.announcements.audience import begin, gather, received
from tests.bot import bot
from tests.core.rows import commit
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import PATIENCE


def values(
    url: str, server: TelegramServer, model: ModelServer, **more: object
) -> dict[str, object]:
    return {
        "database_url": url,
        "model_api_key": "test-key",
        "model_api_url": model.url,
        "telegram_token": server.token,
        "telegram_api_url": server.url,
        **more,
    }


async def finished(sessions: Sessions, announcement_id: int) -> announcements.Progress:
    """Wait until an announcement is done; return its figures."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await commit(sessions, lambda s: announcements.progress(s, announcement_id))
            assert found is not None
            if found.state == "done":
                return found
            await asyncio.sleep(0.1)


async def test_everybody_gets_it_once(
    sessions: Sessions, database_url: str, model: ModelServer, telegram_server: TelegramServer
) -> None:
    people = await gather(sessions, telegram_server, 40)
    blocked = people[3]
    telegram_server.private(telegram_server.person(blocked, "")).blocked = True
    async with bot("telegram", **values(database_url, telegram_server, model)):
        begun = await begin(sessions)
        done = await finished(sessions, begun)
    found = received(telegram_server, people)
    assert {number for number in people if found[number] != 1} == {blocked}
    assert (done.people, done.sent, done.refused, done.waiting) == (40, 39, 1, 0)
    assert telegram_server.violations == []
