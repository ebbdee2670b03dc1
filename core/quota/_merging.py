"""Merging the figures of two people who are one, and copying them for one who leaves."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from core import models
from core.db import Session
from core.db import insert as insert_of
from core.quota._allowances import Rules
from core.quota._days import FIGURES

_calls = models.calls
_days = models.days
_allowances = models.allowances


async def merge(session: Session, into: int, gone: int, rules: Rules, *, now: datetime) -> None:
    """Give everything that a user has spent to another one, who is the same person."""
    await session.execute(update(_calls).where(_calls.c.user_id == gone).values(user_id=into))
    theirs = await session.execute(select(_days).where(_days.c.user_id == gone))
    for row in theirs.mappings().all():
        figures = {name: row[name] for name in FIGURES}
        new = insert_of(session, _days).values(user_id=into, day=row["day"], **figures)
        added = {name: _days.c[name] + new.excluded[name] for name in FIGURES}
        await session.execute(
            new.on_conflict_do_update(index_elements=["user_id", "day"], set_=added)
        )
    await session.execute(delete(_days).where(_days.c.user_id == gone))
    # The next reservation makes them anew, from the ledger.
    await session.execute(delete(_allowances).where(_allowances.c.owner_id.in_((into, gone))))


async def split(
    session: Session, user_id: int, new_id: int, rules: Rules, *, now: datetime
) -> None:
    """Let a new user begin with what another has used so far; the deployment pays no copy."""
    found = await session.execute(
        select(_calls).where(
            _calls.c.user_id == user_id, _calls.c.created_at >= rules.month.start(now)
        )
    )
    for call in found.all():
        is_open = call.settled_at is None
        tokens = call.prompt_tokens + call.completion_tokens
        charged = tokens if call.charged_tokens is None else call.charged_tokens
        await session.execute(
            insert(_calls).values(
                user_id=new_id,
                attempt=call.attempt,
                model=call.model,
                turns=call.turns,
                reserved=0,
                charged=call.reserved if is_open else call.charged,
                charged_tokens=call.reserved_tokens if is_open else charged,
                created_at=call.created_at,
                settled_at=now,
            )
        )
