"""A transaction on PostgreSQL waits for the server in the event loop, and holds nobody up."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from core import db, models, postgresql
from core.db import Session, Sessions
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import NOW

_HERE = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
BLOCKED = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND {_HERE}"  # noqa: S608 - our words
LARGE = "x" * (8 << 20)
"""More than the buffers of a socket hold."""


async def add(session: Session) -> None:
    await session.execute(insert(models.users).values(created_at=NOW))


async def add_twice(session: Session) -> None:
    await session.execute(text("SELECT 1"))
    await add(session)
    await add(session)


class Lock:
    """A connection of somebody else, which keeps everybody from the users."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self.connection = connection

    async def until_blocked(self, number: int = 1) -> None:
        """Wait until so many transactions wait for it."""

        async def blocked() -> bool:
            cursor = await self.connection.execute(BLOCKED)
            return await cursor.fetchone() == (number,)

        await rows.until(blocked)

    async def release(self) -> None:
        await self.connection.execute("ROLLBACK")


@asynccontextmanager
async def lock_on_users(sessions: Sessions) -> AsyncIterator[Lock]:
    async with await postgresql.open_alone(sessions.engine.url) as connection:
        await connection.execute("BEGIN")
        await connection.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        yield Lock(connection)


async def users(sessions: Sessions) -> int:
    return await rows.count(sessions, models.users)


async def test_others_go_on_while_a_transaction_waits(postgres_sessions: Sessions) -> None:
    async with lock_on_users(postgres_sessions) as lock:
        waiting = asyncio.create_task(db.transact(postgres_sessions, add_twice))
        await lock.until_blocked()
        for single in (True, False):
            other = db.transact(
                postgres_sessions, lambda s: s.scalar(text("SELECT 7")), single=single
            )
            assert await other == 7
        assert not waiting.done()
        await lock.release()
        await waiting
    assert await users(postgres_sessions) == 2


async def test_no_more_run_at_a_time_than_there_are_connections(postgres_url: str) -> None:
    running, most = 0, 0

    async def work(session: Session) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await add(session)
        running -= 1

    async with connected(postgres_url, 2) as sessions, lock_on_users(sessions) as lock:
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(db.transact(sessions, work))
            await lock.until_blocked(2)
            await lock.release()
        assert most == 2
        assert await users(sessions) == 6


async def test_a_cancelled_caller_waits_for_its_transaction(postgres_sessions: Sessions) -> None:
    async with lock_on_users(postgres_sessions) as lock:
        waiting = asyncio.create_task(db.transact(postgres_sessions, add_twice))
        await lock.until_blocked()
        waiting.cancel()
        await asyncio.sleep(0)
        assert not waiting.done()
        await lock.release()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await users(postgres_sessions) == 2


async def test_a_transaction_that_is_ended_by_force_is_rolled_back(
    postgres_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "MERCY", 0)  # seconds, for which the test would wait
    seen: list[Any] = []

    async def work(session: Session) -> None:
        seen.append(session.connection.connection.driver_connection)
        await add_twice(session)

    async with lock_on_users(postgres_sessions) as lock:
        waiting = asyncio.create_task(db.transact(postgres_sessions, work))
        await lock.until_blocked()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert seen[0].closed
        await lock.release()
    await db.transact(postgres_sessions, add)
    assert await users(postgres_sessions) == 1


async def test_a_rollback_that_is_cancelled_gives_no_connection_back(
    postgres_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(_: object) -> None:
        raise asyncio.CancelledError

    async def fails(session: Session) -> None:
        await add(session)
        # A real cancellation would have to come in one certain step of the loop.
        monkeypatch.setattr(session.connection.dialect, "do_rollback", cancelled)
        raise KeyError

    with pytest.raises(asyncio.CancelledError):
        await postgres_sessions.run(fails)
    monkeypatch.undo()
    assert await users(postgres_sessions) == 0


async def test_to_wait_takes_no_cpu(postgres_sessions: Sessions) -> None:
    async with lock_on_users(postgres_sessions) as lock:
        waiting = asyncio.create_task(db.transact(postgres_sessions, add))
        await lock.until_blocked()
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - used < (time.monotonic() - began) / 2
        await lock.release()
        await waiting


async def test_heavy_work_lets_others_go_on(sessions: Sessions) -> None:
    begun, others_went_on = threading.Event(), threading.Event()

    async def work(session: Session) -> bool:
        await add(session)
        begun.set()
        return others_went_on.wait(5)

    working = asyncio.create_task(db.transact(sessions, work, heavy=True))
    await asyncio.to_thread(begun.wait, 60)
    others_went_on.set()
    assert await working
    assert await users(sessions) == 1


async def test_work_that_waits_for_a_connection_can_be_cancelled(postgres_url: str) -> None:
    async with connected(postgres_url, 1) as sessions, lock_on_users(sessions) as lock:
        first = asyncio.create_task(db.transact(sessions, add))
        await lock.until_blocked()
        second = asyncio.create_task(sessions.run(add))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await lock.release()
        await first
        assert await users(sessions) == 1


async def test_a_large_statement_and_a_large_result_pass(postgres_sessions: Sessions) -> None:
    async def echo(session: Session) -> str:
        return str(await session.scalar(text("SELECT :words"), {"words": LARGE}))

    async with asyncio.TaskGroup() as group:
        echoes = [group.create_task(db.transact(postgres_sessions, echo)) for _ in range(3)]
    assert all(each.result() == LARGE for each in echoes)


async def test_work_that_nobody_goes_on_with_closes_its_connection(
    postgres_sessions: Sessions,
) -> None:
    await db.transact(postgres_sessions, add)
    seen: list[Any] = []

    async def work(session: Session) -> None:
        seen.append(session.connection.connection.driver_connection)
        await add(session)

    step = postgres_sessions.run(work, single=True)
    step.send(None)
    step.close()  # as the end of an event loop does
    assert seen[0].closed
    await db.transact(postgres_sessions, add)


async def test_to_reach_the_server_holds_nobody_up() -> None:
    """The server is in the same event loop, which must be free to answer."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        words = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
        writer.write(b"E" + (4 + len(words)).to_bytes(4, "big") + words)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        sessions = db.connect(f"postgresql://ada@127.0.0.1:{port}/parley?sslmode=disable")
        with pytest.raises(DBAPIError, match="starting up"):
            await db.transact(sessions, add, patience=0)
        sessions.close()
