"""The operator's questions about turns, and the orders to try some again or to end them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select, update

from core import inbox, models, mutes, posts, quota, words
from core.adapter import Address
from core.db import WORK, Session, notify
from core.models import FORGOTTEN
from core.operations._audit import note
from core.operations._order import Answer, NotDone, Order, literal
from core.text import write_moment
from core.turns import IDS_PER_TURN, Outcome, Question, content_of

LONG = timedelta(minutes=10)
"""The age from which on a turn that is not delivered counts as a trouble."""
MOST = 200
"""The number of troubles that are listed."""
LISTED = 20
"""The same in a chat."""

_turns = models.turns
_calls = models.calls
_messages = models.messages


@dataclass(frozen=True, slots=True)
class Trouble:
    """A turn that went wrong or does not end, without the words that were said in it."""

    id: int
    kind: str
    platform: str
    created_at: datetime
    attempt: int
    faults: int
    outcome: str
    """The outcome of the answer; "" before there is one."""
    is_done: bool
    ready_at: datetime
    worker_id: str | None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call to the model for a turn; `cost` in micro-dollars, the reserved ones while open."""

    attempt: int
    model: str
    created_at: datetime
    settled_at: datetime | None
    tokens: int
    cost: int


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """Everything that is stored of a turn, with the words that were said."""

    trouble: Trouble
    address: Address
    message_id: str | None
    question: Question
    draft: str
    answer: str | None
    answered_at: datetime | None
    delivered_at: datetime | None
    posts: tuple[str | None, ...]
    """The ids of the answer's posts; None for a post that the platform did not confirm."""
    calls: tuple[CallRecord, ...]


async def list_troubles(session: Session, *, now: datetime) -> list[Trouble]:
    """List turns that failed, were undeliverable, or take longer than LONG; the oldest first."""
    found = await session.execute(
        select(_turns)
        .where(
            or_(
                _turns.c.outcome.in_((Outcome.FAILED, Outcome.UNDELIVERABLE)),
                and_(_turns.c.delivered_at.is_(None), _turns.c.created_at < now - LONG),
            )
        )
        .order_by(_turns.c.id.desc())
        .limit(MOST)
    )
    return [_trouble(row) for row in reversed(found.all())]


async def show(session: Session, turn_id: int) -> TurnRecord | None:
    """Return everything that is stored of a turn, or None if there is no such turn."""
    found = await session.execute(select(_turns).where(_turns.c.id == turn_id))
    row = found.one_or_none()
    if row is None:
        return None
    said = await _said(session, turn_id)
    return TurnRecord(
        trouble=_trouble(row),
        address=Address(row.platform, row.bot_id, row.chat, row.thread),
        message_id=row.message_id,
        question=Question.load(row.input, said[0] if said else None),
        draft=row.draft,
        answer=_answer_in(said) if row.answer is None else row.answer,
        answered_at=row.answered_at,
        delivered_at=row.delivered_at,
        posts=await posts.of(session, turn_id),
        calls=tuple(await _calls_of(session, turn_id)),
    )


async def _said(session: Session, turn_id: int) -> Sequence[dict[str, Any]]:
    """Return the messages of a turn in memory, which hold its words once it is delivered."""
    found = await session.scalars(
        select(_messages.c.body)
        .where(_messages.c.id.between(turn_id * IDS_PER_TURN, (turn_id + 1) * IDS_PER_TURN - 1))
        .order_by(_messages.c.id)
    )
    return found.all()


def _answer_in(said: Sequence[dict[str, Any]]) -> str | None:
    texts = [content_of(message) for message in said if message["role"] == "assistant"]
    return "\n\n".join(filter(None, texts)) if texts else None


async def replay(session: Session, turn_ids: Collection[int], *, now: datetime) -> Sequence[int]:
    """Queue failed turns to be answered again, and undeliverable ones to be delivered again.

    An undeliverable turn that has no answer, because the model was not asked to its end, is
    answered again.

    Returns the ids of the queued turns. A turn stays as it is if it went well, is not done yet,
    or its texts were deleted.
    """
    new = inbox.as_new(now)
    is_empty = and_(_turns.c.kind == "chat", func.coalesce(_turns.c.answer, "") == "")
    is_unanswered = and_(_turns.c.outcome == Outcome.UNDELIVERABLE, is_empty)
    failed = update(_turns).where(or_(_turns.c.outcome == Outcome.FAILED, is_unanswered))
    again = {name: value for name, value in new.items() if not name.startswith("answer")}
    again["outcome"] = Outcome.OK
    undelivered = update(_turns).where(_turns.c.outcome == Outcome.UNDELIVERABLE, ~is_empty)
    queued: list[int] = []
    for statement in (failed.values(new), undelivered.values(again)):
        done = statement.where(
            _turns.c.id.in_(turn_ids), _turns.c.delivered_at.is_not(None), ~FORGOTTEN
        )
        queued += (await session.scalars(done.returning(_turns.c.id))).all()
    places = select(*(_turns.c[name] for name in ("platform", "bot_id", "chat", "thread")))
    for place in (await session.execute(places.where(_turns.c.id.in_(queued)).distinct())).all():
        await mutes.unmute(session, Address(*place))  # the operator knows that the bot may write
    if queued:
        await notify(session, WORK)
    return sorted(queued)


