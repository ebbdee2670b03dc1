"""The seam: everything that `core` and `bots` know of each other.

An adapter translates one platform's events into inbound messages and changes, and carries
replies back as Markdown. It knows neither the database nor the model; the core knows no platform.
"""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.marks import _

Account = tuple[str, str]
"""A platform, and the id of an account there, ours or a person's."""


@dataclass(frozen=True, slots=True)
class Address:
    """The destination of a reply: a chat, as one account of ours sees it, and a thread in it."""

    platform: str
    bot_id: str
    chat: str
    thread: str = ""
    """The id of a topic or thread with a conversation of its own; "" for the chat itself."""
    places: tuple[str, ...] = field(default=(), compare=False)
    """In an event from a group: the ids by which an operator may name the group. The first is the
    chat's, the last that of the whole group, such as a server on Discord with all its channels.
    Empty for a private chat, and for a chat in which the bot is no member: a person took it there.
    No address that is stored has them."""


@dataclass(frozen=True, slots=True)
class Author:
    """An account as the platform shows it."""

    platform: str
    account_id: str
    name: str
    language: str = field(default="", compare=False)
    """The code of the language that the platform tells of the account, as `pt-BR`; "" if it tells
    none now."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message."""

    reference: str
    """The file's id for `Adapter.download`. It contains no secret of ours, and no URL with one; the
    address of a single file, which soon expires, is none."""
    name: str
    media_type: str
    size: int | None
    """The size in bytes that the platform tells."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a thread, which everybody there has before their eyes."""

    text: str = ""
    """The title, and the words of the first message with its author's name."""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A message from a person to the bot, or a possible piece of one."""

    event_id: str
    """The platform's id of the event. Two events with the same id are one event."""
    address: Address
    author: Author
    message_id: str
    text: str
    """The text as Markdown, without the mention of the bot; the arguments of a command."""
    private: bool
    """True if only the author and the bot read the chat: the conversation is the author's."""
    sent_at: datetime
    """The time by the platform's clock, which no person chooses: that of the last edit, if any. The
    question counts in the windows of its author's limits around this time."""
    command: str | None = None
    """The name of a command (`new`), without slash and bot name."""
    payload: str = ""
    """The value that a link to the bot carried, with the command START."""
    attachments: tuple[Attachment, ...] = ()
    """The files of the message, and those of the message that it replies to or forwards."""
    unreadable: str = ""
    """The kind of content that the bot cannot read, in people's words: "voice messages"."""
    ticket: str = field(default="", repr=False)
    """An opaque value that the adapter gets back with the answer."""
    reply_to: str | None = None
    """The id of the message that this one replies to on the platform."""
    quote: str = ""
    """The text of that message, or the passage that the author selected in it; or the text of the
    message that this one forwards."""
    quoted_from: str = ""
    """The name of the person, chat or channel that wrote the quote; "" for the bot's own words."""
    opening: Opening = Opening()
    """The beginning of the thread that it is in. It is quoted only to a new conversation."""
    album: str = ""
    """The id of an album; to people, the messages of an album are one message."""
    partial: bool = False
    """True if the text is as long as one message may be: the rest of it may follow at once."""
    forwarded: bool = False
    """True for somebody else's message that the author passes on, often beside a comment."""
    addressed: bool = True
    """True if the message is for the bot. False for a group's message that does not name the bot
    but may be a piece of one that does: of an album, of a split text, a forward."""
    language: str = ""
    """The code of the chat's language, for authors of whom none is known; "" if unknown."""
    confidential: bool = False
    """True if nobody but the author sees the answer, though others read the chat."""
    admin: bool | None = False
    """True if the author administers the chat, as everybody does in a private one; None if the
    platform was asked and did not tell. Only commands that need an admin look at it."""


class ChangeKind(StrEnum):
    """The kinds of change to a known message."""

    STOP = "stop"
    REGENERATE = "regenerate"
    EDITED = "edited"
    DELETED = "deleted"
    CONFIRM = "confirm"
    CANCEL = "cancel"


