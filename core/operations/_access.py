"""The orders about who may speak to the bot."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from core import access, words
from core.db import Session
from core.operations._audit import note
from core.operations._order import Answer, NotDone, Order, literal
from core.operations._people import Person, one
from core.settings import DEFAULT
from core.text import write_moment
from core.turns import Standing

MOST_USES, MOST_DAYS = 100_000, 3650
"""The most people of an invite, and the most days for which it is good."""
_DAYS = re.compile(r"(\d{1,5}) ?d(?:ays?)?")

Decide = Callable[..., Awaitable[Standing]]


async def block(session: Session, order: Order, who: str) -> Answer:
    """Block a person, after a question: they get silence, and their answers are stopped."""
    person = await one(session, order, who)
    if any((each.platform, each.account_id) in order.admins for each in person.accounts):
        raise NotDone(words.BLOCK_OPERATOR.format(who=_shown(person)))
    if not order.confirmed:
        return Answer(words.BLOCK_SURE.format(who=_shown(person)), asks=True)
    return await _decide(session, order, "block", person, access.block, words.BLOCKED)


async def unblock(session: Session, order: Order, who: str) -> Answer:
    """Let a blocked person speak again."""
    person = await one(session, order, who)
    return await _decide(session, order, "unblock", person, access.unblock, words.UNBLOCKED)


async def admit(session: Session, order: Order, who: str) -> Answer:
    """Let a person in who has no invite."""
    person = await one(session, order, who)
    return await _decide(session, order, "admit", person, access.let_in, words.ADMITTED)


async def expel(session: Session, order: Order, who: str) -> Answer:
    """Take back that a person was let in, after a question."""
    person = await one(session, order, who)
    if not order.confirmed:
        return Answer(words.EXPEL_SURE.format(who=_shown(person)), asks=True)
    return await _decide(session, order, "expel", person, access.shut_out, words.EXPELLED)


async def _decide(
    session: Session, order: Order, verb: str, person: Person, decide: Decide, done: str
) -> Answer:
    before = await decide(session, person.id, now=order.now)
    after = await access.standing_of(session, person.id)
    await note(session, order, verb, str(person.id), _word(before), _word(after))
    return Answer(done.format(who=_shown(person)), stopped=verb == "block")


def _word(standing: Standing) -> str:
    """Return a standing as the record of what operators did has it."""
    told = ("let in",) * standing.allowed + ("blocked",) * standing.blocked
    return ", ".join(told) or "neither let in nor blocked"


def _shown(person: Person) -> str:
    return literal(f"{person.name} ({person.id})")


# Invites


async def invite(session: Session, order: Order, what: str = "") -> Answer:
    """Make an invite; or list the open ones, or end one."""
    action, _, rest = what.partition(" ")
    match action.lower():
        case "list":
            return await _list(session, order)
        case "end":
            return await _end(session, order, rest)
    uses, until, tier = _read(what, order)
    code = await access.invite(
        session, now=order.now, uses=uses, until=until, tier=tier, by=order.operator
    )
    told = ", ".join(filter(None, (str(uses), f"until {until:%Y-%m-%d}" if until else "", tier)))
    await note(session, order, "invite", "", "", told)
    lines = [words.INVITE_CODE.format(uses, code=f"`{code}`")]
    if until is not None:
        lines.append(words.INVITE_UNTIL.format(moment=_moment(until)))
    if tier:
        lines.append(words.INVITE_TIER.format(tier=literal(tier)))
    return Answer("\n".join((*lines, words.INVITE_PASS_ON, *order.links(code))))


def _read(what: str, order: Order) -> tuple[int, datetime | None, str]:
    """Return the uses, the end and the tier of an invite: "5 7d vip", in any order."""
    uses, until, tier = 1, None, ""
    days = _DAYS.search(what.lower())
    rest = what.lower()
    if days:
        rest = rest[: days.start()] + rest[days.end() :]
        number = min(int(days[1]), MOST_DAYS)
        until = order.now + timedelta(days=number)
    for word in rest.split():
        if word.isdecimal() and 0 < int(word) <= MOST_USES:
            uses = int(word)
        elif word in order.rules.tiers:
            tier = word
        elif word != DEFAULT:
            raise NotDone(words.INVITE_USAGE.format(prefix=order.prefix))
    return uses, until, tier


async def _list(session: Session, order: Order) -> Answer:
    found = [each for each in await access.invites(session) if each.is_open(order.now)]
    lines = [
        words.INVITE_LINE.format(
            number=each.id,
            hint=literal(each.hint),
            used=each.used,
            uses=each.uses,
            operator=literal(each.made_by),
        )
        for each in found
    ]
    return Answer("\n".join(lines) or words.INVITE_NONE)


async def _end(session: Session, order: Order, number: str) -> Answer:
    if not number.strip().isdecimal():
        raise NotDone(words.INVITE_USAGE.format(prefix=order.prefix))
    invite_id = int(number)
    if not await access.revoke(session, invite_id, now=order.now):
        raise NotDone(words.INVITE_UNKNOWN.format(number=invite_id))
    await note(session, order, "invite end", str(invite_id), "open", "ended")
    return Answer(words.INVITE_ENDED.format(number=invite_id))


def _moment(moment: datetime) -> str:
    return write_moment(f"{moment:%Y-%m-%d %H:%M} UTC", moment)
