"""An account of ours: as its platform introduces it, and as the database knows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Introduction:
    """The account of a token, as its platform tells of it."""

    name: str
    account_id: str
    invitations: tuple[str, ...] = ()
    """Lines that tell at which addresses people reach the bot and add it to their groups."""


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """Everything that the database and the settings tell of an account of ours."""

    groups: tuple[str, ...] = ()
    """The groups in which it has heard something."""
    allowed: tuple[str, ...] = ()
    """The groups that ALLOWED_GROUPS names."""
    is_heard: bool | None = None
    """True if a process of ours listens now; None if nothing tells that."""
