"""Copies of people's messages: some bots delete a message and post it anew by a webhook.

PluralKit and its kin let people speak under several names in this way. The copy has the words of
the message, mostly without the signs around them that chose the name, or its files.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import discord
from discord.abc import Snowflake

from bots.discord.inbound import parse_copy
from core.adapter import Copy, InboundMessage

YOUNG = 3.0
"""The most seconds between a message and its deletion for which its copy is waited for."""
WAIT = 1.5
"""The seconds for which a copy is waited for after the deletion; most come before it."""
POSTED = 10.0
"""The seconds for which a webhook's message may be the copy of one that is deleted."""
SIGNS = 200
"""The most characters by which a message is longer than its copy."""
MOST = 200
"""The most messages of people and of webhooks that are remembered."""


@dataclass(frozen=True, slots=True)
class _Post:
    """A message as it was heard."""

    at: float
    message: discord.Message
    said: InboundMessage | None = None
    """The question in it; None for a webhook's message."""

    @property
    def files(self) -> list[tuple[str, int]]:
        return [(file.filename, file.size) for file in self.message.attachments]

    def is_copy_of(self, original: "_Post") -> bool:
        """Return whether a webhook's message repeats a person's message that came before it."""
        mine, theirs = self.message, original.message
        if mine.channel.id != theirs.channel.id or mine.id < theirs.id:
            return False
        if not mine.content and not theirs.content:
            return bool(self.files) and self.files == original.files
        more = len(theirs.content) - len(mine.content)
        return bool(mine.content) and more <= SIGNS and mine.content.strip() in theirs.content


class Copies:
    """The latest messages of people and of webhooks, by which a copy is known."""

    def __init__(self, me: Snowflake, clock: Callable[[], float]) -> None:
        """Make it for the account `me`; `clock` counts seconds."""
        self._me = me
        self._clock = clock
        self._heard: dict[int, _Post] = {}
        self._gone: dict[int, _Post] = {}
        """Deleted messages of people whose copies may still come."""
        self._posted: deque[_Post] = deque(maxlen=MOST)

    def hear(self, said: InboundMessage, message: discord.Message) -> None:
        """Remember a message of a person to the bot."""
        if said.private:
            return
        self._heard[message.id] = _Post(self._clock(), message, said)
        if len(self._heard) > MOST:
            del self._heard[next(iter(self._heard))]

    def post(self, message: discord.Message) -> Copy | None:
        """Take a webhook's message; return it as the copy of a message that was just deleted."""
        posted = _Post(self._clock(), message)
        for original in self._gone.values():
            if posted.is_copy_of(original):
                del self._gone[original.message.id]
                return self._copy(original, posted)
        self._posted.append(posted)
        return None

    def delete(self, message_id: int) -> Copy | None:
        """Take the deletion of a person's message; return its copy if that was posted already.

        A copy of a young message may still come, see `is_awaited`.
        """
        original = self._heard.pop(message_id, None)
        if original is None:
            return None
        now = self._clock()
        for posted in self._posted:
            if posted.at >= now - POSTED and posted.is_copy_of(original):
                self._posted.remove(posted)
                return self._copy(original, posted)
        if original.at >= now - YOUNG:
            self._gone[message_id] = original
        return None

    def is_awaited(self, message_id: int) -> bool:
        """Return whether the copy of a deleted message may still come."""
        return message_id in self._gone

    def give_up(self, message_id: int) -> bool:
        """Wait for a copy no longer; return whether it was still awaited."""
        return self._gone.pop(message_id, None) is not None

    def _copy(self, original: _Post, copy: _Post) -> Copy:
        assert original.said is not None
        return parse_copy(original.said, original.message, copy.message, self._me)
