"""The pieces of one message in a group: only one of them names the bot, all are for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.adapter import Address, InboundMessage

WITHIN = timedelta(seconds=2)
"""How long after what was said to the bot a further piece of it is sent, at most."""


@dataclass(slots=True)
class Pieces:
    """Sifts what a group says by what may be a piece of a message to the bot; the core decides."""

    _begun_at: datetime | None = None
    """When the first message was sent: what it goes on may have been said before we listened."""
    _said: dict[tuple[Address, str], InboundMessage] = field(default_factory=dict)
    """The last that each author said to the bot, or that may be a piece of it."""

    def hear(
        self, called: InboundMessage | None, as_piece: Callable[[], InboundMessage | None]
    ) -> InboundMessage | None:
        """A message to the bot, or one that may be a piece, which is then not `addressed`.

        `as_piece` reads a message that is not `called` as if it were.
        """
        message = called or as_piece()
        if message is None or message.private:
            return message
        self._begun_at = self._begun_at or message.sent_at
        since = message.sent_at - WITHIN
        self._said = {who: said for who, said in self._said.items() if said.sent_at >= since}
        who = message.address, message.author.account_id
        before = self._said.pop(who, None)
        if called is None and not self._may_go_on(before, message):
            return None
        self._said[who] = message
        return message

    def _may_go_on(self, before: InboundMessage | None, message: InboundMessage) -> bool:
        if message.command is not None:
            return False
        if message.album or (self._begun_at and message.sent_at <= self._begun_at + WITHIN):
            return True
        return before is not None and (before.partial or message.forwarded)
