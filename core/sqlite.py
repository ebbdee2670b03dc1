"""SQLite as the bot uses it: one connection, durable commits, and deleted words overwritten."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.pool import NullPool

from core.errors import SettingsError

PRAGMAS = (
    "journal_mode=WAL",
    # What the platform was told is stored survives a power cut too.
    "synchronous=FULL",
    "foreign_keys=ON",
    # What is deleted is overwritten, and not left where it stood.
    "secure_delete=ON",
)


ROOM, PART = 2_000_000_000, 10
"""The bytes below which a disk is nearly full, if less than one part in so many is left too."""


def last_room(path: str, room: int = ROOM, part: int = PART) -> int | None:
    """Return the bytes left on the disk of a database's file if it is nearly full, else None."""
    disk = shutil.disk_usage(Path(path).absolute().parent)
    return disk.free if disk.free < room and disk.free * part < disk.total else None


def connect(url: URL) -> Engine:
    """Return an engine whose connections any thread may use; it keeps none."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={"timeout": 10, "check_same_thread": False},
        hide_parameters=True,  # they hold what people said
    )
    event.listen(engine, "connect", partial(_prepare, url.database))
    # With a listener to the event `begin`, a transaction of one statement would take a third more.
    dialect: Any = engine.dialect
    dialect.do_begin = partial(_begin, url.database)
    return engine


def _prepare(path: str | None, connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    record.info[_FILE] = _identity(path)


def _begin(path: str | None, connection: PoolProxiedConnection) -> None:
    """Begin a transaction; raises ConnectionError while the file is not where it was."""
    now = _identity(path)
    if now != connection.info[_FILE]:
        # SQLite would go on to write the old file, which nobody will find again.
        if now is not None:
            connection.invalidate()  # the next transaction opens the file that is there now
        raise ConnectionError(
            f"the file {path} was moved, deleted or replaced: put it back, or stop the bot"
        )
    # IMMEDIATE takes the write lock at once: a read that turns into a write cannot fail.
    driver: Any = connection.driver_connection
    driver.execute("BEGIN IMMEDIATE")


_FILE = "file"


def _identity(path: str | None) -> tuple[int, int] | None:
    """Return a file's device and number there; None if there is no such file."""
    try:
        found = os.stat(path or "")  # each transaction looks: a Path would cost as much
    except OSError:
        return None
    return found.st_dev, found.st_ino


def require(path: str) -> None:
    """Raise SettingsError if a database's file is missing, so that a reader does not create it."""
    if not Path(path).exists():
        raise SettingsError(
            f"DATABASE_URL: there is no file {path}; run this where the bot runs, or set"
            " DATABASE_URL to the database that it uses"
        )


@contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Hold a database's file for this process alone; raises SettingsError if another has it.

    The operating system releases the lock when the process ends, even when it is killed.
    """
    try:
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(f"{path}.lock")
    except OSError as error:
        raise SettingsError(
            f"DATABASE_URL: cannot write beside {path}: {error.strerror}; let this user do so"
        ) from None
    if descriptor is None:
        raise SettingsError(
            f"DATABASE_URL: another process already runs on {path}. SQLite serves one bot process;"
            " for several, set DATABASE_URL to a PostgreSQL database"
        )
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: str) -> int | None:
    """Open a file and lock it until it is closed; return None if another process has locked it.

    The library filelock would take 0.6 MB.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there is one only for Windows

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - there is none for Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError | PermissionError):
            return None
        raise
    return descriptor
