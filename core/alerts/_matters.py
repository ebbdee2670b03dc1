"""The matters of alerts: one process takes each for an hour, and tells it in the admins' chats."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, or_, select, update

from core import inbox, places, words
from core.adapter import Account
from core.db import Session, insert_missing
from core.models import Instant, alerts
from core.places import Place
from core.text import plain_moments

log = logging.getLogger(__name__)

AGAIN = timedelta(hours=1)
"""The least time between two alerts of one matter."""

EVERYWHERE = frozenset({"deaf", "stuck"})
"""The matters that are told in all accounts of the operators: one platform may not work."""

Key = tuple[str, str]
"""The kind of a matter, and its subject."""


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that the operators have to see to."""

    kind: str
    """A key of `words.ALERTS`."""
    since: datetime
    subject: str = ""
    """It tells two matters of a kind apart: a platform, a model, a limit."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The values in its sentence, besides `since`."""
    again: timedelta = AGAIN

    @property
    def key(self) -> Key:
        """Its kind and subject."""
        return self.kind, self.subject

    @property
    def sentence(self) -> str:
        """The sentence that tells it, as Markdown."""
        facts = {"since": self.since, **self.facts}
        told = {
            name: words.moment(fact)
            if isinstance(fact, datetime)
            else words.number(fact)
            if isinstance(fact, int)
            else fact
            for name, fact in facts.items()
        }
        return words.say(words.ALERTS[self.kind]).format(**told)


_IS_IT = (alerts.c.matter == bindparam("the_matter"), alerts.c.subject == bindparam("the_subject"))
# One that was over, or was not met again for long, begins anew.
_IS_NEW = or_(alerts.c.over_at.is_not(None), alerts.c.until < bindparam("long_ago", type_=Instant))
_TAKE = (
    update(alerts)
    .where(*_IS_IT, alerts.c.until <= bindparam("now", type_=Instant))
    .values(
        since=case((_IS_NEW, bindparam("began", type_=Instant)), else_=alerts.c.since),
        until=bindparam("ends", type_=Instant),
        over_at=None,
    )
    .returning(alerts.c.matter)
)


async def take(session: Session, matter: Matter, *, now: datetime) -> bool:
    """Take a matter for its time, over all processes; return False if it is taken already."""
    kind, subject = matter.key
    until = now + matter.again
    new = insert_missing(session, alerts).values(
        matter=kind, subject=subject, since=matter.since, until=until
    )
    if await session.scalar(new.returning(alerts.c.matter)) is not None:
        return True
    values = {"the_matter": kind, "the_subject": subject, "now": now}
    values |= {"began": matter.since, "ends": until, "long_ago": now - AGAIN}
    taken = await session.scalar(_TAKE, values)
    return taken is not None


_OPEN = select(alerts.c.matter, alerts.c.subject, alerts.c.since).where(alerts.c.over_at.is_(None))


async def open_ones(session: Session) -> dict[Key, datetime]:
    """Return the matters that are told and not over, and since when each of them lasts."""
    found = await session.execute(_OPEN)
    return {(row.matter, row.subject): row.since for row in found}


async def tell(
    session: Session, admins: Sequence[Account], matter: Matter, *, now: datetime
) -> bool:
    """Tell the operators of a matter, unless they were told less than its time ago.

    Return whether they are told now. Those who have no private chat with the bot read it in the
    log, where every alert stands.
    """
    if not await take(session, matter, now=now):
        return False
    is_everywhere = matter.kind in EVERYWHERE
    await say(session, admins, lambda: matter.sentence, everywhere=is_everywhere, now=now)
    return True


_END = (
    update(alerts)
    .where(*_IS_IT, alerts.c.over_at.is_(None))
    .values(over_at=bindparam("now", type_=Instant))
    .returning(alerts.c.matter)
)


async def end(session: Session, admins: Sequence[Account], key: Key, *, now: datetime) -> None:
    """Note that a matter is over, and tell the operators if that helps them."""
    kind, subject = key
    values = {"the_matter": kind, "the_subject": subject, "now": now}
    ended = await session.scalar(_END, values)
    sentence = words.ALERTS_OVER.get(kind)
    if ended is not None and sentence is not None:

        def told() -> str:
            return words.say(sentence).format(subject=subject)

        await say(session, admins, told, everywhere=kind in EVERYWHERE, now=now)


async def say(
    session: Session,
    admins: Sequence[Account],
    told: Callable[[], str],
    *,
    everywhere: bool,
    now: datetime,
) -> None:
    """Tell the operators something in their private chats, in their languages, and in the log.

    `told` returns it in the language of the moment. `everywhere` means in each of their accounts,
    because one platform may not work.
    """
    found = await places_of(session, admins, everywhere=everywhere)
    for place in found:
        address = place.address
        lane = f"{LANE}{place.conversation_id}/{address.platform}/{address.bot_id}"
        with words.spoken_in(place.language or words.language()):
            await inbox.inform(session, place, told(), now=now, lane=lane)
    with words.spoken_in(words.ENGLISH):
        log.warning("alert%s: %s", "" if found else ", in no chat", plain_moments(told()))


LANE = "alerts/"
"""The beginning of the lanes in which alerts follow each other."""


async def places_of(
    session: Session, admins: Sequence[Account], *, everywhere: bool = True
) -> list[Place]:
    """Return the private chats of the operators; if not `everywhere`, one for each person."""
    found = [await places.of_account(session, account) for account in admins]
    there = [place for place in found if place is not None]
    if everywhere:
        return there
    people = dict.fromkeys(place.user_id for place in there)
    newest = [await places.of_person(session, user_id) for user_id in people]
    return [place for place in newest if place is not None]
