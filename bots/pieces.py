"""The pieces of one message in a group: only one of them names the bot, all are for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.adapter import Address, InboundMessage

WITHIN = timedelta(seconds=2)
"""The longest time from a message to the bot to a further piece of it."""

Who = tuple[Address, str]
"""An author at an address."""


@dataclass(slots=True)
class Pieces:
    """A sieve for groups: it passes messages that may be pieces of one to the bot."""

    _said: dict[Who, InboundMessage] = field(default_factory=dict)
    """Each author's last message to the bot, or possible piece of one."""
    _begun_at: datetime | None = None
    """The time of the first message."""
    _heard: set[Who] = field(default_factory=set)
    """The authors of the first moments."""

    def hear(
        self, called: InboundMessage | None, as_piece: Callable[[], InboundMessage | None]
    ) -> InboundMessage | None:
        """Return a message to the bot, or a possible piece of one; None for anything else.

        `called` is a message that names the bot; `as_piece` reads one that does not.
        """
        message = called or as_piece()
        if message is None or message.private:
            return message
        who = message.address, message.author.account_id
        before, is_first = self._before(who, message), self._is_first(who, message)
        if called is None and not (is_first or _may_go_on(before, message)):
            return None
        self._said[who] = message
        return message

    def _before(self, who: Who, message: InboundMessage) -> InboundMessage | None:
        """Return the author's message to the bot just before this one; forget all older ones."""
        since = message.sent_at - WITHIN
        self._said = {who: said for who, said in self._said.items() if said.sent_at >= since}
        return self._said.pop(who, None)

    def _is_first(self, who: Who, message: InboundMessage) -> bool:
        """Return whether a message may be a piece of one that another process heard.

        It is its author's first, at the beginning.
        """
        self._begun_at = self._begun_at or message.sent_at
        if message.sent_at > self._begun_at + WITHIN:
            self._heard.clear()
            return False
        is_first = who not in self._heard
        self._heard.add(who)
        return is_first and message.command is None


def _may_go_on(before: InboundMessage | None, message: InboundMessage) -> bool:
    if message.command is not None:
        return False
    return bool(message.album) or (before is not None and (before.partial or message.forwarded))
