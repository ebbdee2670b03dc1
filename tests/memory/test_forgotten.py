"""A question whose text was deleted is never asked again as nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from core import operations, privacy
from core.adapter import ChangeKind
from core.words import FORGOTTEN
from tests.core.rows import commit
from tests.fakes.model import ModelServer
from tests.memory.desk import Desk, desk
from tests.records import Records


@pytest.fixture
async def failed(sqlite_url: str, model: ModelServer) -> AsyncIterator[Desk]:
    """Somebody whose first question failed, as far as the database knows."""
    async with desk(sqlite_url, model) as ada:
        await ada.ask("What is a zebra?")
        await Records(sqlite_url).write("UPDATE turns SET outcome = 'failed'")
        yield ada


async def forget(here: Desk, how: str) -> None:
    """Let a person or the age of a question delete it."""
    if how == "forget":
        await here.ask("/forget yes")
    else:
        await privacy.expire(here.sessions, before=datetime.now(UTC))


def posts(here: Desk) -> list[str]:
    return [said for _, said in here.paper.posts.values()]


@pytest.mark.parametrize("how", ["forget", "expire"])
async def test_try_again_says_that_the_question_is_gone(failed: Desk, how: str) -> None:
    answer = next(iter(failed.paper.posts))
    await forget(failed, how)
    assert await failed.change(ChangeKind.REGENERATE, answer) == FORGOTTEN
    await failed.settled()
    assert len(failed.model.requests) == 1


async def test_try_again_below_a_good_answer_says_it_too(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model) as ada:
        await ada.ask("What is a zebra?")
        answer = next(iter(ada.paper.posts))
        await forget(ada, "expire")
        assert await ada.change(ChangeKind.REGENERATE, answer) == FORGOTTEN
        await ada.settled()
    assert len(model.requests) == 1


async def test_retry_says_that_the_question_is_gone(failed: Desk) -> None:
    await forget(failed, "expire")
    assert await failed.ask("/retry") == FORGOTTEN
    assert len(failed.model.requests) == 1


@pytest.mark.parametrize("how", ["forget", "expire"])
async def test_an_edit_does_not_bring_it_back(
    sqlite_url: str, model: ModelServer, how: str
) -> None:
    async with desk(sqlite_url, model) as ada:
        question = await ada.say("What is a zebra?")
        await ada.settled()
        await Records(sqlite_url).write("UPDATE turns SET outcome = 'failed'")
        await forget(ada, how)
        before = posts(ada)
        await ada.change(ChangeKind.EDITED, question, "What is a horse?")
        await ada.settled()
        assert posts(ada) == before
    assert len(model.requests) == 1


@pytest.mark.parametrize("outcome", ["failed", "undeliverable"])
async def test_the_operator_cannot_retry_it(failed: Desk, sqlite_url: str, outcome: str) -> None:
    await Records(sqlite_url).write("UPDATE turns SET outcome = :outcome", outcome=outcome)
    await forget(failed, "expire")
    now = datetime.now(UTC)
    assert await commit(failed.sessions, lambda s: operations.retry(s, [1], now=now)) == []
