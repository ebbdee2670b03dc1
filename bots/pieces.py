"""The pieces of one message in a group: all are for the bot, but only one of them names it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.adapter import Address, InboundMessage

WITHIN = timedelta(seconds=2)
"""The longest time between a message to the bot and a further piece of it."""

Who = tuple[Address, str]
"""An address and the account id of an author there."""


@dataclass(slots=True)
class Pieces:
    """A filter for groups: it lets messages to the bot pass, and possible pieces of one."""

    _said: dict[Who, InboundMessage] = field(default_factory=dict)
    """The last message of each author that has passed."""
    _begun_at: datetime | None = None
    """The time of the first message."""
    _heard: set[Who] = field(default_factory=set)
    """The authors who have spoken within the first `WITHIN`."""

    def hear(
        self, called: InboundMessage | None, as_piece: Callable[[], InboundMessage | None]
    ) -> InboundMessage | None:
        """Return a message to the bot, or a possible piece of one; None for anything else.

        `called` is the message if it names the bot. Otherwise `as_piece` reads the message.
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
        """Return the author's last message to the bot within `WITHIN`; drop all older messages."""
        since = message.sent_at - WITHIN
        self._said = {who: said for who, said in self._said.items() if said.sent_at >= since}
        return self._said.pop(who, None)

    def _is_first(self, who: Who, message: InboundMessage) -> bool:
        """Return whether an earlier process may have heard the piece before this message.

        That is so for each author's first message within the first `WITHIN`.
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
    # A forward may come before its comment, and a photo before the one with the caption.
    return bool(message.album) or message.forwarded or (before is not None and before.partial)
