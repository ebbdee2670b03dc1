"""People as operators find and see them."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from core import access, models, quota, words
from core.db import Session
from core.operations._order import Answer, NotDone, Order, literal
from core.turns import Payer

MOST = 10
"""The most people in a list."""
LONGEST = 100
"""The most characters of a part of a name."""
_REFERENCE = re.compile(r"(\d{1,18})-\d{1,9}")
_NUMBER = re.compile(r"\d{1,18}")

_users = models.users
_identities = models.identities
_turns = models.turns
_redemptions = models.redemptions
_LAST_SEEN = (
    select(func.max(_turns.c.created_at)).where(_turns.c.user_id == _users.c.id).scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a person."""

    platform: str
    account_id: str
    name: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.account_id}"


@dataclass(frozen=True, slots=True)
class Person:
    """A person with their accounts."""

    id: int
    accounts: tuple[Account, ...]
    created_at: datetime
    seen_at: datetime | None
    """The time of their last message, as far as it is stored."""
    language: str = ""
    """The language that they have chosen, or that a platform told of them."""

    @property
    def name(self) -> str:
        """The name of the account that they had first."""
        return self.accounts[0].name if self.accounts else ""


async def users(session: Session, order: Order, who: str = "") -> Answer:
    """List the newest people, or those that a text finds."""
    if not who:
        number = await count(session)
        newest = select(_users.c.id).order_by(_users.c.id.desc()).limit(MOST)
        found = await people(session, (await session.scalars(newest)).all())
        return Answer(_list(words.PEOPLE.format(number), found, order))
    found = await find(session, who)
    if not found:
        raise NotDone(words.PERSON_UNKNOWN.format(who=literal(who)))
    return Answer(_list(words.PEOPLE_FOUND, found, order))


async def count(session: Session) -> int:
    """Return the number of people."""
    return int(await session.scalar(select(func.count()).select_from(_users)) or 0)


async def user(session: Session, order: Order, who: str) -> Answer:
    """Show everything about a person but their words."""
    person = await one(session, order, who)
    lines = [_title(person), *(_account(each) for each in person.accounts)]
    lines += await _standing(session, person)
    if person.language:
        lines.append(words.PERSON_LANGUAGE.format(language=literal(person.language)))
    lines += [*await _limits(session, order, person), *await _spending(session, order, person)]
    lines.append(words.PERSON_SINCE.format(moment=words.moment(person.created_at)))
    if person.seen_at is not None:
        lines.append(words.PERSON_SEEN.format(moment=words.moment(person.seen_at)))
    return Answer("\n".join(lines))


async def one(session: Session, order: Order, who: str) -> Person:
    """Return the one person that a text finds; NotDone with a list if it is not one."""
    found = await find(session, who)
    if not found:
        raise NotDone(words.PERSON_UNKNOWN.format(who=literal(who)))
    if len(found) > 1:
        raise NotDone(_list(words.PEOPLE_SEVERAL, found, order))
    return found[0]


async def find(session: Session, text: str) -> list[Person]:
    """Find people by their number, an account, a reference to a turn, or a part of a name.

    Return at most MOST + 1 of them, the newest first.
    """
    text = text.strip()[:LONGEST]
    for exact in (_by_reference, _by_account, _by_number):
        if ids := await exact(session, text):
            return await people(session, ids)
    return await people(session, await _by_name(session, text)) if text else []


async def _by_reference(session: Session, text: str) -> Sequence[int]:
    """Return the person of a turn, whose reference an apology named: "17-1"."""
    if not (found := _REFERENCE.fullmatch(text)):
        return ()
    its = await session.scalars(select(_turns.c.user_id).where(_turns.c.id == int(found[1])))
    return its.all()


async def _by_account(session: Session, text: str) -> Sequence[int]:
    platform, colon, account_id = text.partition(":")
    if not colon:
        return ()
    is_it = (
        (_identities.c.platform == platform.strip().lower()),
        (_identities.c.account_id == account_id.strip()),
    )
    return (await session.scalars(select(_identities.c.user_id).where(*is_it))).all()


async def _by_number(session: Session, text: str) -> Sequence[int]:
    """Return the person with a number; if there is none, those with an account of that id."""
    if not text.isdecimal():
        return ()
    if _NUMBER.fullmatch(text):
        found = await session.scalars(select(_users.c.id).where(_users.c.id == int(text)))
        if number := found.all():
            return number
    of_account = select(_identities.c.user_id).where(_identities.c.account_id == text)
    return (await session.scalars(of_account.limit(MOST + 1))).all()


