"""Payloads as Discord's gateway sends them, and the library's objects made of them."""

from typing import Any

import discord

Json = dict[str, Any]

BOT, ADA, BOB = "110000000000001201", "110000000000002001", "110000000000002002"
GUILD, GENERAL, TALK = "110000000000003001", "110000000000004001", "110000000000004002"
PRIVATE = "110000000000005001"
BOT_ROLE, ADMINS, PLAYERS = "110000000000006001", "110000000000006002", "110000000000006003"

MESSAGE = "1309876543210987654"
SENT_AT = "2024-11-23T13:41:44.230000+00:00"


def user(user_id: str, name: str, *, bot: bool = False) -> Json:
    return {
        "id": user_id,
        "username": name.lower(),
        "global_name": None if bot else name,
        "discriminator": "0000" if bot else "0",
        "avatar": None,
        "bot": bot,
        "public_flags": 0,
    }


def member(*roles: str, nick: str | None = None) -> Json:
    return {
        "roles": list(roles),
        "nick": nick,
        "avatar": None,
        "joined_at": SENT_AT,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "communication_disabled_until": None,
    }


def role(role_id: str, name: str, permissions: int = 0, **more: Any) -> Json:
    return {
        "id": role_id,
        "name": name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 1,
        "permissions": str(permissions),
        "managed": False,
        "mentionable": True,
        "flags": 0,
        **more,
    }


def text_channel(channel_id: str, name: str) -> Json:
    return {
        "id": channel_id,
        "type": 0,
        "guild_id": GUILD,
        "name": name,
        "position": 0,
        "parent_id": None,
        "permission_overwrites": [],
        "nsfw": False,
        "topic": None,
        "last_message_id": None,
        "rate_limit_per_user": 0,
        "flags": 0,
    }


def guild() -> Json:
    return {
        "id": GUILD,
        "name": "Friends",
        "owner_id": BOB,
        "roles": [
            role(GUILD, "@everyone"),
            role(BOT_ROLE, "Parley", tags={"bot_id": BOT}, managed=True),
            role(ADMINS, "Admins", 1 << 5),
            role(PLAYERS, "Players"),
        ],
        "channels": [text_channel(GENERAL, "general"), text_channel(TALK, "talk")],
        "threads": [],
        "members": [{**member(BOT_ROLE, PLAYERS), "user": user(BOT, "Parley", bot=True)}],
        "member_count": 3,
        "large": False,
        "unavailable": False,
        "joined_at": SENT_AT,
        "preferred_locale": "en-US",
        "features": [],
        "emojis": [],
        "stickers": [],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
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


def message(content: str = "", *, author: str = ADA, **more: Any) -> Json:
    """A message in #general."""
    name = {ADA: "Ada", BOB: "Bob"}.get(author, "Parley")
    return {
        "id": MESSAGE,
        "type": 0,
        "channel_id": GENERAL,
        "guild_id": GUILD,
        "author": user(author, name, bot=author == BOT),
        "member": member(),
        "content": content,
        "timestamp": SENT_AT,
        "edited_timestamp": None,
        "tts": False,
        "pinned": False,
        "flags": 0,
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "attachments": [],
        "embeds": [],
        "components": [],
        **more,
    }


def private(content: str = "", **more: Any) -> Json:
    """A private message."""
    body = message(content, **{"channel_id": PRIVATE, **more})
    return {key: value for key, value in body.items() if key not in {"guild_id", "member"}}


def mention(user_id: str = BOT, name: str = "Parley") -> Json:
    """An entry of `mentions`."""
    return user(user_id, name, bot=user_id == BOT)


def reply(content: str, answered: Json | None, **more: Any) -> Json:
    """A message that answers another; None for one that is gone."""
    reference = {"type": 0, "message_id": "99", "channel_id": GENERAL, "guild_id": GUILD}
    return message(
        content, type=19, message_reference=reference, referenced_message=answered, **more
    )


def attachment(name: str, content_type: str | None, size: int = 12) -> Json:
    return {
        "id": "7001",
        "filename": name,
        "size": size,
        "content_type": content_type,
        "url": f"https://cdn.discordapp.com/attachments/{GENERAL}/7001/{name}?ex=1&is=2&hm=3",
        "proxy_url": f"https://media.discordapp.net/attachments/{GENERAL}/7001/{name}",
    }


def interaction(kind: int, data: Json, **more: Any) -> Json:
    """A command (2) or a pressed button (3) in #general."""
    return {
        "id": "1309876543210000001",
        "application_id": "1101",
        "token": "aW50ZXJhY3Rpb24",
        "type": kind,
        "version": 1,
        "data": data,
        "channel_id": GENERAL,
        "channel": text_channel(GENERAL, "general"),
        "guild_id": GUILD,
        "guild": {"id": GUILD, "locale": "en-US", "features": []},
        "member": {**member(), "user": user(ADA, "Ada"), "permissions": str(1 << 11)},
        "app_permissions": str(1 << 10 | 1 << 11),
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {},
        "context": 0,
        "attachment_size_limit": 10_485_760,
        **more,
    }


class Library:
    """The library as it is after READY and one GUILD_CREATE; it reads payloads offline."""

    def __init__(self) -> None:
        intents = discord.Intents(guilds=True, messages=True, message_content=True)
        self._client = discord.AutoShardedClient(intents=intents)
        self._state: Any = self._client._connection
        me: Any = user(BOT, "Parley", bot=True)
        self.me = self._state.user = discord.ClientUser(state=self._state, data=me)
        self._state.parse_guild_create(guild())

    def message(self, body: Json) -> discord.Message:
        channel, _ = self._state._get_guild_channel(body)
        return discord.Message(state=self._state, channel=channel, data=body)  # type: ignore[arg-type]  # as captured

    def interaction(self, body: Json) -> "discord.Interaction[Any]":
        return discord.Interaction(data=body, state=self._state)  # type: ignore[arg-type]  # as captured
