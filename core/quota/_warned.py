"""Warnings: a person is told once in a window that most of a limit is used."""

from datetime import datetime

from sqlalchemy import or_, update

from core import models
from core.db import Session
from core.quota._left import Remaining, remaining
from core.quota._rules import Rules, is_low
from core.turns import Turn

_allowances = models.allowances


async def warn(session: Session, turn: Turn, rules: Rules, *, now: datetime) -> list[Remaining]:
    """Return the limits of a turn's person and group of which most is used, each once in a window.

    A limit that is used up is left out: the refusal of the next question tells of it.
    Call it in the transaction that settles the turn's cost and stores its answer with the warning.
    """
    left = await remaining(session, turn.payer, rules, now=now)
    near = [each for each in left if each.left]
    low = [each for each in near if is_low(each.limit, each.limit.amount - each.left)]
    return [each for each in low if await _mark(session, turn, each, now)]


async def _mark(session: Session, turn: Turn, item: Remaining, now: datetime) -> bool:
    """Note that an owner is told of a limit; return False if they were in this window."""
    limit, start = item.limit, item.limit.start(now)
    group = turn.payer.group_id
    owner = -group if item.whose == "group" and group is not None else turn.payer.user_id
    marked = await session.scalar(
        update(_allowances)
        .where(
            _allowances.c.owner_id == owner,
            _allowances.c.unit == limit.unit,
            _allowances.c.window == limit.window,
            _allowances.c.window_start == start,
            or_(_allowances.c.warned_at.is_(None), _allowances.c.warned_at < start),
        )
        .values(warned_at=start)
        .returning(_allowances.c.owner_id)
    )
    return marked is not None
