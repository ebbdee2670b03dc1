"""What may be spent: reserved before a call, settled after it, exact to the micro-dollar.

Allowances always equal the sum of the ledger's rows of their window.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from core import models
from core.db import insert_missing, row_count
from core.errors import LeaseLost, QuotaExceeded
from core.messages import Usage
from core.models import Allowance, Call, Instant, table
from core.settings import Limit
from core.turns import Turn

DEPLOYMENT = 0
"""The owner of the budget."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of each person, and those of the whole deployment."""

    quota: tuple[Limit, ...] = ()
    budget: tuple[Limit, ...] = ()

    def of(self, user_id: int) -> list[tuple[int, Limit]]:
        """Owners and limits in the order in which they are locked, the budget last."""
        personal = sorted(self.quota, key=lambda limit: (limit.unit, limit.window))
        shared = sorted(self.budget, key=lambda limit: (limit.unit, limit.window))
        return [
            *((user_id, limit) for limit in personal),
            *((DEPLOYMENT, limit) for limit in shared),
        ]


@dataclass(frozen=True, slots=True)
class Reservation:
    """An open call of the ledger; `reserved` in micro-dollars."""

    call_id: int
    user_id: int
    turns: int
    reserved: int
    at: datetime


_allowances = table(Allowance)
_calls = table(Call)
_KEY = (_allowances.c.owner_id, _allowances.c.unit, _allowances.c.window)
_LOCK = (
    select(*_KEY, _allowances.c.window_start, _allowances.c.used)
    .where(tuple_(*_KEY).in_(bindparam("keys", expanding=True)))
    .order_by(_allowances.c.unit, _allowances.c.window)
    .with_for_update()
)
_IS_KEY = (
    _allowances.c.owner_id == bindparam("the_owner"),
    _allowances.c.unit == bindparam("the_unit"),
    _allowances.c.window == bindparam("the_window"),
)
_START = bindparam("start", type_=Instant)
_SPENT = case((_allowances.c.window_start < _START, 0), else_=_allowances.c.used)
_TAKEN = _SPENT + bindparam("amount", type_=BigInteger)
# The condition uses only its own row's columns: it holds for the newest version of the row.
_TAKE = (
    update(_allowances)
    .where(*_IS_KEY, bindparam("most", type_=BigInteger) >= _TAKEN)
    .values(
        used=_TAKEN,
        window_start=case(
            (_allowances.c.window_start < _START, _START), else_=_allowances.c.window_start
        ),
    )
)
_ADJUSTED = _allowances.c.used + bindparam("amount", type_=BigInteger)
_ADJUST = (
    update(_allowances)
    .where(*_IS_KEY, _allowances.c.window_start == _START)
    # A process whose limits are others may have opened the call, and not have counted it here.
    .values(used=case((_ADJUSTED < 0, 0), else_=_ADJUSTED))
)
_OPENED = ("turn_id", "attempt", "user_id", "model", "turns", "reserved", "created_at")
_turns = table(models.Turn)
# Its turn's row is locked: no other attempt can begin, and look for open calls, before this one
# is committed. Who lost the turn opens nothing.
_OPEN = (
    insert(_calls)
    .from_select(
        _OPENED,
        select(*(bindparam(f"new_{name}", type_=_calls.c[name].type) for name in _OPENED))
        .where(_turns.c.id == bindparam("the_turn"), _turns.c.attempt == bindparam("the_attempt"))
        .with_for_update(read=True),
    )
    .returning(_calls.c.id)
)
_CLOSE = update(_calls).where(_calls.c.id == bindparam("the_call"), _calls.c.settled_at.is_(None))


async def reserve(
    session: AsyncSession,
    turn: Turn,
    rules: Rules,
    *,
    model: str,
    cost: int,
    turns: int,
    now: datetime,
) -> Reservation:
    """Take `turns` turns and at most `cost` micro-dollars from every allowance, or from none.

    Raises QuotaExceeded, or LeaseLost when the turn is another attempt's; the transaction must
    then be rolled back.
    """
    amounts = {"turns": turns, "usd": cost}
    limits = [(owner, limit, amounts[limit.unit]) for owner, limit in rules.of(turn.user_id)]
    at = await _take(session, limits, now) if limits else now
    values = (turn.id, turn.attempt, turn.user_id, model, turns, cost, at)
    new = {f"new_{name}": value for name, value in zip(_OPENED, values, strict=True)}
    call_id = await session.scalar(_OPEN, {"the_turn": turn.id, "the_attempt": turn.attempt, **new})
    if call_id is None:
        raise LeaseLost(f"turn {turn.reference}")
    return Reservation(call_id, turn.user_id, turns, cost, at)


