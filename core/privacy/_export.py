"""The export of everything that is stored about a person."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from core import models
from core.db import Session
from core.models import table

_turns = table(models.Turn)
_messages = table(models.Message)
_summaries = table(models.Summary)
_conversations = table(models.Conversation)
_identities = table(models.Identity)
_calls = table(models.Call)
_files = table(models.Blob)
_uses = table(models.AttachmentUse)


async def export(session: Session, user_id: int) -> dict[str, Any]:
    """Return everything that is stored about a person, as JSON values, without others' words.

    Files are listed by kind, size and digest, without their bytes. From groups come only the
    person's own questions and the answers to them.
    """
    return {
        "accounts": await _rows(
            session,
            select(_identities.c.platform, _identities.c.account_id, _identities.c.name).where(
                _identities.c.user_id == user_id
            ),
        ),
        "model": await session.scalar(
            select(_conversations.c.model).where(_conversations.c.user_id == user_id)
        ),
        "messages": await _rows(session, _said(user_id)),
        "files": await _rows(
            session,
            select(
                _uses.c.turn_id,
                _files.c.media_type,
                func.length(_files.c.data).label("bytes"),
                _files.c.digest.label("sha256"),
            )
            .join(_files, _files.c.digest == _uses.c.digest)
            .join(_turns, _turns.c.id == _uses.c.turn_id)
            .where(_turns.c.user_id == user_id)
            .order_by(_uses.c.turn_id, _files.c.digest),
        ),
        "summaries": await _rows(
            session,
            select(_summaries.c.content, _summaries.c.created_at)
            .join(_messages, _messages.c.id == _summaries.c.message_id)
            .join(_conversations, _conversations.c.id == _messages.c.conversation_id)
            .where(_conversations.c.user_id == user_id),
        ),
        "turns": [_without_others(turn) for turn in await _rows(session, _asked(user_id))],
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
    """Select the messages of the person's own conversation; those of groups hold others' words."""
    return (
        select(_messages.c.id, _messages.c.parent_id, _messages.c.body, _messages.c.created_at)
        .join(_conversations, _conversations.c.id == _messages.c.conversation_id)
        .where(_conversations.c.user_id == user_id)
        .order_by(_messages.c.id)
    )


def _asked(user_id: int) -> Any:
    """Select the person's turns in all conversations, but not the summaries of groups."""
    own = _conversations.c.user_id == user_id
    return (
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
        .join(_conversations, _conversations.c.id == _turns.c.conversation_id)
        .where(_turns.c.user_id == user_id, or_(own, _turns.c.kind != "summary"))
        .order_by(_turns.c.id)
    )


def _without_others(turn: dict[str, Any]) -> dict[str, Any]:
    """Remove the quote from a turn in a group: it may hold somebody else's words."""
    if turn["input"].get("private", True):
        return turn
    return {**turn, "input": {**turn["input"], "quote": ""}}


async def _rows(session: Session, statement: Any) -> list[dict[str, Any]]:
    found = await session.execute(statement)
    return [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in found.mappings()
    ]
