"""The records of the fake Discord in the JSON of API v10."""

from collections.abc import Callable
from datetime import UTC, datetime

from tests.fakes.discord.records import (
    DM,
    GROUP_DM,
    THREAD,
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


def channel(channel: Channel) -> Json:
    """A channel object: text channel, thread or private conversation."""
    if channel.kind in {DM, GROUP_DM}:
        return _private(channel)
    if channel.kind == THREAD:
        return _thread(channel)
    denied = sum(PERMISSIONS[name] for name in channel.denied)
    overwrite = {"id": _bot_role(channel), "type": 0, "allow": "0", "deny": str(denied)}
    return {
        **_placed(channel),
        "position": 0,
        "parent_id": None,
        "permission_overwrites": [overwrite] if denied else [],
        "nsfw": False,
        "topic": None,
        "rate_limit_per_user": 0,
    }


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
        "preferred_locale": "en-US",
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
    if message.reference:
        replied = message.channel.posts.get(message.reference)
        body["referenced_message"] = _alone(replied, link) if replied else None
    return body


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
        **_origin(message),
    }
    if message.reference:
        body["message_reference"] = _reference(message, message.reference)
    return body


def _reference(message: Message, target: str) -> Json:
    where = {"type": 0, "channel_id": message.channel.id, "message_id": target}
    return {**where, **({"guild_id": message.channel.guild_id} if message.channel.guild else {})}


def _origin(message: Message) -> Json:
    """A message that answers an interaction names it, and the webhook it came through."""
    cause = message.interaction
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
    author = guild.members.get(message.author.id, message.author)
    return {**body, "guild_id": guild.id, "member": member(guild, author)}


def typing(channel: Channel, person: Person, now: float) -> Json:
    """Return the body of TYPING_START."""
    body = {"channel_id": channel.id, "user_id": person.id, "timestamp": int(now)}
    if not channel.guild:
        return body
    return {**body, "guild_id": channel.guild.id, "member": member_user(channel.guild, person)}


def bare(body: Json) -> Json:
    """A message without the fields that the message content intent protects."""
    return {**body, "content": "", "embeds": [], "attachments": [], "components": []}


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
        "locale": "en-US",
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
    short = {"id": place.guild.id, "locale": "en-US", "features": []}
    return {
        **body,
        "member": who,
        "guild_id": place.guild.id,
        "guild": short,
        "guild_locale": "en-US",
    }
