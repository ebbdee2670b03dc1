"""Turns lose their texts and stay: the ledger and the posts hang on them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update

from core import models
from core.db import Session
from core.models import table
from core.turns import Question

_turns = table(models.Turn)
_uses = table(models.AttachmentUse)

_WITHOUT_TEXT: Mapping[str, Any] = {
    "input": Question("").dump(),
    "draft": "",
    "answer": "",
    "forgotten": True,
}


async def strip(session: Session, which: ColumnElement[bool]) -> None:
    """Take the texts and files from turns; that they were there is all that stays."""
    await session.execute(update(_turns).where(which).values(_WITHOUT_TEXT))
    stripped = select(_turns.c.id).where(which)
    await session.execute(delete(_uses).where(_uses.c.turn_id.in_(stripped)))