async def _take(
    session: AsyncSession, limits: Sequence[tuple[int, Limit, int]], now: datetime
) -> datetime:
    """Count in every allowance; the moment at which it counts there."""
    rows = await _lock(session, [(owner, limit) for owner, limit, _ in limits], now)
    # Who came late to the lock, or by a slower clock, counts in the windows that have begun.
    now = max(now, *(row.window_start for row in rows.values()))
    for owner, limit, amount in limits:
        used = _used(rows[owner, limit.unit, limit.window], limit, now)
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
                **_key(owner, limit),
                "start": limit.start(now),
                "amount": amount,
                "most": limit.amount,
            }
            for owner, limit, amount in limits
        ],
    )
    # The rows are locked, so this cannot differ; if it ever does, nobody overspends.
    assert row_count(taken) == len(limits)
    return now


def _key(owner: int, limit: Limit) -> dict[str, Any]:
    return {"the_owner": owner, "the_unit": limit.unit, "the_window": limit.window}


async def _lock(
    session: AsyncSession, limits: Sequence[tuple[int, Limit]], now: datetime
) -> dict[tuple[int, str, str], Any]:
    """The rows of limits, created when missing, in the order that all keep: the budget last."""
    rows: dict[tuple[int, str, str], Any] = {}
    # One owner after the other: nobody holds the budget while creating rows of their own.
    for owner in dict.fromkeys(owner for owner, _ in limits):
        own = [limit for of, limit in limits if of == owner]
        for row in await _lock_own(session, owner, own, now):
            rows[row.owner_id, row.unit, row.window] = row
    return rows


async def _lock_own(
    session: AsyncSession, owner: int, limits: Sequence[Limit], now: datetime
) -> Sequence[Any]:
    keys = {"keys": [(owner, limit.unit, limit.window) for limit in limits]}
    found: Sequence[Any] = (await session.execute(_LOCK, keys)).all()
    if len(found) < len(limits):
        await _create(session, owner, limits, now)
        found = (await session.execute(_LOCK, keys)).all()
    return found


async def _create(
    session: AsyncSession, owner: int, limits: Sequence[Limit], now: datetime
) -> None:
    """Begin rows at what the ledger counts already: the limit may be newer than the spending."""
    # Nobody can close a call between this sum and its row, which would then never learn of it.
    await session.execute(
        select(Call.id)
        .where(*_of(owner), Call.settled_at.is_(None))
        .order_by(Call.id)
        .with_for_update()
    )
    rows = [
        {
            "owner_id": owner,
            "unit": limit.unit,
            "window": limit.window,
            "window_start": limit.start(now),
            "used": await _counted(session, owner, limit, now),
        }
        for limit in limits
    ]
    await session.execute(insert_missing(session, Allowance).values(rows))


async def _counted(session: AsyncSession, owner: int, limit: Limit, now: datetime) -> int:
    """What the ledger counts for an owner in the window of now, in turns or micro-dollars."""
    paid = Call.cost if owner == DEPLOYMENT else Call.charged
    spent = case((Call.settled_at.is_(None), Call.reserved), else_=paid)
    amount = Call.turns if limit.unit == "turns" else spent
    counted = select(func.coalesce(func.sum(amount), 0))
    found = await session.scalar(counted.where(*_of(owner), Call.created_at >= limit.start(now)))
    return int(found or 0)


def _of(owner: int) -> list[ColumnElement[bool]]:
    """The calls that count for an owner: for the deployment all of them."""
    return [] if owner == DEPLOYMENT else [Call.user_id == owner]


async def prune(session: AsyncSession, rules: Rules) -> None:
    """Delete the allowances of limits that are no more: should one return, the ledger knows."""
    kept = [(_allowances.c.owner_id != DEPLOYMENT, rules.quota)]
    kept.append((_allowances.c.owner_id == DEPLOYMENT, rules.budget))
    for whose, limits in kept:
        names = [(limit.unit, limit.window) for limit in limits]
        is_limit = tuple_(_allowances.c.unit, _allowances.c.window).in_(names)
        await session.execute(delete(_allowances).where(whose, ~is_limit))


async def settle(
    session: AsyncSession,
    reservation: Reservation,
    rules: Rules,
    usage: Usage,
    cost: int,
    *,
    model: str = "",
    estimated: bool = False,
    now: datetime,
) -> None:
    """Replace a reservation by what the call cost; both the person and the budget pay it."""
    await _close(
        session,
        reservation,
        rules,
        {
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "completion_tokens": usage.completion_tokens,
            "cost": cost,
            "charged": cost,
            "estimated": estimated,
            "settled_at": now,
        }
        | ({"model": model} if model else {}),
    )


async def release(
    session: AsyncSession, reservation: Reservation, rules: Rules, *, now: datetime
) -> None:
    """Give a reservation back whole: the call failed, and a failed request is never charged."""
    await _close(
        session,
        reservation,
        rules,
        {"turns": 0, "cost": 0, "charged": 0, "settled_at": now},
    )


