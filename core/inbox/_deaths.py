"""The turns of dead processes: they are freed, counted, and wait in a line of their own."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, exists, func, select, update

from core import fleet, models
from core.db import WORK, Session, insert, notify
from core.inbox._tables import turns
from core.lines import ALONE, REST, line_after
from core.models import Instant

_pauses = models.pauses
_posts = models.posts

_DEATHS: Any = turns.c.deaths + 1
_BURIED: dict[str, Any] = {
    "worker_id": None,
    "deaths": _DEATHS,
    "line": case(
        *((deaths == _DEATHS, line_after(deaths)) for deaths in range(1, ALONE)),
        else_=ALONE,
    ),
    "ready_at": case(
        *((deaths == _DEATHS, bindparam(f"rest_{deaths}", type_=Instant)) for deaths in REST),
        else_=turns.c.ready_at,
    ),
}
_BURY = (
    update(turns)
    .where(
        turns.c.delivered_at.is_(None),
        turns.c.worker_id.is_not(None),
        turns.c.lease_until <= bindparam("ended", type_=Instant),
        turns.c.id.not_in(bindparam("kept", expanding=True)),
    )
    .values(_BURIED)
)
_FREE = update(turns).where(turns.c.delivered_at.is_(None), turns.c.worker_id.is_not(None))
_FREE = _FREE.values({**_BURIED, "lease_until": None})


async def bury(
    session: Session, *, now: datetime, ended_at: datetime, kept: Collection[int] = ()
) -> None:
    """Free the turns whose leases had ended at `ended_at`: their process died over them.

    The ids in `kept` stay: this worker still runs those turns, but could not renew their leases.
    """
    await session.execute(_BURY, {"ended": ended_at, "kept": list(kept), **_rests(now)})


def _rests(now: datetime) -> dict[str, datetime]:
    return {f"rest_{deaths}": now + timedelta(seconds=rest) for deaths, rest in REST.items()}


_OF_THE_DEAD = (turns.c.delivered_at.is_(None), turns.c.worker_id == bindparam("dead"))
_BURY_THOSE = update(turns).where(*_OF_THE_DEAD)
# The lease has ended: `quota.abandon` sees from it that the worker is not alive.
_BURY_THOSE = _BURY_THOSE.values({**_BURIED, "lease_until": bindparam("now", type_=Instant)})
_IS_UNCONFIRMED = exists().where(
    _posts.c.turn_id == turns.c.id, _posts.c.part.is_not(None), _posts.c.message_id.is_(None)
)
_CHATS = ("platform", "bot_id", "chat")
_HARMED = (
    select(
        *(turns.c[name] for name in _CHATS),
        bindparam("quiet", type_=Instant).label("until"),
    )
    .where(*_OF_THE_DEAD, turns.c.answered_at.is_not(None) | _IS_UNCONFIRMED)
    .distinct()
)


async def bury_those_of(
    session: Session, worker_id: str, *, now: datetime, quiet_until: datetime
) -> None:
    """Free the turns of a worker that is dead, on PostgreSQL.

    Its last call may still be under way. Until `quiet_until`, no process sends anything to the
    chats in which that call could post a part twice or undo the delivery of an answer.
    """
    rest = insert(session, _pauses).from_select([*_CHATS, "until"], _HARMED)
    longest = func.greatest(_pauses.c.until, rest.excluded.until)
    rest = rest.on_conflict_do_update(index_elements=_CHATS, set_={"until": longest})
    values = {"dead": worker_id, "now": now}
    await session.execute(rest, {**values, "quiet": quiet_until})
    await session.execute(_BURY_THOSE, {**values, **_rests(now)})
    await notify(session, WORK)


async def free(session: Session, *, now: datetime) -> None:
    """End the leases of all turns and accounts, at the start of the only process there is."""
    await fleet.free_listeners(session)
    await session.execute(_FREE, _rests(now))
