"""The parts of one message in a group: only one of them names the bot, all are for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from core.adapter import Address, InboundMessage

WITHIN = timedelta(seconds=1)
"""Between two parts, by the platform's clock; a client sends them all at once."""

Author = tuple[Address, str]
"""Who says something, and where."""


@dataclass(slots=True)
class Parts:
    """Puts together what a client has sent in parts: an album, a text too long for one message.

    Nothing of it outlives the process: it is a hint, as is how the core gathers them.
    """

    _called: dict[Author, InboundMessage] = field(default_factory=dict)
    """The newest part of what was said to the bot and may go on."""
    _before: dict[Author, list[InboundMessage]] = field(default_factory=dict)
    """Parts of an album in which the bot was not named yet."""

    def hear(
        self, called: InboundMessage | None, as_part: Callable[[], InboundMessage | None]
    ) -> list[InboundMessage]:
        """What is said by a message to the bot: nothing, itself, or an album from its beginning.

        `as_part` reads a message that is not `called` as if it were.
        """
        said = called or as_part()
        if said is None or said.private:
            return [said] if said else []
        self._forget(said)
        who = said.address, said.author.account_id
        if called is None and not self._goes_on(who, said):
            self._wait(who, said)
            return []
        self._called[who] = said
        return [part for part in self._before.pop(who, []) if part.album == said.album] + [said]

    def _goes_on(self, who: Author, said: InboundMessage) -> bool:
        before = self._called.get(who)
        if before is None or before.command is not None or said.command is not None:
            return False
        if said.album != before.album:
            return False
        return bool(said.album) or before.partial

    def _wait(self, who: Author, said: InboundMessage) -> None:
        """Keep a part of an album, for a later one may name the bot."""
        before = self._before.pop(who, [])
        if said.album:
            self._before[who] = [part for part in before if part.album == said.album] + [said]

    def _forget(self, said: InboundMessage) -> None:
        """Drop what was said too long before to be of the same message."""
        since = said.sent_at - WITHIN
        self._called = {who: m for who, m in self._called.items() if m.sent_at >= since}
        self._before = {who: m for who, m in self._before.items() if m[-1].sent_at >= since}
