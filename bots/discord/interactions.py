"""Slash commands and buttons: acknowledged at once, answered by whoever carries out the turn.

Discord wants an interaction acknowledged within 3 seconds, and takes its answer for 15 minutes
against a token. A command's message id is its ticket: the interaction's id and that token, so
that any process can put the answer in the place of "is thinking…". The token serves for nothing
else, and is dead by the time anybody could find it.
"""

from contextlib import suppress

import discord

from bots.discord.rest import Json, Refused, call
from core.errors import MessageGone

_DEFERRED, _DEFERRED_UPDATE = 5, 6
_ACKNOWLEDGED = 40060
_EXPIRED = {10015, 50027}
"""Unknown webhook, invalid webhook token."""


def ticket_of(interaction: discord.Interaction) -> str:
    """What a command is answered by."""
    return f"{interaction.id}/{interaction.token}"


async def acknowledge(client: discord.Client, interaction: discord.Interaction) -> None:
    """Let a command show "is thinking…", and a button stop waiting."""
    pressed = interaction.type is discord.InteractionType.component
    try:
        await call(
            client,
            "POST",
            "/interactions/{webhook_id}/{webhook_token}/callback",
            body={"type": _DEFERRED_UPDATE if pressed else _DEFERRED},
            webhook_id=interaction.id,
            webhook_token=interaction.token,
        )
    except Refused as refusal:
        if refusal.code != _ACKNOWLEDGED:  # the first try was heard, only its answer was lost
            raise


async def respond(client: discord.Client, ticket: str, body: Json) -> str | None:
    """Put an answer in the place of "is thinking…"; its message id, or None if it is too late."""
    _, _, token = ticket.partition("/")
    with suppress(MessageGone):  # a person deleted it
        try:
            message = await call(
                client,
                "PATCH",
                "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
                body=body,
                webhook_id=client.application_id or 0,
                webhook_token=token,
            )
            return str(message["id"])
        except Refused as refusal:
            if refusal.code not in _EXPIRED:
                raise
    return None
