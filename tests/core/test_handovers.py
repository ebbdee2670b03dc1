"""A turn survives the end of its worker, of its database and of its release."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from core import inbox, quota
from core.db import Sessions
from core.quota import Rules
from core.settings import Limit
from core.turns import Outcome, Payer, Question, Speaker
from tests import postgres
from tests.core import rows
from tests.core.rows import NOW, ask, commit
from tests.dialogs.stages import DiscordStage, TelegramStage, World
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

RULES = Rules((Limit(10, "turns", "day"),), (Limit(1000, "usd", "day"),))


@asynccontextmanager
async def _refusing(url: str) -> AsyncIterator[None]:
    """Let the database end all connections and accept no new ones."""
    database = make_url(url).database
    with postgres.administer(make_url(url).set(database="postgres")) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )
        yield
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


@asynccontextmanager
async def _locking(url: str) -> AsyncIterator[None]:
    """Lock the table of turns; all other tables can be used, so processes see each other."""
    waiting = (
        "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with (
        postgres.administer(make_url(url)) as watch,
        postgres.administer(make_url(url)) as connection,
        connection.transaction(),
    ):
        connection.execute("LOCK TABLE turns IN ACCESS EXCLUSIVE MODE")
        yield
        # End waiting statements, as their timeout does: they start again after leases have ended.
        watch.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        await rows.until(
            lambda: asyncio.sleep(0, watch.execute(f"SELECT 1 {waiting}").rowcount > 1)
        )


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


def test_a_question_of_a_newer_release_can_be_read() -> None:
    stored = Question("Hello").dump() | {"mood": "glad", "attachments": []}
    assert Question.load(stored) == Question("Hello")


async def test_an_attempt_knows_that_its_answer_is_stored(sessions: Sessions, ada: Speaker) -> None:
    await ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    assert not await commit(sessions, lambda s: inbox.is_answered(s, turn))
    await rows.answer(sessions, turn)
    assert await commit(sessions, lambda s: inbox.is_answered(s, turn))
    older = replace(turn, attempt=turn.attempt - 1)
    assert not await commit(sessions, lambda s: inbox.is_answered(s, older))


async def test_a_call_with_an_unheard_commit_is_settled(sessions: Sessions, ada: Speaker) -> None:
    """The database committed a reservation and could not say so, so it is made once more."""
    await ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)

    async def reserve() -> None:
        await commit(
            sessions,
            lambda s: quota.reserve(s, turn, RULES, model="m", cost=100, turns=1, now=NOW),
        )

    await reserve()
    await commit(sessions, lambda s: quota.recover(s, turn, RULES, now=NOW))
    await reserve()
    [left] = await commit(
        sessions, lambda s: quota.remaining(s, Payer(ada.user_id), RULES, now=NOW)
    )
    assert left.left == 9


@pytest.mark.slow
async def test_the_shortest_lease_is_renewed_in_time(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running(lease_seconds=5):
        with model.hold():
            await stage.say("count to 30")
            await model.seen(1)
            leases = set[str]()

            def are_many() -> bool:
                """Return whether one lease followed another in time, three times in a row."""
                if not stage.records.one("SELECT lease_until > datetime('now') FROM turns"):
                    leases.clear()  # this machine stood still
                leases.add(stage.records.one("SELECT lease_until FROM turns"))
                return len(leases) == 4

            await eventually(are_many)
        await stage.records.idle(1)
    assert stage.records.one("SELECT attempt FROM turns") == 1


async def test_a_turn_that_ends_its_processes_leaves_no_call_open(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.process() as process:
        with model.hold():
            await stage.say("count to 30")
            await model.seen(1)
            process.kill()
            await process.wait()
    await stage.records.write("UPDATE turns SET deaths = 5")
    async with stage.running():
        await stage.records.idle(1)
    assert "Something went wrong" in stage.heard()
    assert stage.records.one("SELECT outcome FROM turns") == Outcome.FAILED
    assert stage.records.one("SELECT count(*) FROM calls WHERE settled_at IS NULL") == 0
    assert stage.records.drift() == []


@pytest.mark.slow
async def test_a_delivery_outlasts_a_database_that_is_away(
    stage: TelegramStage, model: ModelServer
) -> None:
    """The lease ends meanwhile, but no other process takes the turn, so it goes on."""
    model.enqueue("word " * 1500)
    async with stage.running(lease_seconds=5):
        await stage.say("Hello")
        await stage.server.wait(lambda: stage.server.answers(stage.chat))
        with stage.records.held():
            await eventually(lambda: _expired(stage))
        await stage.records.idle(1)
    assert stage.records.one("SELECT attempt FROM turns") == 1
    assert sum(said.text.count("word") for said in stage.server.answers(stage.chat)) == 1500


@pytest.mark.parametrize("away", [_refusing, _locking])
@pytest.mark.slow
async def test_nobody_is_taken_for_dead_while_the_database_was_away(
    model: ModelServer,
    telegram_server: TelegramServer,
    postgres_url: str,
    tmp_path: Path,
    away: Callable[[str], AbstractAsyncContextManager[None]],
) -> None:
    """All leases end meanwhile; each of two processes goes on with its own turns."""
    stage = TelegramStage(World(model, postgres_url, tmp_path), telegram_server)
    people = [telegram_server.person(2000 + number, f"P{number}") for number in range(6)]
    chats = [telegram_server.private(person) for person in people]
    async with stage.running(lease_seconds=5), stage.running(lease_seconds=5):
        with model.hold():
            for chat, person in zip(chats, people, strict=True):
                await telegram_server.say(chat, person, "count to 30")
            await model.seen(6)
            async with away(postgres_url):
                model.release()
                await asyncio.sleep(6)  # longer than a lease: that is the point
        await stage.records.idle(6)
    assert stage.records.one("SELECT max(attempt) FROM turns") == 1
    assert [len(telegram_server.answers(chat)) for chat in chats] == [1] * 6


async def test_a_full_process_takes_the_dead_for_dead(
    stage: TelegramStage, model: ModelServer
) -> None:
    """The process claims nothing while it is full, but it still reaches the database."""
    people = [stage.server.person(2000 + number, f"P{number}") for number in range(2)]
    chats = [stage.server.private(person) for person in people]
    async with stage.running(lease_seconds=5, concurrency=1):
        with model.hold():
            await stage.say("Hello")
            await model.seen(1)
            for chat, person in zip(chats, people, strict=True):
                await stage.server.say(chat, person, "Hello")
            await eventually(lambda: stage.records.turns() == 3)
            await stage.records.write(
                "UPDATE turns SET worker_id = 'dead', attempt = 1, lease_until = created_at"
                " WHERE id = 2"
            )
            began = stage.records.one("SELECT lease_until FROM turns WHERE id = 1")
            await eventually(lambda: _renewed(stage, began) >= 2)
        await stage.records.idle(3)
    [first, *_] = stage.records.all("SELECT id FROM turns WHERE id > 1 ORDER BY answered_at")
    assert first.id == 2, "the turn of the dead process was passed over"


async def test_a_question_that_missed_its_call_is_found_between_two_renewals(
    stage: TelegramStage,
) -> None:
    async with stage.running(lease_seconds=3600):
        await stage.say("Hello")
        await stage.records.idle(1)
        await stage.records.write(
            "UPDATE turns SET line = NULL, delivered_at = NULL, answered_at = NULL, outcome = NULL"
        )
        await stage.records.idle(1)


def _renewed(stage: TelegramStage, began: str) -> float:
    """Return the seconds by which the first turn's lease was extended."""
    query = "SELECT (julianday(lease_until) - julianday(:began)) * 86400 FROM turns WHERE id = 1"
    return float(stage.records.one(query, began=began))


