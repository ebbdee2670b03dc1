"""All that is stored about a person, as one value."""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core import models
from core.models import table

_turns = table(models.Turn)
_messages = table(models.Message)
_summaries = table(models.Summary)
_conversations = table(models.Conversation)
_identities = table(models.Identity)
_calls = table(models.Call)


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
