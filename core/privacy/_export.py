"""The export of everything that is stored about a person, written in small steps."""

import asyncio
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, BinaryIO

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_, update

from core import models
from core.db import Session, Sessions, transact
from core.models import FORGOTTEN
from core.turns import IDS_PER_TURN, Question, content_of, own_words

EVERY = timedelta(hours=1)
"""The time between two exports of a person."""
BATCH = 50
"""The number of rows that one transaction reads."""

_users = models.users
_turns = models.turns
_messages = models.messages
_summaries = models.summaries
_conversations = models.conversations
_identities = models.identities
_calls = models.calls
_days = models.days
_files = models.attachments
_standings = models.standings
_invites = models.invites
_redemptions = models.redemptions
_uses = models.attachment_uses

Row = dict[str, Any]


async def begin_export(session: Session, user_id: int, *, now: datetime) -> datetime | None:
    """Note that a person gets an export now; or return the time from which they can have one."""
    is_time = or_(_users.c.exported_at.is_(None), _users.c.exported_at <= now - EVERY)
    begun = await session.scalar(
        update(_users)
        .where(_users.c.id == user_id, is_time)
        .values(exported_at=now)
        .returning(_users.c.id)
    )
    if begun is not None:
        return None
    last: datetime = await session.scalar(
        select(_users.c.exported_at).where(_users.c.id == user_id)
    )
    return last + EVERY


async def export(sessions: Sessions, user_id: int, file: BinaryIO, *, most: int) -> bool:
    """Write everything that is stored about a person to a file, as JSON, without others' words.

    Files are listed by kind, size and digest, without their bytes. From groups come only the
    person's own questions and the answers to them. Return False if it has more than `most` bytes;
    then the file is not whole.
    """
    written = 0
    for number, (name, (statement, key)) in enumerate(_sections(user_id).items()):
        begin = "],\n" if number else "{"
        pieces = [f'{begin}"{name}": [']
        separator = ""
        place: Sequence[Any] | None = ()
        while place is not None:
            step = partial(_read, statement=statement, key=key, after=place)
            rows, place = await transact(sessions, step, heavy=True)
            if rows:
                pieces += [separator, ",\n".join(rows)]
                separator = ",\n"
            data = "".join(pieces).encode()
            written += len(data)
            if written + len(END) > most:
                return False
            await asyncio.to_thread(file.write, data)
            pieces = []
    await asyncio.to_thread(file.write, END)
    return True


END = b"]}\n"


async def _read(
    session: Session, *, statement: Select[Any], key: Sequence[Any], after: Sequence[Any]
) -> tuple[list[str], Sequence[Any] | None]:
    """Return the next rows, each as JSON, and the key of the last one; None if that is all."""
    here = statement.order_by(*key).limit(BATCH)
    if after:
        here = here.where(tuple_(*key) > tuple_(*after))
    rows = (await session.execute(here.add_columns(*_keys(key)))).mappings().all()
    told = [json.dumps(_value(dict(row)), ensure_ascii=False) for row in rows]
    last = [rows[-1][f"key_{at}"] for at in range(len(key))] if len(rows) == BATCH else None
    return told, last


def _keys(key: Sequence[Any]) -> list[Any]:
    return [column.label(f"key_{at}") for at, column in enumerate(key)]


def _value(row: Row) -> Row:
    """Return a row as JSON values; the words of a turn are read from its message in memory."""
    values = {name: value for name, value in row.items() if not name.startswith("key_")}
    if "input" in values:
        values = _turn(values)
    elif "question" in values:
        values |= {
            "question": own_words(content_of(values["question"])),
            "answer": content_of(values["answer"] or {}),
        }
    return {
        name: value.isoformat() if isinstance(value, (date, datetime)) else value
        for name, value in values.items()
    }


def _turn(values: Row) -> Row:
    """Return a turn with its words, but in a group without the quote of somebody else's."""
    said, answered = values.pop("said"), values.pop("answered")
    question = Question.load(values["input"], said)
    if values["answer"] is None and answered is not None:
        values["answer"] = content_of(answered)
    told = question.dump()
    if not question.private:
        told.pop("quote", None)
    return {**values, "input": told}


