"""The commands: each makes a text, inside the transaction in which it was accepted."""

from collections.abc import Mapping
from dataclasses import replace

from core import words
from core.adapter import COMMANDS, Command
from core.commands import _everyday, _privacy, _style
from core.commands._call import Call, CarryOut, Offer, Result
from core.db import Session

_CATALOGUE: Mapping[str, Command] = {command.name: command for command in COMMANDS}
_CARRY_OUT: Mapping[str, CarryOut] = {
    "start": _everyday.start,
    "help": _everyday.help_,
    "new": _everyday.new,
    "stop": _everyday.stop,
    "usage": _everyday.usage,
    "persona": _style.persona,
    "model": _style.model,
    "privacy": _privacy.privacy,
    "export": _privacy.export,
    "forget": _privacy.forget,
}
"""`/retry` is not among them: it asks a question again, and so is a turn for the model."""


async def run(session: Session, name: str, call: Call) -> Result:
    """Carry out a command by its name; an unknown one is answered too."""
    carry_out = _CARRY_OUT.get(name)
    if carry_out is None:
        return Result(words.NO_SUCH_COMMAND.format(name=name))
    return await carry_out(session, replace(call, refusal=_refusal(_CATALOGUE[name], call)))


def _refusal(command: Command, call: Call) -> str:
    """Return why the person may not change anything with a command; "" where they may."""
    if call.admin or not command.admins_only:
        return ""
    return words.ADMINS_UNKNOWN if call.admin is None else words.ADMINS_ONLY


__all__ = ["Call", "Offer", "Result", "run"]
