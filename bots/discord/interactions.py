"""Interactions: slash commands, the command of a message's menu, and pressed buttons.

Discord wants an interaction acknowledged within 3 seconds. Its token is the ticket of the answer.
"""

from dataclasses import replace
from typing import Any

import discord
from discord.abc import Snowflake

from bots import quotes
from bots.discord import inbound, tickets
from bots.discord.content import (
    LONGEST_QUOTE,
    attachment_of,
    attachments_of,
    files_of,
    shown_text,
    unreadable_in,
)
from bots.discord.places import address_of
from bots.discord.rest import Refused, call
from bots.discord.tickets import EPHEMERAL, Ticket, Way
from core import words
from core.adapter import (
    ASK,
    COMMANDS,
    PRESSES,
    Attachment,
    Author,
    Change,
    ChangeKind,
    InboundMessage,
)

_CONFIDENTIAL = frozenset(command.name for command in COMMANDS if command.confidential)
_DEFERRED, _DEFERRED_UPDATE = 5, 6
_ACKNOWLEDGED = 40060
_MESSAGE = 3
"""The type of a command in a message's menu."""
_TEXT, _FILE = 3, 11
"""The types of a command's options."""


async def acknowledge(
    client: discord.Client, interaction: discord.Interaction, *, hidden: bool = False
) -> None:
    """Let a command show "is thinking…", to its person alone if `hidden`; end a button's wait."""
    pressed = interaction.type is discord.InteractionType.component
    response: dict[str, Any] = {"type": _DEFERRED_UPDATE if pressed else _DEFERRED}
    if hidden:
        response["data"] = {"flags": EPHEMERAL}
    try:
        await call(
            client,
            "POST",
            "/interactions/{webhook_id}/{webhook_token}/callback",
            body=response,
            webhook_id=interaction.id,
            webhook_token=interaction.token,
        )
    except Refused as refusal:
        if refusal.code != _ACKNOWLEDGED:  # an earlier try arrived, but its answer was lost
            raise


def parse_interaction(
    interaction: discord.Interaction, me: Snowflake, *, is_member: bool
) -> InboundMessage | Change | None:
    """Return a command, whose ticket is its token, or a pressed button.

    `is_member` tells whether the bot is in the server, if the interaction comes from one.
    """
    if interaction.channel_id is None:
        return None
    channel = interaction.channel or discord.Object(interaction.channel_id)
    guild = discord.Object(interaction.guild_id or 0) if is_member else None
    event = _read(interaction, me, is_member=is_member)
    return event and replace(event, address=address_of(channel, me, guild))


def _read(
    interaction: discord.Interaction, me: Snowflake, *, is_member: bool
) -> InboundMessage | Change | None:
    data: dict[str, Any] = dict(interaction.data or {})
    alone = not _may_write(interaction, is_member=is_member)
    if interaction.type is discord.InteractionType.application_command:
        way = Way.HIDDEN if _hides(interaction, data) else Way.ALONE if alone else Way.FIRST
        ticket = _ticket(interaction, way)
        if data.get("type") == _MESSAGE:
            return _asked_about(interaction, data, me, ticket)
        return _command(interaction, data, me, ticket)
    if interaction.type is discord.InteractionType.component:
        ticket = _ticket(interaction, Way.PRESSED) if alone else ""
        return _press(interaction, data.get("custom_id"), me, ticket)
    return None


def _hides(interaction: discord.Interaction, data: dict[str, Any]) -> bool:
    """Return whether nobody but the person shall see the answer to a command."""
    return data.get("name") in _CONFIDENTIAL and not _is_private(interaction)


def _ticket(interaction: discord.Interaction, way: Way) -> str:
    return str(Ticket(interaction.token, str(interaction.id), way))


def _may_write(interaction: discord.Interaction, *, is_member: bool) -> bool:
    """Return whether the bot may write in the channel without the interaction's token."""
    if interaction.guild_id is None:
        return _is_private(interaction)
    allowed = interaction.app_permissions
    is_thread = isinstance(interaction.channel, discord.Thread)
    may_send = allowed.send_messages_in_threads if is_thread else allowed.send_messages
    return is_member and allowed.view_channel and may_send


