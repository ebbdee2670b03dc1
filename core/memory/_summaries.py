"""Summaries and plain cuts: they replace the earlier messages of a conversation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Text, literal, select, update

from core.db import Session, insert_missing
from core.memory._context import Context
from core.memory._path import path_of
from core.models import Instant, messages, summaries
from core.turns import Turn

INSTRUCTED = "Instructions for this conversation: "
SUMMARY = "Summary of what was said before:\n"


def cut_index(path: Sequence[Any], low: int) -> int:
    """Return the index in a path from which on the newest exchanges have at most `low` tokens.

    The newest exchange is kept in any case. Return 0 if nothing precedes the kept ones.
    """
    kept, index = 0, 0
    for candidate in range(len(path) - 1, 0, -1):
        kept += path[candidate].tokens or 0
        if index and kept > low:
            break
        if path[candidate].body["role"] == "user":
            index = candidate
    return index


async def cut(
    session: Session, turn: Turn, path: Sequence[Any], low: int, now: datetime
) -> Sequence[Any]:
    """Keep the newest exchanges, and store a cut with the words of an older summary, if any."""
    if not (index := cut_index(path, low)):
        return path
    content = _content(instructed(path[:index]), _told(path[0]))
    since = path[0].since if _told(path[0]) else now
    await _add(session, path[index - 1].id, content, since, now)
    return await path_of(session, turn)


async def _add(
    session: Session, message_id: int, content: str, since: datetime | None, now: datetime
) -> bool:
    """Store a summary at a message; return False if it has one, or is deleted meanwhile.

    The lock keeps the message until the commit.
    """
    row = select(
        messages.c.id, literal(content, Text), literal(since, Instant), literal(now, Instant)
    ).where(messages.c.id == message_id)
    names = ["message_id", "content", "since", "created_at"]
    new = insert_missing(session, summaries).from_select(
        names, row.with_for_update(read=True, key_share=True)
    )
    return await session.scalar(new.returning(summaries.c.message_id)) is not None


def is_shortened(path: Sequence[Any]) -> bool:
    """Return True if a summary or a plain cut replaces the oldest messages."""
    return bool(path) and path[0].summary is not None


def instructed(path: Sequence[Any]) -> str:
    """Return the newest instructions on a path, as the model was told them, or ""."""
    for row in reversed(path):
        if row.summary is not None:
            kept: str = row.summary.partition(SUMMARY)[0].rstrip()
            return kept if kept.startswith(INSTRUCTED) else ""
        if row.body["role"] == "system":
            return str(row.body["content"])
    return ""


def told(path: Sequence[Any]) -> str:
    """Return the newest instructions on a path and its summary, in one text."""
    return _content(instructed(path), _told(path[0])) if path else ""


def since(path: Sequence[Any], index: int, now: datetime) -> datetime | None:
    """Return the time of the oldest message before an index.

    The current instructions do not count: they have no age, because they hold until there are
    others.
    """
    if not index:
        return None
    systems = [row.id for row in path if row.body["role"] == "system"]
    times = [
        row.created_at for row in path[:index] if row.summary is None and row.id not in systems[-1:]
    ]
    if _told(path[0]):
        if path[0].since is None:
            return None
        times.append(path[0].since)
    return min(times, default=now)


def _told(row: Any) -> str:
    """Return the words of the summary at a message, without its instructions."""
    return str((row.summary or "").partition(SUMMARY)[2])


def _content(instructed: str, words: str) -> str:
    """Return a summary as the model is told it; "" if it has neither instructions nor words."""
    return "\n\n".join(filter(None, (instructed, words and f"{SUMMARY}{words}")))


async def summarise(session: Session, context: Context, content: str, *, now: datetime) -> bool:
    """Replace the path up to the context's cut by a summary. Return True if it is the first.

    If retention has deleted that path meanwhile, there is nothing to replace.
    """
    words = content.strip()
    if context.cut_id is None or not words:
        return False
    content = _content(context.instructed, words)
    values = {"content": content, "since": context.since}
    # A plain cut may be there already; the summary replaces it.
    await session.execute(
        update(summaries).where(summaries.c.message_id == context.cut_id).values(values)
    )
    is_new = await _add(session, context.cut_id, content, context.since, now)
    return is_new and not context.shortened
