"""The operators' accounts, and how they are read from settings."""

from core.adapter import Account

FORM = "platform:id, as telegram:123, discord:456"


def parse_admins(value: object) -> object:
    """Read `telegram:123, discord:456` as accounts without doubles; an empty text has none."""
    if not isinstance(value, str):
        return value
    accounts: dict[Account, None] = {}
    at = 1
    for item in value.split(",") if value.strip() else ():
        accounts[_parse(item, at + len(item) - len(item.lstrip()))] = None
        at += len(item) + 1
    return tuple(accounts)


def _parse(item: str, at: int) -> Account:
    """Return an account. The error for a wrong text shows nothing of it, which may be a secret."""
    platform, _, account_id = (part.strip() for part in item.partition(":"))
    if not item.strip():
        raise ValueError(f"at character {at}: an account is missing; remove the comma")
    if not platform or not account_id or " " in account_id:
        raise ValueError(f"at character {at}: not of the form {FORM}; write it so")
    return platform.lower(), account_id
