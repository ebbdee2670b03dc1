"""The REST API for the bot itself: its account, its application, its commands."""

import re

from tests.fakes.discord import wire
from tests.fakes.discord.records import Json
from tests.fakes.discord.refusals import invalid, refusal, too_long
from tests.fakes.discord.routes import NOTHING, Reply, Request, Route
from tests.fakes.discord.world import World

CONTENT_ENABLED = 1 << 19
"""Flag of an application: small, and allowed to read message content."""


def gateway(world: World, request: Request) -> Reply:
    """Return the address of the gateway."""
    return Reply({"url": world.gateway_url})


def gateway_bot(world: World, request: Request) -> Reply:
    """Return the address of the gateway, the number of shards and the session limit."""
    start = {
        "total": 1000,
        "remaining": world.identifies_left,
        "reset_after": 24 * 3600 * 1000,
        "max_concurrency": 16,
    }
    body = gateway(world, request).body
    return Reply({**body, "shards": world.shards, "session_start_limit": start})


def me(world: World, request: Request) -> Reply:
    """The bot's own account."""
    private = {"verified": True, "mfa_enabled": False, "locale": "en-US", "email": None, "flags": 0}
    return Reply({**wire.user(world.bot), **private})


def application(world: World, request: Request) -> Reply:
    """The application that the bot belongs to."""
    flags = CONTENT_ENABLED if "message_content" in world.intents_allowed else 0
    return Reply(
        {
            "id": world.application_id,
            "name": world.bot.name,
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": world.needs_grant,
            "owner": wire.user(next(iter(world.people.values()))),
            "verify_key": "0" * 64,
            "team": None,
            "flags": flags,
            "bot": wire.user(world.bot),
            "interactions_endpoint_url": world.endpoint,
        }
    )


def get_user(world: World, request: Request) -> Reply:
    """Any account."""
    person = world.people.get(request.ids["user"])
    if not person:
        raise refusal(10013)
    return Reply(wire.user(person))


def get_commands(world: World, request: Request) -> Reply:
    """The commands of the application, global or of one guild."""
    _own_application(world, request)
    commands = world.commands.get(request.ids.get("guild"), [])
    if request.query.get("with_localizations") != "true":
        commands = [{**each, "options": _bare(each["options"])} for each in _bare(commands)]
    return Reply(commands)


def _bare(items: list[Json]) -> list[Json]:
    """Return commands or options without their texts in other languages."""
    return [
        {key: value for key, value in item.items() if not key.endswith("_localizations")}
        for item in items
    ]


def put_commands(world: World, request: Request) -> Reply:
    """Replace all commands; one that keeps its name keeps its id."""
    _own_application(world, request)
    place = request.ids.get("guild")
    before = {
        (command["type"], command["name"]): command["id"]
        for command in world.commands.get(place, [])
    }
    commands = [_command(world, index, body) for index, body in enumerate(request.body)]
    names = [(command["type"], command["name"]) for command in commands]
    if len(set(names)) < len(names):
        code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
        raise invalid("name", code, "Application command names must be unique")
    for command in commands:
        command["id"] = before.get((command["type"], command["name"]), command["id"])
        command.update({"guild_id": place} if place else {})
    world.commands[place] = commands
    return Reply(commands)


def _command(world: World, index: int, body: Json) -> Json:
    command = {
        "type": 1,
        "description": "",
        "options": [],
        "default_member_permissions": None,
        "nsfw": False,
        "contexts": None,
        **body,
        "integration_types": body.get("integration_types") or [0],
        "id": world.snowflake(),
        "application_id": world.application_id,
        "version": world.snowflake(),
    }
    for place in (command, *command["options"]):
        _check_localizations(f"{index}", place)
    if command["type"] == 1:
        _check_command(f"{index}", command)
    else:
        _check_menu(f"{index}", command)
    _check_choices(f"{index}.contexts", command["contexts"] or [], {0, 1, 2})
    _check_choices(f"{index}.integration_types", command["integration_types"], {0, 1})
    return command