PRESSES = frozenset(ChangeKind) - {ChangeKind.EDITED, ChangeKind.DELETED}
"""The kinds that are presses of buttons; a button carries no other one."""


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
    message: InboundMessage | None = None
    """The edited message itself, if the edit may have made it one to the bot: it then is a new
    question, unless it is a known one."""
    ticket: str = field(default="", repr=False)
    """An opaque value that the adapter gets back with the answer to a pressed button."""
    of_copy: bool = False
    """True if the message may be a copy, see `Copy`. The change is then its person's."""
    whisper: str = field(default="", repr=False)
    """An opaque value with which the adapter answers the press for nobody else to see."""
    hidden: str | None = field(default=None, repr=False)
    """The ticket for changing the pressed message, which only this person sees; "" if it takes
    none. None for a message that everybody sees."""

    @property
    def is_press(self) -> bool:
        """True for the press of a button."""
        return self.kind in PRESSES


@dataclass(frozen=True, slots=True)
class Move:
    """The move of a chat to another id; the platform may tell of it more than once."""

    event_id: str
    address: Address
    """The chat under its old id."""
    chat: str
    """The new id. Under it, messages of the old chat can be neither edited nor replied to."""


@dataclass(frozen=True, slots=True)
class Access:
    """A sign that the bot may write at an address again: it was unblocked or got a right."""

    event_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class Membership:
    """The bot is a member of a group: it was just added, or a session of the platform begins."""

    event_id: str
    address: Address
    """A chat of the group in which the bot may write; its id is "" if there is none."""
    chats: tuple[str, ...] = ()
    """The ids of all chats of the group that the bot sees, if it may have several."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a person's message, which takes its place: a bot deleted it and posted it anew.

    The copy is the question now, and its author is still the person who wrote the message.
    """

    event_id: str
    address: Address
    author: Author
    """The person's account, under the name that the copy shows."""
    message_id: str
    copy_id: str
    text: str
    """The text of the copy, which may have lost the signs that made a bot copy it."""
    gone: tuple[Attachment, ...] = ()
    """The files of the message, which were deleted with it."""
    files: tuple[Attachment, ...] = ()
    """The same files in the copy."""


Event = InboundMessage | Change | Move | Access | Membership | Copy
"""Everything that an adapter hands over."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button below a message; a press arrives as a `Change` of the same kind."""

    kind: ChangeKind
    label: str


@dataclass(frozen=True, slots=True)
class Leeway:
    """The bounds that a platform sets to one answer, beside those of every message."""

    parts: int | None = None
    """The most messages of the answer; None for no bound."""
    repeatable: bool = True
    """False if a repeated `send` of a further message may make a double that nobody can find."""
    until: datetime | None = None
    """The time until which the answer can be written; None for no bound."""
    reaches_older: bool = True
    """False if messages of older answers can be changed no more."""
    pictures: bool = True
    """False if nobody sees a picture that is posted."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that people may give, as `/name` or from a platform's menu."""

    name: str
    summary: str
    """A short line for a menu, in the bot's own words."""
    hint: str = ""
    """A few words about the argument; "" for a command without one."""
    admins_only: bool = False
    """True if only a group's admins may change something with it."""
    confidential: bool = False
    """True if nobody but the person sees the answer, wherever the platform can hide it."""


START = "start"
"""The command that a client sends when a person opens the chat with the bot."""
ASK = "ask"
"""The command that asks a question, for places where nobody can mention the bot."""
NEW = "new"
"""The command that begins a new conversation."""

COMMANDS = (
    Command(START, _("What I am"), hint=_("Your invite, if you have one")),
    Command("help", _("What I can do")),
    Command(ASK, _("Ask me a question"), hint=_("Your question")),
    Command(NEW, _("Start a new conversation"), hint=_("Your first question, if you have one")),
    Command("usage", _("What you have used and what is left"), confidential=True),
    Command("stop", _("Stop the answer that is being written")),
    Command("retry", _("Answer your last message again")),
    Command(
        "persona",
        _("How I should behave in this conversation"),
        hint=_("Your instructions, or: reset"),
        admins_only=True,
    ),
    Command(
        "language",
        _("The language in which I speak to you"),
        hint=_("A language, or: auto"),
    ),
    Command(
        "model",
        _("Which language model answers here"),
        hint=_("The model to choose"),
        admins_only=True,
    ),
    Command(
        "link",
        _("Use me from another account too"),
        hint=_("The code from your other account"),
    ),
    Command("unlink", _("Part this account from your other ones")),
    Command("privacy", _("What is stored, and where it is sent")),
    Command("export", _("All that is stored about you, as a file")),
    Command(
        "forget",
        _("Delete this conversation for good"),
        hint=_("yes, if you are sure"),
        admins_only=True,
    ),
)
"""The one catalogue of commands, in the order of menus. Names are unique."""


