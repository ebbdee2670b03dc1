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
    "persona": "How I should behave in this conversation",
    "model": "Which language model answers here",
    "privacy": "What is stored, and where it is sent",
    "export": "All that is stored about you, as a file",
    "forget": "Delete this conversation for good",
    "help": "What I can do",
}

TEXTS = {
    "persona": "Your instructions, or: reset",
    "model": "The model to choose",
    "forget": "yes, if you are sure",
}
"""What may be typed behind a command."""

_PATH = "/applications/{application_id}/commands"
_SLASH = 1
_TEXT = 3
_PATIENCE = 5.0


async def register(client: discord.Client) -> None:
    """Offer the commands unless they are on offer; without them people can still talk."""
    application = client.application_id or 0
    wanted = [_command(name, text) for name, text in COMMANDS.items()]
    try:
        async with asyncio.timeout(_PATIENCE):
            offered = await call(client, "GET", _PATH, application_id=application)
            if _names(offered) != _names(wanted):
                await call(client, "PUT", _PATH, application_id=application, body=wanted)
    except (DeliveryError, TimeoutError) as error:
        log.warning("Discord does not take the slash commands: %r", error)


def _command(name: str, text: str) -> Json:
    command: Json = {"type": _SLASH, "name": name, "description": text}
    if name in TEXTS:
        option = {"type": _TEXT, "name": "text", "description": TEXTS[name], "required": False}
        command["options"] = [option]
    return command


def _names(commands: list[Json]) -> set[tuple[int, str, str, int]]:
    return {
        (item["type"], item["name"], item["description"], len(item.get("options", ())))
        for item in commands
    }
