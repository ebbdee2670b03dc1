"""The people whom a text pings, given `allowed_mentions`."""

import re
from collections.abc import Iterable, Mapping

from tests.fakes.discord.records import Json, Person, Pings

EVERYTHING: Json = {"parse": ["users", "roles", "everyone"], "replied_user": True}
"""The pings of a message without `allowed_mentions`: everything that it names."""
USERS_ONLY: Json = {"parse": ["users"], "replied_user": True}
"""The same for the answer to an interaction."""


def pings(
    content: str,
    allowed: Json,
    *,
    people: Mapping[str, Person],
    roles: Iterable[str],
    replied: Person | None = None,
) -> Pings:
    """Return the pinged ones of the named people and roles; `people` are the readers."""
    parse = allowed.get("parse", [])
    named = _named(r"<@!?(\d+)>", content, "users" in parse, allowed.get("users", []))
    users = [people[user] for user in named if user in people]
    if replied and allowed.get("replied_user"):
        users.append(replied)
    held = set(roles)
    named = _named(r"<@&(\d+)>", content, "roles" in parse, allowed.get("roles", []))
    everyone = "everyone" in parse and re.search(r"@(everyone|here)\b", content) is not None
    return Pings(
        tuple(dict.fromkeys(users)), tuple(role for role in named if role in held), everyone
    )


def _named(pattern: str, content: str, all_allowed: bool, allowed: list[object]) -> list[str]:
    listed = {str(item) for item in allowed}
    return [found for found in re.findall(pattern, content) if all_allowed or found in listed]