VERBS = (
    Command("users", _("Find people"), hint=_("A part of a name, or nothing for the newest")),
    Command("user", _("All about one person"), hint=_("A number, an account, a name, a reference")),
    Command("tier", _("Give somebody the limits of a tier"), hint=_("The person, and a tier")),
    Command("limit", _("Give somebody own limits"), hint=_("The person, and 50 turns/day")),
    Command("grant", _("Let somebody spend more for now"), hint=_("The person, and 2 usd")),
    Command("block", _("Block somebody"), hint=_("The person")),
    Command("unblock", _("Let somebody speak again"), hint=_("The person")),
    Command("admit", _("Let somebody in"), hint=_("The person")),
    Command("expel", _("Take back that somebody was let in"), hint=_("The person")),
    Command("invite", _("Make an invite"), hint=_("People, days, a tier: 5 7d vip; or: list")),
    Command("top", _("Who spends most"), hint=_("today or month")),
    Command("stats", _("What happened day by day"), hint=_("The number of days")),
    Command("announce", _("Send something to everybody"), hint=_("The text; or: stop, resume")),
    Command(
        "turns",
        _("Turns in trouble"),
        hint=_("A state, or: show, retry, cancel, discard and numbers"),
    ),
    Command("audit", _("What operators did"), hint=_("The number of lines")),
)
"""The commands of operators, beside those of everybody, in the order of menus."""


class Known(Protocol):
    """The core's knowledge of one platform's accounts, for an adapter that has to catch up."""

    def hears(self, address: Address) -> bool:
        """Return whether the bot answers anybody in the group of an event.

        Nothing need be read, shown or acknowledged in any other group.
        """

    def operators(self) -> list[str]:
        """Return the ids of the operators' accounts on the platform, who may give `VERBS`."""

    async def newest(self, bot_id: str, chat: str) -> str | None:
        """Return the id of the newest message from a person to our account in a chat.

        If nothing is stored of the chat, return the newest of all chats, or an older one if nobody
        has written to our account for long; None if there is none.
        """

    async def chats(self, bot_id: str) -> dict[str, str]:
        """Return the ids of all chats in which our account has heard something.

        Beside each stands the least id, as a text, of the messages that are stored of it.
        """

    async def private_chats(self, bot_id: str) -> list[str]:
        """Return the ids of those among them that people have with the bot alone.

        Those in which something was said last come first. If there are very many, the last ones
        are left out.
        """


