"""The meaning of Discord's events: a message to the bot, a change, or nothing to it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import discord
from discord.abc import Snowflake

from bots import quotes
from bots.discord import Discord
from bots.discord.content import (
    LONGEST_QUOTE,
    attachments_of,
    own_text,
    quote_of,
    replied_to,
    unreadable_in,
)
from bots.discord.places import address_of
from bots.pieces import Pieces
from core import words
from core.adapter import Access, Author, Change, ChangeKind, Copy, InboundMessage
from core.speech import command_in, question_in

PLATFORM = Discord.name
PARTIAL = 1990
"""The characters from which a text may be the beginning of a longer one; most people may send 2000.
"""

Joined = Mapping[str, int]
"""The chats in which somebody has spoken to the bot, and the id of the first message of each. In a
thread among them, later messages need no mention."""
NOWHERE: Joined = MappingProxyType({})

_BY_PEOPLE = (discord.MessageType.default, discord.MessageType.reply)


def parse_message(
    message: discord.Message,
    me: Snowflake,
    *,
    piece: bool = False,
    joined: Joined = NOWHERE,
) -> InboundMessage | None:
    """Return a message to the account `me`, live or from a history; None if it is not for it.

    A `piece` need not name the bot, because another piece of the same text may do so. Neither need
    a message in a thread whose id is among the `joined` ones, unless it is to somebody else.
    """
    private = message.channel.type is discord.ChannelType.private
    called = private or _addressed(message, me)
    if not (_by_person(message) and (called or piece or _talks(message, me, joined))):
        return None
    (command, text), attachments = command_in(own_text(message, me)), attachments_of(message)
    unreadable, quote = _unreadable(message), quote_of(message, me)
    if not (called or text or command or attachments or quote):
        return None
    answered = replied_to(message)
    if unreadable and not (text or command or attachments or message.message_snapshots):
        quote = ""  # it says nothing about what it replies to
    elif answered is not None:
        unreadable = unreadable or unreadable_in(answered)
        if answered.author.id != me.id:
            attachments += attachments_of(answered)
    reference = message.reference
    return InboundMessage(
        event_id=str(message.id),
        address=address_of(message.channel, me, message.guild),
        author=author_of(message.author),
        message_id=str(message.id),
        text=text,
        private=private,
        sent_at=message.edited_at or message.created_at,
        command=command,
        attachments=attachments,
        unreadable=unreadable,
        reply_to=str(reference.message_id) if reference and _is_reply(message) else None,
        quote=quotes.cut(quote, LONGEST_QUOTE),
        quoted_from=_name_of(answered, me),
        partial=len(message.content) >= PARTIAL,
        forwarded=bool(message.message_snapshots),
        addressed=not piece,
        language=_language(message),
        admin=private or _is_admin(message),
    )


def read(
    pieces: Pieces, message: discord.Message, me: Snowflake, joined: Joined = NOWHERE
) -> InboundMessage | None:
    """Return a message to the account `me`, or a possible piece of one; None for any other."""
    said = parse_message(message, me, joined=joined)
    return pieces.hear(said, lambda: parse_message(message, me, piece=True))


def parse_edit(message: discord.Message, me: Snowflake, joined: Joined = NOWHERE) -> Change | None:
    """Return the edit in an update; None if Discord only added the preview of a link."""
    if message.edited_at is None:
        return None
    if message.webhook_id:
        return _edited_copy(message, message.edited_at, me)
    said = parse_message(message, me, joined=joined)
    said = said and question_in(said)
    if said is None or not (said.text or said.attachments):
        return None
    event_id = f"{message.id}:{message.edited_at.isoformat()}"
    return Change(
        event_id,
        ChangeKind.EDITED,
        said.address,
        said.author,
        said.message_id,
        said.text,
        None if said.private else said,  # the edit may have added the mention of the bot
    )


def _edited_copy(message: discord.Message, at: datetime, me: Snowflake) -> Change | None:
    """Return the edit of a webhook's message: it may be a copy of a person's."""
    text = own_text(message, me)
    if message.author.id == me.id or not text:
        return None
    event_id, author = f"{message.id}:{at.isoformat()}", author_of(message.author)
    address, kind = address_of(message.channel, me, message.guild), ChangeKind.EDITED
    return Change(event_id, kind, address, author, str(message.id), text, of_copy=True)


def parse_access(channel: Snowflake, me: discord.ClientUser, guild: Snowflake) -> Access:
    """Return the sign that the account `me` may write in a channel or a thread of a server."""
    return Access(f"access {channel.id}", address_of(channel, me, guild))


def parse_deletion(said: InboundMessage) -> Change:
    """Return the deletion of a message to the bot."""
    event_id = f"{said.message_id}:deleted"
    return Change(event_id, ChangeKind.DELETED, said.address, said.author, said.message_id)


def parse_copy(
    said: InboundMessage, original: discord.Message, copy: discord.Message, me: Snowflake
) -> Copy:
    """Return the sign that a webhook's message has taken the place of a message to the bot."""
    event_id, author = f"{copy.id}:copy", replace(said.author, name=copy.author.display_name)
    text, files = own_text(copy, me), attachments_of(copy)
    gone = attachments_of(original)
    return Copy(event_id, said.address, author, said.message_id, str(copy.id), text, gone, files)


