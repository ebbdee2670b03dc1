"""The records of the fake Discord in the JSON of API v10."""

from collections.abc import Callable
from datetime import UTC, datetime

from tests.fakes.discord.records import (
    CATEGORY,
    DM,
    FORUM,
    FORWARD,
    GROUP_DM,
    REPLY,
    STARTER,
    THREAD,
    VOICE,
    Channel,
    Guild,
    Interaction,
    Json,
    Message,
    Person,
    Upload,
)

EPOCH = 1420070400.0
"""Start of 2015, where snowflakes begin to count."""
JOINED = "2024-01-01T00:00:00.000000+00:00"

PERMISSIONS = {
    "ADMINISTRATOR": 1 << 3,
    "ADD_REACTIONS": 1 << 6,
    "VIEW_CHANNEL": 1 << 10,
    "SEND_MESSAGES": 1 << 11,
    "MANAGE_MESSAGES": 1 << 13,
    "EMBED_LINKS": 1 << 14,
    "ATTACH_FILES": 1 << 15,
    "READ_MESSAGE_HISTORY": 1 << 16,
    "MENTION_EVERYONE": 1 << 17,
    "USE_APPLICATION_COMMANDS": 1 << 31,
    "CREATE_PUBLIC_THREADS": 1 << 35,
    "SEND_MESSAGES_IN_THREADS": 1 << 38,
}
ALL = sum(PERMISSIONS.values())
USUAL = ALL & ~PERMISSIONS["ADMINISTRATOR"] & ~PERMISSIONS["MANAGE_MESSAGES"]
"""The permissions of @everyone in a guild of the fake, which the bot has too."""

Link = Callable[[Upload], str]
"""Signs the address of a file."""


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as Discord writes a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def born(snowflake: str) -> str:
    """Return the creation time of the object with this id."""
    return timestamp((int(snowflake) >> 22) / 1000 + EPOCH)


def user(person: Person) -> Json:
    """A user object."""
    if person.webhook:
        hook = {"id": person.id, "username": person.name, "discriminator": "0000", "avatar": None}
        return {**hook, "bot": True, "global_name": None, "public_flags": 0}
    return {
        "id": person.id,
        "username": person.name.lower().replace(" ", "_"),
        "global_name": None if person.bot else person.name,
        "discriminator": "0000" if person.bot else "0",
        "avatar": None,
        "bot": person.bot,
        "public_flags": 0,
    }


def member(guild: Guild, person: Person) -> Json:
    """A member object without its user, as it comes beside a message."""
    held = [guild.bot_role] if person.bot else []
    if person.id in guild.admins:
        held.append(guild.admin_role)
    return {
        "roles": held,
        "nick": None,
        "avatar": None,
        "joined_at": JOINED,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": None,
    }


def member_user(guild: Guild, person: Person) -> Json:
    """A member object with its user."""
    return {**member(guild, person), "user": user(person)}


def permissions(channel: Channel, person: Person) -> str:
    """Return the permissions of an account in a channel, as a decimal string."""
    if channel.guild and (person.id in channel.guild.admins or person == channel.guild.owner):
        return str(ALL)
    lost = [bit for name, bit in PERMISSIONS.items() if person.bot and not channel.allows(name)]
    return str(USUAL & ~sum(lost))


def permissions_on(guild: Guild) -> str:
    """Return the bot's permissions on a server as a whole, as a decimal string."""
    return str(USUAL & ~sum(PERMISSIONS[name] for name in guild.denied))


def channel(channel: Channel) -> Json:
    """A channel object: text channel, thread or private conversation."""
    if channel.kind in {DM, GROUP_DM}:
        return _private(channel)
    if channel.kind == THREAD:
        return _thread(channel)
    if not channel.allows("VIEW_CHANNEL"):
        return _hidden(channel)
    denied = sum(PERMISSIONS[name] for name in channel.denied)
    overwrite = {"id": _bot_role(channel), "type": 0, "allow": "0", "deny": str(denied)}
    return {
        **_placed(channel),
        "position": 0,
        "parent_id": None,
        "permission_overwrites": [overwrite] if denied else [],
        **_details(channel),
    }


HIDDEN = 1 << 17
"""The flag of a channel that the bot may not view."""


def _hidden(channel: Channel) -> Json:
    """A channel that the bot may not view: little more than that there is one."""
    nothing = {"id": channel.guild_id, "type": 0, "allow": "0", "deny": "1024"}
    return {
        "id": channel.id,
        "type": channel.kind,
        "guild_id": channel.guild_id,
        "name": "___hidden___",
        "position": 0,
        "parent_id": None,
        "flags": HIDDEN,
        "permission_overwrites": [nothing],
        "topic": None,
        "last_message_id": None,
        "rtc_region": None,
        "default_reaction_emoji": None,
        "available_tags": None if channel.kind == FORUM else [],
        "nsfw": False,
        "rate_limit_per_user": 0,
    }