class Adapter(Protocol):
    """One account of ours on one platform. Every text is Markdown that `fits` in one message.

    All calls but `listen` and `download` make one attempt and raise the errors under
    `DeliveryError`; the caller decides whether to try again.
    """

    @property
    def name(self) -> str:
        """The platform's name in addresses, logs and settings."""

    @property
    def bot_id(self) -> str:
        """Our account's id on the platform."""

    @property
    def rate(self) -> float:
        """The calls a second that our account may make in all chats together."""

    @property
    def broadcast_rate(self) -> float:
        """The messages a second that may go to people who have asked nothing, in all chats."""

    @property
    def hears(self) -> bool:
        """True while `listen` is connected to the platform, so that events can come."""

    @property
    def heard_at(self) -> float | None:
        """The time of the platform's last sign of life by `time.monotonic`; None if there was none.

        A sign is the answer to a poll, an acknowledged heartbeat, or an event.
        """

    @property
    def reconnects(self) -> int:
        """The number of times that the connection of `listen` came back after it was lost."""

    @property
    def is_pushed(self) -> bool:
        """True if the platform sends events to all processes at once, as by a webhook.

        Then all of them `listen`, and one of them carries out `subscribe`.
        """

    @property
    def largest_file(self) -> int:
        """The most bytes of a file that `upload` posts."""

    def pace(self, address: Address) -> float:
        """Return the seconds between two previews of a growing message at this address."""

    def leeway(self, ticket: str) -> Leeway:
        """Return the bounds of an answer that is written with a ticket, or without one if ""."""

    def fits(self, markdown: str) -> bool:
        """Return whether one message can hold this text, counted as the platform counts."""

    def listen(self) -> AsyncGenerator[Event, str | None]:
        """Yield events in the order of their arrival.

        A request for the next event acknowledges the one before. A text that is sent along with the
        request is for the person who pressed a button: nobody else sees it.
        """

    async def subscribe(self) -> None:
        """Have the platform send events, and look after that for ever; only where `is_pushed`.

        Raises SettingsError when the platform refuses the account.
        """

    async def send(
        self,
        address: Address,
        markdown: str,
        *,
        final: bool,
        reply_to: str | None = None,
        ticket: str = "",
        whom: str | None = None,
        buttons: tuple[Button, ...] = (),
        nonce: str,
    ) -> str:
        """Post a message and return its id.

        `whom` is the account of the one person in a group for whom it is. Where the platform can
        hide it from the others it does, and a repeat may then make a second message; elsewhere
        everybody sees it.

        A `final` text does not grow any more. `reply_to` is the id of the message that it answers,
        None for a further message of an answer; `ticket` is the ticket of that message. The adapter
        decides where the reply appears; a deleted message is no error. On a platform that knows
        nonces, a repeat with the same nonce (at most 25 characters) makes no second message.
        """

    async def edit(
        self,
        address: Address,
        message_id: str,
        markdown: str,
        *,
        final: bool,
        ticket: str = "",
        buttons: tuple[Button, ...] = (),
    ) -> None:
        """Replace a message's text and buttons; `final` and `ticket` are as in `send`.

        Unchanged content is no error.
        """

    async def unbutton(self, address: Address, message_id: str) -> None:
        """Take the buttons off a message of ours; its text stays."""

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        """End whatever shows that an answer to a message is on its way: none will come.

        `ticket` is the ticket of that message.
        """

    async def delete(self, address: Address, message_id: str, *, ticket: str = "") -> None:
        """Delete a message of ours; a message that is gone already is no error.

        Raises Undeliverable when the platform does not let us delete it any more.
        """

    async def upload(
        self,
        address: Address,
        name: str,
        data: bytes,
        *,
        reply_to: str | None = None,
        ticket: str = "",
        picture: bool = False,
        nonce: str,
    ) -> str:
        """Post a file and return its message's id; ticket and nonce are as in `send`.

        A `picture` is a PNG that people see at once; any other file is for them to open.
        """

    async def suspects(
        self,
        address: Address,
        *,
        after: str | None,
        before: str | None,
        known: Collection[tuple[str, str]],
        earlier: Collection[tuple[str, str]] = (),
    ) -> list[str]:
        """Return the ids that a message of ours may have, made by a create of unknown outcome.

        It came after the message `after`, or else after the last known one, and before the message
        `before` that a repeat of the create has made. `known` has chat and id of the account's
        latest known messages, and `earlier` those of messages in any chat, of which most were there
        shortly before the first try. The list has a bound, and is empty where nothing can be found.
        """

    async def is_ours(self, address: Address, message_id: str, markdown: str | None) -> bool:
        """Return whether there is a message of ours with this id, a file if `markdown` is None.

        A message of ours may show this text from then on.
        """

    async def typing(self, address: Address, *, ticket: str = "") -> None:
        """Show for some seconds that an answer is on its way."""

    async def around(self, address: Address) -> Address | None:
        """Return the address of the chat around a thread that takes nothing more.

        A person can be told there. None if there is no such chat, or nobody knows it.
        """

    async def leave(self, address: Address) -> None:
        """Leave the whole group that an address is in; one that the bot has left is no error.

        Nothing is left where the address has no `places`.
        """

    def link(self, payload: str) -> str:
        """Return the address of a page that opens a chat with the bot and sends START there.

        `payload` has at most 64 letters, digits, `_` and `-`. "" if the platform has no such links.
        """

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """Return the bytes of an attachment.

        Raises AttachmentError when it has more than `limit` bytes or is gone, and RetryAfter or
        Unreachable when a later attempt may succeed.
        """
