"""Deletes bookkeeping that nobody needs any more: see `prune`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, func, select, tuple_, update

from core import models
from core.db import Session, Sessions, row_count
from core.tasks import repeat, walk
from core.turns import IDS_PER_TURN

BATCH = 50
"""The number of rows that one transaction deletes."""
LONGEST_WINDOW = timedelta(days=32)
"""An allowance that began so long ago counts an old window, and a correction counts nowhere."""
ANY = 2**62
"""All owners' ids lie between -ANY and ANY; those of groups are negative."""

_turns = models.turns
_newer = models.other_turns
_events = models.events
_uses = models.attachment_uses
_messages = models.messages
_conversations = models.conversations
_allowances = models.allowances
_announcements = models.announcements
_recipients = models.recipients
_users = models.users
_standings = models.standings

# The last turn of a person in a chat is kept: the platform's history is read from the
# newest known message of each chat on.
_HAS_NEWER = exists().where(
    _newer.c.conversation_id == _turns.c.conversation_id,
    _newer.c.user_id == _turns.c.user_id,
    _newer.c.platform == _turns.c.platform,  # a person may have several accounts
    _newer.c.bot_id == _turns.c.bot_id,
    _newer.c.chat == _turns.c.chat,
    _newer.c.id > _turns.c.id,
)
_HAS_FILES = exists().where(_uses.c.turn_id == _turns.c.id)
"""Memory still needs the files of a turn."""


async def prune(sessions: Sessions, *, before: datetime) -> None:
    """Delete the bookkeeping from before a time, in steps; memory and sums stay.

    `before` is at least two days ago: a platform may send an event again for a day.
    """
    await walk(sessions, partial(_prune_turns, before=before), 0)
    await repeat(sessions, _date_events)
    ends = {models.events: "noted_at", models.listeners: "lease_until"}
    lasting = models.pauses, models.mutes, models.notices, models.alerts
    ends |= dict.fromkeys((*lasting, models.links, models.guesses), "until")
    ends |= {models.announcements: "created_at", models.logins: "created_at"}
    ends |= {models.visits: "seen_at"}
    await repeat(sessions, partial(_prune_recipients, before=before))
    await repeat(sessions, partial(_prune_strangers, before=before))
    for which, column in ends.items():
        await repeat(sessions, partial(_prune, which=which, ended=column, before=before))
    ended = before - LONGEST_WINDOW
    await walk(sessions, partial(_prune_allowances, before=ended), -ANY)
    old = partial(_prune, which=models.corrections, ended="created_at", before=ended)
    await repeat(sessions, old)


async def _prune_turns(session: Session, after: int, *, before: datetime) -> int | None:
    """Delete old delivered turns among the next ones, with their events and posts.

    Return the id of the last turn that was looked at, None at the end.
    """
    columns = select(_turns.c.id, _turns.c.conversation_id, _turns.c.created_at)
    found = await session.execute(
        columns.where(_turns.c.id > after).order_by(_turns.c.id).limit(BATCH)
    )
    turns = found.all()
    old = [turn for turn in turns if turn.created_at < before]
    if old:
        is_old = (_turns.c.id.in_([turn.id for turn in old]), _turns.c.delivered_at < before)
        is_gone = (*is_old, _HAS_NEWER, ~_HAS_FILES)
        await _name_authors(session, is_gone)
        await session.execute(delete(_turns).where(*is_gone))
        await _prune_conversations(session, {turn.conversation_id for turn in old})
    # Ids grow with time: where nothing is old, the end is reached.
    return turns[-1].id if old and len(turns) == BATCH else None


async def _name_authors(session: Session, which: Sequence[ColumnElement[bool]]) -> None:
    """Note in groups who asked, because an export needs it when the turns are deleted."""
    in_groups = (
        select(_turns.c.id * IDS_PER_TURN, _turns.c.user_id)
        .join(_conversations, _conversations.c.id == _turns.c.conversation_id)
        .where(*which, _turns.c.kind == "chat", _conversations.c.platform.is_not(None))
        .with_for_update(of=_turns)
    )
    for message_id, user_id in (await session.execute(in_groups)).all():
        asked = update(_messages).where(_messages.c.id == message_id)
        await session.execute(asked.values(author_id=user_id))


async def _prune_conversations(session: Session, ids: set[int]) -> None:
    """Delete forgotten conversations that hold nothing any more."""
    await session.execute(
        delete(_conversations).where(
            _conversations.c.id.in_(ids),
            _conversations.c.cleared_at.is_not(None),
            ~exists().where(_turns.c.conversation_id == _conversations.c.id),
            ~exists().where(_messages.c.conversation_id == _conversations.c.id),
        )
    )


async def _date_events(session: Session) -> bool:
    """Let noted events of an older release, whose age is unknown, begin to age now."""
    undated = (
        select(*_events.primary_key)
        .where(_events.c.turn_id.is_(None), _events.c.noted_at.is_(None))
        .limit(BATCH)
    )
    dated = await session.execute(
        update(_events).where(tuple_(*_events.primary_key).in_(undated)).values(noted_at=func.now())
    )
    return row_count(dated) == BATCH


async def _prune(session: Session, *, which: Table, ended: str, before: datetime) -> bool:
    """Delete rows that ended before a time. Return True if there may be more to do."""
    old = select(*which.primary_key).where(which.c[ended] < before)
    if which is _events:
        old = old.where(_events.c.turn_id.is_(None))  # the others go with their turns
    gone = await session.execute(
        delete(which).where(tuple_(*which.primary_key).in_(old.limit(BATCH)))
    )
    return row_count(gone) == BATCH


async def _prune_recipients(session: Session, *, before: datetime) -> bool:
    """Delete some recipients of old announcements. Return True if there may be more to do."""
    old = select(_announcements.c.id).where(_announcements.c.created_at < before)
    some = select(*_recipients.primary_key).where(_recipients.c.announcement_id.in_(old))
    gone = await session.execute(
        delete(_recipients).where(tuple_(*_recipients.primary_key).in_(some.limit(BATCH)))
    )
    return row_count(gone) == BATCH


async def _prune_allowances(session: Session, after: int, *, before: datetime) -> int | None:
    """Delete old allowances of the next owners; return the last owner, None at the end."""
    next_ones = (
        select(_allowances.c.owner_id)
        .where(_allowances.c.owner_id > after)
        .distinct()
        .order_by(_allowances.c.owner_id)
        .limit(BATCH)
    )
    owners = (await session.scalars(next_ones)).all()
    is_old: Any = _allowances.c.window_start < before
    await session.execute(delete(_allowances).where(_allowances.c.owner_id.in_(owners), is_old))
    return owners[-1] if len(owners) == BATCH else None


_OF_STRANGER = _standings.c.user_id
_IS_MORE = [
    exists().where(column == _OF_STRANGER)
    for column in (
        _conversations.c.user_id,
        _turns.c.user_id,
        models.days.c.user_id,
        models.calls.c.user_id,
        models.exceptions.c.user_id,
    )
]
"""The conditions of a person of whom more is stored than that they were told."""


async def _prune_strangers(session: Session, *, before: datetime) -> bool:
    """Forget some people who were told that they are not let in. Return True if there may be more.

    Of them nothing else is stored; whoever writes again is told once more.
    """
    strangers = select(_OF_STRANGER).where(
        _standings.c.told_at < before,
        _standings.c.allowed_at.is_(None),
        _standings.c.blocked_at.is_(None),
        *(~is_more for is_more in _IS_MORE),
    )
    gone = await session.execute(delete(_users).where(_users.c.id.in_(strangers.limit(BATCH))))
    return row_count(gone) == BATCH
