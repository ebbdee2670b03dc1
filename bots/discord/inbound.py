"""The meaning of Discord's events: a message to the bot, a change, or nothing to it."""

import mimetypes
import re
from collections.abc import Sequence
from typing import Any

import discord
from discord.abc import Snowflake

from bots.discord import Discord
from bots.pieces import Pieces
from core import words
from core.adapter import Access, Address, Attachment, Author, Change, ChangeKind, InboundMessage
from core.speech import command_in, question_in

PLATFORM = Discord.name
LONGEST_QUOTE = 1000
PARTIAL = 1990
"""The characters from which a text may be the beginning of a longer one; most people may send 2000.
"""

_BY_PEOPLE = (discord.MessageType.default, discord.MessageType.reply)
_KINDS = frozenset(ChangeKind)
_MARK = re.compile(r"<(?:(?P<kind>@!?|@&|#)|a?(?P<emoji>:\w+:))(?P<id>\d+)>")
_UNREADABLE = {kind: words.UNREADABLE_KINDS[kind] for kind in ("audio", "video")}


def parse_message(
    message: discord.Message, me: Snowflake, *, piece: bool = False
) -> InboundMessage | None:
    """Return a message to the account `me`, live or from a history; None if it is not for it.

    A `piece` need not name the bot, because another piece of the same text may do so.
    """
    private = message.channel.type is discord.ChannelType.private
    if not (_by_person(message) and (private or piece or _addressed(message, me))):
        return None
    (command, text), unreadable = command_in(_text(message, me)), _unreadable(message)
    attachments = tuple(_attachment(message, file) for file in _files(message) if _readable(file))
    if unreadable and not (private or text or command or attachments):
        return None
    reference = message.reference
    return InboundMessage(
        event_id=str(message.id),
        address=address_of(message.channel.id, me),
        author=_author(message.author),
        message_id=str(message.id),
        text=text,
        private=private,
        sent_at=message.created_at,
        command=command,
        attachments=attachments,
        unreadable=unreadable,
        reply_to=str(reference.message_id) if reference and _is_reply(message) else None,
        quote=_quote(message, me)[:LONGEST_QUOTE],
        partial=len(message.content) >= PARTIAL,
        forwarded=bool(message.message_snapshots),
        addressed=not piece,
        admin=private or _is_admin(message),
    )


def read(pieces: Pieces, message: discord.Message, me: Snowflake) -> InboundMessage | None:
    """Return a message to the account `me`, or a possible piece of one; None for any other."""
    said = parse_message(message, me)
    return pieces.hear(said, lambda: parse_message(message, me, piece=True))


def parse_edit(message: discord.Message, me: Snowflake) -> Change | None:
    """Return the edit in an update; None if Discord only added the preview of a link."""
    if message.edited_at is None:
        return None
    said = parse_message(message, me)
    said = said and question_in(said)
    if said is None or not (said.text or said.attachments):
        return None
    event_id = f"{message.id}:{message.edited_at.isoformat()}"
    return Change(
        event_id, ChangeKind.EDITED, said.address, said.author, said.message_id, said.text
    )


def parse_access(channel_id: int, me: discord.ClientUser) -> Access:
    """Return the sign that the account `me` may write in a channel or a thread."""
    return Access(f"access {channel_id}", Address(PLATFORM, str(me.id), str(channel_id)))


def parse_deletion(said: InboundMessage) -> Change:
    """Return the deletion of a message to the bot."""
    event_id = f"{said.message_id}:deleted"
    return Change(event_id, ChangeKind.DELETED, said.address, said.author, said.message_id)


def parse_interaction(
    interaction: discord.Interaction, me: Snowflake
) -> InboundMessage | Change | None:
    """Return a slash command, whose ticket is its token, or a pressed button."""
    data: dict[str, Any] = dict(interaction.data or {})
    if interaction.type is discord.InteractionType.application_command:
        return _command(interaction, data, me)
    if interaction.type is discord.InteractionType.component:
        return _press(interaction, data.get("custom_id"), me)
    return None


def _command(
    interaction: discord.Interaction, data: dict[str, Any], me: Snowflake
) -> InboundMessage | None:
    if interaction.channel_id is None:
        return None
    private = _is_private(interaction)
    values = [str(option["value"]) for option in data.get("options", ()) if "value" in option]
    allowed = interaction.permissions
    return InboundMessage(
        event_id=str(interaction.id),
        address=address_of(interaction.channel_id, me),
        author=_author(interaction.user),
        message_id=str(interaction.id),
        ticket=interaction.token,
        text=" ".join(values),
        private=private,
        sent_at=interaction.created_at,
        command=data["name"],
        admin=private or allowed.administrator or allowed.manage_guild,
    )