def _check_localizations(path: str, command: Json) -> None:
    """Check the texts in other languages: each has the bounds of the text itself."""
    for field, most in (("name", 32), ("description", 100)):
        for locale, text in (command.get(f"{field}_localizations") or {}).items():
            if locale not in LOCALES:
                raise invalid(f"{path}.{field}_localizations", "ENUM_TYPE_COERCE", "Not a locale.")
            if not 1 <= len(text) <= most:
                where = f"{path}.{field}_localizations.{locale}"
                told = f"Must be between 1 and {most} in length."
                raise invalid(where, "BASE_TYPE_BAD_LENGTH", told)


def _check_menu(path: str, command: Json) -> None:
    """Check a command in the menu of a person (2) or a message (3)."""
    if not 1 <= len(command["name"]) <= 32:
        text = "Command name is invalid"
        raise invalid(f"{path}.name", "APPLICATION_COMMAND_INVALID_NAME", text)
    if command["description"] or command["options"]:
        text = "Context menu commands cannot have description"
        raise invalid(f"{path}.description", "APPLICATION_COMMAND_CONTEXT_MENU", text)


def _check_choices(path: str, given: list[int], known: set[int]) -> None:
    if not set(given) <= known or len(set(given)) < len(given):
        raise invalid(path, "BASE_TYPE_CHOICES", f"Value must be one of {known}.")


def _check_command(path: str, command: Json) -> None:
    name, description = command["name"], command["description"]
    if not re.fullmatch(r"[-_'\w]{1,32}", name) or name != name.lower():
        text = "Command name is invalid"
        raise invalid(f"{path}.name", "APPLICATION_COMMAND_INVALID_NAME", text)
    if not 1 <= len(description) <= 100:
        text = "Must be between 1 and 100 in length."
        raise invalid(f"{path}.description", "BASE_TYPE_BAD_LENGTH", text)
    if len(command["options"]) > 25:
        raise too_long(f"{path}.options", 25)
    needed = [option.get("required", False) for option in command["options"]]
    if needed != sorted(needed, reverse=True):
        text = "Required options must be placed before non-required options"
        raise invalid(f"{path}.options", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text)


def _own_application(world: World, request: Request) -> None:
    if request.ids["application"] != world.application_id:
        raise refusal(50001)


def guilds(world: World, request: Request) -> Reply:
    """Return the servers of the bot, with its permissions on each as a whole."""
    found = [guild for guild in world.guilds.values() if guild.has_bot]
    return Reply(
        [
            {
                "id": guild.id,
                "name": guild.name,
                "icon": None,
                "owner": guild.owner == world.bot,
                "permissions": wire.permissions_on(guild),
                "features": [],
            }
            for guild in found[: int(request.query.get("limit", 200))]
        ]
    )


def leave_guild(world: World, request: Request) -> Reply:
    """Leave a server."""
    guild = world.guilds.get(request.ids["guild"])
    if guild is None:
        raise refusal(10004)
    world.leave(guild)
    return NOTHING


LOCALES = frozenset(
    (
        *("id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu"),
        *("nl", "no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru"),
        *("uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko"),
    )
)
"""The languages of Discord's clients."""
COMMANDS = "/applications/{application}/commands"
GUILD_COMMANDS = "/applications/{application}/guilds/{guild}/commands"

ROUTES = (
    Route("GET", "/gateway", gateway),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", "/users/@me", me),
    Route("GET", "/applications/@me", application),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/users/@me/guilds", guilds),
    Route("DELETE", "/users/@me/guilds/{guild}", leave_guild),
    Route("GET", "/users/{user}", get_user),
    Route("GET", COMMANDS, get_commands),
    Route("PUT", COMMANDS, put_commands),
    Route("GET", GUILD_COMMANDS, get_commands),
    Route("PUT", GUILD_COMMANDS, put_commands),
)
