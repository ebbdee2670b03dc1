"""Messages in a group that one person sees: newer than the library's types, so called by name.

They have no message id. Ours is made of the receiver, the number that Telegram gives such a
message, which it gives again to others later, and the time of the message. Telegram promises
nobody that they arrive.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from telegram import Message

from core.adapter import Address

HOUR = 3600.0
"""The seconds for which a group that refused such a message is not asked again."""
MOST = 1000
"""The most groups of which this is remembered."""
PARAMETERS = "ephemeral_message_parameters"
NUMBER = "ephemeral_message_id"


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """The id of a message that one person sees."""

    receiver: str
    number: str
    date: str

    def __str__(self) -> str:
        return f"e{self.receiver}.{self.number}.{self.date}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of a call for it, beside the chat."""
        return {"receiver_user_id": int(self.receiver), NUMBER: int(self.number)}


def read(message_id: str | None) -> Ephemeral | None:
    """Return the parts of a message's id; None for that of an ordinary message."""
    if not message_id or not message_id.startswith("e"):
        return None
    receiver, number, date = message_id[1:].split(".")
    return Ephemeral(receiver, number, date)


def id_of(message: Message, receiver: str) -> str:
    """Return the id of a message that was made or pressed; `receiver` is who sees it, if one does.

    A server that does not know such messages makes an ordinary one.
    """
    if message.message_id:
        return str(message.message_id)
    number = message.api_kwargs.get(NUMBER, 0)
    return str(Ephemeral(receiver, str(number), str(int(message.date.timestamp()))))


@dataclass(slots=True)
class Refusals:
    """The groups that take no such message, such as those in which the bot is no admin.

    An admin bot may send them any time; another only right after a press of a button.
    """

    clock: Callable[[], float] = time.monotonic
    _until: dict[str, float] = field(default_factory=dict)

    def may_try(self, address: Address, whom: str | None) -> bool:
        """Return whether a message may be tried for one person alone."""
        is_person = whom is not None and whom.isdecimal()  # no channel, and no anonymous admin
        return is_person and self._until.get(address.chat, 0.0) <= self.clock()

    def note(self, address: Address) -> None:
        """Note that a group took none."""
        if len(self._until) >= MOST:
            self._until.clear()
        self._until[address.chat] = self.clock() + HOUR
