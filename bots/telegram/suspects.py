"""The ids that a message of ours may have which nobody knows (pure).

Ids grow by one with each message. Private chats and basic groups share one sequence of the bot's
account; each supergroup and channel counts for itself.
"""

from collections.abc import Collection

MOST = 20
"""The most ids that are looked at."""
_NEAR = 100
"""The ids at either end of the range among which unknown ones are sought."""
_FIRST_SUPERGROUP = -1_000_000_000_000
"""Supergroups and channels have ids below this."""


def suspects(
    chat: str,
    after: str | None,
    before: str | None,
    known: Collection[tuple[str, str]],
    earlier: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Return the unknown ids between two messages, at most `MOST`: those next to either end.

    If nothing is known to be right before it, take the last known message of the chat, or one of
    the `earlier` messages of all chats that have a common sequence: a few of them may be later,
    so it is one of the first. Older ones may be ours and forgotten. Without `before`, return the
    next ids.
    """
    here = [int(message_id) for of, message_id in known if of == chat]
    if after is None:
        others = sorted(
            int(number) for of, number in earlier if of == chat or _shares_ids(of, chat)
        )
        here += others[len(others) // 4 : len(others) // 4 + 1]
        before_it = [each for each in here if before is None or each < int(before)]
        if not before_it:
            return []
        after = str(max(before_it))
    first = int(after) + 1
    end = int(before) if before else first + MOST
    taken = {int(message_id) for of, message_id in known if of == chat or _shares_ids(of, chat)}
    low = range(first, min(first + _NEAR, end))
    high = range(max(first, end - _NEAR), end)
    unknown = [number for number in sorted({*low, *high}) if number not in taken]
    if len(unknown) > MOST:
        unknown = unknown[: MOST // 2] + unknown[-MOST // 2 :]
    return [str(number) for number in unknown]


def _shares_ids(one: str, other: str) -> bool:
    return min(int(one), int(other)) > _FIRST_SUPERGROUP
