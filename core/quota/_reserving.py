"""Reserving the highest possible cost of a call, before the call, from all allowances or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, insert, select, update

from core import models
from core.db import Session, row_count
from core.errors import LeaseLost, QuotaExceeded
from core.models import allowances
from core.quota._allowances import DEPLOYMENT, IS_KEY, START, Rules, key, lock, used_at
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
    """The moment in whose windows it counts for its person."""
    spent_at: datetime | None = None
    """The moment in whose windows it counts for the deployment; None if that is `at`."""
    tokens: int = 0
    """The most tokens that it may come to."""

    def counts_at(self, owner: int) -> datetime:
        """Return the moment in whose windows an owner's allowances count it."""
        return self.at if owner != DEPLOYMENT or self.spent_at is None else self.spent_at


LATE = timedelta(days=1)
"""A question that waited for longer counts in the windows in which it is answered."""


@dataclass(frozen=True, slots=True)
class _Taking:
    """An amount that is to be taken from an allowance, in the unit of its limit."""

    owner: int
    limit: Limit
    amount: int

    @property
    def is_shared(self) -> bool:
        """True if it is taken from the budget."""
        return self.owner == DEPLOYMENT

    def start(self, at: datetime, now: datetime) -> datetime:
        """Return the beginning of its window: the deployment spends now, the person `at` a time."""
        return self.limit.start(now if self.is_shared else at)


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
    *("turn_id", "attempt", "user_id", "model", "turns", "reserved", "reserved_tokens"),
    *("prompt_tokens", "completion_tokens", "cost", "created_at", "spent_at"),
)
_calls = models.calls
_turns = models.turns
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
    tokens: int = 0,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    least: int = 0,
    now: datetime,
) -> Reservation:
    """Take turns, tokens and micro-dollars from every allowance, or from none.

    `cost` and `tokens` are the most that the call may come to.

    `prompt_tokens`, `completion_tokens` and their cost, `least`, are what counts if the call is cut
    off before anything is noted of it.
    Raises QuotaExceeded, or LeaseLost if another attempt owns the turn; the caller must then roll
    the transaction back.
    """
    amounts = {"turns": turns, "usd": cost, "tokens": tokens}
    takings = [
        _Taking(owner, limit, amounts[limit.unit]) for owner, limit in rules.of(turn.user_id)
    ]
    at, spent_at = await _take(session, takings, turn, now) if takings else (now, now)
    paid = None if spent_at == at else spent_at
    opened = (turn.id, turn.attempt, turn.user_id, model, turns, cost, tokens)
    values = (*opened, prompt_tokens, completion_tokens, least, at, paid)
    new = {f"new_{name}": value for name, value in zip(_OPENED, values, strict=True)}
    call_id = await session.scalar(_OPEN, turn.fence | new)
    if call_id is None:
        raise LeaseLost(f"turn {turn.reference}")
    return Reservation(call_id, turn.user_id, turns, cost, at, paid, tokens)


async def _take(
    session: Session, takings: Sequence[_Taking], turn: Turn, now: datetime
) -> tuple[datetime, datetime]:
    """Take the amounts from every allowance, or raise QuotaExceeded.

    Return the moments at which they count for the person and for the deployment. A question counts
    for its person in the windows in which it was asked, however long it has waited. If those are
    used up, it counts in the current windows: they are over, and nobody can wait for them. The
    deployment spends its money now.
    """
    found = await lock(session, [(each.owner, each.limit) for each in takings], now)
    rows = [found[each.owner, each.limit.unit, each.limit.window] for each in takings]
    # A newer window may have begun while this waited for the lock, or by another process's clock.
    now = max(now, *(row.window_start for row in rows))
    at = min(turn.asked_at or turn.created_at, now)
    if now - at > LATE or all(each.start(at, now) == each.start(now, now) for each in takings):
        at = now
    refusal = await _refusal(session, takings, rows, at, now)
    if refusal is not None and at < now:
        at, refusal = now, await _refusal(session, takings, rows, now, now)
    if refusal is not None:
        raise refusal
    changes = [
        {**key(each.owner, each.limit), "start": start, "amount": each.amount, "most": most}
        for each, row in zip(takings, rows, strict=True)
        for start, most in [(each.start(at, now), each.limit.amount)]
        if start >= row.window_start  # of a window that is over, only the ledger keeps count
    ]
    if changes:
        taken = await session.execute(_TAKE, changes)
        # The rows are locked, so the check above holds; if it ever does not, nobody overspends.
        assert row_count(taken) == len(changes)
    return at, now


async def _refusal(
    session: Session, takings: Sequence[_Taking], rows: Sequence[Any], at: datetime, now: datetime
) -> QuotaExceeded | None:
    """Return the error for the first limit that has too little left at a moment of the person."""
    for each, row in zip(takings, rows, strict=True):
        used = await used_at(session, row, each.limit, now if each.is_shared else at)
        if used + each.amount > each.limit.amount:
            return QuotaExceeded(
                str(each.limit),
                each.limit.resets_at(now),
                needed=each.amount,
                left=max(each.limit.amount - used, 0),
                most=each.limit.amount,
                shared=each.is_shared,
            )
    return None
