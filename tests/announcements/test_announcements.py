"""Announcements through the whole bot, on the wire."""

import asyncio

import pytest

from core import announcements
from core.db import Sessions
from tests.announcements.audience import SHOWN, begin, gather, received
from tests.bot import bot
from tests.core.rows import commit
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.fakes.telegram.methods import RATED
from tests.records import PATIENCE, Records, eventually


def values(
    url: str, server: TelegramServer, model: ModelServer, **more: object
) -> dict[str, object]:
    """The settings of a bot on Telegram."""
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


@pytest.mark.slow
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
    assert rate(telegram_server) <= 22, "calls in the busiest second"


def rate(server: TelegramServer) -> int:
    """Return the most calls in any second that a flood limit counts."""
    times = [call.at for call in server.calls if call.method in RATED]
    return max((sum(at <= other < at + 1 for other in times) for at in times), default=0)


@pytest.mark.slow
async def test_it_stops_and_goes_on(
    sessions: Sessions, database_url: str, model: ModelServer, telegram_server: TelegramServer
) -> None:
    server = telegram_server
    people = await gather(sessions, server, 90)
    async with bot("telegram", **values(database_url, server, model)):
        begun = await begin(sessions)
        await server.wait(lambda: sum(received(server, people).values()) >= 5)
        assert await commit(sessions, lambda s: announcements.stop(s, begun))
        assert not await commit(sessions, lambda s: announcements.stop(s, begun))
        records = Records(database_url)
        await eventually(lambda: not records.busy())
        stopped = sum(received(server, people).values())
        await asyncio.sleep(3)  # a step would come in this time
        assert sum(received(server, people).values()) == stopped < 90
        assert await commit(sessions, lambda s: announcements.resume(s, begun))
        await server.wait(lambda: sum(received(server, people).values()) == 90)
    assert set(received(server, people).values()) == {1}
    assert server.violations == []


@pytest.mark.slow
async def test_answers_go_first_and_their_people_wait_for_nothing(
    sessions: Sessions, database_url: str, model: ModelServer, telegram_server: TelegramServer
) -> None:
    """Somebody who talks gets the announcement behind their answer, not within it."""
    server = telegram_server
    people = await gather(sessions, server, 30)
    ada = server.person(people[-1], "Ada")
    chat = server.private(ada)
    records = Records(database_url)
    async with bot("telegram", **values(database_url, server, model)):
        with model.hold():
            await server.say(chat, ada, "count to 100")
            await records.posted()
            await begin(sessions)
            await server.wait(lambda: sum(received(server, people).values()) == 29)
            assert received(server, [ada.id])[ada.id] == 0
        await server.wait(lambda: received(server, [ada.id])[ada.id] == 1)
    answer, announced = [message.text for message in server.answers(chat)]
    assert answer.endswith("100")
    assert announced == SHOWN
