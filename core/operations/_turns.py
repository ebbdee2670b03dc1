"""Orders about turns: operators list and show them, try some again, stop or end them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select, update

from core import inbox, models, mutes, quota, words
from core.adapter import Address
from core.db import WORK, Session, notify
from core.models import FORGOTTEN
from core.operations._audit import note
from core.operations._order import Answer, NotDone, Order, literal, number_in
from core.operations._records import (
    STATES,
    CallRecord,
    Trouble,
    TurnRecord,
    list_troubles,
    list_turns,
    show,
)
from core.turns import Outcome

LISTED = 20
"""The number of turns that are listed in a chat."""

_turns = models.turns


async def retry(session: Session, turn_ids: Collection[int], *, now: datetime) -> Sequence[int]:
    """Queue failed turns to be answered again, and undeliverable ones to be delivered again.

    An undeliverable turn that has no answer, because the model was not asked to its end, is
    answered again. A turn that waits for its next attempt waits no longer.

    Return the ids of the queued turns. A turn stays as it is if it went well, waits for another
    one, is running, or its texts were deleted.
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
    waits = (_turns.c.delivered_at.is_(None), _turns.c.worker_id.is_(None), _turns.c.ready_at > now)
    soon = update(_turns).where(_turns.c.id.in_(turn_ids), *waits).values(ready_at=now)
    queued += (await session.scalars(soon.returning(_turns.c.id))).all()
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


# Orders


async def turns(session: Session, order: Order, action: str = "", numbers: str = "") -> Answer:
    """List turns in trouble or in a state; show one without its words; retry, stop or end some."""
    if not action:
        found = await list_troubles(session, now=order.now)
        return _listed(found, words.TURNS_FINE)
    for state in STATES:
        if action == state:
            return _listed(await list_turns(session, state, now=order.now), words.TURNS_NONE)
    ids = _numbers_in(numbers)
    match action:
        case "show":
            return await _shown(session, ids[0])
        case "retry":
            return await _retry(session, order, ids)
        case "cancel":
            return await _cancel(session, order, ids)
        case "discard":
            return await _discard(session, order, ids)
    raise NotDone(words.TURNS_ACTIONS.format(prefix=order.prefix))


def _listed(found: Sequence[Trouble], nothing: str) -> Answer:
    return Answer("\n".join(map(_line, found[-LISTED:])) or nothing)


def _numbers_in(text: str) -> list[int]:
    """Return the numbers of turns, each written as a number or as a reference: "17", "17-1"."""
    told = [number_in(each.partition("-")[0]) for each in text.replace(",", " ").split()]
    numbers = [each for each in told if each is not None]
    if not numbers or len(numbers) < len(told):
        raise NotDone(words.TURNS_NUMBERS)
    return list(dict.fromkeys(numbers))


async def read(session: Session, order: Order, turn_id: int) -> TurnRecord | None:
    """Return everything that is stored of a turn with its words, and note that they were read."""
    found = await show(session, turn_id)
    if found is not None:
        await note(session, order, "turns show", str(turn_id))
    return found


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
        *(sentence.format(moment=words.moment(at)) for sentence, at in moments if at is not None),
        *(_call(call) for call in found.calls),
    ]
    return Answer("\n".join(lines))


async def _retry(session: Session, order: Order, ids: Sequence[int]) -> Answer:
    queued = await retry(session, ids, now=order.now)
    for turn_id in queued:
        await note(session, order, "turns retry", str(turn_id))
    forgotten = await find_forgotten(session, ids)
    lines = [_fate(turn_id, queued, forgotten) for turn_id in ids]
    return Answer("\n".join(lines), failed=len(queued) < len(ids))


def _fate(turn_id: int, queued: Collection[int], forgotten: Collection[int]) -> str:
    if turn_id in queued:
        return words.TURNS_QUEUED.format(number=turn_id)
    if turn_id in forgotten:
        return words.TURNS_FORGOTTEN.format(number=turn_id)
    return words.TURNS_LEFT.format(number=turn_id)


async def _cancel(session: Session, order: Order, ids: Sequence[int]) -> Answer:
    """Stop answers, as their people could: what there is of each stands, and is paid."""
    if not order.confirmed:
        return Answer(words.TURNS_CANCEL.format(numbers=_joined(ids)), asks=True)
    unanswered = (_turns.c.answered_at.is_(None), _turns.c.kind == "chat")
    found = await session.scalars(select(_turns.c.id).where(_turns.c.id.in_(ids), *unanswered))
    stopped = sorted(found.all())
    await inbox.cancel(session, stopped)
    await notify(session, WORK)
    for turn_id in stopped:
        await note(session, order, "turns cancel", str(turn_id))
    sentences = (words.TURNS_CANCELLED, words.TURNS_OVER)
    lines = [sentences[turn_id not in stopped].format(number=turn_id) for turn_id in ids]
    return Answer("\n".join(lines), failed=len(stopped) < len(ids), stopped=bool(stopped))


def _joined(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids))


async def _discard(session: Session, order: Order, ids: Sequence[int]) -> Answer:
    if not order.confirmed:
        return Answer(words.TURNS_DISCARD.format(numbers=_joined(ids)), asks=True)
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
        moment=words.moment(each.created_at),
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
