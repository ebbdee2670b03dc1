"""A plain turn takes a known number of statements, counted in the running bot."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.db import is_sqlite
from tests.bench.queries import Asked, counted, fill, plain_turn, running
from tests.bench.stage import Person, Stage
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually


@pytest.fixture
async def ada(database_url: str, model: ModelServer, tmp_path: Path) -> AsyncIterator[Person]:
    """A person in a private chat with the bot, on either database."""
    async with TelegramServer(flood=False) as telegram:
        yield person(Stage("", database_url, tmp_path, model, telegram))


def person(stage: Stage) -> Person:
    """The first person."""
    return stage.people(1)[0]


def few(ada: Person) -> int:
    """Return the most statements of a turn."""
    return 16 if is_sqlite(ada.stage.url) else 14


async def usual(ada: Person, enough: int) -> Asked:
    """Count the statements of a turn of a known person, of several if leases are renewed beside."""
    async with running(ada.stage):
        await plain_turn(ada, times=1)
        return await plain_turn(ada, times=20, enough=enough)


async def test_a_plain_turn_takes_few_statements_and_transactions(ada: Person) -> None:
    asked = await usual(ada, few(ada))
    assert 0 < asked.statements <= few(ada)
    assert 0 < asked.transactions <= 6


@pytest.mark.slow
async def test_a_long_conversation_takes_no_more_statements(ada: Person) -> None:
    before = await usual(ada, few(ada))
    fill(ada.stage.url, 1000)
    assert (await usual(ada, before.statements)).statements <= before.statements


async def test_processes_that_can_take_no_more_do_not_keep_calling_each_other(
    postgres_url: str, model: ModelServer, tmp_path: Path
) -> None:
    async with TelegramServer(flood=False) as telegram:
        stage = Stage("", postgres_url, tmp_path, model, telegram)
        with model.hold():
            async with running(stage, concurrency=1), running(stage, concurrency=1):
                for each in stage.people(4):
                    await each.say("hello")
                await model.seen(2)
                await eventually(lambda: stage.records.busy() == 4)
                with counted() as asked:
                    await asyncio.sleep(1)  # nothing happens: that is the point
    # Leases are renewed meanwhile, drafts saved, the inbox looked at.
    assert asked.transactions < 20
