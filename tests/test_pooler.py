"""PostgreSQL behind a pooler in transaction mode, as hosts offer it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from core import schema
from core.errors import SettingsError
from core.presence import Presence
from tests import postgres
from tests.bot import Process, process
from tests.core.crews import Quiet
from tests.dialogs.stages import TelegramStage, World, env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.pgbouncer import BINARY, pooling

pytestmark = pytest.mark.skipif(BINARY is None, reason="PgBouncer is not installed")

QUESTIONS = 100
CHATS = 10


@pytest.fixture
async def pooled(postgres_url: str) -> AsyncIterator[str]:
    async with pooling(postgres_url) as url:
        yield url


@pytest.mark.slow
async def test_two_workers_and_a_rolling_deploy_behind_a_pooler_lose_nothing(
    pooled: str, model: ModelServer, telegram_server: TelegramServer, tmp_path: Path
) -> None:
    stage = TelegramStage(World(model, pooled, tmp_path), telegram_server)
    settings = env(stage.values(quota="", budget=""))
    people = [telegram_server.person(2000 + number, f"P{number}") for number in range(CHATS)]
    chats = [telegram_server.private(person) for person in people]

    def release(number: int) -> AbstractAsyncContextManager[Process]:
        log = tmp_path / f"log-{number}"
        return process("telegram", log=log, environment=settings)

    async def ask(first: int, last: int) -> None:
        for number in range(first, last):
            who = number % CHATS
            await telegram_server.say(chats[who], people[who], f"Question {number}")

    def answers() -> list[int]:
        return [len(telegram_server.answers(chat)) for chat in chats]

    async with asyncio.timeout(240), release(0) as one, release(1) as two:
        await ask(0, QUESTIONS // 2)
        await telegram_server.wait(lambda: sum(answers()) >= QUESTIONS // 4)
        async with release(2) as three, release(3) as four:
            await _stop(one)
            await ask(QUESTIONS // 2, QUESTIONS)
            await _stop(two)
            await stage.records.idle(QUESTIONS)
            await _stop(three)
            await _stop(four)
    assert answers() == [QUESTIONS // CHATS] * CHATS
    for number in range(4):
        lines = (tmp_path / f"log-{number}").read_text().splitlines()
        assert not [line for line in lines if " ERROR " in line]


async def _stop(running: Process) -> None:
    running.terminate()
    assert await running.wait() == 0


async def test_each_transaction_behind_a_pooler_has_its_limits(pooled: str) -> None:
    async with schema.serving(f"{pooled}?pgbouncer=true&connection_limit=1") as sessions:
        assert sessions.is_pooled
        for _ in range(10):  # often enough for a statement to be prepared elsewhere
            for single in (True, False):
                limit = await sessions.run(
                    lambda s: s.scalar(text("SHOW statement_timeout")), single=single
                )
                assert limit == "15s"


async def test_a_direct_connection_is_no_pooler(postgres_url: str) -> None:
    async with schema.serving(postgres_url) as sessions:
        assert not sessions.is_pooled


async def test_a_pooler_lends_no_session_and_is_not_asked_again(
    pooled: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with asyncio.timeout(120), schema.serving(pooled) as sessions:
        present = Presence(sessions, "one")
        await present.run(pooled, Quiet())
        assert present.is_sure()
    assert "DATABASE_DIRECT_URL" in caplog.text


async def test_tables_are_not_changed_through_a_pooler(pooled: str, postgres_url: str) -> None:
    with psycopg.connect(postgres.conninfo(make_url(postgres_url))) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    with pytest.raises(SettingsError, match="DATABASE_DIRECT_URL"):
        await asyncio.to_thread(schema.migrate, pooled)
    await asyncio.to_thread(schema.migrate, postgres_url)
    async with schema.serving(pooled):
        pass


async def test_a_role_that_may_create_nothing_serves_but_cannot_migrate(
    postgres_url: str, postgres_server: object
) -> None:
    role = make_url(postgres_url).database or ""
    with psycopg.connect(postgres.conninfo(make_url(postgres_url)), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 2")
        admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        admin.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
        admin.execute("REVOKE CREATE ON SCHEMA public FROM public")
        theirs = postgres.render(make_url(postgres_url).set(username=role))
        async with schema.serving(theirs, 2) as sessions:
            work = [sessions.run(lambda s: s.scalar(text("SELECT count(*) FROM users")))] * 5
            assert await asyncio.gather(*work) == [0] * 5
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")
        admin.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        with pytest.raises(SettingsError, match=r"permission denied.*grant") as refused:
            await asyncio.to_thread(schema.migrate, theirs)
        assert "\n" not in str(refused.value)
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")
