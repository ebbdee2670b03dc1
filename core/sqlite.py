"""SQLite as the bot uses it: in a thread of its own, which is asked once for each statement.

aiosqlite asks it four times: for a cursor, to execute, for the rows and to close. Each time two
threads wait for each other, and that takes longer than most statements do.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import aiosqlite

PRAGMAS = (
    "journal_mode=WAL",
    # What the platform was told is stored survives a power cut too.
    "synchronous=FULL",
    "foreign_keys=ON",
    # What is deleted is overwritten, and not left where it stood.
    "secure_delete=ON",
)


def connect(database: str, **options: Any) -> "Connection":
    """A connection to await; the options are those of `sqlite3.connect`."""
    connection = Connection(partial(_open, database, **options), iter_chunk_size=0)
    connection._thread.daemon = True  # a process that ends does not wait for it
    return connection


def _open(database: str, **options: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(database, isolation_level=None, **options)
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class Connection(aiosqlite.Connection):
    """A connection whose cursors hold their rows as soon as they have executed.

    The first statement after a commit or a rollback begins a transaction; a pragma begins none.
    """

    def cursor(self) -> "Cursor":  # type: ignore[override]  # all that SQLAlchemy wants of one
        """A new cursor."""
        return Cursor(self)

    async def carry_out(self, method: str, statement: str, parameters: Sequence[Any]) -> "Done":
        """Execute a statement, fetch its rows and close the cursor, all in one visit."""
        work = partial(_carry_out, self._conn, method, statement, parameters)
        done: Done = await self._execute(work)  # type: ignore[no-untyped-call]  # as its own do
        return done


Done = tuple[Any, int, int | None, list[tuple[Any, ...]]]
"""Description, row count, id of the last row, and the rows."""


class Cursor:
    """A cursor, as SQLAlchemy uses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to close."""

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Execute a statement."""
        self._keep(await self._connection.carry_out("execute", statement, parameters))

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each set of parameters."""
        self._keep(await self._connection.carry_out("executemany", statement, parameters))

    async def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows of the statement."""
        return self._rows

    async def close(self) -> None:
        """There is nothing to close."""

    def _keep(self, done: Done) -> None:
        self.description, self.rowcount, self.lastrowid, self._rows = done


def _carry_out(
    connection: sqlite3.Connection, method: str, statement: str, parameters: Sequence[Any]
) -> Done:
    if not connection.in_transaction and not statement.startswith("PRAGMA"):
        # IMMEDIATE takes the write lock at once: a read that turns into a write cannot fail.
        connection.execute("BEGIN IMMEDIATE")
    cursor = connection.cursor()
    try:
        getattr(cursor, method)(statement, parameters)
        rows = cursor.fetchall()
        return cursor.description, cursor.rowcount, cursor.lastrowid, rows
    finally:
        cursor.close()
