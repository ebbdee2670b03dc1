"""Processes that die, are cut off or are stopped beside others on one PostgreSQL.

Leases of turns are far longer than the tests, so that what is taken over was seen to be free.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.bot import Process, process
from tests.chaos.proxy import Proxy, proxy
from tests.dialogs.stages import TelegramStage, World, env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import Chat, TelegramServer, User
from tests.records import eventually

PEOPLE = 4
LONG = "600"
HOLDER = "SELECT worker_id FROM listeners"
WAITING = "SELECT count(*) FROM turns WHERE worker_id IS NULL AND delivered_at IS NULL"
IN_HAND = "SELECT count(*) FROM turns WHERE id = 1 AND delivered_at IS NULL"
PRESENT = "SELECT count(*) FROM workers WHERE session IS NOT NULL"

FAR = "far"
"""The name of the connections that lead through a network."""
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"


class Fleet:
    """A stage with several processes on it, and some people."""

    def __init__(self, stage: TelegramStage, url: str) -> None:
        self.stage = stage
        self.url = url
        self.people = [stage.server.person(2000 + number, f"P{number}") for number in range(PEOPLE)]
        self.chats = [stage.server.private(person) for person in self.people]

    def start(
        self, name: str, url: str | None = None, **more: str
    ) -> AbstractAsyncContextManager[Process]:
        """A process of the fleet; by default it dies by its lock alone."""
        values = env(self.stage.values(quota="", budget="", database_url=url or self.url))
        log = self.stage.world.directory / name
        return process("telegram", log=log, environment={**values, "LEASE_SECONDS": LONG, **more})

    async def present(self, number: int) -> None:
        """Wait until so many processes have a session."""
        await eventually(lambda: self.stage.records.one(PRESENT) == number)

    async def ask(self, text: str, people: slice = slice(None)) -> None:
        """Let people say something, each in a private chat."""
        for chat, person in zip(self.chats[people], self.people[people], strict=True):
            await self.stage.server.say(chat, person, text)

    def answers(self) -> list[list[str]]:
        """Return the texts that each person sees."""
        return [[said.text for said in self.stage.server.answers(chat)] for chat in self.chats]

    def listener(self) -> str | None:
        """Return the process that has the lease to listen."""
        found = self.stage.records.all(HOLDER)
        return found[0].worker_id if found else None


@pytest.fixture
def fleet(
    model: ModelServer, telegram_server: TelegramServer, postgres_url: str, tmp_path: Path
) -> Fleet:
    return Fleet(TelegramStage(World(model, postgres_url, tmp_path), telegram_server), postgres_url)


@pytest.fixture
async def way(postgres_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A network to the database that can be cut, with the URL that leads through it."""
    here = make_url(postgres_url)
    async with proxy(f"{here.query['host']}/.s.PGSQL.5432") as between:
        query = {"application_name": FAR}
        there = here.set(host="127.0.0.1", port=between.port, query=query)
        yield between, there.render_as_string(hide_password=False)


async def test_what_a_killed_process_had_is_taken_over_at_once(
    fleet: Fleet, model: ModelServer
) -> None:
    records = fleet.stage.records
    async with fleet.start("one") as one:
        await fleet.stage.server.wait(lambda: fleet.stage.server.polling)
        first = fleet.listener()
        async with fleet.start("two") as two:
            await fleet.present(2)
            with model.hold():
                await fleet.ask("count to 30")
                await model.seen(PEOPLE)
                one.kill()
                await one.wait()
                await eventually(lambda: fleet.listener() not in (None, first))
                model.release()
            await records.idle(PEOPLE)
            await fleet.ask("Hello")
            await records.idle(2 * PEOPLE)
        told = "\n".join(two.lines())
    assert told.index("is dead; its turns are taken over") < told.index("listening on telegram")
    assert [len(said) for said in fleet.answers()] == [2] * PEOPLE
    assert all(said[0].endswith("30") for said in fleet.answers())
    assert records.one("SELECT max(attempt) FROM turns") <= 2


async def test_the_next_process_takes_over_from_one_that_died_alone(
    fleet: Fleet, model: ModelServer
) -> None:
    async with fleet.start("one") as one:
        await fleet.present(1)
        with model.hold():
            await fleet.ask("count to 30")
            await model.seen(PEOPLE)
            one.kill()
            await one.wait()
    async with fleet.start("two"):
        await fleet.stage.records.idle(PEOPLE)
    assert [len(said) for said in fleet.answers()] == [1] * PEOPLE


