"""The questions about the database, the limits and the operators."""

from functools import partial

from bots import dynos, loops
from bots.loading import NAMES
from bots.setup._asking import NONE, Asker
from core import checkup, db
from core.findings import Severity
from core.settings import Settings

STORAGE = (
    "The database: an SQLite file for one process, or PostgreSQL for any number, as"
    " postgres://user:password@host/name."
)
LIMITS = (
    "Limits: turns, tokens or usd per minute, hour, day, week or month; none for no limit. QUOTA is"
    " the limit of each person, BUDGET that of all together."
)
OPERATORS = (
    "Operators: the accounts that give the bot orders and are told when something is wrong, as"
    f" telegram:123 (one of {NAMES}, and a number). If you do not know yours, leave it out and"
    " write to the bot; `parley users NAME` shows it then."
)
QUOTA, BUDGET = (", ".join(map(str, limits)) for limits in (Settings().quota, Settings().budget))
QUOTA_WITHOUT_MONEY = "10 turns/minute, 200 turns/day"


def ask_database(asker: Asker) -> list[str]:
    """Ask for the database; return the commands that prepare it."""
    asker.terminal.say(STORAGE)
    found: list[str] = []
    default = Settings.model_fields["database_url"].default
    asker.obtain("DATABASE_URL", default=default, check=partial(_open, asker, found))
    if "database.pooler" in found:
        asker.terminal.say("The server behind the pooler, for `parley migrate`:")
        asker.obtain("DATABASE_DIRECT_URL", is_optional=True)
    asker.terminal.say()
    return [".venv/bin/parley migrate"] if "database.tables" in found else []


def _open(asker: Asker, found: list[str]) -> bool:
    """Look into the database; put the names of what is found into `found`."""
    loaded = asker.answers.load()[0]
    url, direct = loaded.database_url, loaded.database_direct_url
    findings = loops.run(checkup.database(url, direct, loaded.database_connections))
    found[:] = [each.name for each in findings]
    # Missing tables are made by a command that is told at the end, or at the first start.
    asker.show([each for each in findings if each.name != "database.tables"])
    if dynos.loses(db.files(url)):
        asker.terminal.say(f"{dynos.THROWN_AWAY}.", mark="  Better: ")
    if "database.unusable" in found:
        return asker.terminal.agrees("  Go on with this address?")
    is_wrong = any(
        each.severity is Severity.FAULT and each.name != "database.tables" for each in findings
    )
    if not is_wrong:
        asker.terminal.say("the database can be used.", mark="  OK: ")
    return not is_wrong


def ask_limits(asker: Asker) -> None:
    """Ask for the limits of each person and of all together."""
    loaded = asker.answers.load()[0]
    is_money_known = not loaded.prices.unknown(loaded.asked)
    asker.terminal.say(LIMITS)
    quota = QUOTA if is_money_known else QUOTA_WITHOUT_MONEY
    asker.obtain("QUOTA", default=quota, may_be_none=True)
    asker.obtain("BUDGET", default=BUDGET if is_money_known else NONE, may_be_none=True)
    asker.terminal.say()


def ask_operators(asker: Asker) -> None:
    """Ask for the operators, who may be left out."""
    asker.terminal.say(OPERATORS)
    asker.obtain("ADMINS", is_optional=True)
    asker.terminal.say()
