"""A person who asks in fifty groups at once gets as many answers as their limit allows, and a
group gives as many as its own."""

import contextlib

import pytest
from sqlalchemy import make_url

from core import db, quota
from core.quota import Group, Rules
from tests.bot import hasty_bot
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import Records
from tests.windows import whole

GROUPS = 50
EACH = {"sqlite": 20, "postgresql": 6}
"""The questions in each group: two processes only need longer for more of them."""
MOST, MOST_IN_ONE = 100, 7
WITHIN = 280
"""The seconds after which turns are taken to be lost."""

ANSWERED = "SELECT count(*) FROM turns WHERE kind = 'chat' AND outcome = 'ok'"
REFUSED = "SELECT count(*) FROM turns WHERE outcome = 'refused'"
COUNTED = "SELECT sum(turns) FROM calls WHERE settled_at IS NOT NULL"
IN_THE_GROUP = "SELECT sum(turns) FROM calls WHERE group_id = 1"


async def limit_a_group(url: str, chat: str) -> None:
    """Give a group a limit of its own, as an operator does."""
    sessions = db.connect(url)
    terms = f"{MOST_IN_ONE} turns/day"
    try:
        await sessions.run(lambda s: quota.allow(s, Group("telegram", chat), terms, Rules()))
    finally:
        sessions.close()


@pytest.mark.slow
@pytest.mark.timeout(WITHIN + 135)
async def test_questions_in_fifty_groups_get_as_many_answers_as_the_limit(
    database_url: str, model: ModelServer
) -> None:
    engine = make_url(database_url).get_backend_name()
    questions = GROUPS * EACH[engine]
    async with TelegramServer(flood=False) as telegram, contextlib.AsyncExitStack() as bots:
        ada = telegram.person(7, "Ada")
        await whole(3600, needed=120)
        groups = [telegram.group(-(1000 + number), f"Group {number}") for number in range(GROUPS)]
        await limit_a_group(database_url, str(groups[0].id))
        for _ in range(1 if engine == "sqlite" else 2):
            await bots.enter_async_context(
                hasty_bot(
                    "telegram",
                    database_url=database_url,
                    quota=f"{MOST} turns/day",
                    budget="",
                    requests_per_minute=1_000_000,
                    pending_turns=1_000_000,
                    model_api_key="test-key",
                    model_api_url=model.url,
                    telegram_token=telegram.token,
                    telegram_api_url=telegram.url,
                )
            )
        for number in range(questions):
            await telegram.say(groups[number % GROUPS], ada, f"@{telegram.username} say {number}")
        records = Records(database_url)
        await records.idle(questions, within=WITHIN)

        assert records.one(COUNTED) == records.one(ANSWERED) == MOST
        assert records.one(REFUSED) == questions - MOST
        assert records.one(IN_THE_GROUP) <= MOST_IN_ONE
        assert len(model.requests) == MOST
        assert records.drift() == []
