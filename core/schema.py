"""The tables, which migrations bring up to date; the bot uses them when they are."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from core import sqlite as sqlite_file
from core.db import Session, Sessions, connect, file_of, is_sqlite, normal_url, undivided
from core.errors import SettingsError
from core.outages import TRANSIENT, advice, reason

MIGRATIONS = Path(__file__).parent.parent / "migrations"


NOT_THROUGH_A_POOLER = (
    "DATABASE_URL: leads to a pooler, through which tables cannot be changed safely; set"
    " DATABASE_DIRECT_URL to the address of the server itself"
)


def migrate(url: str) -> None:
    """Bring the schema up to date; this blocks.

    Raises SettingsError, which tells the operator what to do.
    """
    sessions = connect(url, connections=1)
    try:
        with usable():
            current = sessions.run_here(is_current)
        if not current and sessions.is_pooled:
            raise SettingsError(NOT_THROUGH_A_POOLER)
        path = file_of(url)
        if not current:
            with sqlite_file.exclusive(path) if path else nullcontext(), usable():
                upgrade(url)
    finally:
        sessions.close()


def upgrade(url: str, revision: str = "head") -> None:
    """Run the migrations of an SQLite file that this process holds, or of PostgreSQL."""
    # Imported here, because most starts find the schema up to date and can save the memory.
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(_migrations(url), revision)


def empty(url: str) -> None:
    """Remove all tables, with everything in them."""
    from alembic import command  # noqa: PLC0415 - most starts need no migration

    command.downgrade(_migrations(url), "base")


def _migrations(url: str) -> Any:
    """Return the migrations as Alembic runs them."""
    from alembic.config import Config  # noqa: PLC0415 - most starts need no migration

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = normal_url(url)
    return config


@asynccontextmanager
async def serving(url: str, connections: int = 5) -> AsyncIterator[Sessions]:
    """Yield sessions for the bot, on a schema that is up to date.

    An SQLite database is held by this process alone and upgraded here. A PostgreSQL database may
    serve several releases during a deploy, so a command of its own upgrades it. Raises
    SettingsError, which tells the operator what to do.
    """
    sessions = connect(url, connections)
    try:
        path = file_of(url)
        with sqlite_file.exclusive(path) if path else nullcontext():
            await undivided(_prepare(sessions, url))
            yield sessions
    finally:
        sessions.close()


async def _prepare(sessions: Sessions, url: str) -> None:
    with usable():
        current = await sessions.run(is_current)
        if not current and is_sqlite(url):
            await asyncio.to_thread(upgrade, url)
        elif not current:
            raise SettingsError(
                "DATABASE_URL: the tables are missing or older than this release;"
                " run: parley migrate"
            )


SEE = " (see that it runs, and that the URL names it rightly)"
"""The advice at a start that cannot reach its database for another reason."""


@contextmanager
def usable() -> Iterator[None]:
    """Raise SettingsError, which tells the operator what to do, for any error of the database."""
    try:
        yield
    except (DBAPIError, *TRANSIENT) as error:
        why = f"{reason(error)}{advice(error) or SEE}"
        raise SettingsError(f"DATABASE_URL: the database cannot be used: {why}") from None


async def is_current(session: Session) -> bool:
    """Return whether the schema is at least as new as this code; in a deploy it may be newer."""
    stored, known = await revision(session), revisions()
    return stored == known[-1] or (stored is not None and stored not in known)


async def revision(session: Session) -> str | None:
    """Return the revision of the tables; None if there are none."""
    if not inspect(session.connection).has_table("alembic_version"):
        return None
    found: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def revisions() -> list[str]:
    """Return the revisions of the tables that this release knows, the newest last."""
    # The name of a migration's file begins with its revision.
    return sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/*_*.py"))