def _is_private(interaction: discord.Interaction) -> bool:
    """Return whether an interaction is in a private chat with the bot, not in a group of people.

    A chat of two other people has the type of a private chat too.
    """
    channel = interaction.channel
    among_others = interaction.guild_id is not None or interaction.context.private_channel
    return not among_others and channel is not None and channel.type is discord.ChannelType.private


def _press(interaction: discord.Interaction, custom_id: Any, me: Snowflake) -> Change | None:
    message = interaction.message
    if message is None or interaction.channel_id is None or custom_id not in _KINDS:
        return None
    address = address_of(interaction.channel_id, me)
    author = _author(interaction.user)
    return Change(
        str(interaction.id),
        ChangeKind(custom_id),
        address,
        author,
        str(message.id),
        ticket=interaction.token,
    )


def address_of(channel_id: int, me: Snowflake) -> Address:
    """Return the address of a channel; a thread is a channel of its own."""
    return Address(PLATFORM, str(me.id), str(channel_id))


def _author(user: discord.User | discord.Member) -> Author:
    return Author(PLATFORM, str(user.id), user.display_name)


def _by_person(message: discord.Message) -> bool:
    return message.type in _BY_PEOPLE and not (message.author.bot or message.webhook_id)


def _addressed(message: discord.Message, me: Snowflake) -> bool:
    """Return whether a server's message mentions the bot or its own role, or replies to it."""
    if any(user.id == me.id for user in message.mentions):
        return True
    answered = _answered(message)
    if answered and answered.author.id == me.id:
        return True
    role = message.guild and message.guild.self_role
    return role is not None and role in message.role_mentions


def _is_admin(message: discord.Message) -> bool:
    """Return whether the author administers the server; a history tells this of its owner only."""
    author, guild = message.author, message.guild
    if isinstance(author, discord.Member):
        return author.guild_permissions.administrator or author.guild_permissions.manage_guild
    return guild is not None and guild.owner_id == author.id


# -- text -----------------------------------------------------------------------------------------


def _text(message: discord.Message, me: Snowflake) -> str:
    """Return the content without the mention of the bot, and with names in place of ids."""
    names = _names(message)

    def readable(mark: re.Match[str]) -> str:
        return mark["emoji"] or names.get(mark["kind"][:2].rstrip("!") + mark["id"], mark[0])

    return _MARK.sub(readable, _own_mention(message, me).sub("", message.content)).strip()


def _own_mention(message: discord.Message, me: Snowflake) -> re.Pattern[str]:
    role = message.guild and message.guild.self_role
    ours = rf"@!?{me.id}|@&{role.id}" if role else rf"@!?{me.id}"
    return re.compile(rf" ?<(?:{ours})>")


def _names(message: discord.Message) -> dict[str, str]:
    """Return readable names by the sign and the id of a mark, such as "@1"."""
    names = {f"@{user.id}": f"@{user.display_name}" for user in message.mentions}
    names |= {f"@&{role.id}": f"@{role.name}" for role in message.role_mentions}
    return names | {f"#{channel.id}": f"#{channel.name}" for channel in message.channel_mentions}


def _is_reply(message: discord.Message) -> bool:
    return message.type is discord.MessageType.reply


def _answered(message: discord.Message) -> discord.Message | None:
    resolved = message.reference.resolved if message.reference else None
    return resolved if isinstance(resolved, discord.Message) else None


def _quote(message: discord.Message, me: Snowflake) -> str:
    """Return the text of the message that it replies to, or of the messages that it forwards."""
    answered = _answered(message)
    if answered:
        return _text(answered, me)
    return "\n\n".join(snapshot.content for snapshot in message.message_snapshots)


# -- files ----------------------------------------------------------------------------------------


def _files(message: discord.Message) -> Sequence[discord.Attachment]:
    forwarded = [file for snapshot in message.message_snapshots for file in snapshot.attachments]
    return [*message.attachments, *forwarded]


def _attachment(message: discord.Message, file: discord.Attachment) -> Attachment:
    """Return a file as a reference to its message, because its URL is signed and expires."""
    reference = f"{message.channel.id}/{message.id}/{file.id}"
    return Attachment(reference, file.filename, _media_type(file), file.size)


def _media_type(file: discord.Attachment) -> str:
    told = file.content_type or mimetypes.guess_type(file.filename)[0]
    return (told or "application/octet-stream").partition(";")[0]


def _readable(file: discord.Attachment) -> bool:
    return _media_type(file).partition("/")[0] not in _UNREADABLE


def _unreadable(message: discord.Message) -> str:
    if message.flags.voice:
        return words.UNREADABLE_KINDS["voice"]
    for file in _files(message):
        if not _readable(file):
            return _UNREADABLE[_media_type(file).partition("/")[0]]
    if message.poll:
        return words.UNREADABLE_KINDS["poll"]
    return words.UNREADABLE_KINDS["sticker"] if message.stickers else ""
