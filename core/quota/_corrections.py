"""Corrections: grants, and the copies and moves of what was used when people part or join."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import get_args

from sqlalchemy import and_, delete, insert, or_, select, update

from core import models
from core.db import Session
from core.errors import Unit
from core.models import corrections
from core.quota._allowances import (
    CORRECTED,
    Taking,
    drop,
    hold,
    hold_calls,
    ledger_sum,
    lock_all,
    take,
)
from core.quota._days import FIGURES, add
from core.quota._exceptions import Whom, ensure, store, terms_of
from core.quota._rules import Rules, stricter
from core.settings import Amount, Limit, Window, read_amount

_calls = models.calls
_days = models.days
_WINDOWS: tuple[Window, ...] = get_args(Window)
_UNITS: tuple[Unit, ...] = get_args(Unit)
_NOTHING: Mapping[str, int] = dict.fromkeys(CORRECTED.values(), 0)


async def grant(session: Session, whom: Whom, text: str, rules: Rules, *, now: datetime) -> Amount:
    """Let a person or a group spend more in the current windows: `2 usd`, `50 turns`.

    Each of their limits in this unit, whatever its window, gives so much more until it renews. A
    negative amount takes away. Budget, statistics and sums by day do not change. Raises ValueError
    for a text that is no amount.
    """
    amount = read_amount(text)
    owner = await ensure(session, whom)
    await hold(session, [owner])
    values = {**_NOTHING, CORRECTED[amount.unit]: -amount.number}
    row = {"owner_id": owner, "created_at": now, **values}
    await session.execute(insert(corrections), row)
    takings = [
        Taking(row, -amount.number, Limit(0, row.unit, row.window, rules.zone).start(now))
        for row in await lock_all(session, [owner])
        if row.unit == amount.unit
    ]
    await take(session, takings)
    return amount


async def merge(session: Session, into: int, gone: int, rules: Rules, *, now: datetime) -> str:
    """Give everything that a user has spent to another one, who is the same person.

    Each limit counts the sum of both from now on; what one had as a copy from the other counts
    once. The stricter terms hold for the future; return them. Call it in the transaction that
    gives the turns of `gone` to `into`, before any of their calls or allowances is locked.
    """
    both = sorted((into, gone))
    await hold(session, both)
    await hold_calls(session, both, min(limit.start(now) for limit in _kinds(rules)))
    await drop(session, both)
    mine = _calls.c.user_id == gone
    await session.execute(update(_calls).where(mine).values(user_id=into))
    await _move_days(session, into, gone)
    await _move_corrections(session, into, gone)
    terms = stricter(rules, await terms_of(session, into), await terms_of(session, gone))
    await store(session, gone, "")
    await store(session, into, terms)
    return terms


async def split(
    session: Session, user_id: int, new_id: int, rules: Rules, *, now: datetime
) -> None:
    """Let a new user begin with the terms of another, and with what that one has used so far.

    The copy counts in the current windows of the new user alone. Grants are not copied.
    """
    await hold(session, sorted((user_id, new_id)))
    await drop(session, [new_id])
    # From the longest window to the shortest; each contains the next.
    starts = sorted({limit.start(now): limit for limit in _kinds(rules)}.items())
    sums = [await _used(session, user_id, limit, now) for _, limit in starts]
    for (start, _), (here, inside) in zip(starts, pairwise([*sums, _NOTHING]), strict=True):
        rest = {name: here[name] - inside[name] for name in _NOTHING}
        if any(rest.values()):
            row = {"owner_id": new_id, "source_id": user_id, "created_at": start, **rest}
            await session.execute(insert(corrections), row)
    await store(session, new_id, await terms_of(session, user_id))


def _kinds(rules: Rules) -> list[Limit]:
    """Return a limit for each kind of window."""
    return [Limit(0, "turns", window, rules.zone) for window in _WINDOWS]


async def _used(session: Session, user_id: int, window: Limit, now: datetime) -> dict[str, int]:
    """Return what a person has used in a window, by the columns of corrections."""
    return {
        CORRECTED[unit]: await ledger_sum(
            session, user_id, Limit(0, unit, window.window, window.zone), now, grants=False
        )
        for unit in _UNITS
    }


async def _move_days(session: Session, into: int, gone: int) -> None:
    found = await session.execute(select(_days).where(_days.c.user_id == gone))
    for row in found.all():
        figures = {name: getattr(row, name) for name in FIGURES}
        if row.charged_tokens is None:
            figures["charged_tokens"] = row.prompt_tokens + row.completion_tokens
        await add(session, into, row.day, figures)
    await session.execute(delete(_days).where(_days.c.user_id == gone))


async def _move_corrections(session: Session, into: int, gone: int) -> None:
    owner, source = corrections.c.owner_id, corrections.c.source_id
    doubled = or_(and_(owner == gone, source == into), and_(owner == into, source == gone))
    await session.execute(delete(corrections).where(doubled))
    for column in (owner, source):
        moved = update(corrections).where(column == gone).values({column.name: into})
        await session.execute(moved)
