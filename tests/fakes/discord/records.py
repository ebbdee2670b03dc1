"""The records of the fake Discord: people, guilds, channels, messages, interactions, calls.

Ids are snowflakes as strings, as on the wire. Times are seconds of the server's monotonic clock.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ACKNOWLEDGE_WITHIN = 3.0
"""Seconds that an interaction waits for its acknowledgement."""
TOKEN_LIFE = 15 * 60.0
"""Seconds that the token of an acknowledged interaction serves."""

FOLLOW_UPS = 5
"""The most follow-ups of an interaction that only a person's install allows."""

TEXT, DM, VOICE, GROUP_DM, CATEGORY, THREAD, FORUM = 0, 1, 2, 3, 4, 11, 15
"""Types of channels."""
REPLY, STARTER = 19, 21
"""Types of messages: a reply, and the one in a new thread that shows what it was made from."""
FORWARD = 1
"""The type of a reference to a message that is passed on."""
EPHEMERAL, LOADING = 1 << 6, 1 << 7
"""Flags of messages."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account; a webhook is one too for the messages that it posts."""

    id: str
    name: str
    bot: bool = False
    webhook: bool = False
    locale: str = "en-US"
    """The language of the person's client."""

    @property
    def mention(self) -> str:
        """The text that pings this account."""
        return f"<@{self.id}>"


@dataclass(slots=True, eq=False)
class Guild:
    """A server: its members, its channels, and the roles that the fake gives to each."""

    id: str
    name: str
    owner: Person
    members: dict[str, Person] = field(repr=False)
    admins: set[str]
    """Ids of the members that hold the administrators' role."""
    admin_role: str
    bot_role: str
    """The role that only the bot holds; mentioning it means the bot."""
    locale: str = "en-US"
    """The language that its admins have chosen."""
    has_bot: bool = True
    """False where only people have installed the bot; it is no member."""
    denied: set[str] = field(default_factory=set)
    """The permissions that the bot does not have on the whole server."""
    channels: dict[str, "Channel"] = field(default_factory=dict, repr=False)

    @property
    def roles(self) -> tuple[str, str, str]:
        """The ids of @everyone, the administrators and the bot."""
        return (self.id, self.admin_role, self.bot_role)


@dataclass(slots=True, eq=False)
class Channel:
    """A channel of a server, a thread in one, or a private conversation with the bot."""

    id: str
    name: str
    kind: int
    guild: Guild | None = None
    parent: "Channel | None" = field(default=None, repr=False)
    recipient: Person | None = None
    people: tuple[Person, ...] = ()
    """The people of a private conversation without the bot; the first one owns a group."""
    is_quiet: bool = False
    """True if answers to commands of people's apps are seen by these people only."""
    denied: set[str] = field(default_factory=set)
    """Names of the permissions that the bot lacks here."""
    posts: dict[str, "Message"] = field(default_factory=dict, repr=False)
    """Messages that stand here, oldest first."""
    latest: str | None = None
    archived: bool = False
    locked: bool = False
    """A closed thread; it opens again when something is said in it."""

    @property
    def guild_id(self) -> str | None:
        """The guild's id, None in a private conversation."""
        return self.guild.id if self.guild else None

    @property
    def has_bot(self) -> bool:
        """True if the bot is a member here; elsewhere it can only answer interactions."""
        return self.guild.has_bot if self.guild else not self.people

    def allows(self, permission: str) -> bool:
        """Return True if the bot has a permission here; a thread inherits from its channel."""
        return permission not in self.denied and (not self.parent or self.parent.allows(permission))


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that belongs to a message."""

    id: str
    channel_id: str
    name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pings:
    """The people whom a message pings in truth, after `allowed_mentions`."""

    users: tuple[Person, ...] = ()
    roles: tuple[str, ...] = ()
    everyone: bool = False

    def __or__(self, other: "Pings") -> "Pings":
        return Pings(
            tuple(dict.fromkeys(self.users + other.users)),
            tuple(dict.fromkeys(self.roles + other.roles)),
            self.everyone or other.everyone,
        )


@dataclass(slots=True, eq=False)
class Message:
    """A message as it stands now, with all its states behind it."""

    id: str
    channel: Channel = field(repr=False)
    author: Person
    content: str
    sent_at: float
    kind: int = 0
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Upload] = field(default_factory=list)
    reference: str | None = None
    """The id of the message it replies to."""
    target: "Message | None" = field(default=None, repr=False)
    """The message that it replies to, forwards, or shows at the beginning of a thread."""
    stickers: list[Json] = field(default_factory=list)
    poll: Json | None = None
    pings: Pings = Pings()
    nonce: str | int | None = None
    flags: int = 0
    edited_at: float | None = None
    edited_timestamp: str | None = None
    deleted: bool = False
    history: list[tuple[float, str]] = field(default_factory=list)
    """The contents of the message with their times, the first one included."""
    interaction: "Interaction | None" = field(default=None, repr=False)

    @property
    def mentions(self) -> list[str]:
        """Ids of users and roles that were pinged, and "everyone"; edits add to it."""
        everyone = ["everyone"] if self.pings.everyone else []
        return [person.id for person in self.pings.users] + [*self.pings.roles] + everyone

    @property
    def buttons(self) -> list[Json]:
        """The buttons below it, row by row."""
        return list(_buttons(self.components))


def _buttons(components: list[Json]) -> Iterator[Json]:
    for component in components:
        if component["type"] == 2:
            yield component
        yield from _buttons(component.get("components", []))


@dataclass(slots=True, eq=False)
class Interaction:
    """A slash command or a pressed button, with the bot's responses."""

    id: str
    token: str = field(repr=False)
    kind: int
    """2 for a command, 3 for a component."""
    is_for_person: bool = field(default=False, kw_only=True)
    """True if only the person has installed the bot, not the place."""
    who: Person
    channel: Channel = field(repr=False)
    data: Json
    created_at: float
    clock: Callable[[], float] = field(repr=False)
    message: Message | None = None
    """The message whose button was pressed."""
    responses: list[Json] = field(default_factory=list)
    """Bodies of the callbacks that were accepted: one at most."""
    original: Message | None = None
    """The message that is edited as `@original`."""
    followups: list[Message] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """True if a callback came in time."""
        return bool(self.responses)

    @property
    def late(self) -> bool:
        """True once the time for an acknowledgement has passed."""
        return self.clock() - self.created_at >= ACKNOWLEDGE_WITHIN

    @property
    def failed(self) -> bool:
        """True if the person reads "The application did not respond"."""
        return self.late and not self.acknowledged

    @property
    def expired(self) -> bool:
        """True once its token has expired."""
        return self.clock() - self.created_at >= TOKEN_LIFE


@dataclass(slots=True)
class Call:
    """A request to the REST API and the status it got; None when the connection was cut."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    at: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something for the sessions of the gateway."""

    name: str
    data: Json
    guild_id: str | None = None
    intent: int = 0
    """The intents that ask for it, any of them; 0 is for every session."""
    bare: Json | None = None
    """The form for a session without the message content intent, if that differs."""
