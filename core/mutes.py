"""The addresses where the bot may write nothing: blocked, kicked, closed, deleted.

While a pause runs, nothing is tried there and no model is asked. It grows with each refusal. After
it, a small call is tried before the model is asked. A delivered answer deletes the mark.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from core import models
from core.adapter import Address
from core.db import Session, insert_missing

_mutes = models.mutes

FIRST, LONGEST = timedelta(minutes=1), timedelta(hours=1)
"""The first pause, and the longest that it grows to."""
KEPT = timedelta(days=30)
"""The time after which a mark is deleted that no turn has met again."""


async def mute(session: Session, address: Address, *, now: datetime) -> int:
    """Note that the bot may write nothing at an address, and begin a pause.

    While a pause runs, another refusal does not prolong it. Return the number of refusals since
    the last delivered answer, without those during pauses.
    """
    await session.execute(delete(_mutes).where(_mutes.c.until < now - KEPT))
    new = insert_missing(session, _mutes).values(**_place(address), times=0, until=now)
    await session.execute(new)
    here = _is(address)
    times, until = (
        await session.execute(select(_mutes.c.times, _mutes.c.until).where(*here).with_for_update())
    ).one()
    if until > now:
        return int(times)
    until = now + min(FIRST * 2 ** min(times, 10), LONGEST)
    await session.execute(update(_mutes).where(*here).values(times=times + 1, until=until))
    return int(times) + 1


async def relax(session: Session, address: Address, *, now: datetime) -> None:
    """End the pause of an address, because there is a sign that the bot may write there again.

    That of a whole chat ends with those of its threads.
    """
    here = _is(address) if address.thread else _is(address)[:3]
    await session.execute(update(_mutes).where(*here, _mutes.c.until > now).values(until=now))


async def unmute(session: Session, address: Address) -> None:
    """Delete the mark of an address, because an answer was delivered there."""
    await session.execute(delete(_mutes).where(*_is(address)))


def _place(address: Address) -> dict[str, str]:
    return {
        "platform": address.platform,
        "bot_id": address.bot_id,
        "chat": address.chat,
        "thread": address.thread,
    }


def _is(address: Address) -> list[Any]:
    return [_mutes.c[name] == value for name, value in _place(address).items()]
