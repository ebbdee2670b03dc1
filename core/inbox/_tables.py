"""The tables of the inbox, and the conditions that several of its statements share.

Statements are built once, with bound parameters: building one costs more than running it.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, bindparam, literal_column

from core import models
from core.adapter import Address
from core.models import table
from core.turns import Turn

turns = table(models.Turn)
events = table(models.Event)
posts = table(models.Post)
pauses = table(models.Pause)


def running(turn: Any) -> ColumnElement[bool]:
    """Somebody works at its answer."""
    return and_(turn.c.answered_at.is_(None), turn.c.worker_id.is_not(None))


FENCED = (turns.c.id == bindparam("the_turn"), turns.c.attempt == bindparam("the_attempt"))
"""The attempt that writes is the newest one."""


def fence(turn: Turn) -> dict[str, int]:
    """The parameters of FENCED."""
    return {"the_turn": turn.id, "the_attempt": turn.attempt}


PRECEDED = literal_column(
    "EXISTS (SELECT * FROM turns AS preceding WHERE preceding.platform = turns.platform"
    " AND preceding.bot_id = turns.bot_id AND preceding.chat = turns.chat"
    " AND preceding.thread = turns.thread AND preceding.id < turns.id"
    " AND preceding.answered_at IS NOT NULL AND preceding.delivered_at IS NULL"
    " AND (preceding.worker_id IS NULL OR preceding.worker_id <> turns.worker_id))",
    Boolean,
)
"""Whether an earlier answer of the address, in another process's hand or in nobody's, is still to
be delivered. As text: for SQLite, SQLAlchemy writes all columns below RETURNING without tables."""


IS_EVENT = (
    events.c.platform == bindparam("platform"),
    events.c.bot_id == bindparam("bot_id"),
    events.c.event_id == bindparam("event_id"),
)
IS_POST = (
    posts.c.platform == bindparam("platform"),
    posts.c.bot_id == bindparam("bot_id"),
    posts.c.chat == bindparam("chat"),
    posts.c.message_id == bindparam("message_id"),
)


def place(address: Address) -> dict[str, str]:
    """The parameters of IS_EVENT and IS_POST that an address has."""
    return {"platform": address.platform, "bot_id": address.bot_id, "chat": address.chat}
