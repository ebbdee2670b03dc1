"""The tables of the inbox, and the conditions that several of its statements share.

Statements are built once, with bound parameters: building one costs more than running it.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam

from core import models
from core.adapter import Address
from core.models import table
from core.turns import Turn

turns = table(models.Turn)
events = table(models.Event)
posts = table(models.Post)
pauses = table(models.Pause)


def waiting(turn: Any) -> ColumnElement[bool]:
    """Nobody works at it and it has no answer."""
    return and_(turn.c.answered_at.is_(None), turn.c.worker_id.is_(None))


def running(turn: Any) -> ColumnElement[bool]:
    """Somebody works at its answer."""
    return and_(turn.c.answered_at.is_(None), turn.c.worker_id.is_not(None))


FENCED = (turns.c.id == bindparam("the_turn"), turns.c.attempt == bindparam("the_attempt"))
"""The attempt that writes is the newest one."""


def fence(turn: Turn) -> dict[str, int]:
    """The parameters of FENCED."""
    return {"the_turn": turn.id, "the_attempt": turn.attempt}


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
