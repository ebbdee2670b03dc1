"""The claims of workers: a worker takes turns under a lease, renews it, and hands them back.

One rule orders everything: in a lane, only the oldest undelivered turn may run, and the lane stays
taken until that turn is delivered. A turn without a lane waits for nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Integer,
    Select,
    String,
    Text,
    Update,
    bindparam,
    exists,
    literal_column,
    select,
    tuple_,
    union_all,
    update,
)

from core import models
from core.adapter import Account, Address
from core.db import Session
from core.inbox._order import FOLLOWS_UNDELIVERED, IS_BEHIND_IN_LANE
from core.inbox._tables import turns
from core.lines import FIRST, LAST, LATER, ONCE
from core.models import FENCED, Instant
from core.turns import Outcome, Question, Turn

_other = models.other_turns
_conversations = models.conversations
_workers = models.workers

_HAS_WORKER = _other.c.worker_id.is_not(None)
_IS_LEFT = _other.c.delivered_at.is_(None)
_LANE_IN_HAND = exists().where(_other.c.lane == turns.c.lane, _IS_LEFT, _HAS_WORKER)
_IS_LEAVING = exists().where(_workers.c.id == _other.c.worker_id, _workers.c.leaving)
# Only one process at a time sends to a chat, because it keeps the chat's pace. In a deploy nobody
# waits for the process that leaves: a flood limit of the few last answers is waited out.
_CHAT_ELSEWHERE = exists().where(
    _other.c.platform == turns.c.platform,
    _other.c.bot_id == turns.c.bot_id,
    _other.c.chat == turns.c.chat,
    _IS_LEFT,
    _HAS_WORKER,
    _other.c.worker_id != bindparam("worker"),
    _other.c.lease_until > bindparam("now", type_=Instant),
    ~_IS_LEAVING,
)
# An announcement does not step between a question and its answer.
_HAS_ASKED = exists().where(
    _other.c.user_id == turns.c.user_id, _IS_LEFT, _other.c.line.is_distinct_from(LAST)
)
# The line says most of this already, but it is only a hint: the claim checks for itself.
_MAY_RUN = (
    turns.c.ready_at <= bindparam("now", type_=Instant),
    turns.c.worker_id.is_(None),
    turns.c.delivered_at.is_(None),
    ~IS_BEHIND_IN_LANE,
    ~FOLLOWS_UNDELIVERED,
    ~_LANE_IN_HAND,
    ~_CHAT_ELSEWHERE,
)


def _waiting(account: int, line: int) -> Select[Any]:
    """Select the turns of one account that can be claimed from one line, the first ones.

    The line's index leaves out all turns that wait for something else, so this reads about as many
    rows as it returns.
    """
    return (
        select(turns.c.id, turns.c.line, turns.c.ready_at)
        .where(
            turns.c.platform == bindparam(f"platform_{account}"),
            turns.c.bot_id == bindparam(f"bot_{account}"),
            turns.c.line == literal_column(str(line)),
            *_MAY_RUN,
            *((~_HAS_ASKED,) if line == LAST else ()),
        )
        .order_by(turns.c.ready_at, turns.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


def _claimable(accounts: int, lines: Sequence[int]) -> Select[Any] | CompoundSelect[Any]:
    found = [
        select(_waiting(account, line).subquery()) for account in range(accounts) for line in lines
    ]
    every = (union_all(*found) if len(found) > 1 else found[0]).subquery()
    first = select(every.c.id).order_by(every.c.line, every.c.ready_at, every.c.id)
    return first.limit(bindparam("most", type_=Integer))


# Written as text: in RETURNING for SQLite, SQLAlchemy leaves out the names of tables. The casts let
# SQLite use the index.
_PAUSED = literal_column(
    "(SELECT pauses.until FROM pauses WHERE pauses.platform = CAST(turns.platform AS TEXT)"
    " AND pauses.bot_id = CAST(turns.bot_id AS TEXT) AND pauses.chat = CAST(turns.chat AS TEXT))",
    Instant,
)
_MUTED = literal_column(
    "(SELECT mutes.until FROM mutes WHERE mutes.platform = CAST(turns.platform AS TEXT)"
    " AND mutes.bot_id = CAST(turns.bot_id AS TEXT) AND mutes.chat = CAST(turns.chat AS TEXT)"
    " AND mutes.thread = CAST(turns.thread AS TEXT))",
    Instant,
)
_TERMS = literal_column(
    "(SELECT exceptions.terms FROM exceptions WHERE exceptions.user_id = turns.user_id)", Text
)
_GROUP_ID = literal_column(
    "(SELECT exceptions.id FROM exceptions"
    " WHERE exceptions.platform = CAST(turns.platform AS TEXT)"
    " AND exceptions.chat = CAST(turns.chat AS TEXT))",
    Integer,
)
_GROUP_TERMS = literal_column(
    "(SELECT exceptions.terms FROM exceptions"
    " WHERE exceptions.platform = CAST(turns.platform AS TEXT)"
    " AND exceptions.chat = CAST(turns.chat AS TEXT))",
    Text,
)
_MODEL = (
    select(_conversations.c.model)
    .where(_conversations.c.id == turns.c.conversation_id)
    .scalar_subquery()
)


@cache
def _claim(accounts: int, lines: tuple[int, ...]) -> Update:
    claimable = _claimable(accounts, lines).cte("claimable")
    return (
        update(turns)
        .where(turns.c.id.in_(select(claimable.c.id)))
        .values(
            attempt=turns.c.attempt + 1,
            worker_id=bindparam("worker", type_=String),
            lease_until=bindparam("until", type_=Instant),
        )
        .returning(
            *turns.c,
            _PAUSED.label("paused_until"),
            _MUTED.label("muted_until"),
            _MODEL.label("model"),
            _TERMS.label("terms"),
            _GROUP_ID.label("group_id"),
            _GROUP_TERMS.label("group_terms"),
        )
    )


async def claim(
    session: Session,
    worker_id: str,
    accounts: Collection[Account],
    *,
    now: datetime,
    lease_until: datetime,
    limit: int,
    lines: tuple[int, ...] = (FIRST, LATER),
) -> list[Turn]:
    """Take up to `limit` turns with free lanes from some lines; return them by their ids.

    A lower line goes first, and in a line the turn that is ready for the longest time. An answered
    turn is taken for its delivery. Raises IntegrityError when another process takes a turn of the
    same lane at the same time.
    """
    if not accounts:
        return []
    values: dict[str, Any] = {"worker": worker_id, "now": now, "until": lease_until, "most": limit}
    for number, (platform, bot_id) in enumerate(accounts):
        values |= {f"platform_{number}": platform, f"bot_{number}": bot_id}
    claimed = await session.execute(_claim(len(accounts), lines), values)
    return sorted((_turn(row) for row in claimed.mappings()), key=lambda turn: turn.id)


def _turn(row: Any) -> Turn:
    return Turn(
        id=row["id"],
        kind=row["kind"],
        conversation_id=row["conversation_id"],
        user_id=row["user_id"],
        epoch=row["epoch"],
        address=Address(row["platform"], row["bot_id"], row["chat"], row["thread"]),
        message_id=row["message_id"],
        ticket=row["ticket"],
        question=Question.load(row["input"]),
        attempt=row["attempt"],
        created_at=row["created_at"],
        asked_at=row["asked_at"],
        faults=row["faults"],
        asked=row["asked"],
        deaths=row["deaths"],
        follows_id=row["follows_id"],
        replaces_id=row["replaces_id"],
        cancel=row["cancel"],
        draft=row["draft"],
        answer=row["answer"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        paused_until=row["paused_until"],
        muted_until=row["muted_until"],
        model=row["model"],
        terms=row["terms"] or "",
        group_id=row["group_id"],
        group_terms=row["group_terms"] or "",
    )


_SHAKEN = (
    select(turns.c.line)
    .where(
        tuple_(turns.c.platform, turns.c.bot_id).in_(bindparam("accounts", expanding=True)),
        turns.c.line >= ONCE,
        *_MAY_RUN,
    )
    .distinct()
    .order_by(turns.c.line)
)


async def shaken(
    session: Session, worker_id: str, accounts: Collection[Account], *, now: datetime
) -> Sequence[int]:
    """Return the lines with turns to claim behind those of the ordinary ones.

    They are those of turns that were in hand at the death of a process, and `LAST`.
    """
    values = {"worker": worker_id, "accounts": list(accounts), "now": now}
    found = await session.scalars(_SHAKEN, values)
    return found.all()


async def is_busy(session: Session, accounts: Collection[Account]) -> bool:
    """Return whether any turn of these accounts is not delivered yet."""
    left = exists().where(
        turns.c.delivered_at.is_(None),
        tuple_(turns.c.platform, turns.c.bot_id).in_(list(accounts)),
    )
    return bool(await session.scalar(select(left)))


@dataclass(frozen=True, slots=True)
class Held:
    """A turn that this worker still holds."""

    id: int
    attempt: int
    cancel: bool
    message_id: str | None
    """The message that it answers, which may be a copy by now."""


async def renew(
    session: Session, worker_id: str, turn_ids: Collection[int], *, lease_until: datetime
) -> list[Held]:
    """Extend the leases of turns and return those turns that this worker still holds."""
    renewed = await session.execute(
        update(turns)
        .where(
            turns.c.id.in_(turn_ids),
            turns.c.worker_id == worker_id,
            turns.c.delivered_at.is_(None),
        )
        .values(lease_until=lease_until)
        .returning(turns.c.id, turns.c.attempt, turns.c.cancel, turns.c.message_id)
    )
    return [Held(*row) for row in renewed]


_DRAFT = update(turns).where(*FENCED, turns.c.answered_at.is_(None))
_DRAFT = _DRAFT.values(draft=bindparam("text"))


async def save_drafts(session: Session, drafts: Sequence[tuple[Turn, str]]) -> None:
    """Store answers as far as they have come, for a Stop or for the next attempt."""
    rows = [{**turn.fence, "text": draft} for turn, draft in drafts]
    await session.execute(_DRAFT, rows)


async def hand_back(session: Session, worker_id: str) -> None:
    """End the leases of a worker that stops; this does not count as a fault of its turns."""
    await session.execute(
        update(turns)
        .where(turns.c.worker_id == worker_id, turns.c.delivered_at.is_(None))
        .values(worker_id=None, lease_until=None)
    )
