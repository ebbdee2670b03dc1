"""The questions for the tokens of platforms."""

import asyncio
from functools import partial

from bots.accounts import Acquaintance
from bots.platform import Platform
from bots.registry import PLATFORMS
from bots.setup._asking import Asker
from core.errors import DeliveryError, SettingsError
from core.findings import carry_out

NEEDED = "One platform at least is needed; please give the token of one.\n"
CHECKS = 15.0
"""The most seconds for the checks of one account."""


def ask_platforms(asker: Asker) -> list[str]:
    """Ask for the tokens, at least one; return the lines that tell how to reach the bot."""
    kinds = [kind for kind in PLATFORMS if kind.credential]
    invitations: dict[str, None] = {}
    while True:
        for kind in kinds:
            enter = "keeps it" if asker.answers.stored(kind.credential) else "leaves it out"
            asker.terminal.say(f"{kind.name.capitalize()}: {_where(kind)}. Enter {enter}.")
            meet = partial(_meet, asker, kind, invitations)
            asker.obtain(kind.credential, hidden=True, is_optional=True, check=meet)
            asker.terminal.say()
        if any(asker.answers.value(kind.credential) for kind in kinds):
            return list(invitations)
        asker.terminal.say(NEEDED)


def _meet(asker: Asker, kind: type[Platform], invitations: dict[str, None]) -> bool:
    """Look which account a token opens, and whether it is set up well."""
    [platform] = [each for each in asker.answers.load()[1] if isinstance(each, kind)]
    try:
        me = asyncio.run(platform.introduce())
    except SettingsError as error:
        if not str(error).startswith(kind.credential):  # a proxy, or certificates
            return asker.goes_on(str(error))
        asker.terminal.say(f"{error}.", mark="  Wrong: ")
        return False
    except DeliveryError as error:
        return asker.goes_on(str(error))
    asker.terminal.say(f"this is {me.name}.", mark="  OK: ")
    asker.show(asyncio.run(carry_out(platform.checks(me, Acquaintance()), CHECKS)))
    invitations.update(dict.fromkeys(me.invitations))
    return True


def _where(kind: type[Platform]) -> str:
    """Return where the token of a platform comes from, in one line."""
    return " ".join(kind.needs.replace(kind.credential, "a token", 1).split())
