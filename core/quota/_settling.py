"""Settling a call: replacing the reserved amount by the cost, in call and allowances at once.

Who ends a call decides who pays. Its own attempt and a person who cuts it off charge the person.
After a crash, and for an answer that cannot be delivered, the deployment pays alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    exists,
    or_,
    select,
    tuple_,
    update,
)

from core import models, tallies
from core.db import Session
from core.errors import Unit
from core.messages import Usage
from core.models import Instant, allowances
from core.quota._allowances import KEY, LOCKED, create, lock_all
from core.quota._reserving import Reservation
from core.quota._rules import DEPLOYMENT, Rules
from core.settings import Limit, Window
from core.turns import Turn

_WINDOWS: tuple[Window, ...] = get_args(Window)
_calls = models.calls
_turns = models.turns


def _by_owner(person: Any, deployment: Any) -> Any:
    return case((allowances.c.owner_id == DEPLOYMENT, deployment), else_=person)


def _amount(whose: str) -> Any:
    """Return the parameter with the change of an allowance, by its unit."""
    units = ((unit, bindparam(f"{whose}_{unit}", type_=BigInteger)) for unit in get_args(Unit))
    return case(*((allowances.c.unit == unit, amount) for unit, amount in units))


def _start(whose: str) -> Any:
    """Return the parameter with the beginning of an allowance's window, by its kind."""
    windows = ((each, bindparam(f"{whose}_{each}", type_=Instant)) for each in _WINDOWS)
    return case(*((allowances.c.window == window, start) for window, start in windows))


# All allowances that there are of the owners, whatever the limits are by now. They are locked in
# the order of all others who lock some.
_THEIRS = (
    select(*KEY)
    .where(allowances.c.owner_id.in_(bindparam("owners", expanding=True)))
    .order_by(*LOCKED)
    .with_for_update()
    .cte("theirs")
)
_ADJUSTED = allowances.c.used + _by_owner(_amount("person"), _amount("deployment"))
_ADJUST = (
    update(allowances)
    .where(
        tuple_(*KEY).in_(select(_THEIRS)),
        # A row that counts a newer window by now stays as it is.
        allowances.c.window_start == _by_owner(_start("person"), _start("deployment")),
    )
    .values(used=_ADJUSTED)
)
_CALL = update(_calls).where(_calls.c.id == bindparam("the_call"))
_OPEN = _CALL.where(_calls.c.settled_at.is_(None))
# The ledger tells who pays: the person may have been linked with another account meanwhile.
_SETTLE = _OPEN.returning(_calls.c.user_id, _calls.c.group_id)
_NOTE = _OPEN.values(
    completion_tokens=bindparam("came", type_=Integer), cost=bindparam("worth", type_=BigInteger)
)


@dataclass(frozen=True, slots=True)
class Progress:
    """The part of an open call's answer that has come; `cost` of the call in micro-dollars.

    Both include what may come before the next note.
    """

    call_id: int
    completion_tokens: int
    cost: int


_FREE: Mapping[str, int] = {"turns": 0, "charged": 0, "charged_tokens": 0}
"""The amounts of a person who pays nothing for a call."""


@dataclass(frozen=True, slots=True)
class _Amounts:
    """The amounts that a call adds to allowances; money in micro-dollars."""

    turns: int
    """The turns that count, for the person and the deployment alike."""
    cost: int
    tokens: int
    """The money and the tokens that count for the deployment."""
    charged: int
    charged_tokens: int
    """The money and the tokens that count for the person."""

    def since(self, before: "_Amounts") -> dict[str, int]:
        """Return the changes of allowances from other amounts to these, as parameters."""
        return {
            "person_turns": self.turns - before.turns,
            "person_usd": self.charged - before.charged,
            "person_tokens": self.charged_tokens - before.charged_tokens,
            "deployment_turns": self.turns - before.turns,
            "deployment_usd": self.cost - before.cost,
            "deployment_tokens": self.tokens - before.tokens,
        }


async def note(session: Session, news: Sequence[Progress]) -> None:
    """Store how far open calls have come: whoever settles one for its attempt knows no more."""
    rows = [
        {"the_call": new.call_id, "came": new.completion_tokens, "worth": new.cost} for new in news
    ]
    await session.execute(_NOTE, rows)


