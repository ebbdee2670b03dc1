"""The order of waiting turns: each one stands in a line, or waits for another turn to end.

The line of a turn is a hint that makes claims cheap: a claim checks for itself that the lane is
free. A turn without a line is called up when the turn before it ends. `unblock` finds those that
missed their call, in a race or because a process of an older release ended the turn before.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, case, exists, func, or_, select, union_all, update

from core import models
from core.db import Session, row_count
from core.inbox._tables import turns
from core.lines import ALONE, FIRST, LAST, LATER, line_after
from core.models import Instant

_other = models.other_turns
_IS_LEFT = _other.c.delivered_at.is_(None)
# Announcements are in nobody's way.
_IS_ASKED = _other.c.line.is_distinct_from(LAST)
IS_BEHIND_IN_LANE = exists().where(
    _other.c.lane == turns.c.lane, _IS_LEFT, _other.c.id < turns.c.id
)
FOLLOWS_UNDELIVERED = exists().where(_other.c.id == turns.c.follows_id, _IS_LEFT)
"""The conditions of a turn that has to wait for an earlier one."""


def _is_there(*conditions: Any) -> Any:
    """Return the condition that there is such an undelivered turn, and hold it until the commit.

    A transaction that ends it later sees the new turn and calls it up. One that has to wait for the
    commit does not, because its statement had begun before: then `unblock` finds the new turn. A
    turn that is just being changed does not count; the new turn then stands in a line too early,
    which does no harm.
    """
    found = select(_other.c.id).where(*conditions, _IS_LEFT)
    return exists(found.with_for_update(read=True, skip_locked=True))


NEW_LINE = case(
    (
        or_(
            _is_there(_other.c.lane == bindparam("lane")),
            _is_there(_other.c.id == bindparam("follows_id")),
        ),
        None,
    ),
    (exists().where(_other.c.user_id == bindparam("user_id"), _IS_LEFT, _IS_ASKED), LATER),
    else_=FIRST,
).label("line")
"""The line of a new turn, by the parameters of its row."""

_HAS_FIRST = exists().where(
    _other.c.user_id == turns.c.user_id,
    _IS_LEFT,
    _other.c.line == FIRST,
    _other.c.id != turns.c.id,
)
LINE = case(
    *((turns.c.deaths == deaths, line_after(deaths)) for deaths in range(1, ALONE - FIRST)),
    (turns.c.deaths > 0, ALONE),
    (_HAS_FIRST, LATER),
    else_=FIRST,
)
"""The line of a turn that begins to wait for a worker."""

_ENDED = turns.alias("ended")
_IS_ENDED = _ENDED.c.id == bindparam("the_turn", type_=Integer)
_NOW = bindparam("now", type_=Instant)
# It comes behind all that are ready by now: its person was served just before.
_BEHIND = case((turns.c.ready_at < _NOW, _NOW), else_=turns.c.ready_at)
_BLOCKED = (turns.c.delivered_at.is_(None), turns.c.line.is_(None))
_NEXT_IN_LANE = select(func.min(_other.c.id)).where(
    _IS_LEFT, _other.c.lane == select(_ENDED.c.lane).where(_IS_ENDED).scalar_subquery()
)
_FOLLOWING = select(_other.c.id).where(
    _IS_LEFT, _other.c.follows_id == bindparam("the_turn", type_=Integer)
)
_CALL_UP = (
    update(turns)
    .where(turns.c.id.in_(union_all(_NEXT_IN_LANE, _FOLLOWING)), *_BLOCKED)
    .values(line=LINE, ready_at=_BEHIND)
)
_NEXT_OF_PERSON = (
    select(_other.c.id)
    .where(
        _other.c.user_id == select(_ENDED.c.user_id).where(_IS_ENDED).scalar_subquery(),
        _IS_LEFT,
        _other.c.line == LATER,
        _other.c.worker_id.is_(None),
    )
    .order_by(_other.c.ready_at, _other.c.id)
    .limit(1)
    .scalar_subquery()
)
_STEP_FORWARD = (
    update(turns)
    .where(turns.c.id == _NEXT_OF_PERSON, ~_HAS_FIRST)
    .values(line=FIRST, ready_at=_BEHIND)
)


async def call_up(session: Session, turn_id: int, *, now: datetime) -> None:
    """Let the turns that waited for one that ended stand in a line; let its person's next be first.

    Call it after the statement that ends the turn.
    """
    values = {"the_turn": turn_id, "now": now}
    await session.execute(_CALL_UP, values)
    await session.execute(_STEP_FORWARD, values)


_UNBLOCK = (
    update(turns).where(*_BLOCKED, ~IS_BEHIND_IN_LANE, ~FOLLOWS_UNDELIVERED).values(line=LINE)
)


async def unblock(session: Session) -> bool:
    """Let every turn that waits for nothing any more stand in a line; return if there was one."""
    return row_count(await session.execute(_UNBLOCK)) > 0
