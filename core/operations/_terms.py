"""The orders that change what people and groups may spend."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import exists, select

from core import models, quota, words
from core.db import Session
from core.errors import Unit
from core.operations._audit import note
from core.operations._order import Answer, NotDone, Order, literal
from core.operations._people import find, one
from core.quota import Group, Whom
from core.settings import DEFAULT, UNLIMITED, Limit, read_amount
from core.turns import Payer

T = TypeVar("T")

_conversations = models.conversations


@dataclass(frozen=True, slots=True)
class Subject:
    """A person or a group, for whom limits are changed."""

    whom: Whom
    name: str

    @property
    def key(self) -> str:
        """The name in the record of what operators did: the user's number, or the chat."""
        if isinstance(self.whom, int):
            return str(self.whom)
        return f"{self.whom.platform}:{self.whom.chat}"

    @property
    def shown(self) -> str:
        """The name in a sentence, as Markdown."""
        return literal(f"{self.name} ({self.key})" if self.name else self.key)


async def tier(session: Session, order: Order, who: str, tier: str) -> Answer:
    """Give a person or a group the limits of a tier, after a question."""
    name = tier.strip().lower()
    if name not in (DEFAULT, UNLIMITED, *order.rules.tiers):
        known = ", ".join((*order.rules.tiers, UNLIMITED, DEFAULT))
        raise NotDone(words.TIER_UNKNOWN.format(tier=literal(tier), tiers=literal(known)))
    return await _set(session, order, "tier", who, name)


async def limit(session: Session, order: Order, who: str, limits: str) -> Answer:
    """Give a person or a group limits of their own, after a question."""
    return await _set(session, order, "limit", who, limits)


async def _set(session: Session, order: Order, verb: str, who: str, terms: str) -> Answer:
    subject = await _subject(session, order, who)
    after = _read(order.rules.read, terms) or DEFAULT
    before = await quota.terms_of(session, subject.whom) or DEFAULT
    values = {"who": subject.shown, "before": literal(before), "after": literal(after)}
    if before == after:
        return Answer(words.TERMS_SAME.format(**values))
    if not order.confirmed:
        return Answer(words.TERMS_SURE.format(**values), asks=True)
    await quota.allow(session, subject.whom, terms, order.rules)
    await note(session, order, verb, subject.key, before, after)
    return Answer(words.TERMS_SET.format(**values))


async def grant(session: Session, order: Order, who: str, amount: str) -> Answer:
    """Let a person or a group spend more in the current windows, after a question."""
    subject = await _subject(session, order, who)
    given = _read(read_amount, amount)
    before = await _left(session, order, subject, given.unit)
    if not before:
        raise NotDone(words.GRANT_USELESS.format(who=subject.shown, unit=given.unit))
    values = {"who": subject.shown, "amount": literal(str(given))}
    if not order.confirmed:
        return Answer(words.GRANT_SURE.format(**values), asks=True)
    await quota.grant(session, subject.whom, amount, order.rules, now=order.now)
    after = await _left(session, order, subject, given.unit)
    await note(session, order, f"grant {given}", subject.key, before, after)
    return Answer(words.GRANTED.format(**values, left=literal(after)))


def _read(read: Callable[[str], T], text: str) -> T:
    """Read the text of an operator; the reason for a wrong one is told in English."""
    try:
        return read(text)
    except ValueError as error:
        raise NotDone(literal(str(error), most=400)) from None


async def _subject(session: Session, order: Order, who: str) -> Subject:
    """Return the one person whom a text finds, or the group of a platform and a chat."""
    platform, colon, chat = (part.strip() for part in who.partition(":"))
    if colon and not await find(session, who):
        is_it = _conversations.c.platform == platform.lower(), _conversations.c.chat == chat
        if await session.scalar(select(exists().where(*is_it))):
            return Subject(Group(platform.lower(), chat), "")
    person = await one(session, order, who)
    return Subject(person.id, person.name)


async def _left(session: Session, order: Order, subject: Subject, unit: Unit) -> str:
    """Return the rest of the limits in a unit: "0.5 of 1 usd/month"; "" if there is none."""
    payer = await payer_of(session, subject.whom)
    left = await quota.remaining(session, payer, order.rules, now=order.now)
    its = (each for each in left if each.limit.unit == unit and _is_its(each, subject))
    return ", ".join(f"{_amount(each.left, each.limit)} of {each.limit}" for each in its)


def _is_its(left: quota.Remaining, subject: Subject) -> bool:
    return left.whose == ("person" if isinstance(subject.whom, int) else "group")


def _amount(left: int, limit: Limit) -> str:
    return str(left) if limit.unit != "usd" else f"{left / 1_000_000:.6f}".rstrip("0").rstrip(".")


async def payer_of(session: Session, whom: Whom) -> Payer:
    """Return a person, or a group, as the one in whose limits something counts."""
    terms = await quota.terms_of(session, whom)
    if isinstance(whom, int):
        return Payer(whom, terms)
    owner = await quota.owner_of(session, whom)
    return Payer(quota.DEPLOYMENT, "", None if owner is None else -owner, terms)
