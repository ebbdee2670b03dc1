"""The meaning of Discord's events: a message to the bot, a change, or nothing to it."""

import mimetypes
import re
from collections.abc import Sequence

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
    (command, text), unreadable = command_in(_text(message, me)), unreadable_of(message)
    attachments = attachments_of(message)
    if unreadable and not (private or text or command or attachments):
        return None
    reference = message.reference
    return InboundMessage(
        event_id=str(message.id),
        address=address_of(message.channel.id, me),
        author=author_of(message.author),
        message_id=str(message.id),
        text=text,
        private=private,
        sent_at=message.edited_at or message.created_at,
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


def address_of(channel_id: int, me: Snowflake) -> Address:
    """Return the address of a channel; a thread is a channel of its own."""
    return Address(PLATFORM, str(me.id), str(channel_id))


def author_of(user: discord.User | discord.Member) -> Author:
    """Return an account as Discord shows it."""
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


def shown_text(message: discord.Message, me: Snowflake) -> str:
    """Return the words of a message and of those that it forwards."""
    return _text(message, me) or "\n\n".join(each.content for each in message.message_snapshots)


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


def files_of(message: discord.Message) -> Sequence[discord.Attachment]:
    """Return the files of a message and of those that it forwards."""
    forwarded = [file for snapshot in message.message_snapshots for file in snapshot.attachments]
    return [*message.attachments, *forwarded]


def attachments_of(message: discord.Message) -> tuple[Attachment, ...]:
    """Return the files of a message that can be read."""
    return tuple(attachment_of(message, file) for file in files_of(message) if _readable(file))


def attachment_of(
    message: discord.Message | discord.Interaction, file: discord.Attachment
) -> Attachment:
    """Return a file as a reference to its message, because its URL is signed and expires."""
    assert message.channel is not None
    reference = f"{message.channel.id}/{message.id}/{file.id}"
    return Attachment(reference, file.filename, _media_type(file), file.size)


def _media_type(file: discord.Attachment) -> str:
    told = file.content_type or mimetypes.guess_type(file.filename)[0]
    return (told or "application/octet-stream").partition(";")[0]


def _readable(file: discord.Attachment) -> bool:
    return _media_type(file).partition("/")[0] not in _UNREADABLE


def unreadable_of(message: discord.Message) -> str:
    """Return the kind of content that the bot cannot read; "" if there is none."""
    if message.flags.voice:
        return words.UNREADABLE_KINDS["voice"]
    for file in files_of(message):
        if not _readable(file):
            return _UNREADABLE[_media_type(file).partition("/")[0]]
    if message.poll:
        return words.UNREADABLE_KINDS["poll"]
    return words.UNREADABLE_KINDS["sticker"] if message.stickers else ""
