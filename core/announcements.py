"""Announcements: an operator sends one text to everybody who has a private chat with the bot.

Each process walks past all people for its own accounts, in small steps at the account's pace. A
step stores the turns of the next people together with its place, so that nobody is left out or
reached twice, whatever process dies. The turns are delivered as all answers are, in the last line.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, func, insert, or_, select, update

from core import inbox, models, places, words
from core.adapter import Account
from core.db import Session, Sessions, insert_missing, row_count, transact
from core.gates import happens
from core.lines import LAST
from core.models import announcements, recipients, walks
from core.places import PLACE, Place, place_of
from core.turns import Outcome

log = logging.getLogger(__name__)

STEP, IDLE = 1.0, 5.0
"""The seconds between two steps, and between two looks for an announcement."""
AHEAD = timedelta(seconds=3)
"""The time of an account's pace for which turns may wait: a stop comes after them."""
PAGE, PAGES = 100, 10
"""The people that are looked at together, and how often in one step."""
SETTLED = timedelta(seconds=15)
"""The time in which all processes have begun their walks."""
LATE = timedelta(days=1)
"""The time for which an account of ours that was away may still begin its walk."""

_ID: Any = announcements.c.id
_turns = models.turns
_users = models.users
_conversations = models.conversations
_identities = models.identities
_mutes = models.mutes
_standings = models.standings


@dataclass(frozen=True, slots=True)
class Progress:
    """The way of an announcement so far."""

    text: str
    began: datetime
    state: str
    """`running`, `stopped` or `done`."""
    people: int
    """The people who had a private chat when it began."""
    sent: int
    refused: int
    """The people whose platform refused it: most of them have blocked the bot."""
    left_out: int
    """The people who had blocked the bot before, or whom an operator has blocked."""
    waiting: int
    """The people for whom it is on its way."""


_PEOPLE = select(func.count()).where(_conversations.c.user_id.is_not(None))
_THERE = select(_identities.c.user_id).where(_identities.c.platform == bindparam("the_platform"))
_PEOPLE_THERE = _PEOPLE.where(_conversations.c.user_id.in_(_THERE))
_LAST_USER = select(func.coalesce(func.max(_users.c.id), 0))
_LAST_TURN = select(func.coalesce(func.max(_turns.c.id), 0))


async def begin(
    session: Session, text: str, by: int | None, now: datetime, *, platform: str | None = None
) -> int:
    """Begin to send a text, as Markdown, to everybody with a private chat; return its id.

    `by` is the operator's user id, who is told when it is done. With a `platform`, it goes only to
    the people who spoke last there.
    """
    new = {
        "text": text,
        "by_id": by,
        "platform": platform,
        "state": "running",
        "people": await _count(session, platform),
        "last_user_id": await session.scalar(_LAST_USER),
        "last_turn_id": await session.scalar(_LAST_TURN),
        "created_at": now,
    }
    begun: int = await session.scalar(insert(announcements).values(new).returning(_ID))
    return begun


async def _count(session: Session, platform: str | None) -> int:
    if platform is None:
        return int(await session.scalar(_PEOPLE))
    return int(await session.scalar(_PEOPLE_THERE, {"the_platform": platform}))


async def stop(session: Session, announcement_id: int) -> bool:
    """Stop an announcement; those who wait for it still get it. Return False if it did not run."""
    return await _turn_to("stopped", session, announcement_id, before="running")


async def resume(session: Session, announcement_id: int) -> bool:
    """Go on with an announcement that was stopped; return False if none was."""
    return await _turn_to("running", session, announcement_id, before="stopped")


async def _turn_to(state: str, session: Session, announcement_id: int, *, before: str) -> bool:
    turned = update(announcements).where(announcement_id == _ID, announcements.c.state == before)
    return row_count(await session.execute(turned.values(state=state))) > 0


_STATE = case(
    (recipients.c.left_out, "left_out"),
    (recipients.c.turn_id.is_(None), "sent"),  # long ago: its turn is deleted
    (_turns.c.delivered_at.is_(None), "waiting"),
    (_turns.c.outcome == Outcome.UNDELIVERABLE, "refused"),
    else_="sent",
).label("state")
_COUNTS = (
    select(_STATE, func.count().label("number"))
    .select_from(recipients.outerjoin(_turns, _turns.c.id == recipients.c.turn_id))
    .where(recipients.c.announcement_id == bindparam("the_id"))
    .group_by(_STATE)
)


async def progress(session: Session, announcement_id: int) -> Progress | None:
    """Return how far an announcement has come; None for an unknown one."""
    found = await session.execute(select(announcements).where(announcement_id == _ID))
    row = found.one_or_none()
    if row is None:
        return None
    counted = await session.execute(_COUNTS, {"the_id": announcement_id})
    numbers = {each.state: each.number for each in counted}
    kinds = ("sent", "refused", "left_out", "waiting")
    figures = {kind: int(numbers.get(kind, 0)) for kind in kinds}
    return Progress(row.text, row.created_at, row.state, row.people, **figures)