def _details(channel: Channel) -> Json:
    """The fields that only some kinds of channels have."""
    if channel.kind == CATEGORY:
        return {}
    common: Json = {"nsfw": False, "rate_limit_per_user": 0}
    if channel.kind == VOICE:
        return {**common, "bitrate": 64000, "user_limit": 0, "rtc_region": None}
    if channel.kind == FORUM:
        sorted_as = {"default_sort_order": None, "default_forum_layout": 0}
        tags: Json = {"available_tags": [], "default_reaction_emoji": None}
        return {**common, "topic": None, **tags, **sorted_as}
    return {**common, "topic": None}


def _placed(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "type": channel.kind,
        "guild_id": channel.guild_id,
        "name": channel.name,
        "last_message_id": channel.latest,
        "flags": 0,
    }


def _bot_role(channel: Channel) -> str:
    return channel.guild.bot_role if channel.guild else ""


def _private(channel: Channel) -> Json:
    recipients = [user(channel.recipient)] if channel.recipient else []
    recipients += [user(person) for person in channel.people]
    group: Json = {}
    if channel.kind == GROUP_DM:
        group = {"owner_id": channel.people[0].id, "name": None, "icon": None}
    return {
        **group,
        "id": channel.id,
        "type": channel.kind,
        "last_message_id": channel.latest,
        "recipients": recipients,
        "flags": 0,
    }


def _thread(channel: Channel) -> Json:
    metadata = {
        "archived": channel.archived,
        "auto_archive_duration": 1440,
        "archive_timestamp": born(channel.id),
        "locked": channel.locked,
        "create_timestamp": born(channel.id),
    }
    return {
        **_placed(channel),
        "parent_id": channel.parent.id if channel.parent else None,
        "owner_id": channel.guild.owner.id if channel.guild else None,
        "message_count": len(channel.posts),
        "member_count": 2,
        "total_message_sent": len(channel.posts),
        "rate_limit_per_user": 0,
        "thread_metadata": metadata,
    }


def _role(role: str, name: str, position: int, allowed: int, tags: Json | None = None) -> Json:
    return {
        "id": role,
        "name": name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": position,
        "permissions": str(allowed),
        "managed": tags is not None,
        "mentionable": True,
        "flags": 0,
        **({"tags": tags} if tags else {}),
    }


def guild(guild: Guild, bot: Person) -> Json:
    """A guild as GUILD_CREATE tells it, with channels, threads and members."""
    threads = [
        item for item in guild.channels.values() if item.kind == THREAD and not item.archived
    ]
    rooms = [item for item in guild.channels.values() if item.kind != THREAD]
    return {
        "id": guild.id,
        "name": guild.name,
        "owner_id": guild.owner.id,
        "roles": [
            _role(guild.id, "@everyone", 0, USUAL),
            _role(guild.bot_role, bot.name, 1, 0, {"bot_id": bot.id}),
            _role(guild.admin_role, "Admins", 2, PERMISSIONS["ADMINISTRATOR"]),
        ],
        "channels": [channel(room) for room in rooms],
        "threads": [channel(thread) for thread in threads],
        "members": [member_user(guild, person) for person in guild.members.values()],
        "member_count": len(guild.members),
        "large": len(guild.members) > 250,
        "unavailable": False,
        "joined_at": JOINED,
        "preferred_locale": guild.locale,
        "features": [],
        "emojis": [],
        "stickers": [],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        **GUILD_DEFAULTS,
    }


GUILD_DEFAULTS: Json = {
    "icon": None,
    "splash": None,
    "banner": None,
    "description": None,
    "afk_timeout": 300,
    "afk_channel_id": None,
    "system_channel_id": None,
    "system_channel_flags": 0,
    "verification_level": 0,
    "default_message_notifications": 0,
    "explicit_content_filter": 0,
    "mfa_level": 0,
    "nsfw_level": 0,
    "premium_tier": 0,
}


def attachment(upload: Upload, link: Link) -> Json:
    """An attachment object with a link that is signed now."""
    address = link(upload)
    return {
        "id": upload.id,
        "filename": upload.name,
        "size": len(upload.data),
        "url": address,
        "proxy_url": address,
        "content_type": upload.content_type,
    }


def message(message: Message, link: Link) -> Json:
    """A message object as REST gives it: with the message replied to, without guild and member."""
    body = _alone(message, link)
    if _shows(message):
        replied = _referenced(message)
        body["referenced_message"] = _alone(replied, link) if replied else None
    return body


def _shows(message: Message) -> bool:
    """Return True for a reply and for the message at the beginning of a thread."""
    return message.kind in {REPLY, STARTER}


def _referenced(message: Message) -> Message | None:
    target = message.target
    return target if target and target.id in target.channel.posts else None


def _alone(message: Message, link: Link) -> Json:
    body = {
        "id": message.id,
        "channel_id": message.channel.id,
        "author": user(message.author),
        "content": message.content,
        "timestamp": born(message.id),
        "edited_timestamp": message.edited_timestamp,
        "tts": False,
        "pinned": False,
        "type": message.kind,
        "flags": message.flags,
        "mentions": [user(person) for person in message.pings.users],
        "mention_roles": list(message.pings.roles),
        "mention_everyone": message.pings.everyone,
        "attachments": [attachment(upload, link) for upload in message.attachments],
        "embeds": message.embeds,
        "components": message.components,
        **({"sticker_items": message.stickers} if message.stickers else {}),
        **({"poll": message.poll} if message.poll else {}),
        **_origin(message),
    }
    if message.target:
        body["message_reference"] = _reference(message.target, 0 if _shows(message) else FORWARD)
        if not _shows(message):
            body["message_snapshots"] = [{"message": _snapshot(message.target, link)}]
    return body


