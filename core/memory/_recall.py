"""Recalling the context of a turn."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Any, cast

from core.db import Session
from core.memory._context import Context, Marks
from core.memory._estimate import estimate
from core.memory._path import path_of
from core.memory._summaries import cut, cut_index, instructed, is_shortened, since, told
from core.messages import ChatMessage, system
from core.turns import IDS_PER_TURN, Turn


async def recall(session: Session, turn: Turn, marks: Marks, *, now: datetime) -> Context:
    """Return the context of a turn: its path from the parent to the root or to the nearest summary.

    One statement reads it, unless it has to be cut.
    A path larger than twice the high mark is cut down to the low mark. The cut is stored, so that
    the next prompts begin alike. The path of a summary turn is not cut.
    """
    path = whole = _current(await path_of(session, turn))
    if _length(path) > 2 * marks.high and turn.kind != "summary":
        path = _current(await cut(session, turn, path, marks.low, now))
    counted = _counted(path)
    after = () if counted is None else path[counted + 1 :]
    index = cut_index(path, marks.low)
    return Context(
        told=told(path),
        messages=tuple(_said(path)),
        parent_id=path[-1].id if path else None,
        turn_id=_last_turn(path),
        total=None if counted is None else path[counted].total,
        beyond=sum(_size(row) + _slack(row) for row in after),
        slack=0 if counted is None else _slack(path[counted]),
        length=_length(path),
        day=next((_day(row) for row in reversed(path) if row.body["role"] == "user"), None),
        cut_id=path[index - 1].id if index else None,
        shortened=is_shortened(path),
        cut=is_shortened(path) and not is_shortened(whole),
        instructed=instructed(path[:index]),
        since=since(path, index, now),
    )


def _last_turn(path: Sequence[Any]) -> int | None:
    spoken = (row.id for row in reversed(path) if row.body["role"] != "system")
    last = next(spoken, None)
    return None if last is None else int(last) // IDS_PER_TURN


def _current(path: Sequence[Any]) -> list[Any]:
    """Return a path without instructions that others follow at once: only the last ones hold.

    No request with the others was ever answered, so no cached prompt holds them.
    """
    replaced = {row.id for row, after in pairwise(path) if _replaces(after, row)}
    return [row for row in path if row.id not in replaced]


def _replaces(after: Any, row: Any) -> bool:
    both = {row.body["role"], after.body["role"]}
    return both == {"system"} and row.summary is None


def _counted(path: Sequence[Any]) -> int | None:
    """Return the index of the last answer whose context the API counted, if any.

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
    return last


def _length(path: Sequence[Any]) -> int:
    """Return the tokens of a path: the API's count as far as it goes, then the messages' own."""
    counted = _counted(path)
    if counted is None:
        return sum(map(_size, path))
    return int(path[counted].total) + sum(map(_size, path[counted + 1 :]))


def _size(row: Any) -> int:
    """Return the tokens of a message, or of the summary in its place."""
    if row.summary is not None:
        return estimate(system(row.summary))
    return estimate(row.body) if row.tokens is None else int(row.tokens)


def _slack(row: Any) -> int:
    """Return the tokens by which a message may be larger in a prompt than it was counted."""
    return max(estimate(row.body) - (row.tokens or 0), 0) if row.summary is None else 0


def _said(path: Sequence[Any]) -> list[ChatMessage]:
    """Return the messages of people and of the model, without what the system message tells."""
    said = path[1:] if path and path[0].summary is not None else path
    return [row.body for row in said if row.body["role"] != "system"]


def _day(row: Any) -> date:
    return cast("datetime", row.created_at).date()
