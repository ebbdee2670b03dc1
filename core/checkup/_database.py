"""The checks of a database: whether it is there, is the right one, and has room."""

import os
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url

from core import db, schema, sqlite
from core.checkup import _server as server
from core.errors import SettingsError
from core.findings import Finding, fault, note, warning
from core.threads import Threads

VERSIONS = "alembic_version"
"""The table with the revision of the others."""
LONGEST = 5.0
"""The most seconds for which an SQLite file is read to see whether it is damaged."""


async def database(
    url: str, direct: str, connections: int, *, room: int = sqlite.ROOM, part: int = sqlite.PART
) -> list[Finding]:
    """Return what is wrong with a database.

    `direct` is the URL of the server behind a pooler, or "". `connections` are those of a process.
    The disk of a file is nearly full below `room` bytes, if less than one `part` is left, too.
    """
    # A server may take the connection and say nothing more; no process waits for such a thread.
    threads = Threads("checkup", 1)
    try:
        return await threads.submit(partial(_look, url, direct, connections, room, part))
    finally:
        threads.stop()


def _look(url: str, direct: str, connections: int, room: int, part: int) -> list[Finding]:
    path = db.file_of(url)
    if path and (found := _file(Path(path))):
        return found
    found = _room(path, room, part) if path else []
    try:
        return found + _open(url, direct, connections)
    except SettingsError as error:
        return [*found, _unusable("database.unusable", error)]


def password_of(url: str) -> str:
    """Return the password in a URL; "" if there is none."""
    return make_url(db.normal_url(url)).password or ""


def _unusable(name: str, error: SettingsError) -> Finding:
    return fault(name, str(error), "mend the server, or the URL")


# SQLite


def _file(path: Path) -> list[Finding]:
    """Return what keeps an SQLite file from being used; a note if there is none yet."""
    folder = path.absolute().parent
    if not folder.is_dir():
        what = f"DATABASE_URL: there is no folder {folder}"
        return [fault("database.folder", what, "make it, or name another file")]
    if path.is_dir():
        what = f"DATABASE_URL: {path} is a folder"
        return [fault("database.file", what, f"name a file, as sqlite:///{path}/parley.db")]
    if not os.access(folder, os.W_OK | os.X_OK):
        what = f"DATABASE_URL: this user may not write in the folder {folder}"
        return [fault("database.folder", what, "give it that right, or name another file")]
    if not path.exists():
        return [note("database.new", f"DATABASE_URL: {path} is made at the first start")]
    if not os.access(path, os.R_OK | os.W_OK):
        what = f"DATABASE_URL: this user may not read and write {path}"
        return [fault("database.file", what, "run this as the user of the bot, or give it to them")]
    return _inside(path)


def _inside(path: Path) -> list[Finding]:
    """Return what is wrong inside an SQLite file, without a change; a bot may go on beside."""
    told, tables = "ok", {VERSIONS}
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as file:
            file.execute("PRAGMA query_only = 1")
            tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
            told = _quick_check(file)
    except sqlite3.OperationalError:
        pass  # it is locked, or too large to be read in this time: a start tells more
    except sqlite3.DatabaseError as error:
        told = str(error)
    if told != "ok":
        what = f"DATABASE_URL: {path} is damaged, or no database: {db.reason(Exception(told))}"
        remedy = "put a copy in its place, as of `parley backup`, or name another file"
        return [fault("database.damaged", what, remedy)]
    if VERSIONS in tables:
        return []
    if tables:
        what = f"DATABASE_URL: {path} holds the tables of another program"
        remedy = "name another file, or the bot adds its own tables to it"
        return [warning("database.foreign", what, remedy)]
    return [note("database.new", f"DATABASE_URL: {path} is empty; the first start fills it")]


def _quick_check(file: sqlite3.Connection) -> str:
    """Return "ok" for a whole database; raises OperationalError if reading takes too long."""
    timer = threading.Timer(LONGEST, file.interrupt)
    timer.start()
    try:
        return str(file.execute("PRAGMA quick_check(1)").fetchone()[0])
    finally:
        timer.cancel()


def _room(path: str, room: int, part: int) -> list[Finding]:
    if sqlite.last_room(path, room, part) is None:
        return []
    what = f"DATABASE_URL: the disk of {path} is nearly full"
    return [warning("database.disk", what, "make room; what cannot be stored waits")]


# Both


def _open(url: str, direct: str, connections: int) -> list[Finding]:
    """Return what a connection tells; raises SettingsError if there is none."""
    sessions = db.connect(url, connections=1)
    try:
        with schema.usable():
            if db.is_sqlite(url):
                return sessions.run_here(_tables)
            is_pooled = sessions.is_pooled
            found = sessions.run_here(server.rights)
            if not any(each.name == "database.rights" for each in found):
                found += sessions.run_here(_tables)
            here = sessions.run_here(server.identity)
            if not is_pooled:
                found += sessions.run_here(lambda s: server.connections(s, connections + 1))
    finally:
        sessions.close()
    return found + _way(direct, here, is_pooled=is_pooled)


async def _tables(session: db.Session) -> list[Finding]:
    """Return what is wrong with the revision of the tables."""
    revision, known = await schema.revision(session), schema.revisions()
    is_server = session.dialect == "postgresql"
    if revision == known[-1]:
        return []
    if revision is None or revision in known:
        state = "missing" if revision is None else f"of revision {revision}, not {known[-1]}"
        if not is_server:
            return [note("database.tables", f"the tables are {state}; the next start makes them")]
        what = f"DATABASE_URL: the tables are {state}"
        return [fault("database.tables", what, "run: parley migrate")]
    what = f"DATABASE_URL: the tables are of a newer release (revision {revision})"
    return [warning("database.tables", what, "install that release here, too")]


def _way(direct: str, here: tuple[str, ...], *, is_pooled: bool) -> list[Finding]:
    """Return what is wrong with the way to a server past its pooler."""
    if not direct:
        if not is_pooled:
            return []
        what = (
            "DATABASE_URL leads to a pooler: each process hears of work of others up to two"
            " seconds late, and `parley migrate` fails"
        )
        remedy = "set DATABASE_DIRECT_URL to the address of the server itself"
        return [warning("database.pooler", what, remedy)]
    sessions = db.connect(direct, connections=1)
    try:
        with schema.usable():
            leads_to_pooler, there = sessions.is_pooled, sessions.run_here(server.identity)
    except SettingsError as error:
        told = SettingsError(str(error).replace("DATABASE_URL", "DATABASE_DIRECT_URL", 1))
        return [_unusable("database.direct", told)]
    finally:
        sessions.close()
    remedy = "set it to the address of the server itself"
    if leads_to_pooler:
        what = "DATABASE_DIRECT_URL leads to a pooler, too"
        return [fault("database.direct", what, remedy)]
    if here != there:
        what = "DATABASE_DIRECT_URL leads to another database than DATABASE_URL"
        return [fault("database.direct", what, remedy)]
    return []
