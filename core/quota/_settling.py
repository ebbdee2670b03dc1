"""Settling a call: replacing the reserved amount by the cost, in call and allowances at once."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, exists, select, update

from core.db import Session, row_count
from core.messages import Usage
from core.models import Call, table
from core.quota._allowances import DEPLOYMENT, IS_KEY, START, Rules, allowances, key, lock
from core.quota._reserving import Reservation
from core.settings import Limit
from core.turns import Turn

_calls = table(Call)
_ADJUSTED = allowances.c.used + bindparam("amount", type_=BigInteger)
_ADJUST = (
    update(allowances)
    .where(*IS_KEY, allowances.c.window_start == START)
    # Not below zero: a process with other limits may have opened the call without counting it here.
    .values(used=case((_ADJUSTED < 0, 0), else_=_ADJUSTED))
)
_SETTLE = update(_calls).where(_calls.c.id == bindparam("the_call"), _calls.c.settled_at.is_(None))


async def settle(
    session: Session,
    reservation: Reservation,
    rules: Rules,
    usage: Usage,
    cost: int,
    *,
    model: str = "",
    estimated: bool = False,
    now: datetime,
) -> None:
    """Replace a reservation by the cost of the call, which the person and the budget pay."""
    await _settle(
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
    session: Session, reservation: Reservation, rules: Rules, *, now: datetime
) -> None:
    """Give the whole reservation back: the call failed, and a failed request costs nothing."""
    await _settle(
        session,
        reservation,
        rules,
        {"turns": 0, "cost": 0, "charged": 0, "settled_at": now},
    )


async def recover(session: Session, turn: Turn, rules: Rules, *, now: datetime) -> None:
    """Settle the calls that a turn left open, before it opens another.

    The budget pays the reserved amount, which may have been spent; the person pays nothing.
    """
    open_calls = and_(Call.turn_id == turn.id, Call.attempt <= turn.attempt)
    await _settle_all(session, open_calls, rules, now, lambda _: {"turns": 0, "charged": 0})


async def abandon(
    session: Session, turn_ids: Collection[int], rules: Rules, *, now: datetime
) -> None:
    """Settle the open calls of turns that people gave up; they pay the reserved amounts."""
    open_calls = Call.turn_id.in_(turn_ids)
    await _settle_all(session, open_calls, rules, now, lambda call: {"charged": call.reserved})


async def give_back(session: Session, turn: Turn, rules: Rules, *, now: datetime) -> None:
    """Let a turn cost its person nothing, nor count: the budget alone pays for its calls.

    A call that is still open costs the reserved amount.
    """
    await recover(session, turn, rules, now=now)
    found = await session.execute(
        select(Call)
        .where(Call.turn_id == turn.id, (Call.charged > 0) | (Call.turns > 0))
        .with_for_update()
    )
    for call in found.all():
        await lock(session, rules.of(call.user_id), now)
        await session.execute(
            update(_calls).where(_calls.c.id == call.id).values(turns=0, charged=0)
        )
        changes = [
            {
                **key(owner, limit),
                "start": limit.start(call.created_at),
                "amount": -(call.turns if limit.unit == "turns" else call.charged),
            }
            for owner, limit in rules.of(call.user_id)
            if owner != DEPLOYMENT or limit.unit == "turns"
        ]
        if changes:
            await session.execute(_ADJUST, changes)


async def is_counted(session: Session, turn: Turn) -> bool:
    """Return True if a settled call of this turn counts as the person's turn already."""
    counted = exists().where(_calls.c.turn_id == turn.id, _calls.c.turns > 0)
    return bool(await session.scalar(select(counted.where(_calls.c.settled_at.is_not(None)))))


async def _settle_all(
    session: Session,
    which: ColumnElement[bool],
    rules: Rules,
    now: datetime,
    paid: Callable[[Any], dict[str, Any]],
) -> None:
    """Settle open calls; the budget pays the reserved amounts, the people what `paid` says."""
    left = await session.execute(
        select(Call).where(which, Call.settled_at.is_(None)).with_for_update()
    )
    calls = left.all()
    if calls:
        # Lock all rows now, in their order: a later reservation in this transaction must not wait
        # for rows that precede these.
        await lock(session, _limits(rules, {call.user_id for call in calls}), now)
    for call in calls:
        await _settle(
            session,
            Reservation(call.id, call.user_id, call.turns, call.reserved, call.created_at),
            rules,
            {"cost": call.reserved, "estimated": True, "settled_at": now} | paid(call),
        )


def _limits(rules: Rules, users: Collection[int]) -> list[tuple[int, Limit]]:
    """Return the limits of several people in the order of locking, the budget last."""
    every = [pair for user in sorted(users) for pair in rules.of(user)]
    return sorted(dict.fromkeys(every), key=lambda pair: pair[0] == DEPLOYMENT)


async def _settle(
    session: Session, reservation: Reservation, rules: Rules, values: dict[str, Any]
) -> None:
    settled = await session.execute(_SETTLE.values(values), {"the_call": reservation.call_id})
    if not row_count(settled):
        return
    turns = values.get("turns", reservation.turns) - reservation.turns
    changes = [
        {**key(owner, limit), "start": limit.start(reservation.at), "amount": delta}
        for owner, limit in rules.of(reservation.user_id)
        if (delta := _delta(owner, limit, reservation, values, turns))
    ]
    if changes:
        # A row that counts a newer window by now stays as it is.
        await session.execute(_ADJUST, changes)


def _delta(
    owner: int, limit: Limit, reservation: Reservation, values: dict[str, Any], turns: int
) -> int:
    if limit.unit == "turns":
        return turns
    paid: int = values["cost"] if owner == DEPLOYMENT else values["charged"]
    return paid - reservation.reserved
