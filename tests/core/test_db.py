"""A transaction is whole, outlasts a database that is away, and SQLite has one process."""

import asyncio
import logging
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, insert, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from core import db, models, schema, sqlite
from core.db import Session, Sessions
from core.errors import SettingsError
from tests import postgres
from tests.core import rows
from tests.core.conftest import Ahead, connected
from tests.core.rows import NOW

ROOT = Path(__file__).parent.parent.parent


async def add_user(session: Session) -> int:
    """A row, and its id."""
    added = insert(models.users).values(created_at=NOW).returning(models.users.c.id)
    return int((await session.execute(added)).scalar_one())


async def users(sessions: Sessions) -> int:
    async with rows.begin(sessions) as session:
        return await session.scalar(text("SELECT count(*) FROM users")) or 0


async def until_tried_again(caplog: pytest.LogCaptureFixture, times: int = 1) -> None:
    """Wait until a transaction has failed so often."""

    async def tried() -> bool:
        return caplog.text.count("trying again") >= times

    await rows.until(tried)


# URLs


@pytest.mark.parametrize(
    ("url", "normal", "sqlite"),
    [
        ("sqlite:///a.db", "sqlite:///a.db", True),
        ("sqlite+aiosqlite:////x/a.db", "sqlite:////x/a.db", True),
        ("postgres://u:p@h:1/d", "postgresql+psycopg://u:p@h:1/d", False),
        ("postgresql://h/d?x=1", "postgresql+psycopg://h/d?x=1", False),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d", False),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg://h/d", False),
        ("postgresql+asyncpg://h/d", "postgresql+psycopg://h/d", False),
        ("sqlite+pysqlite:///a.db", "sqlite:///a.db", True),
    ],
)
def test_urls_get_the_driver_that_parley_uses(url: str, normal: str, sqlite: bool) -> None:
    assert db.normal_url(url) == normal
    assert db.is_sqlite(url) is sqlite


