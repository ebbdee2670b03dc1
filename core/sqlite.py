"""SQLite as the bot uses it: one connection, durable commits, and deleted words overwritten."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

PRAGMAS = (
    "journal_mode=WAL",
    # What the platform was told is stored survives a power cut too.
    "synchronous=FULL",
    "foreign_keys=ON",
    # What is deleted is overwritten, and not left where it stood.
    "secure_delete=ON",
)


def connect(url: URL) -> Engine:
    """Return an engine with one connection, which any thread may use.

    SQLite has one writer anyway, and a queue in the process is fairer and cheaper than its busy
    handler. No transaction of ours waits for the network.
    """
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": 10, "check_same_thread": False},
        hide_parameters=True,  # they hold what people said
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a read that turns into a write cannot fail.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
