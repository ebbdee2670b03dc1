"""Stripping turns of their texts. The turns stay, because calls and posts refer to them."""

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
    """Delete the texts and files of turns, and mark the turns as forgotten."""
    await session.execute(update(_turns).where(which).values(_WITHOUT_TEXT))
    stripped = select(_turns.c.id).where(which)
    await session.execute(delete(_uses).where(_uses.c.turn_id.in_(stripped)))