@pytest.mark.parametrize("url", ["", "parley.db", "mysql://u:secret@h/d", "mysql+psycopg://h"])
def test_other_databases_are_refused_without_telling_the_url(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as refused:
        db.connect(url)
    assert "secret" not in str(refused.value)


# Transactions


async def test_a_finished_transaction_is_visible_to_all(database_url: str) -> None:
    async with connected(database_url) as ours, connected(database_url) as theirs:
        await db.transact(ours, add_user)
        assert await users(theirs) == 1


async def test_nothing_stays_of_work_that_failed(sessions: Sessions) -> None:
    async def fails(session: Session) -> None:
        await add_user(session)
        raise KeyError

    with pytest.raises(KeyError):
        await db.transact(sessions, fails)
    assert await users(sessions) == 0


async def test_an_error_that_no_waiting_mends_is_not_tried_again(sessions: Sessions) -> None:
    tries = []

    async def fails(session: Session) -> None:
        tries.append(1)
        await session.execute(
            text(
                "INSERT INTO identities (user_id, platform, account_id, name)"
                " VALUES (99, 'p', 'a', 'n')"
            )
        )

    with pytest.raises(IntegrityError):
        await db.transact(sessions, fails)
    assert len(tries) == 1


async def test_a_permanent_error_of_the_schema_is_not_tried_again(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    for statement in ("SELECT * FROM nowhere", "SELECT nothing FROM turns", "SELEKT 1"):
        async with asyncio.timeout(60):
            with pytest.raises(DBAPIError):
                await db.transact(sessions, _executing(statement))
    assert "trying again" not in caplog.text


def _executing(statement: str, **values: object) -> Callable[[Session], Awaitable[object]]:
    """Work that is one statement."""

    async def work(session: Session) -> object:
        return await session.execute(text(statement), values)

    return work


async def test_an_error_is_one_log_line_without_message_texts(
    postgres_sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    async def work(session: Session) -> None:
        tries.append(1)
        if len(tries) == 1:
            raising = "DO $$ BEGIN RAISE 'the disk is full' USING ERRCODE = '53100'; END $$"
            await session.execute(text("SELECT :said"), {"said": "something private"})
            await session.execute(text(raising))

    await db.transact(postgres_sessions, work)
    [line] = [record.getMessage() for record in caplog.records if record.name == "core.db"]
    assert line == (
        "database: OperationalError: the disk is full (make room on the server's disk);"
        " trying again"
    )


@pytest.mark.parametrize(
    ("state", "may_pass"),
    [
        ("08006", True),
        ("40001", True),
        ("40P01", True),
        ("53300", True),
        ("55P03", True),
        ("57P01", True),
        ("57P03", True),
        ("25006", True),
        ("42501", True),
        ("53100", True),
        ("53200", True),
        ("58030", True),
        ("22001", False),
        ("23505", False),
        ("42P01", False),
        ("54000", False),
        ("57000", False),
    ],
)
async def test_the_state_of_an_error_tells_whether_it_may_pass(
    postgres_sessions: Sessions, state: str, may_pass: bool
) -> None:
    with pytest.raises(DBAPIError) as raised:
        await rows.commit(
            postgres_sessions,
            _executing(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{state}'; END $$"),
        )
    assert db.may_pass(raised.value) is may_pass


@pytest.mark.parametrize(
    ("code", "may_pass"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_LOCKED, True),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_READONLY_DBMOVED, True),
        (sqlite3.SQLITE_PERM, True),
        (sqlite3.SQLITE_CANTOPEN_FULLPATH, True),
        (sqlite3.SQLITE_PROTOCOL, True),
        (sqlite3.SQLITE_CORRUPT, False),
        (sqlite3.SQLITE_SCHEMA, False),
        (sqlite3.SQLITE_NOTADB, False),
    ],
)
def test_the_code_of_a_sqlite_error_tells_whether_it_may_pass(code: int, may_pass: bool) -> None:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    assert db.may_pass(OperationalError("SELECT 1", {}, error)) is may_pass


async def test_a_statement_that_hangs_is_tried_a_few_times(postgres_sessions: Sessions) -> None:
    tries = []

    async def work(session: Session) -> None:
        tries.append(1)
        await session.execute(text("SET LOCAL statement_timeout = '20ms'"))
        await session.execute(text("SELECT pg_sleep(20)"))

    with pytest.raises(OperationalError, match="statement timeout"):
        await db.transact(postgres_sessions, work)
    assert len(tries) == db.TIMEOUTS


async def test_values_outlive_their_transaction(sessions: Sessions) -> None:
    async def add(session: Session) -> Any:
        added = insert(models.users).values(created_at=NOW)
        return (
            await session.execute(added.returning(models.users.c.id, models.users.c.created_at))
        ).one()

    user = await db.transact(sessions, add)
    assert (user.id, user.created_at) == (1, NOW)


async def test_a_transaction_that_waits_for_anything_else_is_refused(sessions: Sessions) -> None:
    async def waits(session: Session) -> None:
        await add_user(session)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but its database"):
        await db.transact(sessions, waits)
    assert await users(sessions) == 0


HANG = """
import asyncio, sys, threading
from core import db, schema

async def hang(session):
    print("hangs", flush=True)
    threading.Event().wait()

async def main():
    sessions = db.connect(sys.argv[1])
    hanging = asyncio.create_task(db.transact(sessions, hang))
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_database_that_hangs_keeps_no_process_from_its_end(sqlite_url: str) -> None:
    with subprocess.Popen(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-c", HANG, sqlite_url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "hangs\n"
            process.communicate("end\n", timeout=20)
            assert process.returncode == 0
        finally:
            process.kill()


async def test_a_transaction_that_is_cancelled_ends_first(sqlite_sessions: Sessions) -> None:
    started, go_on = threading.Event(), threading.Event()

    async def slow(session: Session) -> None:
        await add_user(session)
        started.set()
        go_on.wait(10)
        await add_user(session)

    task = asyncio.create_task(db.transact(sqlite_sessions, slow))
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done(), "its connection would be left half-way"
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await users(sqlite_sessions) == 2


# SQLite: locked by another process


async def test_sqlite_keeps_its_promises_about_files_and_keys(sqlite_url: str) -> None:
    async with connected(sqlite_url) as sessions, rows.begin(sessions) as session:
        found = {
            name: await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
    }


@contextmanager
def locked(url: str) -> Iterator[sqlite3.Connection]:
    """A database file in which somebody else is writing; `commit` ends that."""
    connection = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
    finally:
        connection.close()


@asynccontextmanager
async def impatient(url: str) -> AsyncIterator[Sessions]:
    """Sessions that get an error at once if SQLite is locked."""
    async with connected(url) as sessions:

        @event.listens_for(sessions.engine, "connect")
        def hurry(connection: sqlite3.Connection, _: object) -> None:
            connection.execute("PRAGMA busy_timeout = 0")

        yield sessions


async def test_a_locked_file_is_waited_for(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with impatient(sqlite_url) as sessions:
        with locked(sqlite_url) as other:
            working = asyncio.create_task(db.transact(sessions, add_user))
            await until_tried_again(caplog, times=3)
            assert not working.done()
            other.execute("COMMIT")
            assert await working == 1
        assert await users(sessions) == 1


async def test_patience_ends(
    sqlite_url: str, ahead: Ahead, caplog: pytest.LogCaptureFixture
) -> None:
    async with impatient(sqlite_url) as sessions:
        with locked(sqlite_url):
            working = asyncio.create_task(db.transact(sessions, add_user, patience=3600))
            await until_tried_again(caplog, times=1)
            assert not working.done()
            ahead.seconds += 3600
            with pytest.raises(OperationalError, match="locked"):
                await working
        assert await users(sessions) == 0


async def test_a_transaction_that_read_first_may_write(sqlite_url: str) -> None:
    """It has the lock from its beginning: nobody can write between its reading and its writing."""
    async with connected(sqlite_url) as sessions:

        async def work(session: Session) -> int:
            before: int = (await session.execute(text("SELECT count(*) FROM users"))).scalar_one()
            other = sqlite3.connect(make_url(sqlite_url).database or "", timeout=0)
            with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("INSERT INTO users (created_at) VALUES ('2026-01-01')")
            await add_user(session)
            return before

        assert await db.transact(sessions, work) == 0


# What an operator has to undo


@pytest.mark.parametrize(
    ("harm", "remedy", "told"),
    [
        (
            "ALTER DATABASE {name} SET default_transaction_read_only = on",
            "ALTER DATABASE {name} RESET default_transaction_read_only",
            "must lead to the server that takes writes",
        ),
        (
            "REVOKE INSERT ON users FROM {role}",
            "GRANT INSERT ON users TO {role}",
            "grant the role",
        ),
    ],
)
async def test_what_the_server_refuses_is_waited_for_like_an_outage(
    postgres_url: str, harm: str, remedy: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    owner = make_url(postgres_url)
    with postgres.administer(owner) as admin:
        role = f"bot_{owner.database}"

        def order(statement: str) -> None:
            admin.execute(statement.format(name=owner.database, role=role).encode())

        order("CREATE ROLE {role} LOGIN")
        order("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        order("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
        async with connected(postgres.render(owner.set(username=role))) as sessions:
            order(harm)
            waiting = asyncio.create_task(db.transact(sessions, add_user))
            await until_tried_again(caplog, times=2)
            order(remedy)
            async with asyncio.timeout(60):
                await waiting
            assert await users(sessions) == 1
        order("DROP OWNED BY {role}")
        order("DROP ROLE {role}")
    assert told in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_file_that_is_deleted_is_waited_for_and_nothing_is_written_elsewhere(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(path_of(sqlite_url))
    async with connected(sqlite_url) as sessions:
        assert await users(sessions) == 0
        move(path, tmp_path / "kept")
        waiting = asyncio.create_task(db.transact(sessions, add_user))
        await until_tried_again(caplog, times=2)
        move(tmp_path / "kept", path)  # fails if there is a new file
        async with asyncio.timeout(60):
            await waiting
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM users").fetchone() == (1,)
    assert "was moved, deleted or replaced" in caplog.text


def move(path: Path, to: Path) -> None:
    assert not to.exists()
    path.rename(to)


def restore(path: Path, copy: Path) -> None:
    """Put a copy of a database in its place, as from a backup."""
    shutil.copy(path, copy)
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    copy.rename(path)


async def test_a_file_that_is_replaced_is_opened_anew(sqlite_url: str, tmp_path: Path) -> None:
    path = Path(path_of(sqlite_url))
    async with connected(sqlite_url) as sessions:
        await db.transact(sessions, add_user)
        restore(path, tmp_path / "copy")
        await db.transact(sessions, add_user)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM users").fetchone() == (1,)


# PostgreSQL: away, and back


async def test_a_connection_that_was_cut_is_replaced(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    async def work(session: Session) -> int:
        tries.append(1)
        pid: int = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        added = await add_user(session)
        if len(tries) < 3:
            with postgres.administer(make_url(postgres_url)) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        await session.execute(text("SELECT 1"))
        return added

    async with connected(postgres_url) as sessions:
        await db.transact(sessions, work)
        assert len(tries) == 3
        assert await users(sessions) == 1
    assert caplog.text.count("trying again") == 2


@contextmanager
def reserved_port() -> Iterator[socket.socket]:
    """A port of loopback at which nobody answers, until somebody listens there."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved


async def relay(url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry a connection to the server of a URL."""
    info = psycopg.conninfo.conninfo_to_dict(postgres.conninfo(make_url(url)))
    host, port = str(info.get("host", "localhost")), int(info.get("port") or 5432)
    if host.startswith("/"):
        there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    else:
        there = await asyncio.open_connection(host, port)
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def test_a_server_that_is_away_is_waited_for(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with reserved_port() as reserved:
        port = reserved.getsockname()[1]
        there = make_url(postgres_url).set(host="127.0.0.1", port=port)
        there = there.difference_update_query(["host", "port"])
        async with connected(postgres.render(there)) as sessions:
            working = asyncio.create_task(db.transact(sessions, add_user))
            await until_tried_again(caplog, times=2)
            assert not working.done()
            server = await asyncio.start_server(
                lambda reader, writer: relay(postgres_url, reader, writer), sock=reserved
            )
            async with asyncio.timeout(60):
                assert await working == 1
        server.close()


async def test_patience_with_a_server_ends_too(postgres_url: str) -> None:
    with reserved_port() as reserved:
        there = make_url(postgres_url).set(host="127.0.0.1", port=reserved.getsockname()[1])
        there = there.difference_update_query(["host", "port"])
        async with connected(postgres.render(there)) as sessions:
            with pytest.raises(OperationalError):
                await db.transact(sessions, add_user, patience=0.2)


async def test_a_statement_that_hangs_is_ended_by_the_server(postgres_sessions: Sessions) -> None:
    async with rows.begin(postgres_sessions) as session:
        timeout = await session.scalar(text("SHOW statement_timeout"))
        idle = await session.scalar(text("SHOW idle_in_transaction_session_timeout"))
        assert (timeout, idle) == ("15s", "30s")
        await session.execute(text("SET LOCAL statement_timeout = '50ms'"))
        with pytest.raises(DBAPIError) as ended:
            await session.execute(text("SELECT pg_sleep(20)"))
    assert isinstance(ended.value, db.TRANSIENT)
    assert db.may_pass(ended.value)


# Notifications


async def test_on_sqlite_there_is_nobody_to_tell(sqlite_url: str) -> None:
    async with connected(sqlite_url) as sessions:
        with rows.statements(sessions) as seen:
            await rows.commit(sessions, lambda session: db.notify(session, "anything"))
    assert seen == []


# One process on SQLite


HOLD = """
import sys
from core import sqlite
with sqlite.exclusive(sys.argv[1]):
    print("held", flush=True)
    input()
"""


@contextmanager
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the database."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-c", HOLD, path_of(url)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
async def test_a_second_process_is_refused_and_told_about_postgresql(sqlite_url: str) -> None:
    with holder(sqlite_url):
        with pytest.raises(SettingsError, match=r"DATABASE_URL.*parley\.db.*PostgreSQL"):
            async with schema.serving(sqlite_url):
                pass
        async with connected(sqlite_url) as sessions:
            assert await users(sessions) == 0  # commands of the operator may run beside it


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free(sqlite_url: str) -> None:
    with holder(sqlite_url) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        with sqlite.exclusive(path_of(sqlite_url)):
            pass


def test_the_lock_is_free_after_its_block(tmp_path: Path) -> None:
    path = f"{tmp_path}/parley.db"
    for _ in range(2):
        with sqlite.exclusive(path), pytest.raises(SettingsError), sqlite.exclusive(path):
            pass


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "parley.db"
    with sqlite.exclusive(str(path)):
        assert path.parent.is_dir()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = f"{tmp_path}/file/parley.db"
    with pytest.raises(SettingsError, match=r"DATABASE_URL: .*file/parley"), sqlite.exclusive(path):
        pass


def path_of(url: str) -> str:
    return str(make_url(url).database)


# The schema at the start


async def test_sqlite_is_brought_up_to_date_at_the_start(tmp_path: Path) -> None:
    async with schema.serving(f"sqlite:///{tmp_path}/new.db") as sessions:
        assert await users(sessions) == 0


async def test_postgresql_without_tables_is_refused_with_a_remedy(postgres_url: str) -> None:
    async with schema.serving(postgres_url) as sessions:
        assert await users(sessions) == 0
        await set_revision(postgres_url, "DELETE FROM alembic_version")
    with pytest.raises(SettingsError, match="parley migrate"):
        async with schema.serving(postgres_url):
            pass


async def test_postgresql_of_a_newer_release_serves_during_a_deploy(postgres_url: str) -> None:
    await set_revision(postgres_url, "UPDATE alembic_version SET version_num = 'newer'")
    async with schema.serving(postgres_url) as sessions:
        assert await users(sessions) == 0


async def set_revision(url: str, statement: str) -> None:
    async with connected(url) as sessions, rows.begin(sessions) as session:
        await session.execute(text(statement))


async def test_a_database_that_cannot_be_reached_at_the_start_is_an_error_of_settings(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with reserved_port() as reserved:
        there = make_url(postgres_url).set(
            host="127.0.0.1", port=reserved.getsockname()[1], password="secret"
        )
        there = there.difference_update_query(["host", "port"])
        with pytest.raises(SettingsError, match=r"DATABASE_URL: .*cannot be used") as refused:
            async with schema.serving(postgres.render(there)):
                pass
    assert "secret" not in str(refused.value) + caplog.text


FILES = """
from sqlalchemy import make_url

from core import postgresql

def memory():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS"))

postgresql.connect(make_url("postgresql+psycopg://nobody@127.0.0.1/none"))
file = bytearray(b"x" * (20 << 20))
del file
before, kept = memory(), []
for number in range(12):
    file = bytearray(b"x" * ((3 + number) << 20))
    kept.append(b"y" * 200_000)
    del file
print(memory() - before)
"""
"""Makes and frees files of 3 to 14 MB, with something small between them; prints the growth."""


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries have no such option")
@pytest.mark.slow
async def test_the_memory_of_a_file_is_given_back_at_once() -> None:
    reading = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FILES, cwd=ROOT, stdout=subprocess.PIPE
    )
    printed, _ = await reading.communicate()
    assert int(printed) < 10, "megabytes; it would keep 30"
