"""Setting up and checking an account on Discord; nothing here changes anything there."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bots import asking
from bots.accounts import Acquaintance, Introduction
from bots.discord.portal import PORTAL, WRONG_TOKEN
from core.errors import SettingsError, Undeliverable, Unreachable
from core.findings import Check, Finding, fault, note, warning
from core.plain import line

NEEDED = {
    "View Channel": 1 << 10,
    "Send Messages": 1 << 11,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,
    "Send Messages in Threads": 1 << 38,
}
"""The permissions that the bot needs on a server, by the names that Discord shows."""
PERMISSIONS = sum(NEEDED.values())
INVITATION = (
    "https://discord.com/oauth2/authorize?client_id={id}&scope=bot+applications.commands"
    f"&permissions={PERMISSIONS}"
)
"""The address that adds the bot to a server."""
INSTALLATION = (
    "https://discord.com/oauth2/authorize?client_id={id}&scope=applications.commands"
    "&integration_type=1"
)
"""The address with which a person installs the bot for themselves."""
FEW = 10
"""The number of new sessions from which on their end is near."""
SERVERS = 200
"""The most servers that are looked at; Discord tells so many at once."""
_ADMINISTRATOR = 1 << 3
_CONTENT = 1 << 18 | 1 << 19
"""The flags of an application that may read message content: verified, and small."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a token, as calls to the REST API see it."""

    token: str
    url: str

    async def call(self, path: str, **query: str | int) -> Any:
        """Return the answer to a call.

        Raises SettingsError if the token is refused, Undeliverable if the call is, and Unreachable.
        """
        headers = {"Authorization": f"Bot {self.token}"}
        async with asking.client(self.url) as client:
            try:
                told = await asking.ask(client, self.url + path, headers=headers, query=query)
            except Unreachable as error:
                raise Unreachable(f"DISCORD_API_URL: {self.url}: {error}") from None
        if told.status == 401:
            raise SettingsError(WRONG_TOKEN)
        if told.status >= 500 or told.status == 429 or told.body is None:
            raise Unreachable(f"DISCORD_API_URL: {self.url} answers with status {told.status}")
        if told.status >= 400:
            raise Undeliverable(f"{told.status} {line(told.field('message', ''))}")
        return told.body

    async def application(self) -> dict[str, Any]:
        """Return the application of the account; raises as `call` does."""
        return _object(await self.call("/applications/@me"))


async def introduce(account: Account) -> Introduction:
    """Return the account of a token; raises SettingsError, Unreachable and Undeliverable."""
    me, application = _object(await account.call("/users/@me")), await account.application()
    number = application.get("id")
    if not (isinstance(me.get("id"), str) and isinstance(number, str)):
        raise Unreachable(f"DISCORD_API_URL: {account.url} does not answer as Discord does")
    return Introduction(
        line(me.get("username", "")),
        me["id"],
        (
            f"Add the bot to a server of Discord:\n{INVITATION.format(id=line(number))}",
            f"Install it there for yourself:\n{INSTALLATION.format(id=line(number))}",
        ),
    )


def checks(account: Account, known: Acquaintance) -> tuple[Check, ...]:
    """Return the checks of an account."""
    return (
        Check("discord.application", partial(application, account)),
        Check("discord.sessions", partial(sessions, account)),
        Check("discord.servers", partial(servers, account)),
    )


async def application(account: Account) -> list[Finding]:
    """Look at the switches of the application."""
    told = await account.application()
    page = f"{PORTAL}/{line(told.get('id', ''))}"
    found = []
    flags = told.get("flags")
    if not (isinstance(flags, int) and flags & _CONTENT):
        what = (
            "the Message Content Intent is off: people have to mention the bot each time, and it"
            " cannot read what others wrote"
        )
        found.append(warning("discord.intent", what, f"switch it on at {page}/bot"))
    if endpoint := told.get("interactions_endpoint_url"):
        host = line(urlsplit(str(endpoint)).hostname or "an unknown host")
        what = f"Discord sends commands and pressed buttons to {host}, so the bot gets none"
        remedy = f"clear Interactions Endpoint URL at {page}/information"
        found.append(fault("discord.endpoint", what, remedy))
    if told.get("bot_require_code_grant") is True:
        what = "the application requires a code grant, so its invitation fails"
        remedy = f"switch off Requires OAuth2 Code Grant at {page}/bot"
        found.append(warning("discord.grant", what, remedy))
    return found


async def sessions(account: Account) -> list[Finding]:
    """Look at the number of sessions that may start today."""
    limit = _object(_object(await account.call("/gateway/bot")).get("session_start_limit"))
    left, after = limit.get("remaining"), limit.get("reset_after")
    if not isinstance(left, int) or left >= FEW:
        return []
    hours = after / 3_600_000 if isinstance(after, int | float) else 24
    what = f"Discord allows only {left} more starts within {hours:.0f} hours"
    remedy = "see why the bot starts so often; when none is left, it waits until then"
    return [warning("discord.sessions", what, remedy)]


async def servers(account: Account) -> list[Finding]:
    """Look at the permissions on the servers of the bot."""
    told = await account.call("/users/@me/guilds", limit=SERVERS)
    guilds = [_object(each) for each in told] if isinstance(told, list) else []
    if not guilds:
        what = "the bot is on no server of Discord; people can only write to it directly"
        number = line((await account.application()).get("id", ""))
        return [note("discord.servers", what, f"add it to one: {INVITATION.format(id=number)}")]
    return [each for each in map(_lacking, guilds) if each is not None]


def _lacking(guild: dict[str, Any]) -> Finding | None:
    """Return the finding of permissions that are missing on a server; None if all are there."""
    told = str(guild.get("permissions", ""))
    held = int(told) if told.isdecimal() else PERMISSIONS
    missing = [name for name, bit in NEEDED.items() if not held & bit]
    if not missing or held & _ADMINISTRATOR or guild.get("owner") is True:
        return None
    what = f"on the server discord:{line(guild.get('id', ''))} the bot lacks {', '.join(missing)}"
    return warning("discord.rights", what, "allow it to the bot's role in the server's settings")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
