"""The claims of workers: a worker takes turns under a lease, renews it, and hands them back.

One rule orders everything: in a lane, only the oldest undelivered turn may run, and the lane stays
taken until that turn is delivered. A turn without a lane waits for nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from core import fleet
from core.adapter import Account, Address
from core.db import Session
from core.inbox._tables import in_hand, running, turns
from core.models import FENCED, Conversation, Instant, table
from core.turns import Outcome, Question, Turn

_other = turns.alias("other")
_conversations = table(Conversation)


def _claimable() -> Select[Any]:
    now, ended = bindparam("now", type_=Instant), bindparam("ended", type_=Instant)
    # A turn whose worker died goes first, also before an older one that was queued again
    # meanwhile; otherwise the two would wait for each other.
    is_fresh = turns.c.worker_id.is_(None)
    earlier_in_lane = exists().where(
        _other.c.lane == turns.c.lane,
        _other.c.delivered_at.is_(None),
        or_(in_hand(_other), and_(is_fresh, _other.c.id < turns.c.id)),
        _other.c.id != turns.c.id,
    )
    follows_undelivered = exists().where(
        is_fresh, _other.c.id == turns.c.follows_id, _other.c.delivered_at.is_(None)
    )
    # Only one process at a time sends to a chat, because it keeps the chat's pace.
    elsewhere = exists().where(
        _other.c.platform == turns.c.platform,
        _other.c.bot_id == turns.c.bot_id,
        _other.c.chat == turns.c.chat,
        _other.c.delivered_at.is_(None),
        _other.c.worker_id != bindparam("worker"),
        _other.c.lease_until > ended,
    )
    return (
        select(turns.c.id)
        .where(
            turns.c.delivered_at.is_(None),
            # A turn that is to be stopped does not wait for its time.
            or_(turns.c.ready_at <= now, and_(turns.c.cancel, turns.c.answered_at.is_(None))),
            or_(turns.c.worker_id.is_(None), turns.c.lease_until <= ended),
            turns.c.id.not_in(bindparam("kept", expanding=True)),
            tuple_(turns.c.platform, turns.c.bot_id).in_(bindparam("accounts", expanding=True)),
            ~earlier_in_lane,
            ~follows_undelivered,
            ~elsewhere,
        )
        .order_by(turns.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


# Text, because for SQLite SQLAlchemy writes all columns in RETURNING without their tables.
_PAUSED = literal_column(
    "(SELECT pauses.until FROM pauses WHERE pauses.platform = turns.platform"
    " AND pauses.bot_id = turns.bot_id AND pauses.chat = turns.chat)",
    Instant,
)
_MUTED = literal_column(
    "(SELECT mutes.until FROM mutes WHERE mutes.platform = turns.platform"
    " AND mutes.bot_id = turns.bot_id AND mutes.chat = turns.chat AND mutes.thread = turns.thread)",
    Instant,
)
_MODEL = (
    select(_conversations.c.model)
    .where(_conversations.c.id == turns.c.conversation_id)
    .scalar_subquery()
)
_CLAIM = (
    update(turns)
    .where(turns.c.id.in_(_claimable()))
    .values(
        attempt=turns.c.attempt + 1,
        faults=turns.c.faults + case((running(turns), 1), else_=0),
        worker_id=bindparam("worker", type_=String),
        lease_until=bindparam("until", type_=Instant),
    )
    .returning(
        *turns.c,
        _PAUSED.label("paused_until"),
        _MUTED.label("muted_until"),
        _MODEL.label("model"),
    )
)


async def claim(
    session: Session,
    worker_id: str,
    accounts: Collection[Account],
    *,
    now: datetime,
    ended_at: datetime,
    lease_until: datetime,
    limit: int,
    kept: Collection[int] = (),
) -> list[Turn]:
    """Take up to `limit` turns with free lanes, the oldest first.

    A turn whose lease had ended at `ended_at` is taken again, which counts as a fault. The ids in
    `kept` are not taken: this worker still runs those turns, but could not renew their leases. An
    answered turn is taken for its delivery. Raises IntegrityError when another process takes a
    turn of the same lane at the same time.
    """
    claimed = await session.execute(
        _CLAIM,
        {
            "worker": worker_id,
            "accounts": list(accounts),
            "now": now,
            "ended": ended_at,
            "until": lease_until,
            "most": limit,
            "kept": list(kept),
        },
    )
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
        faults=row["faults"],
        follows_id=row["follows_id"],
        replaces_id=row["replaces_id"],
        cancel=row["cancel"],
        draft=row["draft"],
        answer=row["answer"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        paused_until=row["paused_until"],
        muted_until=row["muted_until"],
        model=row["model"],
    )


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
        .returning(turns.c.id, turns.c.attempt, turns.c.cancel)
    )
    return [Held(*row) for row in renewed]


_DRAFT = update(turns).where(*FENCED, turns.c.answered_at.is_(None))
_DRAFT = _DRAFT.values(draft=bindparam("text"))


async def save_drafts(session: Session, drafts: Sequence[tuple[Turn, str]]) -> None:
    """Store answers as far as they have come, for a Stop or for the next attempt."""
    rows = [{**turn.fence, "text": draft} for turn, draft in drafts]
    await session.execute(_DRAFT, rows)


async def free(session: Session) -> None:
    """End the leases of all turns and accounts, at the start of the only process there is."""
    await fleet.free_listeners(session)
    await session.execute(
        update(turns)
        .where(turns.c.delivered_at.is_(None), turns.c.worker_id.is_not(None))
        .values(
            faults=turns.c.faults + case((running(turns), 1), else_=0),
            worker_id=None,
            lease_until=None,
        )
    )


async def hand_back(session: Session, worker_id: str) -> None:
    """End the leases of a worker that stops; this does not count as a fault of its turns."""
    await session.execute(
        update(turns)
        .where(turns.c.worker_id == worker_id, turns.c.delivered_at.is_(None))
        .values(worker_id=None, lease_until=None)
    )