def _expired(stage: TelegramStage) -> bool:
    """Return True if the lease of the turn has run out."""
    query = "SELECT count(*) FROM turns WHERE lease_until < datetime('now')"
    return bool(stage.records.one(query))


async def test_a_message_that_a_repeated_create_returns_gets_the_new_text(
    model: ModelServer, discord_server: DiscordServer, sqlite_url: str, tmp_path: Path
) -> None:
    """The process died between a preview's create and the storing of its id, then the answer was
    stored: the repeated create returns the preview."""
    stage = DiscordStage(World(model, sqlite_url, tmp_path), discord_server)
    async with stage.process() as process:
        with model.hold():
            await stage.say("count to 30")
            await discord_server.wait(lambda: discord_server.answers(stage.channel))
            process.kill()
            await process.wait()
    await stage.records.write("UPDATE posts SET message_id = NULL WHERE part = 0")
    await stage.records.write(
        "UPDATE turns SET answer = 'All of it.', outcome = 'ok', answered_at = created_at"
    )
    async with stage.running():
        await stage.records.idle(1)
    [answer] = discord_server.answers(stage.channel)
    assert (answer.content, answer.buttons) == ("All of it.", [])


async def test_after_a_crash_an_answer_waits_for_those_before_it(
    stage: TelegramStage, model: ModelServer
) -> None:
    """Two answers are stored and not delivered, and a third question is not answered yet."""
    async with stage.process() as process:
        with model.hold():
            for number in (1, 2, 3):
                await stage.say(f"say number {number}")
            await eventually(lambda: stage.records.turns() == 3)
            process.kill()
            await process.wait()
    await stage.records.write(
        "UPDATE turns SET answer = 'number ' || id, outcome = 'ok', answered_at = created_at"
        " WHERE id < 3"
    )
    async with stage.running():
        await stage.records.idle(3)
    said = [message.text for message in stage.server.answers(stage.chat)]
    assert [text for text in said if text.startswith("number")] == [
        "number 1",
        "number 2",
        "number 3",
    ]


async def test_a_turn_that_may_end_its_process_runs_alone(
    stage: TelegramStage, model: ModelServer
) -> None:
    with model.hold():
        async with stage.process() as process:
            await stage.say("suspect")
            await model.seen(1)
            process.kill()
            await process.wait()
    await stage.records.write("UPDATE turns SET deaths = 2")
    with model.hold():
        async with stage.running():
            await model.seen(2)
            for number in range(5):
                person = stage.server.person(2000 + number, f"P{number}")
                await stage.server.say(stage.server.private(person), person, "innocent")
            await eventually(lambda: stage.records.turns() == 6)
            assert len(model.requests) == 2, "nothing runs beside it"
            model.release()
            await stage.records.idle(6)
    assert len(model.requests) == 7
    assert stage.records.all("SELECT DISTINCT outcome FROM turns") == [(Outcome.OK,)]