async def test_a_process_that_loses_its_connections_goes_on(
    fleet: Fleet, model: ModelServer, way: tuple[Proxy, str]
) -> None:
    between, url = way
    async with fleet.start("one", url) as one:
        await fleet.present(1)
        async with fleet.start("two"):
            await fleet.present(2)
            with model.hold():
                await fleet.ask("count to 30")
                await model.seen(PEOPLE)
                for _ in range(3):
                    between.reset()
                    await eventually(lambda: "its session is lost" in one.log.read_text())
                    await fleet.present(2)
                model.release()
            await fleet.stage.records.idle(PEOPLE)
    assert [len(said) for said in fleet.answers()] == [1] * PEOPLE
    assert fleet.stage.records.one("SELECT max(attempt) FROM turns") == 1
    assert fleet.stage.records.one("SELECT max(deaths) FROM turns") == 0


@pytest.mark.slow
async def test_a_process_that_is_cut_off_writes_nothing_after_another_took_over(
    fleet: Fleet, model: ModelServer, way: tuple[Proxy, str]
) -> None:
    """The server saw the end of all its sessions, and it saw nothing."""
    between, url = way
    records, server = fleet.stage.records, fleet.stage.server
    async with fleet.start("one", url):
        await fleet.present(1)
        async with fleet.start("two"):
            await fleet.present(2)
            with model.hold():
                await fleet.ask("count to 60")
                await model.seen(PEOPLE)
                await eventually(lambda: all(fleet.answers()))
                between.silence()
                await asyncio.to_thread(records.all, END, name=FAR)
                await eventually(lambda: len(model.requests) >= 2 * PEOPLE)
                model.release()
                await records.idle(PEOPLE)
                said = fleet.answers()
                between.heal()
                between.reset()
                await fleet.present(2)
            await fleet.ask("Hello")
            await records.idle(2 * PEOPLE)
    assert [each[:1] for each in fleet.answers()] == said
    assert [len(each) for each in fleet.answers()] == [2] * PEOPLE
    assert server.polling is False


@pytest.mark.slow
async def test_a_stopped_process_is_replaced_by_its_lease_and_doubles_nothing(
    fleet: Fleet, model: ModelServer
) -> None:
    records = fleet.stage.records
    async with fleet.start("one", LEASE_SECONDS="5") as one:
        await fleet.present(1)
        async with fleet.start("two", LEASE_SECONDS="5"):
            await fleet.present(2)
            with model.hold():
                await fleet.ask("count to 60")
                await model.seen(PEOPLE)
                one.process.send_signal(signal.SIGSTOP)
                try:
                    await model.seen(2 * PEOPLE)
                    model.release()
                    await records.idle(PEOPLE)
                    said = fleet.answers()
                finally:
                    one.process.send_signal(signal.SIGCONT)
            await fleet.present(2)
            await fleet.ask("Hello")
            await records.idle(2 * PEOPLE)
    assert [each[:1] for each in fleet.answers()] == said
    assert [len(each) for each in fleet.answers()] == [2] * PEOPLE


async def test_in_a_deploy_nobody_waits_for_the_process_that_leaves(
    fleet: Fleet, model: ModelServer
) -> None:
    """It has an answer in hand that does not end; meanwhile the next one answers everybody."""
    records, server = fleet.stage.records, fleet.stage.server
    ada, group = fleet.stage.ada, fleet.stage.group(*fleet.people)
    async with fleet.start("one", DRAIN_SECONDS="600") as one:
        await fleet.present(1)
        with model.hold():
            await say_in(fleet, group, ada, "count to 40")
            await model.seen(1)
            async with fleet.start("two"):
                await fleet.present(2)
                one.terminate()
                await eventually(lambda: len(records.all(HOLDER)) == 1)
                await fleet.ask("Hello")
                for person in fleet.people:
                    await say_in(fleet, group, person, "Hello")
                await eventually(lambda: records.turns() == 1 + 2 * PEOPLE)
                await eventually(lambda: records.one(WAITING) == 0)
                assert records.one(IN_HAND) >= 1, "the old process still answers"
                model.release()
                await records.idle(1 + 2 * PEOPLE)
                assert await one.wait() == 0
    assert [len(said) for said in fleet.answers()] == [1] * PEOPLE
    assert len(server.answers(group)) == 1 + PEOPLE
    assert records.one("SELECT max(attempt) FROM turns") == 1


async def say_in(fleet: Fleet, group: Chat, person: User, text: str) -> None:
    """Let somebody ask the bot in a group."""
    await fleet.stage.server.say(group, person, f"@{fleet.stage.server.username} {text}")
