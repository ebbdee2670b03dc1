"""The state of a conversation as a whole: its instructions, its model, its epoch."""

from sqlalchemy import null, select, update

from core.db import Session
from core.memory._path import HEAD, ids_of, path_from
from core.memory._summaries import INSTRUCTED, instructed
from core.models import conversations
from core.turns import Speaker


async def instructions(session: Session, conversation_id: int) -> str | None:
    """Return the newest instructions of a conversation since its last `/new`, if any."""
    head = select(conversations.c.head_id).where(conversations.c.id == conversation_id)
    path = path_from(head.scalar_subquery())
    rows = (await session.execute(path)).all()
    return instructed(rows).removeprefix(INSTRUCTED) or None


async def model_of(session: Session, conversation_id: int) -> str | None:
    """Return the model that was chosen for a conversation, if any."""
    chosen: str | None = await session.scalar(
        select(conversations.c.model).where(conversations.c.id == conversation_id)
    )
    return chosen


async def choose_model(session: Session, conversation_id: int, model: str | None) -> None:
    """Choose the model that answers in a conversation; None chooses the default."""
    await session.execute(
        update(conversations).where(conversations.c.id == conversation_id).values(model=model)
    )


async def reset(session: Session, conversation_id: int) -> int:
    """Begin a new epoch without a head, and return it; older messages stay stored."""
    begun = (
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(epoch=conversations.c.epoch + 1, head_id=null(), instructed_id=null())
    )
    epoch: int = (await session.execute(begun.returning(conversations.c.epoch))).scalar_one()
    return epoch


async def is_empty(session: Session, speaker: Speaker) -> bool:
    """Return True if a conversation has no messages since its last `/new`."""
    values = {"conversation": speaker.conversation_id, "the_epoch": speaker.epoch}
    return await session.scalar(HEAD, values) is None


async def is_head(session: Session, conversation_id: int, turn_id: int) -> bool:
    """Return True if a turn's answer is still the newest message of its conversation."""
    head = await session.scalar(
        select(conversations.c.head_id).where(conversations.c.id == conversation_id)
    )
    low, high = ids_of(turn_id)
    return head is not None and low <= head <= high
