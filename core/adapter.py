"""The seam: all that `core` and `bots` know of each other.

An adapter translates one platform's events into inbound messages and changes, and carries
replies back as Markdown. It knows neither database nor model; the core knows no platform.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

Account = tuple[str, str]
"""A platform and the id of our account there."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reply goes: a chat of a platform, seen by one account of ours, and a thread in it."""

    platform: str
    bot_id: str
    chat: str
    thread: str = ""
    """The topic or thread that is a conversation of its own in the chat; "" where there is none."""


@dataclass(frozen=True, slots=True)
class Author:
    """An account as the platform shows it."""

    platform: str
    account_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, as a reference that `Adapter.download` understands."""

    reference: str
    """Opaque outside the adapter; holds no secret and no URL that does."""
    name: str
    media_type: str
    size: int | None
    """Bytes, as the platform claims."""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Something a person said to the bot, or what may be a piece of it."""

    event_id: str
    """Identifies the delivery on the platform; the same id twice is the same event."""
    address: Address
    author: Author
    message_id: str
    text: str
    """What was said, in Markdown where the platform has markup, without the mention of the bot;
    for a command its arguments."""
    private: bool
    """Only the author and the bot read here: the conversation belongs to the author."""
    sent_at: datetime
    command: str | None = None
    """The name of a command (`new`), without slash and bot name."""
    attachments: tuple[Attachment, ...] = ()
    unreadable: str = ""
    """What it holds that the bot cannot read, in words for a person: "voice messages"."""
    ticket: str = ""
    """What the platform wants back with the answer; opaque outside of the adapter."""
    reply_to: str | None = None
    """The message id of the message it answers on the platform."""
    quote: str = ""
    """The text of that message, or the part of it that was selected."""
    album: str = ""
    """Messages with the same album id are one message to the person who sent them."""
    partial: bool = False
    """As long as the platform lets a message be: the rest of a split text may follow at once."""
    forwarded: bool = False
    """A message of somebody else, shown by its author, who may comment on it beside it."""
    addressed: bool = True
    """Said to the bot. False for a group's message that does not name the bot but may be a piece
    of one that does: of an album, of a split text, a forward. It is of no other use."""
    admin: bool | None = False
    """The author may administer the chat (always so in a private one); None when the platform
    was asked and did not tell. It matters for commands that hold for everybody in the chat."""


class ChangeKind(StrEnum):
    """What can happen to a message that is known already."""

    STOP = "stop"
    REGENERATE = "regenerate"
    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """A person changed, deleted or pressed a button on a message that is known already."""

    event_id: str
    kind: ChangeKind
    address: Address
    author: Author
    message_id: str
    text: str = ""
    """The new text of an edited message."""


@dataclass(frozen=True, slots=True)
class Move:
    """A chat goes on under another id; the platform may tell so more than once."""

    event_id: str
    address: Address
    """The chat as it was."""
    chat: str
    """Its new id. The messages of the old one can be neither edited nor replied to there."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button below a message; pressing it comes back as a `Change` of that kind."""

    kind: ChangeKind
    label: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that people may give, as `/name` or from a platform's menu."""

    name: str
    summary: str
    """A short line for a menu, as the bot would say it."""
    hint: str = ""
    """A few words on the text that may follow; "" where none may."""
    admins_only: bool = False
    """In a group, its admins alone may change with it what holds for everybody there."""


START = "start"
"""The command that a client gives by itself when a person meets the bot."""

COMMANDS = (
    Command(START, "What I am"),
    Command("help", "What I can do"),
    Command("new", "Start a new conversation"),
    Command("usage", "What you have used and what is left"),
    Command("stop", "Stop the answer that is being written"),
    Command("retry", "Answer your last message again"),
    Command(
        "persona",
        "How I should behave in this conversation",
        hint="Your instructions, or: reset",
        admins_only=True,
    ),
    Command(
        "model",
        "Which language model answers here",
        hint="The model to choose",
        admins_only=True,
    ),
    Command("privacy", "What is stored, and where it is sent"),
    Command("export", "All that is stored about you, as a file"),
    Command(
        "forget",
        "Delete this conversation for good",
        hint="yes, if you are sure",
        admins_only=True,
    ),
)
"""The one catalogue of commands, in the order of menus. Names are unique."""


class Known(Protocol):
    """The stored messages of one platform's accounts, for an adapter that has to catch up."""

    async def newest(self, bot_id: str, chat: str) -> str | None:
        """Return the id of the newest message of a person that our account has heard in a chat.

        Where nothing is stored of the chat, it is the newest of all chats; None if there is none.
        """

    async def chats(self, bot_id: str) -> list[str]:
        """Return the ids of all chats in which our account has heard something."""


class Adapter(Protocol):
    """One account of ours on one platform. All texts are Markdown that `fits` in one message.

    `send`, `edit`, `delete` and `typing` make one attempt and raise the errors under
    `DeliveryError`; whoever calls them decides what is worth repeating.
    """

    @property
    def name(self) -> str:
        """The platform's name in addresses, logs and settings."""

    @property
    def bot_id(self) -> str:
        """Our account's id on the platform."""

    @property
    def rate(self) -> float:
        """Calls a second that our account may make over all chats together."""

    def pace(self, address: Address) -> float:
        """Seconds between two previews of a growing message at this address."""

    def fits(self, markdown: str) -> bool:
        """Whether one message can hold this text, in the units the platform counts."""

    def listen(self) -> AsyncGenerator[InboundMessage | Change | Move, None]:
        """Events in the order of their arrival; asking for the next acknowledges the one before."""

    async def send(
        self,
        address: Address,
        markdown: str,
        *,
        final: bool,
        reply_to: str | None = None,
        ticket: str = "",
        buttons: tuple[Button, ...] = (),
        nonce: str,
    ) -> str:
        """Post a message and return its id.

        A `final` one will not grow any more. `reply_to` is the message it answers and `ticket` what
        came with that: the adapter decides where people see the reply, and a message that is gone
        is no error. A repeat with the same nonce (at most 25 characters) makes no second message
        where the platform can tell.
        """

    async def edit(
        self,
        address: Address,
        message_id: str,
        markdown: str,
        *,
        final: bool,
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Replace a message's text and buttons; `final` is as in `send`.

        Unchanged content is no error.
        """

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """Let people know that no answer comes to a message; `ticket` is what came with it.

        Whatever shows that one is on its way goes away.
        """

    async def delete(self, address: Address, message_id: str) -> None:
        """Delete a message of ours. One that is gone already is no error; Undeliverable where the
        platform lets us delete it no more."""

    async def upload(
        self,
        address: Address,
        name: str,
        data: bytes,
        *,
        reply_to: str | None = None,
        nonce: str,
    ) -> None:
        """Post a file; the nonce is as in `send`."""

    async def typing(self, address: Address) -> None:
        """Show for some seconds that an answer is on its way."""

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of an attachment; AttachmentError past `limit` bytes or when it is gone,
        RetryAfter or Unreachable when it may be had later."""
