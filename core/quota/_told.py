"""Refusals are told once: the first one says until when, and later questions wait under it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select

from core import models
from core.db import Session, insert
from core.errors import QuotaExceeded, Unit
from core.turns import Outcome, Turn

MOST = 5
"""The questions that a press of the button asks again: the latest ones."""

_notices = models.notices
_turns = models.turns
_waiting = models.waiting
_PREFIXES = {"person": "", "group": "group ", "everybody": "budget "}


async def tell(session: Session, turn: Turn, refusal: QuotaExceeded, *, now: datetime) -> bool:
    """Note that a limit refused a turn, whose question waits from now on.

    Return False if its person was told so before, in this chat and window.
    A question that is too large for a limit as a whole is another matter each time, and does not
    wait. Neither does one that was to get another answer: the one that it has stays.
    """
    if refusal.needed > refusal.most:
        return True
    waits = not turn.question.again
    key = {
        "user_id": turn.user_id,
        "conversation_id": turn.conversation_id,
        "bound": _bound(turn, refusal),
    }
    values: dict[str, Any] = {"until": refusal.resets_at, "turn_id": turn.id if waits else None}
    # A notice beside an answer has no button under which a question could wait.
    may_tell = or_(_notices.c.until <= now, *([_notices.c.turn_id.is_(None)] if waits else []))
    told = (
        insert(session, _notices)
        .values(key | values)
        .on_conflict_do_update(index_elements=list(key), set_=values, where=may_tell)
        .returning(_notices.c.user_id)
    )
    is_first = await session.scalar(told) is not None
    if waits:
        where = (_notices.c[name] == value for name, value in key.items())
        notice_id = await session.scalar(select(_notices.c.turn_id).where(*where))
        needs = {"unit": refusal.unit, "needed": refusal.needed}
        row = {"turn_id": turn.id, "notice_id": notice_id} | needs
        added = insert(session, _waiting).values(row)
        await session.execute(added.on_conflict_do_update(index_elements=["turn_id"], set_=row))
    return is_first


def _bound(turn: Turn, refusal: QuotaExceeded) -> str:
    """Return the name of a limit in a chat: a private conversation may be held in several."""
    limit = _PREFIXES[refusal.whose] + refusal.limit
    address = turn.address
    place = f" in {address.platform} {address.bot_id} {address.chat}"
    return limit + place if turn.question.private else limit


@dataclass(frozen=True, slots=True)
class Waiting:
    """The questions that wait under a notice: the ids of their turns, in order.

    Those that were forgotten, stopped, deleted or answered meanwhile wait no longer. The first one
    needs that much of each limit in its unit.
    """

    notice_id: int
    turn_ids: tuple[int, ...]
    unit: Unit
    needed: int


async def waiting(session: Session, turn_id: int) -> Waiting | None:
    """Return what waits under the notice of a refused turn, or with it; None if it told nothing."""
    own = select(_waiting.c.notice_id).where(_waiting.c.turn_id == turn_id).scalar_subquery()
    found = await session.execute(
        select(_waiting, _turns.c.outcome, models.FORGOTTEN.label("forgotten"))
        .join(_turns, _turns.c.id == _waiting.c.turn_id)
        .where(_waiting.c.notice_id == func.coalesce(own, turn_id))
        .order_by(_turns.c.id)
    )
    rows = found.all()
    if not rows:
        return None
    left = [row for row in rows if row.outcome == Outcome.REFUSED and not row.forgotten][-MOST:]
    first = next(iter(left), rows[0])
    turn_ids = tuple(row.turn_id for row in left)
    return Waiting(first.notice_id, turn_ids, first.unit, first.needed)


async def end_wait(session: Session, notice_id: int) -> None:
    """Let nothing wait under a notice any more; the next refusal has a notice of its own."""
    await session.execute(delete(_waiting).where(_waiting.c.notice_id == notice_id))
    await session.execute(delete(_notices).where(_notices.c.turn_id == notice_id))


async def awaited(session: Session, user_id: int, conversation_id: int) -> list[int]:
    """Return the turns of a person's questions that wait in a conversation."""
    found = await session.scalars(
        select(_waiting.c.turn_id)
        .join(_notices, _notices.c.turn_id == _waiting.c.notice_id)
        .where(_notices.c.user_id == user_id, _notices.c.conversation_id == conversation_id)
    )
    return list(found)
