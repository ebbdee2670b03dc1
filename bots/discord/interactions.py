"""Interactions: slash commands and pressed buttons.

Discord wants an interaction acknowledged within 3 seconds. For 15 minutes it accepts the answer to
a command together with a token. That token is the command's ticket: with it, any process can
replace "is thinking…" by the answer. It is deleted once the answer is delivered.
"""

import discord

from bots.discord.rest import Json, Refused, call, field
from core.errors import MessageGone

_DEFERRED, _DEFERRED_UPDATE = 5, 6
_ACKNOWLEDGED = 40060
_EXPIRED = {10015, 50027}
"""Unknown webhook, invalid webhook token."""


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
        if refusal.code != _ACKNOWLEDGED:  # an earlier try arrived, but its answer was lost
            raise


async def respond(client: discord.Client, ticket: str, body: Json) -> str | None:
    """Replace "is thinking…" by an answer; return its message id, or None if it is too late."""
    message = await _original(client, "PATCH", ticket, body)
    return field(message, "id", str) if message else None


async def withdraw(client: discord.Client, ticket: str) -> None:
    """Delete "is thinking…", or the answer that replaced it; one that is gone is no error."""
    await _original(client, "DELETE", ticket)


async def _original(
    client: discord.Client, method: str, ticket: str, body: Json | None = None
) -> Json | None:
    """Edit or delete the first message of an interaction.

    Return the message; None if it is deleted, now or before, or if the ticket has expired.
    """
    try:
        message: Json | None = await call(
            client,
            method,
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            body=body,
            webhook_id=client.application_id or 0,
            webhook_token=ticket,
        )
    except MessageGone:
        return None
    except Refused as refusal:
        if refusal.code not in _EXPIRED:
            raise
        return None
    return message or None