async def settle(
    session: Session,
    reservation: Reservation,
    rules: Rules,
    usage: Usage,
    cost: int,
    *,
    model: str = "",
    estimated: bool = False,
    excused: bool = False,
    now: datetime,
) -> None:
    """Replace a reservation by the cost of the call, which the person and the budget pay.

    `excused` means that the person pays nothing and no turn counts. If somebody has settled the
    call by what was known of it, because its attempt lost the turn, this better figure takes the
    place of that one; the same ones pay it.
    """
    values: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost": cost,
        "estimated": estimated,
        "settled_at": now,
    }
    if model:
        values["model"] = model
    values |= _FREE if excused else _paid(values)
    await _settle_own(session, reservation, rules, values)


async def release(
    session: Session, reservation: Reservation, rules: Rules, *, now: datetime
) -> None:
    """Give the money of a reservation back: nothing came of the request, which costs nothing.

    It counts as a turn all the same.
    """
    nothing: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0}
    values = {**nothing, **_paid(nothing), "estimated": False, "settled_at": now}
    await _settle_own(session, reservation, rules, values)


async def prepare(session: Session, turn: Turn, rules: Rules, *, now: datetime) -> None:
    """Create the allowances that a reservation for a turn will need.

    Call it before anything else in a transaction that recovers and then reserves: those who hold
    calls wait for allowances, and whoever creates one waits for calls.
    """
    await create(session, rules.of(turn.payer), now)


async def recover(session: Session, turn: Turn, rules: Rules, *, now: datetime) -> None:
    """Settle the calls that a crash left open in a turn, before it opens another.

    The budget pays what is known to have come; the person pays nothing.
    """
    left = and_(_calls.c.turn_id == turn.id, _calls.c.attempt <= turn.attempt)
    await _settle_all(session, left, rules, now)


async def abandon(
    session: Session, turn_ids: Collection[int], rules: Rules, *, now: datetime
) -> None:
    """Settle the open calls of turns whose attempts were just fenced off by a person.

    Call it in the transaction that fences them. The person pays what is known to have come, and it
    counts as a turn; the attempt, which knows better, corrects the figure when it finds itself
    fenced off. A call that a crash had cut off before costs the person nothing. The fence leaves
    the lease of a turn as it was, which tells the two apart.
    """
    await _settle_all(session, _calls.c.turn_id.in_(turn_ids), rules, now, by_person=True)


async def excuse(session: Session, turn: Turn, rules: Rules, *, now: datetime) -> None:
    """Give a person back what a turn has cost them, money and turn; the budget pays it alone.

    An open call of the turn is settled by what is known to have come.
    """
    mine = _calls.c.turn_id == turn.id
    await _settle_all(session, mine, rules, now)
    found = await session.execute(
        select(_calls)
        .where(mine, or_(_calls.c.turns > 0, _calls.c.charged > 0, _calls.c.charged_tokens > 0))
        .order_by(_calls.c.id)
        .with_for_update()
    )
    calls = found.all()
    await lock_all(session, _owners(calls))  # as below
    for call in calls:
        before = _settled(call)
        await session.execute(_CALL, {**_FREE, "the_call": call.id})
        await _adjust(session, _reservation(call), rules, before, replace(before, **_FREE))


async def is_counted(session: Session, turn: Turn) -> bool:
    """Return True if a settled call counts as the person's turn since they asked last."""
    counted = exists().where(
        _calls.c.turn_id == turn.id, _calls.c.attempt > turn.asked, _calls.c.turns > 0
    )
    return bool(await session.scalar(select(counted.where(_calls.c.settled_at.is_not(None)))))


async def _settle_all(
    session: Session,
    which: ColumnElement[bool],
    rules: Rules,
    now: datetime,
    *,
    by_person: bool = False,
) -> None:
    """Settle open calls by what is known of them."""
    was_alive = and_(_turns.c.lease_until > now, _turns.c.attempt == _calls.c.attempt + 1)
    left = await session.execute(
        select(_calls, was_alive.label("was_alive"))
        .join(_turns, _turns.c.id == _calls.c.turn_id)
        .where(which, _calls.c.settled_at.is_(None))
        .order_by(_calls.c.id)
        .with_for_update(of=_calls)
    )
    calls = left.all()
    if calls:
        # Lock all rows now, in their order: a later reservation in this transaction must not wait
        # for rows that precede these.
        await lock_all(session, _owners(calls))
    for call in calls:
        # A call of an older release tells nothing until it is settled.
        cost = min(call.cost, call.reserved) or call.reserved
        tokens = {name: getattr(call, name) for name in ("prompt_tokens", "completion_tokens")}
        values = {"cost": cost, "estimated": True, "settled_at": now, **tokens}
        values |= _paid(values) if by_person and call.was_alive else _FREE
        await _settle(session, _reservation(call), rules, values)


