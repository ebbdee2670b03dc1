"""The connections of a database are kept for the next transaction."""

from typing import Any

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core import db
from core.db import Session, Sessions


def driver(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.driver_connection


async def used(session: Session) -> Any:
    """Use a connection, and return the driver's."""
    await session.execute(select(1))
    return driver(session.connection)


def is_closed(sessions: Sessions, connection: Any) -> bool:
    """Return whether the driver's connection is closed."""
    if sessions.engine.dialect.name == "postgresql":
        return bool(connection.closed)
    try:
        connection.execute("SELECT 1")
    except sessions.engine.dialect.loaded_dbapi.ProgrammingError:
        return True
    return False


async def test_the_connection_that_was_used_last_is_used_next(sessions: Sessions) -> None:
    with sessions.lend() as one:
        with sessions.lend() as other:
            assert driver(one) is not driver(other)
            first, second = driver(one), driver(other)
        assert await db.transact(sessions, used) is second
    assert await db.transact(sessions, used) is first
    assert await db.transact(sessions, used, single=True) is first


async def test_work_that_fails_keeps_the_connection(sessions: Sessions) -> None:
    async def fails(session: Session) -> None:
        seen.append(await used(session))
        raise KeyError

    seen: list[Any] = []
    for _ in range(2):
        with pytest.raises(KeyError):
            await sessions.run(fails)
    assert seen == [await sessions.run(used)] * 2


async def test_a_commit_that_fails_leaves_no_transaction_open(sqlite_sessions: Sessions) -> None:
    async def orphan(session: Session) -> None:
        await session.execute(text("PRAGMA defer_foreign_keys = ON"))
        row = "INSERT INTO events (platform, bot_id, event_id, turn_id) VALUES ('x', '1', 'e', 7)"
        await session.execute(text(row))

    for _ in range(2):
        with pytest.raises(IntegrityError):
            await sqlite_sessions.run(orphan)
    count = text("SELECT count(*) FROM events")
    assert await sqlite_sessions.run(lambda s: s.scalar(count)) == 0


async def test_when_one_is_lost_the_idle_ones_are_closed(postgres_sessions: Sessions) -> None:
    with postgres_sessions.lend() as one, postgres_sessions.lend() as other:
        idle = [driver(one), driver(other)]
    lost = idle[0]  # it was given back last, so it is next

    async def lose(session: Session) -> None:
        assert await used(session) is lost
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DBAPIError):
        await postgres_sessions.run(lose)
    assert all(each.closed for each in idle)
    assert await postgres_sessions.run(used) not in idle


async def test_after_the_end_none_stays_open(sessions: Sessions) -> None:
    with sessions.lend() as one:
        with sessions.lend() as other:
            in_use, idle = driver(one), driver(other)
        sessions.close()
        assert is_closed(sessions, idle)
        assert not is_closed(sessions, in_use)
    assert is_closed(sessions, in_use)