def author_of(user: discord.User | discord.Member) -> Author:
    """Return an account as Discord shows it."""
    return Author(PLATFORM, str(user.id), user.display_name)


def _name_of(answered: discord.Message | None, me: Snowflake) -> str:
    """Return the name of the author of a quote; "" for the account `me`, and where none is told."""
    if answered is None or answered.author.id == me.id:
        return ""
    return answered.author.display_name


def _by_person(message: discord.Message) -> bool:
    return message.type in _BY_PEOPLE and not (message.author.bot or message.webhook_id)


def _addressed(message: discord.Message, me: Snowflake) -> bool:
    """Return whether a server's message mentions the bot or its own role, or replies to it."""
    if any(user.id == me.id for user in message.mentions):
        return True
    answered = replied_to(message)
    if answered and answered.author.id == me.id:
        return True
    role = message.guild and message.guild.self_role
    return role is not None and role in message.role_mentions


def _talks(message: discord.Message, me: Snowflake, joined: Joined) -> bool:
    """Return whether a message continues a thread with the bot, and is to nobody else there."""
    thread, us = message.channel, (me.id, message.author.id)
    if not isinstance(thread, discord.Thread):
        return False
    first = 0 if thread.owner_id == me.id else joined.get(str(thread.id), message.id)
    if message.id <= first:
        return False
    if message.mention_everyone or message.role_mentions:
        return False
    if any(user.id not in us for user in message.mentions):
        return False
    answered = replied_to(message)
    return not _is_reply(message) or (answered is not None and answered.author.id in us)


def _is_reply(message: discord.Message) -> bool:
    return message.type is discord.MessageType.reply


def _unreadable(message: discord.Message) -> str:
    """Return the kind of content that cannot be read; Discord may withhold all there is."""
    shown = (message.content, message.embeds, message.attachments, message.components)
    more = (message.poll, message.stickers, message.message_snapshots)
    return unreadable_in(message) if any((*shown, *more)) else words.UNMENTIONED


def _language(message: discord.Message) -> str:
    """Return the language of a server; "" for the one that Discord gives to every server."""
    locale = message.guild.preferred_locale if message.guild else discord.Locale.american_english
    return "" if locale is discord.Locale.american_english else locale.value


def _is_admin(message: discord.Message) -> bool:
    """Return whether the author administers the server; a history tells this of its owner only."""
    author, guild = message.author, message.guild
    if isinstance(author, discord.Member):
        return author.guild_permissions.administrator or author.guild_permissions.manage_guild
    return guild is not None and guild.owner_id == author.id
