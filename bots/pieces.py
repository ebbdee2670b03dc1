"""The pieces of one message in a group: only one of them names the bot, all are for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.adapter import Address, InboundMessage

WITHIN = timedelta(seconds=2)
"""How long after what was said to the bot a further piece of it is sent, at most."""

Who = tuple[Address, str]
"""Who says something, and where."""


@dataclass(slots=True)
class Pieces:
    """Sifts what a group says by what may be a piece of a message to the bot; the core decides."""

    _said: dict[Who, InboundMessage] = field(default_factory=dict)
    """The last that each author said to the bot, or that may be a piece of it."""
    _begun_at: datetime | None = None
    """When the first message was sent."""
    _heard: set[Who] = field(default_factory=set)
    """Who said anything in the first moments."""

    def hear(
        self, called: InboundMessage | None, as_piece: Callable[[], InboundMessage | None]
    ) -> InboundMessage | None:
        """A message to the bot, or one that may be a piece, which is then not `addressed`.

        `as_piece` reads a message that is not `called` as if it were.
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
        """What the author said to the bot just before; all that is older is forgotten."""
        since = message.sent_at - WITHIN
        self._said = {who: said for who, said in self._said.items() if said.sent_at >= since}
        return self._said.pop(who, None)

    def _is_first(self, who: Who, message: InboundMessage) -> bool:
        """Whether it may go on what another process heard: the author's first, at the beginning."""
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
