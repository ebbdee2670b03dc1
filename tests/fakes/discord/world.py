"""The state of the fake Discord and every change to it, sent to the subscribers."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence

from tests.fakes.discord import attachments, wire
from tests.fakes.discord.forms import File, Form
from tests.fakes.discord.mentions import EVERYTHING, USERS_ONLY, pings
from tests.fakes.discord.records import (
    DM,
    GROUP_DM,
    LOADING,
    REPLY,
    STARTER,
    TEXT,
    THREAD,
    Call,
    Channel,
    Event,
    Guild,
    Interaction,
    Json,
    Message,
    Person,
    Pings,
    Upload,
)

GUILDS, GUILD_MEMBERS, PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 12, 1 << 15
GUILD_TYPING, DIRECT_TYPING = 1 << 11, 1 << 14
"""Bits of the gateway's intents."""

NONCE_LIFE = 5 * 60.0
"""Seconds that `enforce_nonce` remembers."""


class World:
    """Everything there is, by id, and the operations that change it and announce the change."""

    def __init__(self, token: str, clock: Callable[[], float], wall_at_zero: float) -> None:
        self.token = token
        self.clock = clock
        self.wall_at_zero = wall_at_zero
        self.origin = ""
        self.shards = 1
        self.identifies_left = 1000
        self.intents_allowed = {"message_content", "members", "presences"}
        self.endpoint: str | None = None
        """The URL that gets all interactions instead of the gateway."""
        self.needs_grant = False
        """True if the invitation of the application fails without a code grant."""
        self.subscribers: list[Callable[[Event], None]] = []
        self.change = asyncio.Event()
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self.people: dict[str, Person] = {}
        self.installed: set[str] = set()
        """The ids of the people who have installed the bot for themselves."""
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.uploads: dict[str, Upload] = {}
        self.packs_files = False
        self.interactions: dict[str, Interaction] = {}
        self.commands: dict[str | None, list[Json]] = {None: []}
        """Registered commands by guild id; None holds the global ones."""
        self._secret = secrets.token_bytes(16)
        self._latest_id = 0
        self._nonces: dict[tuple[str, str], Message] = {}
        self._privates: dict[str, Channel] = {}
        self.bot = self.person("Parley", bot=True)
        self.application_id = self.snowflake()

    # Ground

    def now(self) -> float:
        """Seconds since 1970, moved by the clock the server was given."""
        return self.wall_at_zero + self.clock()

    @property
    def gateway_url(self) -> str:
        """The address of the gateway, on the host of the REST API."""
        return self.origin.replace("http", "ws", 1) + "/gateway"

    def snowflake(self) -> str:
        """A fresh id, greater than all before."""
        at_least = int((self.now() - wire.EPOCH) * 1000) << 22
        self._latest_id = max(self._latest_id + 1, at_least)
        return str(self._latest_id)

    def changed(self) -> None:
        """Wake all who wait for a condition."""
        self.change.set()
        self.change = asyncio.Event()

    def publish(self, event: Event) -> None:
        """Tell the gateway and all who wait; the bot hears only of places where it is a member."""
        place = self.channels.get(str(event.data.get("channel_id") or event.data.get("id")))
        is_heard = place is None or place.has_bot or event.name == "INTERACTION_CREATE"
        for tell in self.subscribers if is_heard else ():
            tell(event)
        self.changed()

    def link(self, upload: Upload) -> str:
        """A download link that serves for a day."""
        return attachments.link(self.origin, self._secret, upload, self.now())

    def opens(self, upload: Upload, query: dict[str, str]) -> bool:
        """Return True if the fake issued a download link and it has not expired."""
        return attachments.opens(self._secret, upload, query, self.now())

    # People and places

    def person(self, name: str, locale: str = "en-US", *, bot: bool = False) -> Person:
        """A new account."""
        person = Person(self.snowflake(), name, bot, locale=locale)
        self.people[person.id] = person
        return person

    def webhook(self, name: str) -> Person:
        """A new webhook, under the name that it gives its next messages."""
        return Person(self.snowflake(), name, bot=True, webhook=True)

    def guild(
        self,
        name: str,
        members: Iterable[Person],
        admins: Iterable[Person],
        *,
        has_bot: bool = True,
    ) -> Guild:
        """A new guild, by default with the bot in it; its owner is somebody who never speaks."""
        leaders = list(admins)
        owner = self.person(f"Owner of {name}")
        everybody = [owner, *([self.bot] if has_bot else []), *members, *leaders]
        guild = Guild(
            id=self.snowflake(),
            name=name,
            owner=owner,
            members={person.id: person for person in everybody},
            admins={person.id for person in leaders},
            admin_role=self.snowflake(),
            bot_role=self.snowflake(),
            has_bot=has_bot,
        )
        if not has_bot:
            return guild
        self.guilds[guild.id] = guild
        self.publish(Event("GUILD_CREATE", wire.guild(guild, self.bot), guild.id, GUILDS))
        return guild

    def join(self, guild: Guild) -> None:
        """Add the bot to a guild in which it is not."""
        guild.has_bot = True
        guild.members[self.bot.id] = self.bot
        self.guilds[guild.id] = guild
        self.publish(Event("GUILD_CREATE", wire.guild(guild, self.bot), guild.id, GUILDS))

    def leave(self, guild: Guild) -> None:
        """Take the bot out of a guild."""
        guild.has_bot = False
        del guild.members[self.bot.id], self.guilds[guild.id]
        self.publish(Event("GUILD_DELETE", {"id": guild.id}, guild.id, GUILDS))

    def channel(self, guild: Guild, name: str, kind: int = TEXT, *, hidden: bool) -> Channel:
        """A new channel, which the bot may view or not."""
        denied = {"VIEW_CHANNEL"} if hidden else set()
        channel = Channel(self.snowflake(), name, kind, guild, denied=denied)
        self._place(channel)
        self.publish(Event("CHANNEL_CREATE", wire.channel(channel), guild.id, GUILDS))
        return channel

    def thread(self, parent: Channel, name: str, starter: Message | None) -> Channel:
        """A new public thread; it takes the id of the message it starts from, and shows that."""
        thread = self._begin(parent, name, starter.id if starter else self.snowflake())
        if starter:
            self.post(thread, starter.author, Form(), starter=starter)
        return thread

    def forum_post(self, forum: Channel, author: Person, name: str, form: Form) -> Channel:
        """A new post in a forum: a thread, and its first message with the same id."""
        post = self._begin(forum, name, self.snowflake())
        self.post(post, author, form, identity=post.id)
        return post

    def _begin(self, parent: Channel, name: str, identity: str) -> Channel:
        thread = Channel(identity, name, THREAD, parent.guild, parent)
        self._place(thread)
        body = {**wire.channel(thread), "newly_created": True}
        self.publish(Event("THREAD_CREATE", body, thread.guild_id, GUILDS))
        return thread

    def close(self, thread: Channel) -> None:
        """Close a thread, as Discord does when nothing was said in it for a time."""
        thread.archived = True
        self.publish(Event("THREAD_UPDATE", wire.channel(thread), thread.guild_id, GUILDS))

    def reopen(self, thread: Channel) -> None:
        """Open a closed thread again."""
        thread.archived = False
        self.publish(Event("THREAD_UPDATE", wire.channel(thread), thread.guild_id, GUILDS))

    def delete(self, thread: Channel) -> None:
        """Delete a thread with all its messages."""
        del self.channels[thread.id]
        if thread.guild:
            del thread.guild.channels[thread.id]
        told = ("id", "guild_id", "parent_id", "type")
        body = {name: value for name, value in wire.channel(thread).items() if name in told}
        self.publish(Event("THREAD_DELETE", body, thread.guild_id, GUILDS))

    def private(self, person: Person) -> Channel:
        """The private conversation with a person; there is one for each."""
        if person.id not in self._privates:
            channel = Channel(self.snowflake(), "", DM, recipient=person)
            self._privates[person.id] = channel
            self._place(channel)
        return self._privates[person.id]

    def among(self, people: Sequence[Person]) -> Channel:
        """A new private conversation of people without the bot."""
        kind = DM if len(people) == 2 else GROUP_DM
        channel = Channel(self.snowflake(), "", kind, people=tuple(people))
        self._place(channel)
        return channel

    def _place(self, channel: Channel) -> None:
        self.channels[channel.id] = channel
        if channel.guild:
            channel.guild.channels[channel.id] = channel

    def lock(self, thread: Channel, *, locked: bool) -> None:
        """Lock a thread, in which only moderators may write then, or unlock it."""
        thread.locked = locked
        self.publish(Event("THREAD_UPDATE", wire.channel(thread), thread.guild_id, GUILDS))

    def allow(self, channel: Channel, permission: str) -> None:
        """Give a permission back that was taken."""
        channel.denied.discard(permission)
        self._tell_rights(channel)

    def deny(self, channel: Channel, permission: str) -> None:
        """Take a permission from the bot in a channel."""
        if permission not in wire.PERMISSIONS:
            raise ValueError(f"no such permission: {permission}")
        channel.denied.add(permission)
        self._tell_rights(channel)

    def _tell_rights(self, channel: Channel) -> None:
        if channel.kind not in {DM, THREAD}:
            self.publish(Event("CHANNEL_UPDATE", wire.channel(channel), channel.guild_id, GUILDS))

    # Messages

    def post(
        self,
        channel: Channel,
        author: Person,
        form: Form,
        *,
        reply: Message | None = None,
        forward: Message | None = None,
        starter: Message | None = None,
        interaction: Interaction | None = None,
        hidden: bool = False,
        identity: str | None = None,
    ) -> Message:
        """Add a message, which opens a closed thread.

        A hidden one, seen by one person, is in no history and no event. `starter` is the message
        that a new thread shows first, and `identity` the id of a message that has one already.
        """
        channel.archived = False
        message = Message(
            id=identity or self.snowflake(),
            channel=channel,
            author=author,
            content=form.content,
            sent_at=self.clock(),
            kind=REPLY if reply else STARTER if starter else 0,
            embeds=list(form.embeds),
            components=list(form.components),
            attachments=[self.upload(channel, file) for file in form.files],
            reference=reply.id if reply else None,
            target=reply or forward or starter,
            stickers=list(form.stickers),
            poll=form.poll,
            nonce=form.nonce,
            flags=form.flags,
            interaction=interaction,
        )
        message.pings = self._pings(message, form, reply)
        message.history.append((message.sent_at, message.content))
        self._remember_nonce(message)
        if not hidden:
            channel.posts[message.id] = message
            channel.latest = message.id
            self._announce("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Message, form: Form) -> None:
        """Change the fields of a message that the form gives."""
        if "content" in form.given:
            message.content = form.content
        if "embeds" in form.given:
            message.embeds = list(form.embeds)
        if "components" in form.given:
            message.components = list(form.components)
        if form.given & {"attachments", "files"}:
            self._replace_files(message, form)
        message.flags &= ~LOADING
        message.edited_at = self.clock()
        message.edited_timestamp = wire.timestamp(self.now())
        message.pings |= self._pings(message, form, None)
        message.history.append((message.edited_at, message.content))
        self._announce("MESSAGE_UPDATE", message)

    def remove(self, message: Message) -> None:
        """Delete a message."""
        message.deleted = True
        if message.channel.posts.pop(message.id, None):
            place = message.channel
            body = {"id": message.id, "channel_id": place.id}
            if place.guild:
                body["guild_id"] = place.guild.id
            self.publish(Event("MESSAGE_DELETE", body, place.guild_id, _intent(place)))

    def remove_all(self, messages: Sequence[Message]) -> None:
        """Delete messages of one channel, which is told once."""
        place = messages[0].channel
        for message in messages:
            message.deleted = True
            del place.posts[message.id]
        ids = [message.id for message in messages]
        body = {"ids": ids, "channel_id": place.id, "guild_id": place.guild_id}
        self.publish(Event("MESSAGE_DELETE_BULK", body, place.guild_id, GUILD_MESSAGES))

    def type_in(self, channel: Channel, person: Person) -> None:
        """Show an account as typing."""
        intent = GUILD_TYPING if channel.guild else DIRECT_TYPING
        body = wire.typing(channel, person, self.now())
        self.publish(Event("TYPING_START", body, channel.guild_id, intent))

    def same_nonce(self, author: Person, nonce: str | int | None) -> Message | None:
        """The author's message of the last minutes that carries this nonce."""
        first = self._nonces.get((author.id, str(nonce)))
        return first if first and self.clock() - first.sent_at < NONCE_LIFE else None

    def _remember_nonce(self, message: Message) -> None:
        if message.nonce is not None:
            self._nonces[message.author.id, str(message.nonce)] = message

    def _pings(self, message: Message, form: Form, reply: Message | None) -> Pings:
        guild = message.channel.guild
        default = USERS_ONLY if message.interaction else EVERYTHING
        others = {self.bot.id: self.bot, message.author.id: message.author}
        for person in (message.channel.recipient, *message.channel.people):
            others |= {person.id: person} if person else {}
        return pings(
            message.content,
            default if form.allowed is None else form.allowed,
            people=guild.members if guild else others,
            roles=guild.roles if guild else (),
            replied=reply.author if reply else None,
        )

    def upload(self, channel: Channel, file: File) -> Upload:
        """A new file."""
        upload = Upload(self.snowflake(), channel.id, file.name, file.content_type, file.data)
        self.uploads[upload.id] = upload
        return upload

    def _replace_files(self, message: Message, form: Form) -> None:
        if "attachments" in form.given:
            stay = [upload for upload in message.attachments if upload.id in form.kept]
            message.attachments = stay
        message.attachments += [self.upload(message.channel, file) for file in form.files]

    def _announce(self, name: str, message: Message) -> None:
        place = message.channel
        if message.id not in place.posts or not place.allows("VIEW_CHANNEL"):
            self.changed()
            return
        body = wire.message_event(message, wire.message(message, self.link))
        if name == "MESSAGE_CREATE" and message.nonce is not None:
            body["nonce"] = message.nonce
        bare = wire.withheld(body, message, self.protected)
        self.publish(Event(name, body, place.guild_id, _intent(place), bare))

    def protected(self, message: Message) -> bool:
        """Return True if its content needs the message content intent."""
        ours = message.author == self.bot or self.bot in message.pings.users
        return message.channel.kind != DM and not ours

    # Interactions

    def interact(
        self, kind: int, who: Person, channel: Channel, data: Json, message: Message | None = None
    ) -> Interaction:
        """A person uses a command or presses a button."""
        interaction = Interaction(
            is_for_person=not channel.has_bot and who.id in self.installed,
            id=self.snowflake(),
            token=secrets.token_urlsafe(32),
            kind=kind,
            who=who,
            channel=channel,
            data={"application_id": self.application_id, "data": data},
            created_at=self.clock(),
            clock=self.clock,
            message=message,
        )
        self.interactions[interaction.token] = interaction
        body = wire.interaction(interaction, self.bot, self.link)
        self.publish(Event("INTERACTION_CREATE", body, channel.guild_id))
        return interaction


def _intent(channel: Channel) -> int:
    return GUILD_MESSAGES if channel.guild else DIRECT_MESSAGES
