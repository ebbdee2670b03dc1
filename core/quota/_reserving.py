"""Reserving the highest possible cost of a call, before the call, from all allowances or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, bindparam, case, insert, select, update

from core import models
from core.db import Session, row_count
from core.errors import LeaseLost, QuotaExceeded
from core.models import Call, table
from core.quota._allowances import DEPLOYMENT, IS_KEY, START, Rules, allowances, key, lock, used_now
from core.settings import Limit
from core.turns import Turn


@dataclass(frozen=True, slots=True)
class Reservation:
    """An open call of the ledger; `reserved` in micro-dollars."""

    call_id: int
    user_id: int
    turns: int
    reserved: int
    at: datetime


_USED = case((allowances.c.window_start < START, 0), else_=allowances.c.used)
_TAKEN = _USED + bindparam("amount", type_=BigInteger)
# The condition uses only columns of its own row, so that it holds for the row's newest version.
_TAKE = (
    update(allowances)
    .where(*IS_KEY, bindparam("most", type_=BigInteger) >= _TAKEN)
    .values(
        used=_TAKEN,
        window_start=case(
            (allowances.c.window_start < START, START), else_=allowances.c.window_start
        ),
    )
)
_OPENED = (
    *("turn_id", "attempt", "user_id", "model", "turns", "reserved"),
    *("prompt_tokens", "cost", "created_at"),
)
_calls = table(Call)
_turns = table(models.Turn)
# The turn's row is locked, so that no other attempt can begin and look for open calls before this
# one is committed. An attempt that lost the turn inserts nothing. Whoever fences the attempt locks
# the turn before the allowances, but only for an open call: the turn has none at this moment.
_OPEN = (
    insert(_calls)
    .from_select(
        _OPENED,
        select(*(bindparam(f"new_{name}", type_=_calls.c[name].type) for name in _OPENED))
        .where(*models.FENCED)
        .with_for_update(read=True),
    )
    .returning(_calls.c.id)
)


async def reserve(
    session: Session,
    turn: Turn,
    rules: Rules,
    *,
    model: str,
    cost: int,
    turns: int,
    prompt_tokens: int = 0,
    least: int = 0,
    now: datetime,
) -> Reservation:
    """Take `turns` turns and at most `cost` micro-dollars from every allowance, or from none.

    `least` is the cost in micro-dollars if the call is cut off before anything is noted of it.
    Raises QuotaExceeded, or LeaseLost if another attempt owns the turn; the caller must then roll
    the transaction back.
    """
    amounts = {"turns": turns, "usd": cost}
    limits = [(owner, limit, amounts[limit.unit]) for owner, limit in rules.of(turn.user_id)]
    at = await _take(session, limits, now) if limits else now
    values = (turn.id, turn.attempt, turn.user_id, model, turns, cost, prompt_tokens, least, at)
    new = {f"new_{name}": value for name, value in zip(_OPENED, values, strict=True)}
    call_id = await session.scalar(_OPEN, turn.fence | new)
    if call_id is None:
        raise LeaseLost(f"turn {turn.reference}")
    return Reservation(call_id, turn.user_id, turns, cost, at)


async def _take(
    session: Session, limits: Sequence[tuple[int, Limit, int]], now: datetime
) -> datetime:
    """Take the amounts from every allowance. Return the moment at which they count."""
    rows = await lock(session, [(owner, limit) for owner, limit, _ in limits], now)
    # A newer window may have begun while this waited for the lock, or by another process's clock.
    now = max(now, *(row.window_start for row in rows.values()))
    for owner, limit, amount in limits:
        used = used_now(rows[owner, limit.unit, limit.window], limit, now)
        if used + amount > limit.amount:
            raise QuotaExceeded(
                str(limit),
                limit.resets_at(now),
                needed=amount,
                left=max(limit.amount - used, 0),
                most=limit.amount,
                shared=owner == DEPLOYMENT,
            )
    taken = await session.execute(
        _TAKE,
        [
            {
                **key(owner, limit),
                "start": limit.start(now),
                "amount": amount,
                "most": limit.amount,
            }
            for owner, limit, amount in limits
        ],
    )
    # The rows are locked, so the check above holds; if it ever does not, nobody overspends.
    assert row_count(taken) == len(limits)
    return now