async def _by_name(session: Session, text: str) -> Sequence[int]:
    name = _identities.c.name
    is_in: list[ColumnElement[bool]] = [name.icontains(text, autoescape=True)]
    if session.dialect == "sqlite":
        # Its LIKE ignores case in ASCII alone: else the usual spellings are sought.
        more = set() if text.isascii() else {text.lower(), text.upper(), text.title()}
        is_in = [name.contains(each, autoescape=True) for each in sorted({text, *more})]
    found = select(_identities.c.user_id).where(or_(*is_in)).distinct()
    newest = found.order_by(_identities.c.user_id.desc()).limit(MOST + 1)
    return (await session.scalars(newest)).all()


async def people(session: Session, ids: Sequence[int]) -> list[Person]:
    """Return people by their numbers, the highest number first."""
    columns = _users.c.id, _users.c.created_at, _users.c.language, _LAST_SEEN.label("seen_at")
    found = await session.execute(
        select(*columns).where(_users.c.id.in_(ids)).order_by(_users.c.id.desc())
    )
    rows = found.all()
    theirs = select(_identities).where(_identities.c.user_id.in_(ids)).order_by(_identities.c.id)
    accounts: dict[int, list[Account]] = defaultdict(list)
    told: dict[int, str] = {}
    for each in (await session.execute(theirs)).all():
        accounts[each.user_id].append(Account(each.platform, each.account_id, each.name))
        told.setdefault(each.user_id, each.language or "")
    return [
        Person(
            row.id,
            tuple(accounts[row.id]),
            row.created_at,
            row.seen_at,
            row.language or told.get(row.id, ""),
        )
        for row in rows
    ]


async def _standing(session: Session, person: Person) -> list[str]:
    """Return lines on a person's standing; none for an ordinary one."""
    standing = await access.standing_of(session, person.id)
    lines = [words.PERSON_BLOCKED] if standing.blocked else []
    found = await session.execute(
        select(models.invites.c.made_by, models.invites.c.hint)
        .join(_redemptions, _redemptions.c.invite_id == models.invites.c.id)
        .where(_redemptions.c.user_id == person.id)
        .order_by(_redemptions.c.created_at.desc())
        .limit(1)
    )
    if (invite := found.one_or_none()) is not None:
        by = {"hint": literal(invite.hint), "operator": literal(invite.made_by)}
        lines.append(words.PERSON_INVITED.format(**by))
    elif standing.allowed:
        lines.append(words.PERSON_LET_IN)
    return lines


# Texts


def _list(title: str, people: Sequence[Person], order: Order) -> str:
    lines = [f"**{title}**", *(_line(each, order) for each in people[:MOST])]
    if len(people) > MOST:
        lines.append(words.PEOPLE_MORE)
    return "\n".join(lines)


def _line(person: Person, order: Order) -> str:
    accounts = ", ".join(str(each) for each in person.accounts)
    seen = f", {words.moment(person.seen_at)}" if person.seen_at else ""
    return f"{number_of(person.id, order)} {literal(person.name)} ({literal(accounts)}{seen})"


def number_of(user_id: int, order: Order) -> str:
    """Return a person's number; in a chat as a command, which a tap gives on some platforms."""
    return literal(f"/user_{user_id}" if order.in_chat else str(user_id))


def _title(person: Person) -> str:
    return words.PERSON.format(name=literal(person.name), number=person.id)


def _account(account: Account) -> str:
    return literal(f"{account} {account.name}")


async def _limits(session: Session, order: Order, person: Person) -> list[str]:
    terms = await quota.terms_of(session, person.id)
    payer = Payer(person.id, terms)
    left = await quota.remaining(session, payer, order.rules, now=order.now)
    told = [words.PERSON_TERMS.format(terms=literal(terms, most=200))] if terms else []
    return [*told, *(_left(each) for each in left)]


def _left(item: quota.Remaining) -> str:
    limit = item.limit
    left = words.dollars(item.left) if limit.unit == "usd" else words.number(item.left)
    most = words.limit(limit.amount, limit.unit, limit.window)
    return words.PERSON_LEFT.format(left=left, limit=most)


async def _spending(session: Session, order: Order, person: Person) -> list[str]:
    month = await quota.spent(session, person.id, order.rules, now=order.now)
    every = await quota.spent_in_all(session, person.id)
    return [
        words.PERSON_MONTH.format(**_figures(month)),
        words.PERSON_IN_ALL.format(**_figures(every)),
    ]


def _figures(spent: quota.Spending) -> dict[str, str]:
    tokens = spent.prompt_tokens + spent.completion_tokens
    return {
        "money": words.dollars(spent.charged),
        "answers": words.amount(spent.turns, "turns"),
        "tokens": words.amount(tokens, "tokens"),
    }