async def find_forgotten(session: Session, turn_ids: Collection[int]) -> Sequence[int]:
    """Return the turns whose texts were deleted, so that nothing is left to be queued again."""
    found = await session.scalars(select(_turns.c.id).where(_turns.c.id.in_(turn_ids), FORGOTTEN))
    return found.all()


async def _calls_of(session: Session, turn_id: int) -> list[CallRecord]:
    tokens = _calls.c.prompt_tokens + _calls.c.completion_tokens
    cost = case((_calls.c.settled_at.is_(None), _calls.c.reserved), else_=_calls.c.cost)
    found = await session.execute(
        select(
            _calls.c.attempt,
            _calls.c.model,
            _calls.c.created_at,
            _calls.c.settled_at,
            tokens,
            cost,
        )
        .where(_calls.c.turn_id == turn_id)
        .order_by(_calls.c.id)
    )
    return [CallRecord(*row) for row in found]


def _trouble(row: Any) -> Trouble:
    return Trouble(
        id=row.id,
        kind=row.kind,
        platform=row.platform,
        created_at=row.created_at,
        attempt=row.attempt,
        faults=row.faults,
        outcome=row.outcome or "",
        is_done=row.delivered_at is not None,
        ready_at=row.ready_at,
        worker_id=row.worker_id,
    )


# Orders


async def turns(session: Session, order: Order, action: str = "", numbers: str = "") -> Answer:
    """List turns in trouble; show one without its words; try some again, or end them."""
    if not action:
        found = await list_troubles(session, now=order.now)
        lines = [_line(each) for each in found[-LISTED:]]
        return Answer("\n".join(lines) or words.TURNS_FINE)
    ids = _numbers_in(numbers)
    match action:
        case "show":
            return await _shown(session, ids[0])
        case "replay":
            return await _replay(session, order, ids)
        case "discard":
            return await _discard(session, order, ids)
    raise NotDone(words.TURNS_ACTIONS.format(prefix=order.prefix))


def _numbers_in(text: str) -> list[int]:
    """Return the numbers of turns, each written as a number or as a reference: "17", "17-1"."""
    numbers = [each.partition("-")[0] for each in text.replace(",", " ").split()]
    if not numbers or not all(each.isdecimal() and len(each) <= 18 for each in numbers):
        raise NotDone(words.TURNS_NUMBERS)
    return list(dict.fromkeys(map(int, numbers)))


async def _shown(session: Session, turn_id: int) -> Answer:
    """Show a turn without its words, which no copy of may stay behind in a chat."""
    found = await show(session, turn_id)
    if found is None:
        raise NotDone(words.TURNS_UNKNOWN.format(number=turn_id))
    each = found.trouble
    moments = (
        (words.TURN_ASKED, each.created_at),
        (words.TURN_ANSWERED, found.answered_at),
        (words.TURN_DELIVERED, found.delivered_at),
    )
    lines = [
        words.TURN.format(number=each.id, platform=each.platform, state=_state(each)),
        *(sentence.format(moment=_moment(at)) for sentence, at in moments if at is not None),
        *(_call(call) for call in found.calls),
    ]
    return Answer("\n".join(lines))


async def _replay(session: Session, order: Order, ids: Sequence[int]) -> Answer:
    queued = await replay(session, ids, now=order.now)
    for turn_id in queued:
        await note(session, order, "turns replay", str(turn_id))
    forgotten = await find_forgotten(session, ids)
    lines = [_fate(turn_id, queued, forgotten) for turn_id in ids]
    return Answer("\n".join(lines), failed=len(queued) < len(ids))


def _fate(turn_id: int, queued: Collection[int], forgotten: Collection[int]) -> str:
    if turn_id in queued:
        return words.TURNS_QUEUED.format(number=turn_id)
    if turn_id in forgotten:
        return words.TURNS_FORGOTTEN.format(number=turn_id)
    return words.TURNS_LEFT.format(number=turn_id)


async def _discard(session: Session, order: Order, ids: Sequence[int]) -> Answer:
    if not order.confirmed:
        return Answer(words.TURNS_DISCARD.format(numbers=", ".join(map(str, ids))), asks=True)
    ended = await inbox.discard(session, ids, now=order.now)
    await quota.abandon(session, ended, order.rules, now=order.now)
    for turn_id in ended:
        await note(session, order, "turns discard", str(turn_id))
    sentences = (words.TURNS_DISCARDED, words.TURNS_OVER)
    lines = [sentences[turn_id not in ended].format(number=turn_id) for turn_id in ids]
    return Answer("\n".join(lines), failed=len(ended) < len(ids), stopped=bool(ended))


def _line(each: Trouble) -> str:
    return words.TURNS_LINE.format(
        number=each.id,
        platform=each.platform,
        moment=_moment(each.created_at),
        attempts=each.attempt,
        state=_state(each),
    )


def _state(each: Trouble) -> str:
    if each.is_done:
        ends = {"failed": words.TURN_FAILED, "undeliverable": words.TURN_UNDELIVERABLE}
        return ends.get(each.outcome, words.TURN_WELL)
    if each.outcome:
        return words.TURN_UNDELIVERED
    return words.TURN_RUNNING if each.worker_id else words.TURN_WAITING


def _call(call: CallRecord) -> str:
    return words.TURN_CALL.format(
        model=literal(call.model),
        tokens=words.amount(call.tokens, "tokens"),
        money=words.dollars(call.cost),
    )


def _moment(moment: datetime) -> str:
    return write_moment(f"{moment:%Y-%m-%d %H:%M} UTC", moment)
