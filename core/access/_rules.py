"""The settings of access, and the judgement by them (pure)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto

from core.adapter import Account, Address, Author
from core.turns import Standing

MARGIN = timedelta(seconds=2)
"""The most that a platform's clock is behind ours; Telegram tells whole seconds."""


class Mode(StrEnum):
    """The people who may speak to the bot."""

    OPEN = "open"
    """Everybody."""
    INVITE = "invite"
    """Those of LIST, and everybody who has an invite."""
    LIST = "list"
    """Those whom the settings name, and those whom operators have let in."""


class Verdict(Enum):
    """The judgement of somebody who speaks to the bot."""

    ADMITTED = auto()
    STRANGER = auto()
    """They are not let in, and are told so once."""
    SILENCE = auto()
    """They are blocked, or wrote before they were unblocked: they get no answer of any kind."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of access."""

    mode: Mode = Mode.OPEN
    people: frozenset[Account] = frozenset()
    """The accounts that may speak in any mode, unless their person is blocked."""
    admins: frozenset[Account] = frozenset()
    """The operators' accounts, whom nobody can block."""
    groups: frozenset[Account] | None = None
    """The groups in which the bot answers: platforms, with the id of a chat or of a place around
    chats. None stands for all groups."""
    leaves: bool = False
    """True if the bot leaves all other groups."""

    def hears(self, address: Address, chats: Collection[str] = ()) -> bool:
        """Return whether the bot answers anybody at an address of an event.

        `chats` are further chats of the same group, if it is about the whole group.
        """
        return self.groups is None or not address.places or self._allows(address, chats)

    def judge(
        self, author: Author, address: Address, standing: Standing, sent_at: datetime | None = None
    ) -> Verdict:
        """Judge an author who speaks at an address where the bot hears.

        In a group that the operator has allowed, everybody may speak who is not blocked.
        """
        account = author.platform, author.account_id
        if account in self.admins:
            return Verdict.ADMITTED
        if standing.blocked:
            return Verdict.SILENCE
        if sent_at and standing.since and sent_at < standing.since - MARGIN:
            return Verdict.SILENCE
        if self.mode is Mode.OPEN or standing.allowed or account in self.people:
            return Verdict.ADMITTED
        return Verdict.ADMITTED if self._allows(address) else Verdict.STRANGER

    @property
    def names_people(self) -> bool:
        """True if the settings name any person."""
        return bool(self.people or self.admins)

    def names_one_of(self, accounts: Collection[Account]) -> bool:
        """Return whether the settings name one of a person's accounts."""
        return not (self.people | self.admins).isdisjoint(accounts)

    def _allows(self, address: Address, chats: Collection[str] = ()) -> bool:
        return self.groups is not None and any(
            (address.platform, place) in self.groups for place in (*address.places, *chats)
        )


EVERYBODY = Rules()
