"""Work of one statement is a transaction by itself: PostgreSQL needs no BEGIN and COMMIT for it."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core import db, models, postgresql
from core.db import Session, Sessions
from tests.core import rows
from tests.core.rows import NOW

USER = {"created_at": NOW}
ADD = insert(models.users).returning(models.users.c.id)
ADD_KNOWN = insert(models.users).values(id=1)


async def add(session: Session) -> int:
    return int(await session.scalar(ADD, USER))


async def add_known(session: Session) -> None:
    await session.execute(ADD_KNOWN, USER)


async def users(sessions: Sessions) -> int:
    return await rows.count(sessions, models.users)


def driver(session: Session) -> Any:
    return session.connection.connection.driver_connection


async def test_a_single_statement_is_stored(sessions: Sessions) -> None:
    assert await db.transact(sessions, add, single=True) == 1
    assert await users(sessions) == 1


async def test_more_than_one_statement_is_refused(sessions: Sessions) -> None:
    async def twice(session: Session) -> None:
        await add(session)
        await add(session)

    async def at_once(session: Session) -> None:
        await session.execute(insert(models.users), [USER, USER])

    for work in (twice, at_once):
        with pytest.raises(RuntimeError, match="one statement"):
            await db.transact(sessions, work, single=True)


async def test_a_single_statement_may_be_left_out(sessions: Sessions) -> None:
    async def nothing(_: Session) -> str:
        return "done"

    assert await db.transact(sessions, nothing, single=True) == "done"


async def test_a_single_statement_that_fails_changes_nothing(sessions: Sessions) -> None:
    await db.transact(sessions, add_known, single=True)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            await db.transact(sessions, add_known, single=True)
    assert await users(sessions) == 1


async def test_a_transaction_after_a_single_statement_is_whole(sessions: Sessions) -> None:
    async def fails(session: Session) -> None:
        await add(session)
        raise KeyError

    for single in (add, add_known):
        with suppress(IntegrityError):
            await db.transact(sessions, single, single=True)
        with pytest.raises(KeyError):
            await db.transact(sessions, fails)
        with sessions.engine.connect() as connection:
            connection.execute(ADD, USER)  # never committed
    assert await users(sessions) == 1


async def test_a_single_statement_begins_no_transaction(postgres_sessions: Sessions) -> None:
    async def state(session: Session) -> tuple[str, TransactionStatus]:
        limit = await session.scalar(text("SHOW statement_timeout"))
        return limit, driver(session).info.transaction_status

    run = postgres_sessions.run
    for _ in range(2):
        assert await run(state) == ("15s", TransactionStatus.INTRANS)
        assert await run(state, single=True) == ("15s", TransactionStatus.IDLE)


async def test_a_single_statement_that_hangs_is_ended_by_the_server(
    postgres_sessions: Sessions,
) -> None:
    async def hang(session: Session) -> None:
        await session.execute(text("SELECT pg_sleep(20)"))

    def hurry(connection: Any, _: object) -> None:
        connection.execute("SET statement_timeout = '50ms'")
        connection.commit()

    event.listen(postgres_sessions.engine, "connect", hurry)
    with pytest.raises(DBAPIError) as ended:
        await db.transact(postgres_sessions, hang, single=True)
    assert db.timed_out(ended.value)


async def test_a_cancelled_caller_waits_for_a_single_statement(sqlite_sessions: Sessions) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def slowly(session: Session) -> int:
        begun.set()
        assert go_on.wait(60)
        return await add(session)

    working = asyncio.create_task(db.transact(sqlite_sessions, slowly, single=True))
    await asyncio.to_thread(begun.wait, 60)
    working.cancel()
    await asyncio.sleep(0)
    assert not working.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await users(sqlite_sessions) == 1


@pytest.mark.parametrize("single", [True, False])
async def test_a_connection_that_was_closed_is_replaced(
    postgres_sessions: Sessions, single: bool
) -> None:
    with postgres_sessions.lend() as idle:
        lost: Any = idle.connection.driver_connection
        lost.close()
    assert await db.transact(postgres_sessions, add, single=single) == 1


async def test_a_connection_that_is_lost_in_a_single_statement_is_replaced(
    postgres_sessions: Sessions,
) -> None:
    tries = []

    async def work(session: Session) -> int:
        tries.append(driver(session))
        if len(tries) == 1:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return await add(session)

    assert await db.transact(postgres_sessions, work, single=True) == 1
    assert len(set(tries)) == 2


async def test_a_connection_that_a_single_statement_uses_up_is_closed(
    postgres_sessions: Sessions,
) -> None:
    seen = []

    async def work(session: Session) -> int:
        seen.append(driver(session))
        session.use_up()
        return await add(session)

    await db.transact(postgres_sessions, work, single=True)
    assert seen[0].closed
    assert await users(postgres_sessions) == 1


async def test_a_hint_of_a_single_statement_is_sent(postgres_sessions: Sessions) -> None:
    url = postgres_sessions.engine.url
    async with await postgresql.open_alone(url) as other:
        await other.execute(f"LISTEN {db.CHANNEL}")
        await db.transact(postgres_sessions, lambda s: db.notify(s, db.WORK), single=True)
        async for hint in other.notifies(timeout=60, stop_after=1):
            assert hint.payload == db.WORK
    assert await db.transact(postgres_sessions, lambda s: s.scalar(select(1)), single=True) == 1
