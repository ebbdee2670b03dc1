"""Stripping turns of their texts. The turns stay, because calls and posts refer to them."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, update

from core import models
from core.db import Session
from core.turns import Question

_turns = models.turns
_uses = models.attachment_uses

_WITHOUT_TEXT: Mapping[str, Any] = {
    "input": Question("").dump(),
    "draft": "",
    "answer": "",
    "forgotten": True,
}


async def strip(session: Session, turn_ids: Collection[int]) -> None:
    """Delete the texts and files of turns, and mark the turns as forgotten."""
    await session.execute(update(_turns).where(_turns.c.id.in_(turn_ids)).values(_WITHOUT_TEXT))
    await session.execute(delete(_uses).where(_uses.c.turn_id.in_(turn_ids)))
