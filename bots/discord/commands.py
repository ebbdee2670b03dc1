"""The slash commands that Discord offers people."""

import asyncio
import logging

import discord

from bots.discord.rest import Json, call
from core.errors import DeliveryError

log = logging.getLogger(__name__)

COMMANDS = {
    "new": "Start a new conversation",
    "usage": "What you have used and what is left",
    "stop": "Stop the answer that is being written",
    "retry": "Answer your last message again",
    "help": "What I can do",
}

_PATH = "/applications/{application_id}/commands"
_SLASH = 1
_PATIENCE = 5.0


async def register(client: discord.Client) -> None:
    """Offer the commands unless they are on offer; without them people can still talk."""
    application = client.application_id or 0
    wanted = [
        {"type": _SLASH, "name": name, "description": text} for name, text in COMMANDS.items()
    ]
    try:
        async with asyncio.timeout(_PATIENCE):
            offered = await call(client, "GET", _PATH, application_id=application)
            if _names(offered) != _names(wanted):
                await call(client, "PUT", _PATH, application_id=application, body=wanted)
    except (DeliveryError, TimeoutError) as error:
        log.warning("Discord does not take the slash commands: %r", error)


def _names(commands: list[Json]) -> set[tuple[int, str, str]]:
    return {(item["type"], item["name"], item["description"]) for item in commands}
