"""Accounts and groups by platform and id, and how they are read from settings."""

from core.adapter import Account

NOBODY = "none"
"""The word for an empty list, where no list stands for everything."""


def parse_access(value: object) -> object:
    """Read the name of a mode of access."""
    told = value.lower() if isinstance(value, str) else value
    if told not in ("open", "invite", "list"):
        raise ValueError("open, invite or list")
    return told


def parse_people(value: object) -> object:
    """Read `telegram:123, discord:456` as accounts without doubles."""
    return _parse(value, "platform:id, as telegram:123, discord:456")


def parse_groups(value: object) -> object:
    """Read `telegram:-100123, discord:456` as groups without doubles; `none` for no group."""
    if isinstance(value, str) and value.strip().lower() == NOBODY:
        return frozenset()
    return _parse(value, "platform:id, as telegram:-100123, discord:456, or none for no group")


def _parse(value: object, form: str) -> object:
    """Return accounts. The error for a wrong text shows nothing of it, which may be a secret."""
    if not isinstance(value, str):
        return value
    found: set[Account] = set()
    at = 1
    for item in value.split(","):
        platform, _, number = (part.strip() for part in item.partition(":"))
        start = at + len(item) - len(item.lstrip())
        if not item.strip():
            raise ValueError(f"at character {at}: an id is missing; remove the comma")
        if number.startswith("@"):
            raise ValueError(f"at character {start}: a name; write the number of the account")
        if not platform or not number or " " in number:
            raise ValueError(f"at character {start}: not of the form {form}")
        found.add((platform.lower(), number))
        at += len(item) + 1
    return frozenset(found)
