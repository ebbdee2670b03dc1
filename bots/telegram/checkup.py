"""Setting up and checking an account on Telegram; nothing here changes anything there."""

import asyncio
import json
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any
from urllib.parse import urlsplit

from bots import asking
from bots.accounts import Acquaintance, Introduction
from bots.telegram.answers import Json, description
from bots.telegram.token import NOT_ACCEPTED, check_form
from core import words
from core.errors import SettingsError, Undeliverable, Unreachable
from core.findings import Check, Finding, fault, note, warning
from core.plain import line

NARROWER = ("all_private_chats", "all_group_chats", "all_chat_administrators")
"""The scopes whose menus hide ours."""
GROUPS = 50
"""The most groups whose rights are looked at."""
AT_ONCE = 8
WATCHED = 4.0
"""The seconds for which another poller is awaited; one that was cut off comes back sooner."""
MANY = 100
"""The number of waiting updates from which on they are told."""
_BOTFATHER = "https://t.me/BotFather"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a token, as calls to the Bot API see it."""

    token: str
    url: str
    webhook: str = ""
    """The URL at which the bot takes updates; "" if it polls."""

    async def call(self, method: str, **parameters: str | int) -> Any:
        """Return the result of a call.

        Raises SettingsError if the token is refused, Undeliverable if the call is, and Unreachable.
        """
        address = f"{self.url}/bot{self.token}/{method}"
        async with asking.client(self.url) as client:
            try:
                told = await asking.ask(client, address, query=parameters)
            except Unreachable as error:
                raise Unreachable(f"TELEGRAM_API_URL: {self.url}: {error}") from None
        answer: Json = told.body if isinstance(told.body, dict) else {}
        if not isinstance(answer.get("ok"), bool):
            raise Unreachable(f"TELEGRAM_API_URL: {self.url} does not answer as Telegram does")
        if answer["ok"]:
            return answer.get("result")
        if told.status in (401, 404):
            raise SettingsError(NOT_ACCEPTED.format(url=self.url))
        reason = line(description(answer))
        if told.status >= 500 or told.status == 429:
            raise Unreachable(f"TELEGRAM_API_URL: {self.url}: {told.status} {reason}")
        raise Undeliverable(f"{told.status} {reason}")

    async def me(self) -> Json:
        """Return the account; raises as `call` does."""
        found = await self.call("getMe")
        if not (isinstance(found, dict) and isinstance(found.get("id"), int)):
            raise Unreachable(f"TELEGRAM_API_URL: {self.url} tells no account")
        return found


async def introduce(account: Account) -> Introduction:
    """Return the account of a token; raises SettingsError, Unreachable and Undeliverable."""
    check_form(account.token)
    me = await account.me()
    name = line(me.get("username", ""))
    return Introduction(
        f"@{name}",
        str(me["id"]),
        (
            f"Write to the bot on Telegram:  https://t.me/{name}",
            f"Add it to a group:             https://t.me/{name}?startgroup",
        ),
    )


def checks(account: Account, me: Introduction, known: Acquaintance) -> tuple[Check, ...]:
    """Return the checks of an account."""
    return (
        Check("telegram.webhook", partial(webhook, account)),
        Check("telegram.pollers", partial(pollers, account, known)),
        Check("telegram.privacy", partial(privacy, account, me, known)),
        Check("telegram.menus", partial(menus, account)),
        Check("telegram.groups", partial(groups, account, me, known)),
    )


async def webhook(account: Account) -> list[Finding]:
    """Look for a webhook, which takes all updates, and for updates that nobody fetches."""
    told = await _webhook_info(account)
    found = []
    url = told.get("url")
    if url and url == account.webhook:
        found += _undelivered(told)
    elif url:
        host = line(urlsplit(str(url)).hostname or "an unknown host")
        what = f"Telegram sends what people write to a webhook at {host}, and nothing to the bot"
        remedy = "stop the program there; at its start, Parley takes the updates back"
        found.append(fault("telegram.webhook", what, remedy))
    waiting = told.get("pending_update_count")
    if isinstance(waiting, int) and waiting >= MANY:
        what = f"{waiting} messages and presses wait at Telegram, which drops them after a day"
        found.append(warning("telegram.waiting", what, "start the bot, or see why it lags behind"))
    return found


async def _webhook_info(account: Account) -> Json:
    told = await account.call("getWebhookInfo")
    return told if isinstance(told, dict) else {}


def _undelivered(told: Json) -> list[Finding]:
    """Return the last failure of our own webhook, while updates wait for it."""
    if not (told.get("last_error_message") and told.get("pending_update_count")):
        return []
    reason = line(told["last_error_message"])
    what = f"Telegram cannot deliver to TELEGRAM_WEBHOOK_URL: {reason}"
    return [fault("telegram.deliveries", what, "see that the URL leads to PORT of the bot")]


async def pollers(account: Account, known: Acquaintance) -> list[Finding]:
    """Look for another program that polls with the token, unless our own bot may poll."""
    if account.webhook or known.is_heard is not False or (await _webhook_info(account)).get("url"):
        return []
    clock = asyncio.get_running_loop().time
    until = clock() + WATCHED
    while (left := until - clock()) > 0:
        try:
            # Without an offset, nothing is acknowledged: the bot gets all of it later.
            if await account.call("getUpdates", timeout=max(int(left), 1), limit=1):
                await asyncio.sleep(0.5)
        except Undeliverable as refusal:
            if not str(refusal).startswith("409"):
                raise
            what = "another program fetches the messages of this bot with the same token"
            remedy = f"stop it, or get a new token at {_BOTFATHER} (/revoke)"
            return [fault("telegram.pollers", what, remedy)]
    return []


async def privacy(account: Account, me: Introduction, known: Acquaintance) -> list[Finding]:
    """Look at the privacy mode, and at whether the bot can be added to groups."""
    told = await account.me()
    found = []
    if told.get("can_read_all_group_messages") is False:
        what = (
            "Telegram's privacy mode hides the parts of albums and long pastes in groups from"
            " the bot"
        )
        remedy = (
            f"send /setprivacy to {_BOTFATHER}, choose {me.name} and Disable, and add the bot"
            " to its groups again"
        )
        severe = warning if known.groups else note
        found.append(severe("telegram.privacy", what, remedy))
    if told.get("can_join_groups") is False and (known.allowed or known.groups):
        what = "the bot cannot be added to groups, although it is to answer in some"
        remedy = f"send /setjoingroups to {_BOTFATHER}, choose {me.name} and Enable"
        found.append(warning("telegram.joins", what, remedy))
    return found


async def menus(account: Account) -> list[Finding]:
    """Look for menus of commands of an earlier bot, which hide ours."""
    languages = ("", *words.languages()[1:])
    turn = asyncio.Semaphore(AT_ONCE)

    async def hides(scope: str, language: str) -> bool:
        async with turn:
            where = {"scope": json.dumps({"type": scope}), "language_code": language}
            return bool(await account.call("getMyCommands", **where))

    places = list(product(NARROWER, languages))
    hidden = await asyncio.gather(*(hides(*place) for place in places))
    scopes = dict.fromkeys(place[0] for place, hides in zip(places, hidden, strict=True) if hides)
    if not scopes:
        return []
    what = f"a menu of another program hides the commands of the bot in: {', '.join(scopes)}"
    return [warning("telegram.menus", what, "Parley removes it at its start: start it once more")]


async def groups(account: Account, me: Introduction, known: Acquaintance) -> list[Finding]:
    """Look whether the bot is in the groups of ALLOWED_GROUPS, and may write where it is."""
    wanted = dict.fromkeys((*known.allowed, *known.groups))
    turn = asyncio.Semaphore(AT_ONCE)

    async def look(group: str) -> Finding | None:
        async with turn:
            return await _group(account, me, group, is_allowed=group in known.allowed)

    found = await asyncio.gather(*map(look, list(wanted)[:GROUPS]))
    return [each for each in found if each is not None]


async def _group(
    account: Account, me: Introduction, group: str, *, is_allowed: bool
) -> Finding | None:
    try:
        told = await account.call("getChatMember", chat_id=group, user_id=me.account_id)
    except Undeliverable:
        told = {"status": "left"}
    status = told.get("status") if isinstance(told, dict) else None
    if status == "restricted" and told.get("can_send_messages") is False:
        what = f"the bot may not write in the group telegram:{group}"
        remedy = "let it send messages in the group's permissions, or make it an admin there"
        return warning("telegram.rights", what, remedy)
    if is_allowed and status in ("left", "kicked"):
        what = f"ALLOWED_GROUPS names telegram:{group}, in which the bot is not"
        return warning("telegram.groups", what, "add the bot there, or correct the number")
    return None
