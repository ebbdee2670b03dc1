"""The state of the moment: who listens, what waits, what went wrong, and the database."""

import time
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import and_, case, func, select

from core import fleet, models, tallies
from core.adapter import Account, Adapter
from core.db import Session
from core.desk import Deed, Failure, Listening, Matter, Queue, Store, Told
from core.lines import LAST
from core.models import alerts, audits, hours
from core.operations import BACKUP, LONG, calls_of

NEWEST = 2_000
"""The most of the newest turns among which the last one of each account is looked for."""
FAILURES = 50
DEEDS = 50
"""The most rows of a list."""

_turns = models.turns


async def listening(
    session: Session, worker_id: str, adapters: Mapping[Account, Adapter], now: datetime
) -> tuple[Listening, ...]:
    """Return the accounts that this process serves or any process listens for."""
    clock = time.monotonic
    found = await fleet.listeners(session)
    heard = await _heard(session)
    told = []
    for account in sorted({*found, *adapters}):
        listener, adapter = found.get(account), adapters.get(account)
        is_here = listener is not None and listener.worker_id == worker_id
        is_leased = listener is not None and listener.until > now
        is_heard = is_leased and (not is_here or (adapter is not None and adapter.hears))
        sign = adapter.heard_at if adapter is not None and is_here else None
        sign_ago = None if sign is None else max(clock() - sign, 0.0)
        told.append(Listening(*account, is_heard, is_here, sign_ago, heard.get(account)))
    return tuple(told)


async def _heard(session: Session) -> dict[Account, datetime]:
    """Return the time of the last turn of each account among the newest turns of all."""
    newest = (
        select(_turns.c.platform, _turns.c.bot_id, _turns.c.created_at)
        .where(_turns.c.message_id.is_not(None))
        .order_by(_turns.c.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    account = newest.c.platform, newest.c.bot_id
    last = func.max(newest.c.created_at).label("at")
    rows = await session.execute(select(*account, last).group_by(*account))
    return {(row.platform, row.bot_id): row.at for row in rows}


async def matters(session: Session, now: datetime) -> tuple[Matter, ...]:
    """Return what the operators were told to see to, and is not over."""
    rows = await session.execute(
        select(alerts)
        .where(alerts.c.over_at.is_(None), alerts.c.matter != "round", alerts.c.until > now)
        .order_by(alerts.c.since)
    )
    return tuple(Matter(row.matter, row.subject, row.since) for row in rows)


async def queue(session: Session, now: datetime) -> Queue:
    """Count the turns that are not delivered. The index of turns in a lane has them all."""
    is_free = _turns.c.worker_id.is_(None)
    is_due = and_(is_free, _turns.c.ready_at <= now, func.coalesce(_turns.c.line, 0) != LAST)
    found = await session.execute(
        select(
            func.sum(case((is_due, 1), else_=0)).label("waiting"),
            func.min(case((is_due, _turns.c.created_at))).label("oldest"),
            func.sum(case((is_free, 0), else_=1)).label("running"),
        ).where(_turns.c.delivered_at.is_(None))
    )
    row = found.one()
    return Queue(int(row.waiting or 0), row.oldest, int(row.running or 0))


# Failures


def _failure(row: Any) -> Failure:
    return Failure(
        row.id,
        row.platform,
        row.created_at,
        row.attempt,
        row.outcome if row.delivered_at is not None else "",
        row.reason or "",
        row.user_id,
    )


async def failures(session: Session, now: datetime, most: int) -> tuple[Failure, ...]:
    """Return the newest turns that ended with an error, and those that do not end."""
    ended = (
        select(_turns)
        .where(_turns.c.reason.is_not(None), _turns.c.outcome.in_(("failed", "undeliverable")))
        .order_by(_turns.c.id.desc())
        .limit(most)
    )
    endless = (
        select(_turns)
        .where(_turns.c.delivered_at.is_(None), _turns.c.created_at < now - LONG)
        .order_by(_turns.c.created_at)  # by the id, SQLite would look at all turns
        .limit(most)
    )
    rows = [row for each in (endless, ended) for row in await session.execute(each)]
    found = {row.id: _failure(row) for row in rows}
    return tuple(sorted(found.values(), key=lambda each: -each.id)[:most])


async def turn(session: Session, turn_id: int) -> Told | None:
    """Return a turn without the words that were said in it."""
    found = await session.execute(select(_turns).where(_turns.c.id == turn_id))
    row = found.one_or_none()
    if row is None:
        return None
    calls = await calls_of(session, turn_id)
    made = tuple((call.model, call.tokens, call.cost) for call in calls)
    return Told(_failure(row), row.answered_at, row.delivered_at, made)


# The database


async def store(session: Session, zone: tzinfo) -> Store:
    """Return the size of the database, by day, and the time of the last backup."""
    sizes: dict[date, int] = {}
    rows = await session.execute(
        select(hours.c.hour, hours.c.number)
        .where(hours.c.name == tallies.SIZE)
        .order_by(hours.c.hour)
    )
    for hour, number in rows:
        sizes[hour.astimezone(zone).date()] = number
    saved = select(audits.c.at).where(audits.c.verb == BACKUP).order_by(audits.c.id.desc())
    return Store(
        await tallies.size(session),
        tuple(sorted(sizes.items())),
        await session.scalar(saved.limit(1)),
    )


async def deeds(session: Session) -> tuple[Deed, ...]:
    """Return what operators did last."""
    rows = await session.execute(select(audits).order_by(audits.c.id.desc()).limit(DEEDS))
    names = ("at", "operator", "verb", "subject", "before", "after")
    return tuple(Deed(*(getattr(row, name) for name in names)) for row in rows)
