"""The commands: each returns its answer, inside the transaction that accepts it."""

from collections.abc import Mapping
from dataclasses import replace

from core import words
from core.adapter import COMMANDS, Command
from core.commands import _everyday, _language, _linking, _privacy, _style
from core.commands._privacy import CONFIRMED
from core.commands._request import CarryOut, Offer, Request, Result
from core.db import Session

_CATALOGUE: Mapping[str, Command] = {command.name: command for command in COMMANDS}
_CARRY_OUT: Mapping[str, CarryOut] = {
    "start": _everyday.start,
    "help": _everyday.help_,
    "new": _everyday.new,
    "stop": _everyday.stop,
    "usage": _everyday.usage,
    "persona": _style.persona,
    "language": _language.language,
    "model": _style.model,
    "privacy": _privacy.privacy,
    "export": _privacy.export,
    "forget": _privacy.forget,
    "link": _linking.link,
    "unlink": _linking.unlink,
}
"""The function of each command, but for `/retry`, which makes a turn for the model."""


async def run(session: Session, name: str, request: Request) -> Result:
    """Carry out a command by its name and return the result, also for an unknown name."""
    carry_out = _CARRY_OUT.get(name)
    if carry_out is None:
        return Result(words.NO_SUCH_COMMAND.format(name=name))
    return await carry_out(session, replace(request, refusal=_refusal(_CATALOGUE[name], request)))


def _refusal(command: Command, request: Request) -> str:
    """Return a sentence if the person may not change anything with a command; "" if they may."""
    if request.admin or not command.admins_only:
        return ""
    return words.ADMINS_UNKNOWN if request.admin is None else words.ADMINS_ONLY


__all__ = ["CONFIRMED", "Offer", "Request", "Result", "run"]
