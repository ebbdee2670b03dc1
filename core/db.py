"""Engine and sessions: SQLite for one process, PostgreSQL for any number."""

import asyncio
import logging
import math
import random
from collections.abc import (
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    ScalarResult,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.util.concurrency import greenlet_spawn

from core import postgresql
from core import sqlite as sqlite_file
from core.errors import SettingsError
from core.outages import TRANSIENT, advice, is_full, may_pass, reason, timed_out
from core.threads import Threads

# Names of `core.outages` that the users of a database need.
__all__ = ["TRANSIENT", "may_pass", "reason", "timed_out"]

log = logging.getLogger(__name__)

T = TypeVar("T")

Values = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""A statement's parameters by name, or a list of such sets: the statement runs once for each."""


THREAD = "database"
"""The name of the threads for work that would block the event loop."""


class Session:
    """An open transaction, which executes statements."""

    def __init__(self, connection: Connection, *, single: bool = False) -> None:
        """Begin a session; a `single` one executes one statement, with one set of parameters."""
        self.connection = connection
        self.dialect = connection.dialect.name
        """`sqlite` or `postgresql`."""
        self._left = 1 if single else math.inf

    async def execute(
        self, statement: Executable, values: Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement; raises DBAPIError when the database refuses it."""
        self._left -= len(values) if isinstance(values, Sequence) else 1
        if self._left < 0:
            raise RuntimeError("a single session executes one statement, and once")
        return self.connection.execute(statement, values)

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:
        """Return the first column of a statement's first row, or None."""
        return (await self.execute(statement, values)).scalar()

    async def scalars(
        self, statement: Executable, values: Values | None = None
    ) -> ScalarResult[Any]:
        """Return the first column of a statement's rows."""
        return (await self.execute(statement, values)).scalars()

    def use_up(self) -> None:
        """Close the connection after this transaction, which sends megabytes.

        PostgreSQL's library keeps a buffer as long as the longest statement of a connection.
        """
        if self.dialect == "postgresql":
            self.connection.detach()


Work = Callable[[Session], Awaitable[T]]
"""Executes the statements of one transaction; it may await nothing but its session."""


class Sessions:
    """The connections of one database, each of which carries out a transaction at a time.

    A session never suspends its coroutine, so one step of it runs the whole transaction. On SQLite
    that happens in a thread. On PostgreSQL it happens in a greenlet of the event loop, which goes
    on while the server works: threads would take an eighth more CPU a turn, because they take the
    interpreter from each other. SQLAlchemy's asyncio would take more than either.
    """

    def __init__(self, engine: Engine, connections: int) -> None:
        self.engine = engine
        self.full_at: float | None = None
        """The time at which the disk was full last, by the event loop's clock."""
        self._threads = Threads(THREAD, connections)
        self._free = asyncio.Semaphore(connections)
        # The one used last is at the end. SQLAlchemy's pool would add 3 % to the CPU of a turn.
        self._idle: list[Connection] = []
        self._is_closed = False

    @property
    def is_pooled(self) -> bool:
        """True if the connections lead to a pooler in front of PostgreSQL."""
        return postgresql.leads_to_pooler(self.engine)

    async def run(self, work: Work[T], *, single: bool = False, heavy: bool = False) -> T:
        """Return the result of `work`, done in one transaction.

        `single` and `heavy` are as for `transact`.
        """
        here = partial(self.run_here, work, single=single)
        if self.engine.dialect.name == "sqlite":
            return await self._threads.submit(here)
        async with self._free:
            if heavy:
                return await self._threads.submit(here)
            # To look up the server and to reach it would block the loop.
            connection = self._idle_one() or await self._threads.submit(self.engine.connect)
            return await greenlet_spawn(here, connection=connection)

    def run_here(
        self, work: Work[T], *, single: bool = False, connection: Connection | None = None
    ) -> T:
        """Return the result of `work`, done in one transaction before this returns."""
        with self.lend(connection, single=single) as lent, lent.begin():
            return finish(work(Session(lent, single=single)))

    @contextmanager
    def lend(
        self, connection: Connection | None = None, *, single: bool = False
    ) -> Iterator[Connection]:
        """Lend a connection: by default the idle one that was used last, or else a new one.

        With `single`, its transaction is to execute one statement at most.
        """
        connection = connection or self._idle_one() or self.engine.connect()
        try:
            # SQLite tells of some failures at the COMMIT only, and has no round trips to save.
            if connection.dialect.name == "postgresql":
                postgresql.let_commit(connection, single=single)
            yield connection
        except BaseException:  # a cancellation, too
            _roll_back(connection)
            raise
        finally:
            self._take_back(connection)

    def _idle_one(self) -> Connection | None:
        """Take out the idle connection that was used last; several threads may ask."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _take_back(self, connection: Connection) -> None:
        """Keep a connection that was lent, if it can be used again."""
        if connection.invalidated or not connection.connection.is_valid:
            self._close_idle()  # when one is lost, the others are as a rule
            connection.close()
        elif connection.connection.is_detached:
            connection.close()
        else:
            self._idle.append(connection)
        if self._is_closed:
            self._close_idle()

    def close(self) -> None:
        """Close the idle connections at once, and the others when their work is done."""
        self._is_closed = True
        self._threads.stop()
        self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _roll_back(connection: Connection) -> None:
    """Roll back whatever is open: SQLite keeps a transaction whose COMMIT failed."""
    if connection.invalidated or not connection.connection.is_valid:
        return
    try:
        connection.dialect.do_rollback(connection.connection)
    except BaseException as error:  # a second cancellation, too
        connection.invalidate()
        if not isinstance(error, connection.dialect.loaded_dbapi.Error):
            raise


def finish(work: Awaitable[T]) -> T:
    """Return the result of an awaitable that never suspends; raises RuntimeError if it does."""
    step = work.__await__()
    try:
        next(step)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("a transaction may await nothing but its database")


TIMEOUTS = 5
"""The most tries of a statement that the server ends each time because it takes too long."""

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


def normal_url(url: str) -> str:
    """Return a URL with the driver that Parley uses; `postgres://` becomes `postgresql://`."""
    scheme, separator, rest = url.partition("://")
    driver = _DRIVERS.get(scheme.partition("+")[0], scheme)
    return f"{driver}{separator}{rest}"


def is_sqlite(url: str) -> bool:
    """Return whether the database is a file that one bot process owns."""
    return normal_url(url).startswith("sqlite")


def file_of(url: str) -> str | None:
    """Return the path of an SQLite file; None for PostgreSQL and for a database in memory."""
    path = make_url(normal_url(url)).database if is_sqlite(url) else None
    return None if path == ":memory:" else path


def files(url: str) -> list[str]:
    """Return the paths of an SQLite database, whose files come and go; none for PostgreSQL."""
    path = file_of(url)
    return [f"{path}{end}" for end in ("", "-wal", "-shm", ".lock")] if path else []


def require(url: str) -> None:
    """Raise SettingsError if the SQLite file is missing, so that a reader does not create it."""
    if path := file_of(url):
        sqlite_file.require(path)


def connect(url: str, connections: int = 5) -> Sessions:
    """Return sessions; raises SettingsError if the URL is not one of SQLite or PostgreSQL."""
    try:
        parsed = make_url(normal_url(url))
    except ArgumentError:
        raise SettingsError("DATABASE_URL: not a database URL") from None
    if parsed.drivername == "sqlite":
        # SQLite has one writer anyway, and a queue in the process is fairer and cheaper than its
        # busy handler. No transaction of ours waits for the network.
        return Sessions(sqlite_file.connect(parsed), connections=1)
    if parsed.drivername == "postgresql+psycopg":
        return Sessions(postgresql.connect(parsed), connections)
    raise SettingsError("DATABASE_URL: only sqlite and postgresql are supported")


async def transact(
    sessions: Sessions,
    work: Work[T],
    *,
    single: bool = False,
    heavy: bool = False,
    patience: float = math.inf,
) -> T:
    """Run `work` in one transaction and return its result.

    `single` means that `work` executes one statement at most. That saves two of three round trips
    to PostgreSQL, for which the statement is a transaction by itself. `heavy` means that `work`
    may compute for more than some milliseconds, as with thousands of rows: it always runs in a
    thread, so that nobody else waits for it.

    While the database is away, locked or full, try again for `patience` seconds; when a statement
    takes too long, try a few times. Then raise the last error. `work` may run several times and
    must have no effect elsewhere.
    """
    clock = asyncio.get_running_loop().time
    give_up = clock() + patience
    pause, timeouts, failures, tell_at = 0.05, 0, 0, 1
    while True:
        try:
            return await undivided(sessions.run(work, single=single, heavy=heavy))
        except (DBAPIError, ConnectionError) as error:
            timeouts += timed_out(error)
            sessions.full_at = clock() if is_full(error) else sessions.full_at
            if not may_pass(error) or timeouts >= TIMEOUTS or clock() + pause > give_up:
                raise
            failures += 1
            if failures == tell_at:  # a long outage is told less and less often
                tell_at *= 2
                told = f"{type(error).__name__}: {reason(error)}{advice(error)}"
                log.warning("database: %s; trying again", told)
        await asyncio.sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, 2.0)


def insert(session: Session, table: Any) -> Any:
    """Return an INSERT of the engine's own dialect, which has `on_conflict_do_nothing`."""
    # The dialect in use is loaded already; an import of both costs 4 MB.
    return import_module(f"sqlalchemy.dialects.{session.dialect}").insert(table)


def insert_missing(session: Session, table: Any) -> Any:
    """Return an INSERT that skips rows whose keys exist already."""
    return insert(session, table).on_conflict_do_nothing()


CHANNEL = "parley"
"""The channel for hints between processes on PostgreSQL; only the tables hold facts."""


LOOK = "look"
"""The hint that a running turn was stopped or changed."""
WORK = "work"
"""The hint that there is more work than one worker can take."""
FREE = "free"
"""The hint that an account has no listener."""


async def notify(session: Session, what: str) -> None:
    """Send a hint to the other processes at the commit; do nothing on SQLite."""
    if session.dialect == "postgresql":
        await session.execute(select(func.pg_notify(CHANNEL, what)))


def row_count(result: CursorResult[*tuple[Any, ...]]) -> int:
    """Return the number of rows of an UPDATE or DELETE; not every engine tells it for an INSERT."""
    return result.rowcount


MERCY = 5.0
"""The seconds that `undivided` work may still take after a cancellation."""


async def undivided(work: Awaitable[T]) -> T:
    """Return the result of work; a cancellation waits until the work has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        asyncio.get_running_loop().call_later(MERCY, task.cancel)
        while not task.done():
            with suppress(asyncio.CancelledError):  # a second cancellation changes nothing
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would log it as an error that nobody saw
        raise
