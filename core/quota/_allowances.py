"""Allowances: one row for each owner and limit, equal to the sum of its window's calls and
corrections.
"""

from collections.abc import Collection, Mapping, Sequence
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
    or_,
    select,
    tuple_,
    update,
)

from core import models
from core.db import Session, insert_missing, row_count
from core.errors import LeaseLost, Unit
from core.models import Instant, allowances, corrections, exceptions
from core.quota._rules import DEPLOYMENT, Rules
from core.settings import Limit, Window
from core.turns import Payer, Turn

_calls = models.calls
_days = models.days
_turns = models.turns
_users = models.users

KEY = (allowances.c.owner_id, allowances.c.unit, allowances.c.window)
"""The columns that tell an allowance from all others."""
LOCKED = (allowances.c.owner_id == DEPLOYMENT, allowances.c.owner_id < DEPLOYMENT, *KEY)
"""The order in which allowances are locked: people, groups, the budget last."""
BOUNDLESS = 2**62
"""An amount that no allowance reaches."""
_START = bindparam("start", type_=Instant)
_USED = case((allowances.c.window_start < _START, 0), else_=allowances.c.used)
_TAKEN = _USED + bindparam("amount", type_=BigInteger)
# The condition uses only columns of its own row, so that it holds for the row's newest version.
_TAKE = (
    update(allowances)
    .where(
        allowances.c.owner_id == bindparam("the_owner"),
        allowances.c.unit == bindparam("the_unit"),
        allowances.c.window == bindparam("the_window"),
        bindparam("most", type_=BigInteger) >= _TAKEN,
    )
    .values(
        used=_TAKEN,
        window_start=case(
            (allowances.c.window_start < _START, _START), else_=allowances.c.window_start
        ),
    )
)

# All allowances that there are of the owners, whatever their limits are by now: whoever counts
# something counts it in each of them, so that they are right when a limit returns.
_LOCK = (
    select(*KEY, allowances.c.window_start, allowances.c.used)
    .where(allowances.c.owner_id.in_(bindparam("owners", expanding=True)))
    .order_by(*LOCKED)
    .with_for_update()
)
_own = allowances.alias("own")
_own_rows = select(func.count()).where(
    tuple_(_own.c.owner_id, _own.c.unit, _own.c.window).in_(bindparam("keys", expanding=True))
)
# Nobody may hold an allowance while creating others: those who hold the calls that are summed for
# these may wait for it.
_LOCK_IF_ALL = _LOCK.where(
    _own_rows.scalar_subquery() == bindparam("many"),
    exists().where(_turns.c.id == bindparam("the_turn"), _turns.c.user_id == bindparam("payer")),
)


@dataclass(frozen=True, slots=True)
class Locked:
    """The locked allowances of a turn, in their order, and their limits."""

    payer: Payer
    rows: Sequence[Any]
    limits: Mapping[tuple[int, Unit, Window], Limit]


async def lock(session: Session, turn: Turn, rules: Rules, now: datetime) -> Locked:
    """Lock all allowances of a turn's owners, the budget last, and create missing ones.

    The payer is another one than in `turn` if its person was linked with another account since.
    Raises LeaseLost if the turn is gone.
    """
    payer = turn.payer
    while True:
        limits = {(owner, each.unit, each.window): each for owner, each in rules.of(payer)}
        wanted = {"keys": list(limits), "many": len(limits)}
        whose = {"owners": owners(payer), "the_turn": turn.id, "payer": payer.user_id}
        rows = (await session.execute(_LOCK_IF_ALL, wanted | whose)).all()
        missing = limits.keys() - {(row.owner_id, row.unit, row.window) for row in rows}
        if rows and not missing:
            return Locked(payer, rows, limits)
        current = await _payer_of(session, turn)
        if current.user_id == payer.user_id:
            if not missing:
                return Locked(payer, rows, limits)
            await create(session, rules.of(payer), now)
        payer = current


def owners(payer: Payer) -> list[int]:
    """Return the owners of the allowances in which a payer's turns count."""
    group = [] if payer.group_id is None else [-payer.group_id]
    return [payer.user_id, *group, DEPLOYMENT]


async def lock_all(session: Session, owners: Collection[int]) -> Sequence[Any]:
    """Lock all allowances that there are of several owners, and return them in their order."""
    return (await session.execute(_LOCK, {"owners": list(owners)})).all()


@dataclass(frozen=True, slots=True)
class Taking:
    """An amount to take from a locked allowance, in the window that began at `start`."""

    row: Any
    amount: int
    start: datetime
    most: int = BOUNDLESS
    """The most that the allowance may count then."""


