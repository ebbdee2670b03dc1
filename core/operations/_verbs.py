"""The catalogue of verbs: what operators may order, in a chat and on the command line alike."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from core.adapter import VERBS, InboundMessage
from core.db import Session
from core.operations import _access, _announce, _audit, _figures, _people, _terms, _turns
from core.operations._order import Answer, NotDone, Order, Parameter, Verb, first_word

WHO = Parameter("who")
_PARAMETERS: Mapping[str, tuple[Parameter, ...]] = {
    "users": (Parameter("who", is_optional=True, takes_rest=True),),
    "user": (Parameter("who", takes_rest=True),),
    "tier": (WHO, Parameter("tier")),
    "limit": (WHO, Parameter("limits", takes_rest=True)),
    "grant": (WHO, Parameter("amount", takes_rest=True)),
    "block": (Parameter("who", takes_rest=True),),
    "unblock": (Parameter("who", takes_rest=True),),
    "admit": (Parameter("who", takes_rest=True),),
    "expel": (Parameter("who", takes_rest=True),),
    "invite": (Parameter("what", is_optional=True, takes_rest=True),),
    "announce": (Parameter("text", is_optional=True, takes_rest=True),),
    "top": (Parameter("span", is_optional=True),),
    "stats": (Parameter("days", is_optional=True),),
    "turns": (
        Parameter("action", is_optional=True),
        Parameter("numbers", is_optional=True, takes_rest=True),
    ),
    "audit": (Parameter("number", is_optional=True),),
}
_CARRY_OUT: Mapping[str, Callable[..., Awaitable[Answer]]] = {
    "users": _people.users,
    "user": _people.user,
    "tier": _terms.tier,
    "limit": _terms.limit,
    "grant": _terms.grant,
    "block": _access.block,
    "unblock": _access.unblock,
    "admit": _access.admit,
    "expel": _access.expel,
    "invite": _access.invite,
    "announce": _announce.announce,
    "top": _figures.top,
    "stats": _figures.stats,
    "turns": _turns.turns,
    "audit": _audit.audit,
}
CATALOGUE: Mapping[str, Verb] = {
    command.name: Verb(
        command, _CARRY_OUT[command.name], _PARAMETERS[command.name], draws=command.name == "stats"
    )
    for command in VERBS
}
"""Every verb by its name."""
SURE = ("--yes", "—yes", "–yes")
"""The ends of an order that needs no question; phones turn two hyphens into a dash."""


async def run(session: Session, verb: Verb, given: Mapping[str, str], order: Order) -> Answer:
    """Carry out an order and return the answer, also if it cannot be carried out."""
    try:
        return await verb.carry_out(session, order, **given)
    except NotDone as reason:
        return Answer(str(reason), failed=True)


async def carry_out(session: Session, text: str, order: Order) -> Answer:
    """Carry out an order that was written in a chat, without its slash: "user 12"."""
    name, given = first_word(text)
    last = given.split()[-1:]
    if last and last[0] in SURE:
        given, order = given.removesuffix(last[0]).strip(), replace(order, confirmed=True)
    verb = CATALOGUE[name]
    try:
        parameters = verb.read(given)
    except NotDone as reason:
        return Answer(str(reason), failed=True)
    return await run(session, verb, parameters, order)


def wish_in(message: InboundMessage) -> str | None:
    """Return what a message orders, without its slash; None if it orders nothing.

    On a platform with a menu of its own such a command arrives as a text, because it is not on
    offer. `/user_12`, which a client turns into a link, means `/user 12`.
    """
    said = f"/{message.command} {message.text}" if message.command else message.text
    first, rest = first_word(said)
    name, _, argument = first.removeprefix("/").lower().partition("_")
    if not first.startswith("/") or name not in CATALOGUE:
        return None
    return " ".join(filter(None, (name, argument, rest)))
