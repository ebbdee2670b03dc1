"""The people and groups of the settings of access."""

from typing import cast

from core.adapter import Account
from core.settings._admins import parse_admins

NONE = "none"
"""The word for no group at all; without a list, every group is allowed."""
MODES = ("open", "invite", "list")


def parse_access(value: object) -> object:
    """Read the name of a mode of access."""
    told = value.lower() if isinstance(value, str) else value
    if told not in MODES:
        raise ValueError("neither open, invite nor list; set one of them")
    return told


def parse_people(value: object) -> object:
    """Read `telegram:123, discord:456` as accounts."""
    return frozenset(cast("tuple[Account, ...]", parse_admins(value)))


def parse_groups(value: object) -> object:
    """Read `telegram:-100123, discord:456` as groups, and `none` as no group."""
    if value is None:
        return None
    if isinstance(value, str) and value.strip().lower() == NONE:
        return frozenset()
    return parse_people(value)