async def take(session: Session, takings: Sequence[Taking]) -> None:
    """Take amounts from locked allowances, which thereby count the newest window."""
    changes = [
        {
            "the_owner": each.row.owner_id,
            "the_unit": each.row.unit,
            "the_window": each.row.window,
            "start": each.start,
            "amount": each.amount,
            "most": each.most,
        }
        for each in takings
        if each.start >= each.row.window_start  # of a window that is over, the ledger keeps count
    ]
    if changes:
        taken = await session.execute(_TAKE, changes)
        # The rows are locked, so the caller's check holds; if it ever does not, nobody overspends.
        assert row_count(taken) == len(changes)


_group = exceptions.alias("of_group")
_PAYER = (
    select(_turns.c.user_id, exceptions.c.terms, _group.c.id, _group.c.terms)
    .select_from(
        _turns.outerjoin(exceptions, exceptions.c.user_id == _turns.c.user_id).outerjoin(
            _group, and_(_group.c.platform == _turns.c.platform, _group.c.chat == _turns.c.chat)
        )
    )
    .where(_turns.c.id == bindparam("the_turn"))
)


async def _payer_of(session: Session, turn: Turn) -> Payer:
    """Return the payer of a turn as it is now."""
    found = (await session.execute(_PAYER, {"the_turn": turn.id})).one_or_none()
    if found is None:
        raise LeaseLost(f"turn {turn.reference}")
    return Payer(found[0], found[1] or "", found[2], found[3] or "")


async def create(session: Session, limits: Sequence[tuple[int, Limit]], now: datetime) -> None:
    """Create missing allowances that start at the ledger's sum; do nothing if there are all.

    A limit may be newer than the calls. The transaction must hold no allowance yet.
    """
    keys = [(owner, limit.unit, limit.window) for owner, limit in limits]
    found = await session.execute(select(*KEY).where(tuple_(*KEY).in_(keys)))
    known = {tuple(row) for row in found}
    new = [pair for pair, key in zip(limits, keys, strict=True) if key not in known]
    if not new:
        return
    await hold(session, {owner for owner, _ in new})
    since = min(limit.start(now) for _, limit in new)
    await hold_calls(session, {owner for owner, _ in new}, since)
    rows = [
        {
            "owner_id": owner,
            "unit": limit.unit,
            "window": limit.window,
            "window_start": limit.start(now),
            "used": await ledger_sum(session, owner, limit, now),
        }
        for owner, limit in new
    ]
    await session.execute(insert_missing(session, allowances), rows)


async def hold(session: Session, owners: Collection[int]) -> None:
    """Lock people and groups, so that nobody else changes their corrections or sums them.

    Whoever corrects an owner's allowances holds it first, before any call or allowance.
    """
    people = sorted(owner for owner in owners if owner > DEPLOYMENT)
    groups = sorted(-owner for owner in owners if owner < DEPLOYMENT)
    for which, ids in ((_users, people), (exceptions, groups)):
        if ids:
            rows = select(which.c.id).where(which.c.id.in_(ids)).order_by(which.c.id)
            await session.execute(rows.with_for_update(key_share=True))


async def hold_calls(session: Session, owners: Collection[int], since: datetime) -> None:
    """Lock the calls of owners that somebody may change: open, estimated, or not delivered.

    If one were settled between the sum and the new row, the row would keep the reserved amount for
    ever.
    """
    theirs = or_(*(and_(True, *of_owner(owner)) for owner in sorted(owners)))
    may_change = or_(
        _calls.c.settled_at.is_(None),
        _calls.c.estimated,
        and_(_turns.c.id.is_not(None), _turns.c.delivered_at.is_(None)),
    )
    counts_at = func.coalesce(_calls.c.spent_at, _calls.c.created_at)
    await session.execute(
        select(_calls.c.id)
        .select_from(_calls.outerjoin(_turns, _turns.c.id == _calls.c.turn_id))
        .where(theirs, may_change, counts_at >= since)
        .order_by(_calls.c.id)
        .with_for_update(of=_calls)
    )