def sticker(name: str) -> Json:
    """A sticker that is a PNG image."""
    return {"id": "749054660769218631", "name": name, "format_type": 1}


def poll(question: str, *answers: str) -> Json:
    """A poll that nobody has answered yet."""
    return {
        "question": {"text": question},
        "answers": [
            {"answer_id": at, "poll_media": {"text": answer}}
            for at, answer in enumerate(answers, 1)
        ],
        "expiry": "2030-01-01T00:00:00.000000+00:00",
        "allow_multiselect": False,
        "layout_type": 1,
    }


def _reference(target: Message, kind: int) -> Json:
    where = {"type": kind, "channel_id": target.channel.id, "message_id": target.id}
    return {**where, **({"guild_id": target.channel.guild_id} if target.channel.guild else {})}


SNAPSHOT = (
    *("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags"),
    *("mentions", "mention_roles", "sticker_items", "components"),
)
"""The fields of a message that is passed on: it has no id and no author."""


def _snapshot(message: Message, link: Link) -> Json:
    return {name: value for name, value in _alone(message, link).items() if name in SNAPSHOT}


def _origin(message: Message) -> Json:
    """A message that answers an interaction names it, and the webhook it came through."""
    cause = message.interaction
    if message.author.webhook:
        return {"webhook_id": message.author.id}
    if not cause:
        return {}
    owners = _owners(cause)
    metadata = {
        "id": cause.id,
        "type": cause.kind,
        "user": user(cause.who),
        "authorizing_integration_owners": owners,
    }
    application = cause.data["application_id"]
    return {
        "interaction_metadata": metadata,
        "application_id": application,
        "webhook_id": application,
    }


def _owners(interaction: Interaction) -> Json:
    """Return who has installed the bot: the place, or the person who uses it."""
    if interaction.is_for_person:
        return {"1": interaction.who.id}
    return {"0": interaction.channel.guild_id or "0"}


def message_event(message: Message, body: Json) -> Json:
    """A message object as the gateway gives it: with guild and member."""
    guild = message.channel.guild
    if not guild:
        return body
    if message.author.webhook:
        return {**body, "guild_id": guild.id}
    author = guild.members.get(message.author.id, message.author)
    return {**body, "guild_id": guild.id, "member": member(guild, author)}


def typing(channel: Channel, person: Person, now: float) -> Json:
    """Return the body of TYPING_START."""
    body = {"channel_id": channel.id, "user_id": person.id, "timestamp": int(now)}
    if not channel.guild:
        return body
    return {**body, "guild_id": channel.guild.id, "member": member_user(channel.guild, person)}


def withheld(body: Json, message: Message, protected: Callable[[Message], bool]) -> Json | None:
    """A message as it comes without the message content intent; None if nothing is withheld.

    The message replied to and those that are passed on are looked at by themselves.
    """
    told = _bare(body) if protected(message) else body
    replied = _referenced(message)
    if told.get("referenced_message") and replied and protected(replied):
        told = {**told, "referenced_message": _bare(told["referenced_message"])}
    return None if told is body else told


def _bare(body: Json) -> Json:
    """A message without the fields that the message content intent protects."""
    kept = {name: value for name, value in body.items() if name != "poll"}
    if "message_snapshots" in kept:
        passed_on = [{"message": _bare(each["message"])} for each in kept["message_snapshots"]]
        kept["message_snapshots"] = passed_on
    return {**kept, "content": "", "embeds": [], "attachments": [], "components": []}


def context(place: Channel) -> int:
    """Return the context of a place: a guild, the bot's own conversation, or one among people."""
    return 0 if place.guild else 1 if place.has_bot else 2


def interaction(interaction: Interaction, bot: Person, link: Link) -> Json:
    """An interaction object for INTERACTION_CREATE."""
    place = interaction.channel
    body = {
        "id": interaction.id,
        "token": interaction.token,
        "type": interaction.kind,
        "version": 1,
        **interaction.data,
        "channel_id": place.id,
        "channel": channel(place),
        "app_permissions": permissions(place, bot),
        "locale": interaction.who.locale,
        "entitlements": [],
        "authorizing_integration_owners": _owners(interaction),
        "context": context(place),
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if interaction.message:
        body["message"] = message(interaction.message, link)
    if not place.guild:
        return {**body, "user": user(interaction.who)}
    who = member_user(place.guild, interaction.who)
    who["permissions"] = permissions(place, interaction.who)
    short = {"id": place.guild.id, "locale": place.guild.locale, "features": []}
    return {
        **body,
        "member": who,
        "guild_id": place.guild.id,
        "guild": short,
        "guild_locale": place.guild.locale,
    }
