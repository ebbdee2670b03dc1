"""Making one person of two.

The person who asked last stays: their user, their conversation and its head. Everything of the
other one becomes theirs. The other conversation is kept beside it, for search, export and forget.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, case, delete, exists, func, literal, null, select, update
from sqlalchemy import text as sql

from core import access, memory, models, quota, tallies
from core.db import Session
from core.models import NOWHERE, links
from core.quota import Rules
from core.turns import IDS_PER_TURN, Speaker

LOCK_MS = 100
"""The milliseconds for which a link waits for a lock. Then it steps back, and `transact` begins it
again: so it is part of no deadlock, in whichever order others take their locks."""

_users = models.users
_identities = models.identities
_conversations = models.conversations
_turns = models.turns
_messages = models.messages
_uses = models.attachment_uses


async def lock(session: Session, *user_ids: int) -> None:
    """Lock people and their accounts, in the order of their ids, until the transaction ends.

    Nobody can speak to the bot meanwhile: whoever takes in an event of an account holds it, see
    `identity.resolve`.
    """
    if session.dialect == "postgresql":
        await session.execute(sql(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'"))
    for statement in (
        select(_users.c.id).where(_users.c.id.in_(user_ids)).order_by(_users.c.id),
        select(_identities.c.id)
        .where(_identities.c.user_id.in_(user_ids))
        .order_by(_identities.c.user_id, _identities.c.id),
    ):
        await session.execute(statement.with_for_update())


@dataclass(frozen=True, slots=True)
class Joined:
    """A person with the accounts of two, in their private conversation."""

    speaker: Speaker
    persona: str | None
    """The instructions of the other conversation, if this one has never had any."""


async def join(session: Session, one: int, other: int, rules: Rules, *, now: datetime) -> Joined:
    """Make one person of two, who are locked."""
    kept, gone = await _by_age(session, one, other)
    await _move_turns(session, kept, gone)
    persona = await _move_memory(session, kept, gone)
    await _move_rest(session, kept.user_id, gone.user_id)
    await quota.merge(session, kept.user_id, gone.user_id, rules, now=now)
    await tallies.join(session, kept.user_id, gone.user_id, now=now)
    theirs = update(_identities).where(_identities.c.user_id == gone.user_id)
    await session.execute(theirs.values(user_id=kept.user_id))
    return Joined(kept, persona)


async def _by_age(session: Session, one: int, other: int) -> tuple[Speaker, Speaker]:
    """Return two people in their private conversations, the one who asked last first."""
    asked = (
        select(func.max(_turns.c.id))
        .where(_turns.c.conversation_id == _conversations.c.id, _turns.c.kind == "chat")
        .scalar_subquery()
    )
    found = await session.execute(
        select(
            *(_conversations.c[name] for name in ("user_id", "id", "epoch")),
            func.coalesce(asked, _conversations.c.head_id / IDS_PER_TURN, 0).label("asked"),
        ).where(_conversations.c.user_id.in_((one, other)))
    )
    rows = sorted(found.all(), key=lambda row: (-row.asked, row.user_id))
    newer, older = (Speaker(row.user_id, row.id, row.epoch) for row in rows)
    return newer, older


async def _move_turns(session: Session, kept: Speaker, gone: Speaker) -> None:
    """Let all turns be those of the person who stays.

    What is not answered yet will be remembered in their conversation; an answer that replaces
    another one stays beside that. Lanes only get another name, so that running turns keep theirs.
    """
    here = (_turns.c.user_id == gone.user_id, _turns.c.conversation_id == gone.conversation_id)
    lane = f"{gone.conversation_id}/"
    behind = func.substr(_turns.c.lane, len(lane) + 1)
    of_lane = update(_turns).where(
        *here, _turns.c.delivered_at.is_(None), func.substr(_turns.c.lane, 1, len(lane)) == lane
    )
    await session.execute(of_lane.values(lane=f"{kept.conversation_id}/" + behind))
    unanswered = update(_turns).where(*here, _turns.c.answered_at.is_(None))
    new = unanswered.where(_turns.c.kind == "chat", _turns.c.replaces_id.is_(None))
    await session.execute(new.values(conversation_id=kept.conversation_id, epoch=kept.epoch))
    await session.execute(unanswered.where(_turns.c.kind == "summary").values(cancel=True))
    every = update(_turns).where(_turns.c.user_id == gone.user_id)
    await session.execute(every.values(user_id=kept.user_id))


async def _move_memory(session: Session, kept: Speaker, gone: Speaker) -> str | None:
    """Keep the other conversation beside that of the person who stays; return its instructions.

    Return None if there are none, or if the conversation that goes on has some.
    """
    personas = [await memory.instructions(session, each.conversation_id) for each in (kept, gone)]
    model = await memory.model_of(session, gone.conversation_id)
    await session.execute(
        update(_conversations)
        .where(_conversations.c.id == kept.conversation_id)
        .values(model=func.coalesce(_conversations.c.model, model))
    )
    await session.execute(
        update(_conversations)
        .where(_conversations.c.id == gone.conversation_id)
        .values(
            user_id=None,
            chat=NOWHERE,
            owner_id=kept.user_id,
            epoch=_conversations.c.epoch + 1,
            head_id=null(),
            instructed_id=null(),
        )
    )
    earlier = update(_conversations).where(_conversations.c.owner_id == gone.user_id)
    await session.execute(earlier.values(owner_id=kept.user_id))
    return None if personas[0] else personas[1]


async def _move_rest(session: Session, kept: int, gone: int) -> None:
    """Move what else tells who somebody is, and end the codes of both."""
    for column in (_messages.c.author_id, _uses.c.user_id):
        await session.execute(
            update(column.table).where(column == gone).values({column.name: kept})
        )
    for each in (models.notices, models.redemptions, models.recipients):
        await _move_missing(session, each, kept, gone)
    await access.join(session, gone, kept)
    await session.execute(delete(models.standings).where(models.standings.c.user_id == gone))
    old = (await session.execute(select(_users).where(_users.c.id == gone))).one()
    await session.execute(
        update(_users)
        .where(_users.c.id == kept)
        .values(
            exported_at=_later(_users.c.exported_at, old.exported_at),
            requests=_users.c.requests + old.requests,
            requests_at=_later(_users.c.requests_at, old.requests_at),
            language=func.coalesce(_users.c.language, old.language),
        )
    )
    await session.execute(delete(links).where(links.c.user_id.in_((kept, gone))))


async def _move_missing(session: Session, which: Table, kept: int, gone: int) -> None:
    """Move the rows of a table, but for those that the other person has too."""
    same = which.alias("same")
    keys = [each.name for each in which.primary_key if each.name != "user_id"]
    has_it = exists().where(same.c.user_id == kept, *(same.c[key] == which.c[key] for key in keys))
    theirs = which.c.user_id == gone
    await session.execute(update(which).where(theirs, ~has_it).values(user_id=kept))
    await session.execute(delete(which).where(theirs))


def _later(column: Any, moment: datetime | None) -> Any:
    """Return the later one of two times; None counts as none."""
    if moment is None:
        return column
    at = literal(moment, models.Instant)
    return case((column > at, column), else_=at)
