"""The commands: each makes a text, inside the transaction in which it was accepted."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from core.commands import _everyday, _privacy, _style
from core.commands._call import Call, Command, Offer, Result

COMMANDS: Mapping[str, Command] = {
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


async def run(session: AsyncSession, name: str, call: Call) -> Result:
    """Carry out a command by its name; an unknown one is answered too."""
    command = COMMANDS.get(name)
    if command is None:
        return Result(f"I do not know /{name}. /help lists what I can do.")
    return await command(session, call)


__all__ = ["COMMANDS", "Call", "Offer", "Result", "run"]
