"""What stands for the earlier part of a conversation: a summary, or a plain cut."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import update

from core.db import Session, insert_missing, row_count
from core.memory._context import Context
from core.memory._path import path_of, summaries
from core.models import Summary
from core.turns import Turn

INSTRUCTED = "Instructions for this conversation: "
SUMMARY = "Summary of what was said before:\n"


def place_of(path: Sequence[Any], low: int) -> int:
    """Where in a path the newest exchanges begin that together have at most `low` tokens.

    One exchange stays in any case; 0 when there is nothing before it.
    """
    kept, place = 0, 0
    for candidate in range(len(path) - 1, 0, -1):
        kept += path[candidate].tokens or 0
        if place and kept > low:
            break
        if path[candidate].body["role"] == "user":
            place = candidate
    return place


async def cut(
    session: Session, turn: Turn, path: Sequence[Any], low: int, now: datetime
) -> Sequence[Any]:
    """Keep the newest exchanges; store for the rest what an older summary told, nothing new."""
    if not (place := place_of(path, low)):
        return path
    content = _content(instructed(path[:place]), _told(path[0]))
    row = {
        "message_id": path[place - 1].id,
        "content": content,
        "since": path[0].since if _told(path[0]) else now,
        "created_at": now,
    }
    await session.execute(insert_missing(session, Summary).values(row))
    return await path_of(session, turn)


def is_shortened(path: Sequence[Any]) -> bool:
    """Whether a summary or a cut stands for what was said first."""
    return bool(path) and path[0].summary is not None


def instructed(path: Sequence[Any]) -> str:
    """The newest instructions on a path, as the model was told them."""
    for row in reversed(path):
        if row.summary is not None:
            kept: str = row.summary.partition(SUMMARY)[0].rstrip()
            return kept if kept.startswith(INSTRUCTED) else ""
        if row.body["role"] == "system":
            return str(row.body["content"])
    return ""


def since(path: Sequence[Any], place: int, now: datetime) -> datetime | None:
    """When the oldest was said of what stands before a place; the current instructions have no
    age, since they hold until there are others."""
    if not place:
        return None
    systems = [row.id for row in path if row.body["role"] == "system"]
    times = [
        row.created_at for row in path[:place] if row.summary is None and row.id not in systems[-1:]
    ]
    if _told(path[0]):
        if path[0].since is None:
            return None
        times.append(path[0].since)
    return min(times, default=now)


def _told(row: Any) -> str:
    """What the summary at a message says, without instructions."""
    return str((row.summary or "").partition(SUMMARY)[2])


def _content(instructed: str, words: str) -> str:
    """A summary as the model is told it; empty where there is nothing to tell."""
    return "\n\n".join(filter(None, (instructed, words and f"{SUMMARY}{words}")))


async def summarise(session: Session, context: Context, content: str, *, now: datetime) -> bool:
    """Let a summary stand for the path up to the context's cut; whether it is the first one."""
    words = content.strip()
    if context.cut_id is None or not words:
        return False
    content = _content(context.instructed, words)
    values = {"content": content, "since": context.since}
    # A plain cut may stand there already: words are better.
    replaced = await session.execute(
        update(summaries).where(summaries.c.message_id == context.cut_id).values(values)
    )
    new = insert_missing(session, Summary)
    await session.execute(new.values(message_id=context.cut_id, created_at=now, **values))
    return not (context.shortened or row_count(replaced))