async def ledger_sum(
    session: Session, owner: int, limit: Limit, moment: datetime, *, grants: bool = True
) -> int:
    """Sum an owner's calls in the window around a moment, in the unit of the limit.

    A window that is longer than calls are kept began at a midnight: whole days are in it. Without
    `grants`, corrections count only if they are positive.
    """
    start, end = limit.start(moment), limit.resets_at(moment)
    first, end_day = limit.days(start)
    spent = _spent(_calls, owner, limit)
    if (reserved := _RESERVED.get(limit.unit)) is not None:
        spent = case((_calls.c.settled_at.is_(None), reserved), else_=spent)
    at: Any = _calls.c.created_at
    if owner == DEPLOYMENT:
        at = func.coalesce(_calls.c.spent_at, at)
    sums = [
        select(func.sum(spent)).where(*of_owner(owner), at >= start, at < end),
        select(func.sum(_spent(_days, owner, limit))).where(
            _days.c.user_id == owner if owner != DEPLOYMENT else _days.c.user_id > DEPLOYMENT,
            _days.c.day >= first,
            _days.c.day < end_day,
        ),
    ]
    if owner != DEPLOYMENT:
        corrected = corrections.c[CORRECTED[limit.unit]]
        theirs = [corrections.c.owner_id == owner]
        theirs += [corrections.c.created_at >= start, corrections.c.created_at < end]
        theirs += [] if grants else [corrected > 0]
        sums.append(select(func.sum(corrected)).where(*theirs))
    # One statement: meanwhile, calls may become sums by day.
    found = await session.execute(select(*(each.scalar_subquery() for each in sums)))
    return sum(int(each or 0) for each in found.one())


CORRECTED: Mapping[str, str] = {"turns": "turns", "usd": "charged", "tokens": "charged_tokens"}
"""The columns of corrections, by unit."""
_RESERVED: Mapping[str, Any] = {"usd": _calls.c.reserved, "tokens": _calls.c.reserved_tokens}


def _spent(of: Any, owner: int, limit: Limit) -> Any:
    """Return the amount that counts in an owner's limit of calls or of sums by day."""
    if limit.unit == "turns":
        return of.c.turns
    if limit.unit == "usd":
        return of.c.cost if owner == DEPLOYMENT else of.c.charged
    tokens = of.c.prompt_tokens + of.c.completion_tokens
    # A call of an older release does not tell who paid its tokens.
    return tokens if owner == DEPLOYMENT else func.coalesce(of.c.charged_tokens, tokens)


def of_owner(owner: int) -> list[ColumnElement[bool]]:
    """Return the condition for an owner's calls; all calls belong to the deployment."""
    if owner == DEPLOYMENT:
        return []
    return [_calls.c.user_id == owner if owner > 0 else _calls.c.group_id == -owner]


def used_now(row: Any, limit: Limit, now: datetime) -> int:
    """Return the amount that an allowance counts in the current window."""
    used: int = row.used if row.window_start >= limit.start(now) else 0
    return used


async def used_at(session: Session, row: Any, limit: Limit, at: datetime) -> int:
    """Return the amount that is used in the window around a moment, which may be over.

    The allowance counts only the newest window that anything was used in; the ledger knows the
    older ones. While the allowance is locked, nobody else takes anything from either.
    """
    if row.window_start > limit.start(at):
        return await ledger_sum(session, row.owner_id, limit, at)
    return used_now(row, limit, at)


async def drop(session: Session, owners: Collection[int]) -> None:
    """Delete all allowances of owners; the ledger restores those that are needed."""
    await lock_all(session, owners)
    await session.execute(delete(allowances).where(allowances.c.owner_id.in_(list(owners))))


async def prune(session: Session, rules: Rules) -> None:
    """Delete the allowances of limits that no longer exist; the ledger can restore them."""
    apart = exceptions.c.terms != ""
    told = await session.scalars(select(exceptions.c.terms).where(apart).distinct())
    people = select(exceptions.c.user_id).where(exceptions.c.user_id.is_not(None))
    groups = select(-exceptions.c.id).where(exceptions.c.user_id.is_(None))
    owner = allowances.c.owner_id
    kept = [
        (owner == DEPLOYMENT, rules.budget),
        (and_(owner > DEPLOYMENT, owner.not_in(people.where(apart))), rules.quota),
        (and_(owner < DEPLOYMENT, owner.not_in(groups.where(apart))), ()),
    ]
    for terms in told.all():
        is_it = exceptions.c.terms == terms
        kept.append((owner.in_(people.where(is_it)), rules.of_person(terms)))
        kept.append((owner.in_(groups.where(is_it)), rules.of_group(terms)))
    for whose, limits in kept:
        names = [(limit.unit, limit.window) for limit in limits]
        is_limit = tuple_(allowances.c.unit, allowances.c.window).in_(names)
        await session.execute(delete(allowances).where(whose, ~is_limit))
