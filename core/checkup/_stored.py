"""The facts in the database that tell of accounts, operators and troubles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import select

from core import alerts, db, fleet, models, places, quota, schema
from core.adapter import Account
from core.clock import Clock
from core.findings import Finding, warning
from core.quota import Rules

_conversations = models.conversations

_TOLD = {
    "deaf": "the running bot hears nothing from {subject}: its log tells why",
    "stuck": "answers stand ready and cannot be delivered on {subject}: the bot's log tells why",
    "errors": "questions fail one after the other: the bot's log tells why",
}
"""The matters that only a running bot can notice, as the operator reads of them."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Facts that the database tells."""

    findings: tuple[Finding, ...] = ()
    listeners: frozenset[Account] = frozenset()
    """The accounts for which a process listens now."""
    groups: tuple[tuple[Account, str], ...] = ()
    """The groups in which an account of ours has heard something, the newest first."""

    def is_heard(self, account: Account) -> bool:
        """Return whether a process listens for an account now."""
        return account in self.listeners

    def groups_of(self, account: Account) -> tuple[str, ...]:
        """Return the groups of an account."""
        return tuple(chat for ours, chat in self.groups if ours == account)


async def stored(url: str, admins: Sequence[Account], rules: Rules) -> Stored:
    """Return what a database tells; its tables must be those of this release.

    Raises SettingsError if it cannot be used.
    """
    sessions = db.connect(url, connections=1)
    try:
        with schema.usable():
            return await sessions.run(partial(_read, admins=admins, rules=rules))
    finally:
        sessions.close()


async def _read(session: db.Session, admins: Sequence[Account], rules: Rules) -> Stored:
    clock = Clock()
    await clock.read(session)
    listeners = await _listening(session, clock.now())
    findings = [
        *await _unknown_tiers(session, rules),
        *await _silent_operators(session, admins),
        *(await _troubles(session) if listeners else []),
    ]
    return Stored(tuple(findings), listeners, await _groups(session))


async def _listening(session: db.Session, now: datetime) -> frozenset[Account]:
    found = await fleet.listeners(session)
    return frozenset(account for account, listener in found.items() if listener.until > now)


async def _groups(session: db.Session) -> tuple[tuple[Account, str], ...]:
    table = _conversations.c
    found = await session.execute(
        select(table.platform, table.bot_id, table.chat)
        .where(table.chat.is_not(None), table.user_id.is_(None))
        .order_by(table.id.desc())
    )
    return tuple(dict.fromkeys(((row.platform, row.bot_id), row.chat) for row in found))


async def _unknown_tiers(session: db.Session, rules: Rules) -> list[Finding]:
    return [
        warning(
            "settings.tiers",
            f"there is no tier {name!r}, so its {number} people or groups have the default limits",
            f"set QUOTA_{name.upper()}, or give them other limits by `parley tier`",
        )
        for name, number in (await quota.unknown_terms(session, rules)).items()
    ]


async def _silent_operators(session: db.Session, admins: Sequence[Account]) -> list[Finding]:
    """Return the operators who have no private chat with the bot: it can tell them nothing."""
    return [
        warning(
            "settings.admins",
            f"ADMINS names {admin[0]}:{admin[1]}, who has never written to the bot",
            "write to it once from that account, or correct the number",
        )
        for admin in admins
        if await places.of_account(session, admin) is None
    ]


async def _troubles(session: db.Session) -> list[Finding]:
    """Return what the running bot has noticed and what is not over."""
    return [
        warning(f"bot.{kind}", _TOLD[kind].format(subject=subject), "see to what it names")
        for kind, subject in sorted(await alerts.open_ones(session))
        if kind in _TOLD
    ]
