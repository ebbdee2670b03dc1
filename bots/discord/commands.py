"""The commands that Discord offers people: slash commands, and one in each message's menu."""

import asyncio
import logging
from collections.abc import Callable

import discord

from bots.discord.rest import Json, Refused, call
from core import words
from core.adapter import ASK, COMMANDS, Command
from core.errors import MISSHAPEN, DeliveryError, place

log = logging.getLogger(__name__)

_PATH = "/applications/{application_id}/commands"
_LISTED = f"{_PATH}?with_localizations=true"
_SLASH, _MESSAGE = 1, 3
_TEXT, _FILE = 3, 11
_PLACES = {"contexts": [0, 1, 2], "integration_types": [0, 1]}
"""Servers, private chats with the bot, and chats among people; for servers that have installed the
bot, and everywhere for people who have."""
_SERVERS = {"contexts": [0, 1], "integration_types": [0]}
"""Servers that have installed the bot, and private chats with it."""
_PATIENCE = 5.0


async def register(client: discord.Client) -> None:
    """Offer the commands unless they are on offer already; a failure is only logged.

    If Discord does not let people install the bot, the commands are for servers alone.
    """
    application = client.application_id or 0
    try:
        async with asyncio.timeout(_PATIENCE):
            offered = await call(client, "GET", _LISTED, application_id=application)
            try:
                await _offer(client, offered, _PLACES)
            except Refused as refusal:
                log.warning("Discord offers the commands in servers alone: %s", refusal)
                await _offer(client, offered, _SERVERS)
    except (DeliveryError, TimeoutError) as error:
        log.warning("Discord does not accept the slash commands: %r", error)
    except MISSHAPEN as error:
        log.warning("Discord does not tell its slash commands: %s", place(error))


async def _offer(client: discord.Client, offered: list[Json], places: Json) -> None:
    named = _in_all("name", lambda: words.ASK_ABOUT)
    menu: Json = {"type": _MESSAGE, "description": ""} | named
    wanted = [form | places for form in (*map(_form, COMMANDS), menu)]
    if _facts(offered) != _facts(wanted):
        await call(client, "PUT", _PATH, application_id=client.application_id or 0, body=wanted)


def _form(command: Command) -> Json:
    """Return a command in Discord's form, with one option if a text may follow it."""
    form: Json = {"type": _SLASH, "name": command.name}
    form |= _in_all("description", lambda: words.summary(command))
    hint = _in_all("description", lambda: words.hint(command))
    option = {"type": _TEXT, "name": "text", "required": False} | hint
    if command.name == ASK:
        file = _in_all("description", lambda: words.ASK_FILE)
        file = {"type": _FILE, "name": "file", "required": False} | file
        form["options"] = [option | {"name": "question", "required": True}, file]
    elif command.hint:
        form["options"] = [option]
    return form


def _in_all(field: str, say: Callable[[], str]) -> Json:
    """Return a field with a text, and the same in each language that Discord has too."""
    others = {}
    for locale in discord.Locale:
        if (language := words.nearest(locale.value)) not in ("", words.ENGLISH):
            with words.spoken_in(language):
                others[locale.value] = say()
    return {field: say(), f"{field}_localizations": others}


def _facts(commands: list[Json]) -> set[tuple[object, ...]]:
    return {
        (
            *(item["type"], *_texts(item), *map(_texts, item.get("options") or ())),
            *(tuple(sorted(item.get(place) or ())) for place in _PLACES),
        )
        for item in commands
    }


def _texts(item: Json) -> tuple[object, ...]:
    fields = "name_localizations", "description_localizations"
    others = (tuple(sorted((item.get(field) or {}).items())) for field in fields)
    return item["name"], item["description"], *others
