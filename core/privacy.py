"""What a person may ask of what is stored about them: to have it, and to have it gone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core import models
from core.db import LOOK, notify
from core.models import table
from core.turns import Outcome, Question

_turns = table(models.Turn)
_messages = table(models.Message)
_summaries = table(models.Summary)
_conversations = table(models.Conversation)
_identities = table(models.Identity)
_calls = table(models.Call)
_uses = table(models.AttachmentUse)

_WITHOUT_TEXT: Mapping[str, Any] = {"input": Question("").dump(), "draft": "", "answer": ""}


async def forget(session: AsyncSession, conversation_id: int, *, now: datetime) -> Sequence[int]:
    """Delete what a conversation held: messages, summaries, the search index, texts on turns.

    Answers that are being written are cut off and taken back; the ids of their turns are returned.
    The ledger keeps its figures, which hold no text; `attachments.sweep` then deletes bytes that
    nothing refers to any more.
    """
    here = _turns.c.conversation_id == conversation_id
    # The attempt is raised: who answers or delivers at this moment can write nothing any more.
    undelivered = update(_turns).where(here, _turns.c.delivered_at.is_(None))
    cut_off = await session.scalars(
        undelivered.values(
            attempt=_turns.c.attempt + 1,
            worker_id=None,
            lease_until=None,
            answered_at=func.coalesce(_turns.c.answered_at, literal(now, models.Instant)),
            outcome=func.coalesce(_turns.c.outcome, Outcome.STOPPED),
        ).returning(_turns.c.id)
    )
    turn_ids = cut_off.all()
    await session.execute(
        update(_conversations)
        .where(_conversations.c.id == conversation_id)
        .values(epoch=_conversations.c.epoch + 1, head_id=null())
    )
    await session.execute(delete(_messages).where(_messages.c.conversation_id == conversation_id))
    await _strip(session, here)
    await notify(session, LOOK)
    return turn_ids


async def _strip(session: AsyncSession, which: ColumnElement[bool]) -> None:
    """Take the texts and files from turns; that they were there is all that stays."""
    await session.execute(update(_turns).where(which).values(_WITHOUT_TEXT))
    stripped = select(_turns.c.id).where(which)
    await session.execute(delete(_uses).where(_uses.c.turn_id.in_(stripped)))


async def expire(session: AsyncSession, *, before: datetime) -> None:
    """Delete what was said before a time, everywhere. A path then begins where it was cut."""
    old = _turns.c.created_at < before
    delivered = _turns.c.delivered_at.is_not(None)
    await session.execute(delete(_messages).where(_messages.c.created_at < before))
    await _strip(session, old & delivered)


async def export(session: AsyncSession, user_id: int) -> dict[str, Any]:
    """All that is stored about a person, as JSON has it; bytes of files by their digests."""
    return {
        "accounts": await _rows(
            session,
            select(_identities.c.platform, _identities.c.account_id, _identities.c.name).where(
                _identities.c.user_id == user_id
            ),
        ),
        "messages": await _rows(session, _said(user_id)),
        "summaries": await _rows(
            session,
            select(_summaries.c.content, _summaries.c.created_at)
            .join(_messages, _messages.c.id == _summaries.c.message_id)
            .join(_conversations, _conversations.c.id == _messages.c.conversation_id)
            .where(_conversations.c.user_id == user_id),
        ),
        "turns": await _rows(
            session,
            select(
                _turns.c.id,
                _turns.c.kind,
                _turns.c.platform,
                _turns.c.chat,
                _turns.c.thread,
                _turns.c.input,
                _turns.c.answer,
                _turns.c.outcome,
                _turns.c.created_at,
            )
            .where(_turns.c.user_id == user_id)
            .order_by(_turns.c.id),
        ),
        "calls": await _rows(
            session,
            select(
                _calls.c.turn_id,
                _calls.c.model,
                _calls.c.prompt_tokens,
                _calls.c.cached_tokens,
                _calls.c.completion_tokens,
                _calls.c.charged.label("micro_dollars"),
                _calls.c.created_at,
            )
            .where(_calls.c.user_id == user_id)
            .order_by(_calls.c.id),
        ),
    }


def _said(user_id: int) -> Any:
    """The person's own conversation, and what they said and were answered in groups."""
    return (
        select(_messages.c.id, _messages.c.parent_id, _messages.c.body, _messages.c.created_at)
        .join(_conversations, _conversations.c.id == _messages.c.conversation_id)
        .join(_turns, _turns.c.id == _messages.c.turn_id)
        .where(or_(_conversations.c.user_id == user_id, _turns.c.user_id == user_id))
        .order_by(_messages.c.id)
    )


async def _rows(session: AsyncSession, statement: Any) -> list[dict[str, Any]]:
    found = await session.execute(statement)
    return [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in found.mappings()
    ]
