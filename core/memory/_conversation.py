"""What holds for a conversation as a whole: its instructions, its model, its beginning."""

from sqlalchemy import null, select, update

from core.db import Session
from core.memory._path import conversations, path_from, places
from core.memory._summaries import INSTRUCTED, instructed
from core.models import Conversation


async def instructions(session: Session, conversation_id: int) -> str | None:
    """The newest instructions of a conversation since its last new beginning."""
    head = select(conversations.c.head_id).where(conversations.c.id == conversation_id)
    path = path_from(head.scalar_subquery())
    rows = (await session.execute(path)).all()
    return instructed(rows).removeprefix(INSTRUCTED) or None


async def model_of(session: Session, conversation_id: int) -> str | None:
    """The model that was chosen for a conversation."""
    chosen: str | None = await session.scalar(
        select(conversations.c.model).where(conversations.c.id == conversation_id)
    )
    return chosen


async def choose_model(session: Session, conversation_id: int, model: str) -> None:
    """Let a model answer in a conversation."""
    await session.execute(
        update(conversations).where(conversations.c.id == conversation_id).values(model=model)
    )


async def reset(session: Session, conversation_id: int) -> None:
    """Begin a new epoch without a head; what was said before stays stored."""
    await session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(epoch=Conversation.epoch + 1, head_id=null(), instructed_id=null())
    )


async def is_head(session: Session, conversation_id: int, turn_id: int) -> bool:
    """Whether the conversation has not moved on since a turn's answer."""
    head = await session.scalar(
        select(Conversation.head_id).where(Conversation.id == conversation_id)
    )
    low, high = places(turn_id)
    return head is not None and low <= head <= high
