"""Backups: everything that is stored, as one file that either engine can take back.

The file is a ZIP of one text for each table, with a JSON list of values in each line, and a
manifest. So a backup of SQLite can be restored into PostgreSQL, and the other way round.
"""

import base64
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    NullPool,
    Table,
    create_engine,
    event,
    exists,
    select,
    text,
)

from core import db, schema, sqlite
from core.errors import MISSHAPEN, SettingsError

FORMAT = 1
"""The form of the file; another number means another form."""
MANIFEST = "manifest.json"
LEFT_OUT = ("alembic_version", "workers", "listeners", "pauses", "logins", "visits")
"""The tables without anything to keep: who runs at the moment, and the revision of the tables."""
INDEX = "search"
"""The beginning of the names of the index for search, which each engine makes by itself."""
AT_ONCE, WITH_WORDS, WITH_BYTES = 500, 20, 1
"""The rows that are read at a time; of tables with messages; of tables with whole files."""
CHARACTERS = 1_000_000
"""The length of the lines whose rows are written at a time, about."""
NOT_WHOLE = "{path}: is no whole backup of Parley"


@dataclass(frozen=True, slots=True)
class Backup:
    """The manifest of a backup."""

    taken_at: datetime
    revision: str
    """The revision of the tables that it was taken from."""
    rows: Mapping[str, int]
    """The number of rows of each table."""