def _sections(user_id: int) -> dict[str, tuple[Select[Any], Sequence[Any]]]:
    """Return the parts of an export: a statement, and the columns that order its rows."""
    own = _is_own(user_id)
    in_own = _conversations.c.id == _messages.c.conversation_id
    of_calls = ("turn_id", "model", "prompt_tokens", "cached_tokens", "completion_tokens")
    return {
        "accounts": (
            select(
                _identities.c.platform,
                _identities.c.account_id,
                _identities.c.name,
                _identities.c.language,
                _users.c.language.label("chosen_language"),
            )
            .join_from(_identities, _users)
            .where(_identities.c.user_id == user_id),
            [_identities.c.id],
        ),
        "conversations": (
            select(_conversations.c.model, _conversations.c.created_at).where(own),
            [_conversations.c.id],
        ),
        # Those of groups hold others' words.
        "messages": (
            select(
                _messages.c.id, _messages.c.parent_id, _messages.c.body, _messages.c.created_at
            ).where(_messages.c.conversation_id.in_(_own_conversations(user_id))),
            [_messages.c.id],
        ),
        "files": (
            select(
                _uses.c.turn_id,
                _files.c.media_type,
                func.length(_files.c.data).label("bytes"),
                _files.c.digest.label("sha256"),
            )
            .join(_files, _files.c.digest == _uses.c.digest)
            .join(_turns, _turns.c.id == _uses.c.turn_id)
            .where(_turns.c.user_id == user_id, ~FORGOTTEN),
            [_uses.c.turn_id, _uses.c.digest],
        ),
        "summaries": (
            select(_summaries.c.content, _summaries.c.created_at)
            .join(_messages, _messages.c.id == _summaries.c.message_id)
            .join(_conversations, in_own)
            .where(own),
            [_summaries.c.message_id],
        ),
        "turns": (_asked(user_id), [_turns.c.created_at, _turns.c.id]),
        "earlier": (_asked_earlier(user_id), [_messages.c.author_id, _messages.c.id]),
        "calls": (
            select(
                *(_calls.c[name] for name in of_calls),
                _calls.c.charged.label("micro_dollars"),
                _calls.c.created_at,
            ).where(_calls.c.user_id == user_id),
            [_calls.c.created_at, _calls.c.id],
        ),
        "days": (
            select(*(each for each in _days.c if each.name not in ("user_id", "cost"))).where(
                _days.c.user_id == user_id
            ),
            [_days.c.day],
        ),
        "access": (
            select(_standings.c.allowed_at, _standings.c.told_at).where(
                _standings.c.user_id == user_id
            ),
            [_standings.c.user_id],
        ),
        "invites": (
            select(_invites.c.hint, _invites.c.tier, _redemptions.c.created_at)
            .join(_invites, _invites.c.id == _redemptions.c.invite_id)
            .where(_redemptions.c.user_id == user_id),
            [_redemptions.c.invite_id],
        ),
    }


def _is_own(user_id: int) -> ColumnElement[bool]:
    """Return the condition of a person's private conversations, also of linked accounts."""
    return or_(_conversations.c.user_id == user_id, _conversations.c.owner_id == user_id)


def _own_conversations(user_id: int) -> Any:
    return select(_conversations.c.id).where(_is_own(user_id)).scalar_subquery()


def _asked(user_id: int) -> Select[Any]:
    """Select the person's turns in all conversations, but not the summaries of groups."""
    own = _is_own(user_id)
    columns = ("id", "kind", "platform", "chat", "thread", "input", "answer", "outcome")
    return (
        select(
            *(_turns.c[name] for name in columns),
            _turns.c.created_at,
            _body(_messages.c.id == _turns.c.id * IDS_PER_TURN).label("said"),
            _answer_of(_turns.c.id * IDS_PER_TURN).label("answered"),
        )
        .join(_conversations, _conversations.c.id == _turns.c.conversation_id)
        .where(
            _turns.c.user_id == user_id,
            _conversations.c.forgotten_at.is_(None),
            or_(own, _turns.c.kind != "summary"),
        )
    )


def _asked_earlier(user_id: int) -> Select[Any]:
    """Select the person's questions in groups whose turns are deleted, with the answers."""
    return (
        select(
            _messages.c.id,
            _messages.c.created_at,
            _messages.c.body.label("question"),
            _answer_of(_messages.c.id).label("answer"),
        )
        .join(_conversations, _conversations.c.id == _messages.c.conversation_id)
        .where(_messages.c.author_id == user_id, _conversations.c.forgotten_at.is_(None))
    )


def _body(which: ColumnElement[bool]) -> Any:
    return select(_messages.c.body).where(which).scalar_subquery()


def _answer_of(first_id: ColumnElement[int]) -> Any:
    """Select the last message of a turn, by the id of its first one."""
    answer = _messages.alias("answer")
    of_turn = and_(answer.c.id > first_id, answer.c.id < first_id + IDS_PER_TURN)
    last = select(answer.c.body).where(of_turn).order_by(answer.c.id.desc()).limit(1)
    return last.scalar_subquery()