async def recover(session: AsyncSession, turn: Turn, rules: Rules, *, now: datetime) -> None:
    """Close the calls that a turn left open, before it opens another.

    The budget pays what was reserved, since it may have been spent; the person pays nothing.
    """
    open_calls = and_(Call.turn_id == turn.id, Call.attempt <= turn.attempt)
    await _close_all(session, open_calls, rules, now, lambda _: {"turns": 0, "charged": 0})


async def abandon(
    session: AsyncSession, turn_ids: Collection[int], rules: Rules, *, now: datetime
) -> None:
    """Close the calls of turns that people give up for good: they pay what was reserved."""
    open_calls = Call.turn_id.in_(turn_ids)
    await _close_all(session, open_calls, rules, now, lambda call: {"charged": call.reserved})


async def is_counted(session: AsyncSession, turn: Turn) -> bool:
    """Whether a call of an earlier attempt was counted as the person's turn: it counts once."""
    counted = exists().where(_calls.c.turn_id == turn.id, _calls.c.turns > 0)
    return bool(await session.scalar(select(counted.where(_calls.c.settled_at.is_not(None)))))


async def _close_all(
    session: AsyncSession,
    which: ColumnElement[bool],
    rules: Rules,
    now: datetime,
    paid: Callable[[Call], dict[str, Any]],
) -> None:
    """Close open calls at what was reserved, as far as the budget goes."""
    left = await session.execute(
        select(Call).where(which, Call.settled_at.is_(None)).with_for_update()
    )
    calls = left.scalars().all()
    if calls:
        # What is reserved next in this transaction must not wait for rows that come before these.
        await _lock(session, _limits(rules, {call.user_id for call in calls}), now)
    for call in calls:
        await _close(
            session,
            Reservation(call.id, call.user_id, call.turns, call.reserved, call.created_at),
            rules,
            {"cost": call.reserved, "estimated": True, "settled_at": now} | paid(call),
        )


def _limits(rules: Rules, users: Collection[int]) -> list[tuple[int, Limit]]:
    """The limits of several people in the order in which they are locked, the budget last."""
    every = [pair for user in sorted(users) for pair in rules.of(user)]
    return sorted(dict.fromkeys(every), key=lambda pair: pair[0] == DEPLOYMENT)


async def _close(
    session: AsyncSession, reservation: Reservation, rules: Rules, values: dict[str, Any]
) -> None:
    closed = await session.execute(_CLOSE.values(values), {"the_call": reservation.call_id})
    if not row_count(closed):
        return
    turns = values.get("turns", reservation.turns) - reservation.turns
    changes = [
        {**_key(owner, limit), "start": limit.start(reservation.at), "amount": delta}
        for owner, limit in rules.of(reservation.user_id)
        if (delta := _delta(owner, limit, reservation, values, turns))
    ]
    if changes:
        # A row whose window is over counts another one by now, and stays as it is.
        await session.execute(_ADJUST, changes)


def _delta(
    owner: int, limit: Limit, reservation: Reservation, values: dict[str, Any], turns: int
) -> int:
    if limit.unit == "turns":
        return turns
    paid: int = values["cost"] if owner == DEPLOYMENT else values["charged"]
    return paid - reservation.reserved


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left of a limit, in turns or micro-dollars, until it is whole again."""

    limit: Limit
    left: int
    resets_at: datetime


async def remaining(
    session: AsyncSession, user_id: int, rules: Rules, *, now: datetime
) -> list[Remaining]:
    """What a person may still spend, one entry for each of the operator's limits."""
    found = await session.execute(select(Allowance).where(Allowance.owner_id == user_id))
    rows = {(row.unit, row.window): row for row in found.scalars()}
    left = []
    for limit in rules.quota:
        row = rows.get((limit.unit, limit.window))
        used = (
            await _counted(session, user_id, limit, now) if row is None else _used(row, limit, now)
        )
        left.append(Remaining(limit, max(limit.amount - used, 0), limit.resets_at(now)))
    return left


def _used(row: Any, limit: Limit, now: datetime) -> int:
    """What an allowance counts in the window of now."""
    used: int = row.used if row.window_start >= limit.start(now) else 0
    return used


@dataclass(frozen=True, slots=True)
class Spent:
    """What a person's calls used since a moment; `charged` in micro-dollars."""

    turns: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    charged: int


async def spent(session: AsyncSession, user_id: int, *, since: datetime) -> Spent:
    """The ledger's sum for a person, of calls that are settled."""
    row = await session.execute(
        select(
            func.coalesce(func.sum(Call.turns), 0),
            func.coalesce(func.sum(Call.prompt_tokens), 0),
            func.coalesce(func.sum(Call.cached_tokens), 0),
            func.coalesce(func.sum(Call.completion_tokens), 0),
            func.coalesce(func.sum(Call.charged), 0),
        ).where(Call.user_id == user_id, Call.created_at >= since, Call.settled_at.is_not(None))
    )
    return Spent(*(int(figure) for figure in row.one()))
