"""Erasing deleted words from SQLite's file, whose index and log keep them for longer.

`secure_delete` overwrites the rows. The full-text index only marks a word as deleted and drops it
when it merges; the write-ahead log keeps the old pages until it is truncated.
"""

import logging
from functools import partial

from sqlalchemy import text

from core.db import Session, Sessions, transact
from core.tasks import repeat

log = logging.getLogger(__name__)

PAGES = 200
"""The pages of the index that one transaction merges, which takes some milliseconds."""
PATIENCE_MS = 100
"""The milliseconds to wait for readers in other processes before the log is truncated."""


_MERGE = text("INSERT INTO search (search, rank) VALUES ('merge', :pages)")


async def leave_words(session: Session) -> None:
    """Note that deleted words are still in the file. Call it in the transaction that deletes them.

    SQLite's `user_version` counts the deletions that `erase` has not erased yet, so that a crash
    loses none.
    """
    if session.dialect == "sqlite":
        await session.execute(text(f"PRAGMA user_version = {await _left(session) + 1}"))


async def erase(sessions: Sessions) -> None:
    """Erase deleted words from SQLite's file; do nothing on PostgreSQL.

    The work is done in small transactions, so that nobody waits for long. If another process
    reads the log, the next call erases the rest.
    """
    if not (left := await transact(sessions, _left)):
        return
    await repeat(sessions, _begin_to_merge)
    await repeat(sessions, _merge)
    if await transact(sessions, _truncate_log):
        await transact(sessions, partial(_done, left=left))
    else:
        log.warning("another process reads the database's log: deleted words are still in it")


async def _left(session: Session) -> int:
    if session.dialect != "sqlite":
        return 0
    return await session.scalar(text("PRAGMA user_version")) or 0


async def _begin_to_merge(session: Session) -> bool:
    """Begin to merge all segments of the index into one. Return False: `_merge` goes on."""
    await session.execute(_MERGE, {"pages": -PAGES})
    return False


async def _merge(session: Session) -> bool:
    """Merge a little of the index. Return True if there is more to do."""
    changes = text("SELECT total_changes()")
    before = await session.scalar(changes) or 0
    await session.execute(_MERGE, {"pages": PAGES})
    # The statement itself counts as one change.
    return (await session.scalar(changes) or 0) - before > 1


async def _truncate_log(session: Session) -> bool:
    """Move the log into the file and truncate it. Return False if somebody still reads it."""
    await session.execute(text("COMMIT"))  # no log is truncated inside a transaction
    patience = await session.scalar(text("PRAGMA busy_timeout"))
    await session.execute(text(f"PRAGMA busy_timeout = {PATIENCE_MS}"))
    try:
        return not await session.scalar(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    finally:
        await session.execute(text(f"PRAGMA busy_timeout = {patience}"))


async def _done(session: Session, left: int) -> None:
    """Note that everything is erased, unless more was deleted meanwhile."""
    if await _left(session) == left:
        await session.execute(text("PRAGMA user_version = 0"))
