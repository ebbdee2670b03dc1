"""Threads that end while an answer is written: archived, locked or deleted."""

import discord

from bots.discord.rest import Json, Refused, Silenced, call

ARCHIVED = 50083
"""The code for a change in an archived thread. A new message opens one that is not locked."""
REMEMBERED = 1000
"""The most deleted threads that are remembered."""

_PATH = "/channels/{channel_id}"
_PUBLIC = {10, 11}
"""The types of threads that everybody in the channel around them sees."""


class Deleted:
    """The deleted threads that the gateway told of, with the channels around them."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def note(self, event: discord.RawThreadDeleteEvent) -> None:
        """Remember a thread that was deleted just now."""
        if event.thread_type.value in _PUBLIC:
            self._parents[str(event.thread_id)] = str(event.parent_id)
            if len(self._parents) > REMEMBERED:
                del self._parents[next(iter(self._parents))]

    def parent(self, thread: str) -> str | None:
        """Return the channel around a deleted thread; None if nobody told of it."""
        return self._parents.get(thread)


async def parent(client: discord.Client, deleted: Deleted, channel: str) -> str | None:
    """Return the channel around a public thread; None for anything else."""
    try:
        found: Json = await call(client, "GET", _PATH, channel_id=channel)
    except Refused:
        return deleted.parent(channel)
    told = found.get("parent_id") if found.get("type") in _PUBLIC else None
    return told if isinstance(told, str) else None


async def open_again(client: discord.Client, channel: str, refusal: Silenced) -> None:
    """Open an archived thread again; raises the refusal of the call if that is not the reason."""
    if refusal.code != ARCHIVED:
        raise refusal
    try:
        await call(client, "PATCH", _PATH, body={"archived": False}, channel_id=channel)
    except Refused:
        raise refusal from None