def _command(
    interaction: discord.Interaction, data: dict[str, Any], me: Snowflake, ticket: str
) -> InboundMessage:
    options = data.get("options", ())
    texts = [str(option["value"]) for option in options if option["type"] == _TEXT]
    files = data.get("resolved", {}).get("attachments", {})
    sent = [files[option["value"]] for option in options if option["type"] == _FILE]
    # They are in no message, so only their addresses lead to them.
    attachments = [
        _by_address(attachment_of(interaction, file), file.url)
        for file in (discord.Attachment(data=raw, state=interaction._state) for raw in sent)
    ]
    return _message(
        interaction,
        me,
        ticket,
        " ".join(texts),
        command=data["name"],
        attachments=tuple(attachments),
    )


def _asked_about(
    interaction: discord.Interaction, data: dict[str, Any], me: Snowflake, ticket: str
) -> InboundMessage | None:
    """Return the question about a message, in words of ours: its menu asks for none."""
    channel = interaction.channel
    if channel is None:
        return None
    raw = data["resolved"]["messages"][data["target_id"]]
    # The library makes it of the same values; its types leave out the channels of interactions.
    message = discord.Message(state=interaction._state, channel=channel, data=raw)  # type: ignore[arg-type]
    addresses = {str(file.id): file.url for file in files_of(message)}
    attachments = tuple(
        _by_address(file, addresses[file.reference.rpartition("/")[2]])
        for file in attachments_of(message)
    )
    quote = quotes.cut(shown_text(message, me), LONGEST_QUOTE)
    author, locale = message.author.display_name, interaction.locale.value
    asked = words.ABOUT_THIS.format(author=author, locale=locale) if quote or attachments else ""
    return _message(
        interaction,
        me,
        ticket,
        asked,
        command=ASK,
        quote=quote,
        attachments=attachments,
        unreadable=unreadable_in(message),
    )


def _author(interaction: discord.Interaction) -> Author:
    """Return the account of an interaction, with the language of its client."""
    return replace(inbound.author_of(interaction.user), language=interaction.locale.value)


def _by_address(file: Attachment, url: str) -> Attachment:
    """Return a file with its address, which serves for a day where no message can be read."""
    return replace(file, reference=f"{file.reference} {url}")


def _message(
    interaction: discord.Interaction, me: Snowflake, ticket: str, text: str, **more: Any
) -> InboundMessage:
    assert interaction.channel_id is not None
    private = _is_private(interaction)
    return InboundMessage(
        event_id=str(interaction.id),
        address=address_of(discord.Object(interaction.channel_id), me, None),
        author=_author(interaction),
        message_id=str(interaction.id),
        ticket=ticket,
        text=text,
        private=private,
        sent_at=interaction.created_at,
        admin=private or _is_admin(interaction),
        confidential=tickets.is_hidden(ticket),
        **more,
    )


def _is_private(interaction: discord.Interaction) -> bool:
    """Return whether an interaction is in a private chat with the bot, not in a group of people.

    A chat of two other people has the type of a private chat too.
    """
    channel = interaction.channel
    among_others = interaction.guild_id is not None or interaction.context.private_channel
    return not among_others and channel is not None and channel.type is discord.ChannelType.private


def _is_admin(interaction: discord.Interaction) -> bool | None:
    """Return whether a person administers a server or owns a group chat; None if not told.

    Two people in a private chat have equal rights.
    """
    channel, allowed = interaction.channel, interaction.permissions
    if isinstance(channel, discord.GroupChannel):
        return None if channel.owner_id is None else channel.owner_id == interaction.user.id
    return interaction.guild_id is None or allowed.administrator or allowed.manage_guild


def _press(
    interaction: discord.Interaction, custom_id: Any, me: Snowflake, ticket: str
) -> Change | None:
    message = interaction.message
    if message is None or interaction.channel_id is None or custom_id not in PRESSES:
        return None
    return Change(
        str(interaction.id),
        ChangeKind(custom_id),
        address_of(discord.Object(interaction.channel_id), me, None),
        _author(interaction),
        str(message.id),
        ticket=ticket,
        whisper=interaction.token,
        hidden=_ticket(interaction, Way.PRESSED) if message.flags.ephemeral else None,
    )
