"""Reserving the highest possible cost of a call, before the call, from all allowances or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select

from core import models
from core.db import Session
from core.errors import LeaseLost, QuotaExceeded
from core.quota._allowances import BOUNDLESS, Locked, Taking, lock, take, used_at, used_now
from core.quota._rules import DEPLOYMENT, Rules, is_low, whose
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
    """The moment in whose windows it counts for its person and its group."""
    spent_at: datetime | None = None
    """The moment in whose windows it counts for the deployment; None if that is `at`."""
    tokens: int = 0
    """The most tokens that it may come to."""
    group_id: int | None = None
    is_near: bool = field(default=False, compare=False)
    """True if it may bring a limit of its person or group near its end; see `warn`."""

    @property
    def owners(self) -> list[int]:
        """The owners of the allowances that count it."""
        group = [] if self.group_id is None else [-self.group_id]
        return [self.user_id, *group, DEPLOYMENT]

    def counts_at(self, owner: int) -> datetime:
        """Return the moment in whose windows an owner's allowances count it."""
        return self.at if owner != DEPLOYMENT or self.spent_at is None else self.spent_at


LATE = timedelta(days=1)
"""A question that waited for longer counts in the windows in which it is answered."""


@dataclass(frozen=True, slots=True)
class _Due:
    """An amount that a call takes from an allowance, in the unit of its limit."""

    row: Any
    """The locked allowance."""
    limit: Limit
    amount: int
    is_bound: bool
    """False for an allowance of a limit that does not apply, which counts all the same."""

    @property
    def owner(self) -> int:
        owner: int = self.row.owner_id
        return owner

    @property
    def most(self) -> int:
        """The amount that the allowance may reach."""
        return self.limit.amount if self.is_bound else BOUNDLESS

    def is_near(self, at: datetime) -> bool:
        """Return whether most of a limit of a person or a group is used then, if all of it is."""
        if not self.is_bound or self.owner == DEPLOYMENT:
            return False
        return is_low(self.limit, used_now(self.row, self.limit, at) + self.amount)

    def start(self, at: datetime, now: datetime) -> datetime:
        """Return the beginning of its window: the deployment spends now, the person `at` a time."""
        return self.limit.start(now if self.owner == DEPLOYMENT else at)


_OPENED = (
    *("turn_id", "attempt", "user_id", "group_id", "model", "turns", "reserved"),
    *("reserved_tokens", "prompt_tokens", "completion_tokens", "cost", "created_at", "spent_at"),
)
_calls = models.calls
_turns = models.turns
# The turn's row is locked, so that no other attempt can begin and look for open calls before this
# one is committed. An attempt that lost the turn inserts nothing, and none is opened for a person
# or in a conversation that an account was linked away from at this moment. Whoever fences the
# attempt locks the turn before the allowances, but only for an open call: the turn has none now.
_OPEN = (
    insert(_calls)
    .from_select(
        _OPENED,
        select(*(bindparam(f"new_{name}", type_=_calls.c[name].type) for name in _OPENED))
        .where(
            *models.FENCED,
            _turns.c.user_id == bindparam("new_user_id"),
            _turns.c.conversation_id == bindparam("the_conversation"),
            _turns.c.epoch == bindparam("the_epoch"),
        )
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
    Raises QuotaExceeded, or LeaseLost if another attempt owns the turn or the turn was moved to
    another conversation; the caller must then roll the transaction back.
    """
    locked = await lock(session, turn, rules, now)
    payer = locked.payer
    amounts = {"turns": turns, "usd": cost, "tokens": tokens}
    dues = _dues(locked, rules, amounts)
    at, spent_at = await _take(session, dues, turn, now)
    paid = None if spent_at == at else spent_at
    opened = (turn.id, turn.attempt, payer.user_id, payer.group_id, model, turns, cost, tokens)
    values = (*opened, prompt_tokens, completion_tokens, least, at, paid)
    new = {f"new_{name}": value for name, value in zip(_OPENED, values, strict=True)}
    where = {"the_conversation": turn.conversation_id, "the_epoch": turn.epoch}
    call_id = await session.scalar(_OPEN, turn.fence | new | where)
    if call_id is None:
        raise LeaseLost(f"turn {turn.reference}")
    near = any(each.is_near(at) for each in dues)
    return Reservation(
        *(call_id, payer.user_id, turns, cost, at, paid, tokens, payer.group_id), is_near=near
    )


def _dues(locked: Locked, rules: Rules, amounts: Mapping[str, int]) -> list[_Due]:
    """Return what is to be taken from each locked allowance."""
    dues = []
    for row in locked.rows:
        limit = locked.limits.get((row.owner_id, row.unit, row.window))
        known = limit or Limit(0, row.unit, row.window, rules.zone)
        dues.append(_Due(row, known, amounts[row.unit], is_bound=limit is not None))
    return dues


async def _take(
    session: Session, dues: Sequence[_Due], turn: Turn, now: datetime
) -> tuple[datetime, datetime]:
    """Take the amounts from every allowance, or raise QuotaExceeded.

    Return the moments at which they count for the person and for the deployment. A question counts
    for its person in the windows in which it was asked, however long it has waited. If those are
    used up, it counts in the current windows: they are over, and nobody can wait for them. The
    deployment spends its money now.
    """
    # A newer window may have begun while this waited for the lock, or by another process's clock.
    now = max([now, *(each.row.window_start for each in dues)])
    at = min(turn.asked_at or turn.created_at, now)
    if now - at > LATE or all(each.start(at, now) == each.start(now, now) for each in dues):
        at = now
    refusal = await _refusal(session, dues, at, now)
    if refusal is not None and at < now:
        at, refusal = now, await _refusal(session, dues, now, now)
    if refusal is not None:
        raise refusal
    changes = [Taking(each.row, each.amount, each.start(at, now), each.most) for each in dues]
    await take(session, changes)
    return at, now


async def _refusal(
    session: Session, dues: Sequence[_Due], at: datetime, now: datetime
) -> QuotaExceeded | None:
    """Return the error for the first limit that has too little left at a moment of the person."""
    for each in dues:
        if not each.is_bound:
            continue
        used = await used_at(session, each.row, each.limit, now if each.owner == DEPLOYMENT else at)
        if used + each.amount > each.limit.amount:
            return QuotaExceeded(
                str(each.limit),
                each.limit.resets_at(now),
                needed=each.amount,
                left=max(each.limit.amount - used, 0),
                most=each.limit.amount,
                unit=each.limit.unit,
                whose=whose(each.owner),
            )
    return None
