"""The processes on one database: the live ones, the listeners, and the pauses that all keep."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update

from core import models
from core.adapter import Account, Address
from core.db import FREE, WORK, Session, insert_missing, notify, row_count

_workers = models.workers
_listeners = models.listeners
_pauses = models.pauses


async def alive(
    session: Session, worker_id: str, *, now: datetime, lease: timedelta, leaving: bool = False
) -> int:
    """Note that a worker is alive and delete dead ones; return the number of live workers.

    `leaving` means that it claims no more turns, so that nobody waits for those in its hand.
    """
    await session.execute(delete(_workers).where(_workers.c.seen_at <= now - lease))
    told = {"seen_at": now, "leaving": leaving}
    seen = update(_workers).where(_workers.c.id == worker_id).values(told)
    if not row_count(await session.execute(seen)):
        await session.execute(insert_missing(session, _workers).values(id=worker_id, **told))
    if leaving:
        await notify(session, WORK)
    living: int = (await session.execute(select(func.count()).select_from(_workers))).scalar_one()
    return living


async def pronounce(session: Session, worker_id: str, number: int) -> bool:
    """Delete a worker whose session has ended, and its leases to listen.

    Return False if another process did so before, or if the worker lives on without that session.
    """
    row = delete(_workers).where(_workers.c.id == worker_id, _workers.c.session == number)
    if not row_count(await session.execute(row)):
        return False
    await session.execute(delete(_listeners).where(_listeners.c.worker_id == worker_id))
    await notify(session, FREE)
    return True


async def leave(session: Session, worker_id: str) -> None:
    """Delete a worker that stops, so that the others share its rate of calls."""
    await session.execute(delete(_workers).where(_workers.c.id == worker_id))


async def may_listen(
    session: Session,
    account: Account,
    worker_id: str,
    *,
    now: datetime,
    lease_until: datetime,
) -> bool:
    """Take or renew the lease to listen for an account.

    Return False while another process has it.
    """
    lease: dict[str, Any] = {"worker_id": worker_id, "lease_until": lease_until}
    taken = await session.execute(
        update(_listeners)
        .where(
            *_is_account(account),
            or_(_listeners.c.worker_id == worker_id, _listeners.c.lease_until <= now),
        )
        .values(lease)
    )
    if row_count(taken):
        return True
    platform, bot_id = account
    new = insert_missing(session, _listeners).values(platform=platform, bot_id=bot_id, **lease)
    return await session.scalar(new.returning(_listeners.c.worker_id)) is not None


async def stop_listening(session: Session, account: Account, worker_id: str) -> None:
    """End a worker's lease to listen for an account, so that another can take it at once."""
    await session.execute(
        delete(_listeners).where(*_is_account(account), _listeners.c.worker_id == worker_id)
    )
    await notify(session, FREE)


@dataclass(frozen=True, slots=True)
class Listener:
    """The process that listens for an account, until a time."""

    worker_id: str
    until: datetime


async def listeners(session: Session) -> dict[Account, Listener]:
    """Return who listens for each account, or did last: the time may be over."""
    found = await session.execute(select(_listeners))
    return {(row.platform, row.bot_id): Listener(row.worker_id, row.lease_until) for row in found}


async def free_listeners(session: Session) -> None:
    """Delete all leases to listen, at the start of the only process there is."""
    await session.execute(delete(_listeners))


async def pause(session: Session, address: Address, *, until: datetime) -> None:
    """Store that no process may send to a chat before a time; an earlier one changes nothing."""
    where = (
        _pauses.c.platform == address.platform,
        _pauses.c.bot_id == address.bot_id,
        _pauses.c.chat == address.chat,
    )
    new = insert_missing(session, _pauses).values(
        platform=address.platform, bot_id=address.bot_id, chat=address.chat, until=until
    )
    await session.execute(new)
    await session.execute(
        update(_pauses).where(*where, _pauses.c.until < until).values(until=until)
    )


def _is_account(account: Account) -> tuple[Any, ...]:
    return _listeners.c.platform == account[0], _listeners.c.bot_id == account[1]
