"""Recalling the context of a turn."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast

from core.db import Session
from core.memory._context import Context, Marks
from core.memory._path import path_of
from core.memory._summaries import cut, cut_index, instructed, is_shortened, since
from core.messages import ChatMessage, system
from core.turns import Turn


async def recall(session: Session, turn: Turn, marks: Marks, *, now: datetime) -> Context:
    """Return the path from the turn's parent to the root or the nearest summary; one statement.

    A path larger than twice the high mark is cut down to the low mark. The cut is stored, so that
    the next prompts begin alike. The path of a summary turn is not cut.
    """
    path = whole = await path_of(session, turn)
    if _length(path) > 2 * marks.high and turn.kind != "summary":
        path = await cut(session, turn, path, marks.low, now)
    index = cut_index(path, marks.low)
    return Context(
        messages=tuple(_words(path)),
        parent_id=path[-1].id if path else None,
        total=_total(path),
        day=next((_day(row) for row in reversed(path) if row.body["role"] == "user"), None),
        cut_id=path[index - 1].id if index else None,
        shortened=is_shortened(path),
        cut=is_shortened(path) and not is_shortened(whole),
        instructed=instructed(path[:index]),
        since=since(path, index, now),
    )


def _total(path: Sequence[Any]) -> int | None:
    """Return the tokens that the API counted at the last answer.

    Return None if that answer may have seen messages that a summary has replaced since.
    """
    last = next((at for at in reversed(range(len(path))) if path[at].total is not None), None)
    if last is None:
        return None
    questions = (row for row in reversed(path[1 : last + 1]) if row.body["role"] == "user")
    asked = next(questions, None)
    summarised_at = path[0].summarised_at
    if summarised_at is not None and (asked is None or asked.created_at < summarised_at):
        return None
    return int(path[last].total)


def _length(path: Sequence[Any]) -> int:
    """Return the tokens of a path: the API's count, or else the sum of its messages."""
    total = _total(path)
    return sum(row.tokens or 0 for row in path) if total is None else total


def _words(path: Sequence[Any]) -> list[ChatMessage]:
    if path and path[0].summary is not None:
        summary = [system(path[0].summary)] if path[0].summary else []
        return [*summary, *(row.body for row in path[1:])]
    return [row.body for row in path]


def _day(row: Any) -> date:
    return cast("datetime", row.created_at).date()
