"""PostgreSQL as the bot uses it: bounded waits, and a pooler in front of it if there is one.

A pooler in transaction mode, such as PgBouncer, gives each transaction another connection to the
server. It knows no prepared statements, refuses options at the start of a connection, and forgets
what a session sets, locks or listens to.
"""

import sys
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    PoolProxiedConnection,
    create_engine,
    event,
)
from sqlalchemy.pool import NullPool

from core.outages import judge

LIMITS = {
    # `transact` repeats a wait for a lock for ever, as when a migration holds a table. It gives up
    # a statement that takes too long by itself after a few tries.
    "lock_timeout": "10s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",
}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in LIMITS.items())
_SET = "SELECT " + ", ".join(f"set_config('{name}', '{LIMITS[name]}', true)" for name in LIMITS)
"""Sets the limits of one transaction."""
_KEEPALIVE = {
    # Without these, a connection to a server that vanished would hang for hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_OF_OTHERS = ("pgbouncer", "connection_limit", "pool_timeout")
"""Options that services write into their URLs for another library; PostgreSQL's refuses them."""
_REFUSED = "unsupported startup parameter"
"""The words with which a pooler refuses options."""
_POOLED = "pooled"

_MMAP_THRESHOLD, _LARGE = -3, 1 << 20
"""The number of an option in `malloc.h`, and the bytes of a buffer that is given back at once."""


def connect(url: URL) -> Engine:
    """Return an engine, which keeps no connections."""
    from core.driver import Connection as Driver  # noqa: PLC0415 - psycopg is large

    _give_back_buffers()
    url = url.difference_update_query(_OF_OTHERS)
    told = str(url.query.get("options", ""))
    engine = create_engine(
        url.difference_update_query(("options",)),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"connect_timeout": 5, "options": f"{told} {_OPTIONS}".strip(), **_KEEPALIVE},
    )

    def dial(dialect: Dialect, record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        try:
            return Driver.connect(*arguments, **options)
        except dialect.loaded_dbapi.OperationalError as error:
            if _REFUSED not in str(error):
                raise
            return Driver.connect(*arguments, **{**options, "options": told})

    event.listen(engine, "do_connect", dial)
    event.listen(engine, "connect", _look_for_pooler)
    event.listen(engine, "handle_error", judge, retval=True)
    # With a listener to the event `begin`, a transaction of one statement would take a third more.
    dialect: Any = engine.dialect
    dialect.do_begin = _set_limits
    return engine


def leads_to_pooler(engine: Engine) -> bool:
    """Return whether an engine's connections lead to a pooler."""
    with engine.connect() as connection:
        return bool(connection.info.get(_POOLED))


def _give_back_buffers() -> None:
    """Let the C library of Linux give large buffers back to the system at once.

    The database's library copies files into some, which malloc would keep, in pieces: a process to
    which people send files one after the other took 240 to 300 MB, and takes 185.
    """
    import ctypes  # noqa: PLC0415 - not needed on SQLite, and 0.4 MB

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # musl has none
        mallopt(_MMAP_THRESHOLD, _LARGE)


def _look_for_pooler(connection: Any, record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [process] = cursor.fetchone()
    connection.rollback()
    # A pooler makes up the process that it names to its clients.
    record.info[_POOLED] = is_pooled = process != connection.info.backend_pid
    if is_pooled:
        connection.prepare_threshold = None


def _set_limits(connection: PoolProxiedConnection) -> None:
    """Set the limits of a transaction that has begun, if that cannot be done for all of them."""
    if connection.info[_POOLED]:
        driver: Any = connection.driver_connection
        driver.execute(_SET)


def let_commit(connection: Connection, *, single: bool) -> None:
    """Let the next statement of an idle connection be a transaction by itself, if it is single.

    That saves BEGIN and COMMIT. A transaction through a pooler needs them, because it has to set
    its limits first.
    """
    driver: Any = connection.connection.driver_connection
    commits = single and not connection.info[_POOLED]
    if driver.autocommit != commits and not driver.closed:  # its next statement tells if it is
        driver.autocommit = commits


async def open_alone(url: URL) -> Any:
    """Return a connection of its own, of psycopg, for what lasts longer than a transaction.

    Raises psycopg.OperationalError.
    """
    import psycopg  # noqa: PLC0415 - not needed on SQLite, and large

    url = url.difference_update_query(_OF_OTHERS)
    conninfo = url.update_query_dict({name: str(value) for name, value in _KEEPALIVE.items()})
    return await psycopg.AsyncConnection.connect(
        conninfo.set(drivername="postgresql").render_as_string(hide_password=False),
        prepare_threshold=None,
        autocommit=True,
        connect_timeout=5,
    )


async def is_pooled(connection: Any) -> bool:
    """Return whether a connection of psycopg leads to a pooler."""
    [process] = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return bool(process != connection.info.backend_pid)