def _reservation(call: Any) -> Reservation:
    return Reservation(
        call.id,
        call.user_id,
        call.turns,
        call.reserved,
        at=call.created_at,
        spent_at=call.spent_at,
        tokens=call.reserved_tokens,
        group_id=call.group_id,
    )


def _owners(calls: Sequence[Any]) -> set[int]:
    """Return the owners of the allowances that count calls."""
    return {owner for call in calls for owner in _reservation(call).owners}


def _settled(call: Any) -> _Amounts:
    """Return the amounts of a settled call."""
    tokens = call.prompt_tokens + call.completion_tokens
    return _Amounts(call.turns, call.cost, tokens, call.charged, call.charged_tokens or 0)


async def _settle_own(
    session: Session, reservation: Reservation, rules: Rules, values: dict[str, Any]
) -> None:
    """Settle a call for its own attempt, or correct the estimate by which it was settled."""
    if await _settle(session, reservation, rules, values):
        return
    is_it = _calls.c.id == reservation.call_id
    found = await session.execute(select(_calls).where(is_it, _calls.c.estimated).with_for_update())
    call = found.one_or_none()
    if call is None:
        return
    # A call without a price was paid if its tokens were; an older release did not note them.
    tokens = call.prompt_tokens + call.completion_tokens
    is_paid = call.charged == call.cost and call.charged_tokens in (None, tokens)
    values = {**values, "turns": call.turns}
    values |= _paid(values) if is_paid else {"charged": 0, "charged_tokens": 0}
    await session.execute(_CALL, {**values, "the_call": call.id})
    reservation = replace(reservation, user_id=call.user_id, group_id=call.group_id)
    await _adjust(session, reservation, rules, _settled(call), _new(values, reservation))
    await tallies.correct(session, call, values, zone=rules.zone)


async def _settle(
    session: Session, reservation: Reservation, rules: Rules, values: dict[str, Any]
) -> bool:
    """Settle a call and return True; change nothing if it is settled already."""
    settled = await session.execute(_SETTLE, {**values, "the_call": reservation.call_id})
    if (payer := settled.one_or_none()) is None:
        return False
    reservation = replace(reservation, user_id=payer.user_id, group_id=payer.group_id)
    money, tokens = reservation.reserved, reservation.tokens
    before = _Amounts(reservation.turns, money, tokens, money, tokens)
    await _adjust(session, reservation, rules, before, _new(values, reservation))
    return True


def _new(values: dict[str, Any], reservation: Reservation) -> _Amounts:
    return _Amounts(
        values.get("turns", reservation.turns),
        values["cost"],
        values["prompt_tokens"] + values["completion_tokens"],
        values["charged"],
        values["charged_tokens"],
    )


def _paid(values: dict[str, Any]) -> dict[str, int]:
    """Return the amounts of a person who pays for all of a call."""
    tokens = values["prompt_tokens"] + values["completion_tokens"]
    return {"charged": values["cost"], "charged_tokens": tokens}


async def _adjust(
    session: Session, reservation: Reservation, rules: Rules, before: _Amounts, after: _Amounts
) -> None:
    """Let the allowances of a call's windows count new amounts in place of those before.

    The amounts of the person count in those of the group.
    """
    changes: dict[str, Any] = {**after.since(before)}
    if not any(changes.values()):
        return
    for whose, owner in (("person", reservation.user_id), ("deployment", DEPLOYMENT)):
        at = reservation.counts_at(owner)
        starts = ((window, Limit(0, "turns", window, rules.zone).start(at)) for window in _WINDOWS)
        changes |= {f"{whose}_{window}": start for window, start in starts}
    await session.execute(_ADJUST, {**changes, "owners": reservation.owners})
