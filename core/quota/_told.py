"""Refusals are told once: the first one says until when, and the next ones would say the same."""

from datetime import datetime

from core import models
from core.db import Session, insert
from core.errors import QuotaExceeded
from core.turns import Turn

_notices = models.notices


async def tell(session: Session, turn: Turn, refusal: QuotaExceeded, *, now: datetime) -> bool:
    """Note that a person is told of a refusal; return False if they were, here and not long ago.

    A question that is too large for a limit as a whole is another matter each time.
    """
    if refusal.needed > refusal.most:
        return True
    new = insert(session, _notices).values(
        user_id=turn.user_id,
        conversation_id=turn.conversation_id,
        bound=f"budget {refusal.limit}" if refusal.shared else refusal.limit,
        until=refusal.resets_at,
    )
    told = new.on_conflict_do_update(
        index_elements=("user_id", "conversation_id", "bound"),
        set_={"until": refusal.resets_at},
        where=_notices.c.until <= now,
    )
    return await session.scalar(told.returning(_notices.c.user_id)) is not None