async def latest(session: Session) -> int | None:
    """Return the id of the newest announcement; None if there is none."""
    found: int | None = await session.scalar(select(func.max(_ID)))
    return found


class Announcer:
    """One process's part in all announcements: the walks of its accounts."""

    def __init__(
        self,
        sessions: Sessions,
        rates: Callable[[], Mapping[Account, float]],
        *,
        now: Callable[[], datetime],
        step: float = STEP,
        idle: float = IDLE,
    ) -> None:
        """Make an announcer. `rates` tells the accounts, and the messages a second of each."""
        self._sessions = sessions
        self._rates = rates
        self._now = now
        self._step = step
        self._idle = idle
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for an announcement now."""
        self._woken.set()

    async def run(self) -> None:
        """Feed announcements, for ever."""
        while True:
            self._woken.clear()
            is_busy = await self.round()
            await happens(self._woken, self._step if is_busy else self._idle)

    async def round(self) -> bool:
        """Take a step with each announcement; return whether one is under way."""
        rates, now = self._rates(), self._now()
        found = await transact(self._sessions, partial(_open_ones, accounts=[*rates], now=now))
        for announcement in found:
            for account, rate in rates.items():
                step = partial(
                    _feed, announcement=announcement, account=account, rate=rate, now=now
                )
                await transact(self._sessions, step)
            await transact(self._sessions, partial(_end, announcement=announcement, now=now))
        return bool(found)


_OPEN = select(announcements).where(
    or_(
        announcements.c.state == "running",
        and_(announcements.c.state == "done", announcements.c.created_at > bindparam("late")),
    )
)
_BEGUN = select(walks.c.platform, walks.c.bot_id).where(
    walks.c.announcement_id == bindparam("the_id")
)


async def _open_ones(session: Session, *, accounts: Sequence[Account], now: datetime) -> list[Any]:
    """Return the announcements under way, after beginning the missing walks of these accounts."""
    under_way = []
    for each in (await session.execute(_OPEN, {"late": now - LATE})).all():
        begun = {tuple(row) for row in await session.execute(_BEGUN, {"the_id": each.id})}
        mine = [account for account in accounts if each.platform in (None, account[0])]
        if missing := [account for account in mine if account not in begun]:
            if each.state == "done":
                await _turn_to("running", session, each.id, before="done")
            for platform, bot_id in missing:
                key = {"announcement_id": each.id, "platform": platform, "bot_id": bot_id}
                new = insert_missing(session, walks).values(**key, after_id=0, fed_at=now)
                await session.execute(new)
        if missing or each.state == "running":
            under_way.append(each)
    return under_way


_MY_WALK = (
    walks.c.announcement_id == bindparam("the_id"),
    walks.c.platform == bindparam("the_platform"),
    walks.c.bot_id == bindparam("the_bot"),
)
_IS_RUNNING = exists().where(walks.c.announcement_id == _ID, announcements.c.state == "running")
# Another process that takes a step with the same account has it locked.
_TAKE = (
    select(walks.c.after_id, walks.c.fed_at)
    .where(*_MY_WALK, walks.c.ended_at.is_(None), _IS_RUNNING)
    .with_for_update(skip_locked=True)
)
_ON_ITS_WAY = select(func.count()).where(
    _turns.c.platform == bindparam("the_platform"),
    _turns.c.bot_id == bindparam("the_bot"),
    _turns.c.line == LAST,
    _turns.c.delivered_at.is_(None),
)
_GO_ON = (
    update(walks)
    .where(*_MY_WALK)
    .values(after_id=bindparam("at_id"), fed_at=bindparam("at"), ended_at=bindparam("end"))
)


async def _feed(
    session: Session, *, announcement: Any, account: Account, rate: float, now: datetime
) -> None:
    """Store the turns of the next people of one account, as many as its pace allows."""
    mine = {"the_id": announcement.id, "the_platform": account[0], "the_bot": account[1]}
    walk = (await session.execute(_TAKE, mine)).one_or_none()
    if walk is None:
        return
    fed_at = max(walk.fed_at, now - AHEAD)
    on_its_way: int = await session.scalar(_ON_ITS_WAY, mine)
    may = int((now - fed_at).total_seconds() * rate + 0.001)
    may = min(may, max(int(AHEAD.total_seconds() * rate), 1) - on_its_way)
    if may <= 0:
        return
    after_id, number, is_end = await _step(session, announcement, account, walk.after_id, may, now)
    fed_at += timedelta(seconds=number / rate)
    ended = {"at_id": after_id, "at": fed_at, "end": now if is_end else None}
    await session.execute(_GO_ON, mine | ended)


async def _step(
    session: Session, announcement: Any, account: Account, after_id: int, may: int, now: datetime
) -> tuple[int, int, bool]:
    """Store the turns of at most so many people behind a user.

    Return the last user that was looked at, the number of turns, and whether this was the end.
    """
    number = 0
    for _ in range(PAGES):
        page = await _page(session, announcement, after_id)
        found = await _people(session, announcement, account, page) if page else []
        for person in found:
            if number == may:
                return after_id, number, False
            number += await _reach(session, announcement, person, now)
            after_id = person.user_id
        if len(page) < PAGE:
            return page[-1] if page else after_id, number, True
        after_id = page[-1]
    return after_id, number, False


_PAGE = (
    select(_users.c.id)
    .where(_users.c.id > bindparam("after"), _users.c.id <= bindparam("most"))
    .order_by(_users.c.id)
    .limit(PAGE)
)


async def _page(session: Session, announcement: Any, after_id: int) -> Sequence[int]:
    values = {"after": after_id, "most": announcement.last_user_id}
    return (await session.scalars(_PAGE, values)).all()


_newest = models.other_turns
_NEWEST = (
    select(func.max(_newest.c.id))
    .where(
        _newest.c.conversation_id == _conversations.c.id,
        _newest.c.user_id == _conversations.c.user_id,
        _newest.c.id <= bindparam("last_turn"),
    )
    .scalar_subquery()
)
_IS_MUTED = exists().where(
    _mutes.c.platform == _turns.c.platform,
    _mutes.c.bot_id == _turns.c.bot_id,
    _mutes.c.chat == _turns.c.chat,
    _mutes.c.thread == _turns.c.thread,
)
_IS_BLOCKED = exists().where(
    _standings.c.user_id == _conversations.c.user_id, _standings.c.blocked_at.is_not(None)
)
_FOUND = (
    select(*PLACE, or_(_IS_MUTED, _IS_BLOCKED).label("is_left_out"))
    .select_from(_conversations.join(_turns, _turns.c.id == _NEWEST))
    .where(
        _conversations.c.user_id.in_(bindparam("users", expanding=True)),
        _turns.c.platform == bindparam("the_platform"),
        _turns.c.bot_id == bindparam("the_bot"),
        ~exists().where(
            recipients.c.announcement_id == bindparam("the_id"),
            recipients.c.user_id == _conversations.c.user_id,
        ),
    )
    .order_by(_conversations.c.user_id)
)


@dataclass(frozen=True, slots=True)
class _Person:
    """Somebody whose newest private chat is one of an account of ours."""

    user_id: int
    place: Place
    is_left_out: bool


async def _people(
    session: Session, announcement: Any, account: Account, page: Sequence[int]
) -> list[_Person]:
    """Return those people of a page who have their newest private chat with an account of ours."""
    values = {
        "users": page,
        "last_turn": announcement.last_turn_id,
        "the_id": announcement.id,
        "the_platform": account[0],
        "the_bot": account[1],
    }
    found = await session.execute(_FOUND, values)
    return [_Person(row.user_id, place_of(row), bool(row.is_left_out)) for row in found]


_RECIPIENT = insert(recipients)


async def _reach(session: Session, announcement: Any, person: _Person, now: datetime) -> int:
    """Store the turn of a person, or that they are left out; return the number of turns."""
    turn_id = None
    if not person.is_left_out:
        turn_id = await inbox.inform(
            session, person.place, announcement.text, now=now, announced=True
        )
    row = {"announcement_id": announcement.id, "user_id": person.user_id, "turn_id": turn_id}
    await session.execute(_RECIPIENT, row | {"left_out": person.is_left_out})
    return 0 if person.is_left_out else 1


_IS_UNDER_WAY = or_(
    ~exists().where(walks.c.announcement_id == bindparam("the_id")),
    exists().where(walks.c.announcement_id == bindparam("the_id"), walks.c.ended_at.is_(None)),
    exists().where(
        _turns.c.delivered_at.is_(None),
        recipients.c.turn_id == _turns.c.id,
        recipients.c.announcement_id == bindparam("the_id"),
    ),
)


async def _end(session: Session, *, announcement: Any, now: datetime) -> None:
    """Note that an announcement has reached everybody, and tell the operator who began it."""
    if now - announcement.created_at < SETTLED:
        return
    if await session.scalar(select(_IS_UNDER_WAY), {"the_id": announcement.id}):
        return
    if not await _turn_to("done", session, announcement.id, before="running"):
        return
    done = await progress(session, announcement.id)
    place = announcement.by_id and await places.of_person(session, announcement.by_id)
    if done is not None and place:
        with words.spoken_in(place.language or words.language()):
            sent, others = words.number(done.sent), words.number(done.people - done.sent)
            told = words.ANNOUNCED.format(sent=sent, others=others)
        await inbox.inform(session, place, told, now=now)
