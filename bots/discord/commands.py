"""The slash commands that Discord offers people."""

import asyncio
import logging

import discord

from bots.discord.rest import Json, call
from core.adapter import COMMANDS, START, Command
from core.errors import MISSHAPEN, DeliveryError, place

log = logging.getLogger(__name__)

OFFERED = tuple(command for command in COMMANDS if command.name != START)
"""The commands without /start, because no client of Discord sends that by itself."""

_PATH = "/applications/{application_id}/commands"
_SLASH = 1
_TEXT = 3
_PLACES = {"contexts": [0, 1], "integration_types": [0]}
"""Servers and private chats with the bot, of servers that have installed it. By default Discord
offers commands in group chats too, in which the bot is no member."""
_PATIENCE = 5.0


async def register(client: discord.Client) -> None:
    """Offer the commands unless they are on offer already; a failure is only logged."""
    application = client.application_id or 0
    wanted = [_form(command) for command in OFFERED]
    try:
        async with asyncio.timeout(_PATIENCE):
            offered = await call(client, "GET", _PATH, application_id=application)
            if _names(offered) != _names(wanted):
                await call(client, "PUT", _PATH, application_id=application, body=wanted)
    except (DeliveryError, TimeoutError) as error:
        log.warning("Discord does not accept the slash commands: %r", error)
    except MISSHAPEN as error:
        log.warning("Discord does not tell its slash commands: %s", place(error))


def _form(command: Command) -> Json:
    """Return a command in Discord's form, with one option if a text may follow it."""
    form: Json = {"type": _SLASH, "name": command.name, "description": command.summary}
    form |= _PLACES
    if command.hint:
        option = {"type": _TEXT, "name": "text", "description": command.hint, "required": False}
        form["options"] = [option]
    return form


def _names(commands: list[Json]) -> set[tuple[object, ...]]:
    return {
        (
            *(item["type"], item["name"], item["description"], len(item.get("options", ()))),
            *(tuple(sorted(item.get(place) or ())) for place in _PLACES),
        )
        for item in commands
    }
