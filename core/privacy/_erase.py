"""What was deleted leaves the file of SQLite too: its index and its log keep words for longer.

Rows are overwritten where they stood, by `secure_delete`. The full-text index only notes that a
word is gone and drops it when it merges; the log keeps pages as they were until it is cut off.
"""

import logging
from functools import partial

from sqlalchemy import text

from core.db import Session, Sessions, transact

log = logging.getLogger(__name__)

PAGES = 200
"""How much of the index is merged in one transaction: some milliseconds."""
PATIENCE_MS = 100
"""Milliseconds to wait for readers outside of this process before the log is cut off."""


async def leave_words(session: Session) -> None:
    """Note that deleted words are still in the file, in the transaction that deleted them.

    The number that SQLite keeps for its user counts what `erase` has to do; a crash forgets
    nothing of it.
    """
    if session.dialect == "sqlite":
        await session.execute(text(f"PRAGMA user_version = {await _left(session) + 1}"))


async def erase(sessions: Sessions) -> None:
    """Take deleted words out of SQLite's file; nothing where there are none, or on PostgreSQL.

    In small transactions, so that nobody waits for long. What could not be done now, because
    another process reads, is done by the next call.
    """
    if not (left := await transact(sessions, _left)):
        return
    pages = -PAGES  # a negative number begins to make one of all parts of the index
    while await transact(sessions, partial(_merge, pages=pages)):
        pages = PAGES
    if await transact(sessions, _cut_log):
        await transact(sessions, partial(_done, left=left))
    else:
        log.warning("deleted words are still in the database's log: another process reads it")


async def _left(session: Session) -> int:
    if session.dialect != "sqlite":
        return 0
    return await session.scalar(text("PRAGMA user_version")) or 0


async def _merge(session: Session, pages: int) -> bool:
    """Merge a little of the index; whether there is more to do."""
    changes = text("SELECT total_changes()")
    before = await session.scalar(changes) or 0
    merge = text("INSERT INTO search (search, rank) VALUES ('merge', :pages)")
    await session.execute(merge, {"pages": pages})
    # The statement itself counts as one.
    return pages < 0 or (await session.scalar(changes) or 0) - before > 1


async def _cut_log(session: Session) -> bool:
    """Move the log into the file and leave it empty; False when somebody still reads it."""
    await session.execute(text("COMMIT"))  # no log is cut off inside a transaction
    patience = await session.scalar(text("PRAGMA busy_timeout"))
    await session.execute(text(f"PRAGMA busy_timeout = {PATIENCE_MS}"))
    busy = await session.scalar(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    await session.execute(text(f"PRAGMA busy_timeout = {patience}"))
    return not busy


async def _done(session: Session, left: int) -> None:
    """Note that all is erased, unless more was deleted meanwhile."""
    if await _left(session) == left:
        await session.execute(text("PRAGMA user_version = 0"))
