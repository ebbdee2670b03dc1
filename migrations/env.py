"""Alembic's entry point: run migrations in one process at a time, each in a transaction.

The database is the connection in `config.attributes["connection"]` (without an open transaction),
or else the URL in `config.attributes["url"]`, or else DATABASE_URL.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, TypeDecorator, create_engine, event, text
from sqlalchemy.pool import NullPool

from core import settings
from core.db import normal_url
from core.errors import SettingsError
from core.models import metadata

LOCK = 0x5061726C6579  # "Parley"
"""The key of PostgreSQL's advisory lock."""

GUARDS = {"lock_timeout": "4s", "statement_timeout": "10min"}
"""A migration that waits for a table would make everybody behind it wait; so it fails instead."""


def render(kind: str, value: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own types as the database's types, because a migration outlives the code."""
    if kind == "type" and isinstance(value, TypeDecorator):
        return f"sa.{value.impl_instance!r}"
    return False


def include(name: str | None, kind: str, parents: Any) -> bool:
    """Leave out full-text search (all names `search…`), which models cannot describe."""
    return not (name or "").startswith("search")


def tell_conditions(metadata: MetaData) -> None:
    """Give partial indexes their condition, on every engine."""
    for index in (index for table in metadata.tables.values() for index in table.indexes):
        for dialect in ("postgresql", "sqlite") if "where" in index.info else ():
            index.dialect_options[dialect]["where"] = text(index.info["where"])


def migrate(connection: Connection) -> None:
    """Run the operation that Alembic was asked for."""
    tell_conditions(metadata)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        transactional_ddl=True,  # on SQLite too, because we send BEGIN ourselves
        render_as_batch=True,  # SQLite alters a table by copying it
        render_item=render,
        include_name=include,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Keep other migrations out while this one runs."""
    if connection.dialect.name == "postgresql":
        with _locked(connection):
            yield
    else:
        # Copying a table drops the old one and, with foreign keys on, the rows that refer to it.
        # Each migration begins with BEGIN IMMEDIATE, so SQLite itself lets only one in.
        enforced = _foreign_keys(connection, "OFF")
        try:
            yield
        finally:
            _foreign_keys(connection, enforced)


@contextmanager
def _locked(connection: Connection) -> Iterator[None]:
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
    for name, value in GUARDS.items():
        connection.exec_driver_sql(f"SET {name} = '{value}'")
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        for name in GUARDS:
            connection.exec_driver_sql(f"RESET {name}")
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
        connection.commit()


def _foreign_keys(connection: Connection, state: str) -> str:
    # Through a cursor: SQLite ignores the pragma inside a transaction, which `execute` would begin.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys")
    [(enforced,)] = cursor.fetchall()
    cursor.execute(f"PRAGMA foreign_keys = {state}")
    cursor.close()
    return "ON" if enforced else "OFF"


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """Open a connection; on SQLite its transactions include changes of tables."""
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin_immediate)
    with engine.connect() as connection:
        yield connection


def _prepare(connection: Any, _: object) -> None:
    # Python 3.11's driver begins no transaction before a CREATE or ALTER, so we begin it.
    connection.isolation_level = None
    # A table that is copied and dropped must not leave its words in the file.
    connection.execute("PRAGMA secure_delete = ON")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def main() -> None:
    """Run on the given connection, or open one."""
    if context.is_offline_mode():
        raise CommandError("migrations run against a database; --sql is not supported")
    connection = context.config.attributes.get("connection")
    if connection is not None:
        with alone(connection):
            migrate(connection)
        return
    url = context.config.attributes.get("url")
    if url is None:
        logging.getLogger("alembic").setLevel(logging.INFO)  # for the person at the command line
        os.umask(0o077)  # a new SQLite file is for its owner alone
        url = _told_url()
    with connect(normal_url(url)) as connection, alone(connection):
        migrate(connection)


def _told_url() -> str:
    """Return the address of the server; end with one line if a setting is wrong."""
    try:
        loaded = settings.load()
        return loaded.database_direct_url or loaded.database_url
    except SettingsError as error:
        raise CommandError(str(error)) from None


main()