def save(url: str, path: Path, *, now: datetime) -> Backup:
    """Write a backup of a database to a file; the bot may go on meanwhile.

    It holds everything that was committed when it began. The file appears when it is whole. Raises
    SettingsError, which tells the operator what to do.
    """
    db.require(url)
    if path.exists():
        raise SettingsError(f"{path}: there is such a file already; name another one")
    draft = path.with_name(f"{path.name}.part")
    try:
        with schema.usable(), _reading(url) as connection:
            backup = _write(connection, draft, now)
        draft.rename(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return backup


def load(url: str, path: Path) -> Backup:
    """Fill an empty database from a backup, all of it or nothing.

    Raises SettingsError, which tells the operator what to do.
    """
    with _opened(path) as archive:
        backup = _manifest(archive, path)
        file = db.file_of(url)
        with sqlite.exclusive(file) if file else nullcontext(), schema.usable():
            _make_tables(url, backup.revision)
            with _writing(url) as connection:
                _fill(connection, archive, backup, path)
            schema.upgrade(url)
    return backup


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    """Open a transaction that sees the database as it is now, whatever others write."""
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _writing(url: str) -> Iterator[Connection]:
    """Open a transaction in which rows may refer to rows that are still to come."""
    engine = _engine(url)
    try:
        with engine.begin() as connection, _references_later(connection):
            yield connection
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    """Return an engine without the bot's bounds of time: a backup may take long."""
    engine = create_engine(db.normal_url(url), poolclass=NullPool, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda file, _: setattr(file, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _tables(connection: Connection) -> list[Table]:
    """Return the tables to keep as they are in this database, without columns that it computes."""
    metadata = MetaData()
    metadata.reflect(
        connection, only=lambda name, _: name not in LEFT_OUT and not name.startswith(INDEX)
    )
    return sorted(metadata.tables.values(), key=lambda table: table.name)


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.computed is None]


def _write(connection: Connection, draft: Path, now: datetime) -> Backup:
    """Write all tables and the manifest into a new file, which only its owner may read."""
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    rows: dict[str, int] = {}
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for table in _tables(connection):
            with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as entry:
                rows[table.name] = _write_rows(connection, table, TextIOWrapper(entry, "utf-8"))
        backup = Backup(now, str(revision), rows)
        told = {
            "format": FORMAT,
            "taken_at": now.isoformat(),
            "revision": backup.revision,
            "rows": rows,
        }
        archive.writestr(MANIFEST, json.dumps(told, indent=2))
    return backup


def _write_rows(connection: Connection, table: Table, entry: TextIOWrapper) -> int:
    """Write the names of a table's columns, then its rows; return the number of rows."""
    columns = _columns(table)
    number = 0
    entry.write(json.dumps([column.name for column in columns]) + "\n")
    found = connection.execute(
        select(*columns), execution_options={"yield_per": _at_once(table), "stream_results": True}
    )
    for row in found:
        entry.write(json.dumps([_plain(value) for value in row], ensure_ascii=False) + "\n")
        number += 1
    entry.flush()
    entry.detach()
    return number


def _at_once(table: Table) -> int:
    """Return the number of rows that are in memory together while a table is read."""
    types = [column.type for column in _columns(table)]
    if any(isinstance(each, LargeBinary) for each in types):
        return WITH_BYTES
    return WITH_WORDS if any(isinstance(each, JSON) for each in types) else AT_ONCE


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; times are in UTC, and bytes in Base64."""
    match value:
        case datetime():
            return (value.replace(tzinfo=value.tzinfo or UTC)).astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return value


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup whose files are all as they were written."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from None
    except zipfile.BadZipFile:
        raise SettingsError(NOT_WHOLE.format(path=path)) from None
    with archive:
        try:
            is_whole = archive.testzip() is None
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
            is_whole = False
        if not is_whole:
            raise SettingsError(NOT_WHOLE.format(path=path))
        yield archive


def _manifest(archive: zipfile.ZipFile, path: Path) -> Backup:
    try:
        told = json.loads(archive.read(MANIFEST))
        number, revision, rows = told["format"], told["revision"], told["rows"]
        taken_at = datetime.fromisoformat(told["taken_at"])
    except (KeyError, TypeError, ValueError):
        raise SettingsError(f"{path}: is no backup of Parley") from None
    if number != FORMAT or revision not in schema.revisions():
        raise SettingsError(f"{path}: a newer release made this backup; restore it with that one")
    return Backup(taken_at, revision, rows)


def _make_tables(url: str, revision: str) -> None:
    """Make the tables of a revision; raises SettingsError if the database holds anything."""
    with _writing(url) as connection:
        tables = _tables(connection)
        if any(connection.scalar(select(exists(each.select()))) for each in tables if _tells(each)):
            raise SettingsError(
                "DATABASE_URL: the database holds something already; a backup is restored into an"
                " empty one"
            )
    if tables:
        schema.empty(url)
    schema.upgrade(url, revision)


def _tells(table: Table) -> bool:
    """Return whether a row of a table means that somebody has used the bot."""
    return table.name in ("users", "turns", "calls")


def _fill(connection: Connection, archive: zipfile.ZipFile, backup: Backup, path: Path) -> None:
    """Insert all rows in place of those that the migrations make."""
    for table in _tables(connection):
        connection.execute(table.delete())
        if table.name in backup.rows:
            _fill_table(connection, table, _rows(connection, table, archive, path))


def _rows(
    connection: Connection, table: Table, archive: zipfile.ZipFile, path: Path
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a table as the database takes them, with the lengths of their lines."""
    try:
        with archive.open(f"{table.name}.jsonl") as entry:
            lines = TextIOWrapper(entry, "utf-8")
            columns = [table.columns[name] for name in json.loads(lines.readline())]
            for line in lines:
                values = zip(columns, json.loads(line), strict=True)
                row = {column.key: _value(connection, column, value) for column, value in values}
                yield len(line), row
    except MISSHAPEN:
        raise SettingsError(NOT_WHOLE.format(path=path)) from None


def _fill_table(
    connection: Connection, table: Table, rows: Iterable[tuple[int, dict[str, Any]]]
) -> None:
    some: list[dict[str, Any]] = []
    characters = 0
    for length, row in rows:
        some.append(row)
        characters += length
        if len(some) == AT_ONCE or characters >= CHARACTERS:
            connection.execute(table.insert(), some)
            some, characters = [], 0
    if some:
        connection.execute(table.insert(), some)
    [key, *others] = table.primary_key.columns
    if connection.dialect.name == "postgresql" and isinstance(key.type, Integer) and not others:
        connection.exec_driver_sql(_GO_ON.format(table=table.name, key=key.name))


_GO_ON = """
    SELECT setval(pg_get_serial_sequence('{table}', '{key}')::regclass, max({key}))
    FROM {table} HAVING max({key}) > 0
"""
"""Lets the keys of new rows go on after the largest one, where the table counts them up."""


def _value(connection: Connection, column: Column[Any], value: Any) -> Any:
    """Return a value of the file as the database takes it for a column."""
    if value is None:
        return None
    match column.type:
        case DateTime():
            moment = datetime.fromisoformat(value)
            # SQLite stores times in UTC without their zone.
            return moment.replace(tzinfo=None) if connection.dialect.name == "sqlite" else moment
        case Date():
            return date.fromisoformat(value)
        case LargeBinary():
            return base64.b64decode(value)
        case _:
            return value


@contextmanager
def _references_later(connection: Connection) -> Iterator[None]:
    """Check the references between rows at the end.

    A conversation and its newest message, for example, refer to each other.
    """
    if connection.dialect.name == "sqlite":
        yield  # it checks none unless it is told to
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
            raise SettingsError("the backup lacks rows to which other rows of it refer")
        return
    references = connection.exec_driver_sql(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
    ).all()
    for table, name in references:
        connection.exec_driver_sql(f'ALTER TABLE {table} ALTER CONSTRAINT "{name}" DEFERRABLE')
    connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
    yield
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table, name in references:
        connection.exec_driver_sql(f'ALTER TABLE {table} ALTER CONSTRAINT "{name}" NOT DEFERRABLE')
