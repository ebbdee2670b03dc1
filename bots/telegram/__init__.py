"""Telegram: long polling or a webhook in, plain text with entities out."""

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, model_validator

from bots import garbage
from bots.accounts import Acquaintance, Introduction
from bots.platform import Platform, Secret, Url, check_url
from core.adapter import Adapter, Known
from core.findings import Check

if TYPE_CHECKING:
    from aiohttp.web import RouteDef

    from bots.telegram.subscription import Webhook

PUBLIC_SERVER = "https://api.telegram.org"
WEBHOOK_PORTS = (443, 80, 88, 8443)
"""The ports to which Telegram's own server posts."""
_PATH = re.compile(r"[\w/.~-]*", re.ASCII)
PATH = "/telegram"
"""The path of a webhook whose URL tells none."""
TAKEN = ("/livez", "/readyz", "/healthz", "/metrics", "/dashboard")
"""The paths that answer something else."""


def _folder(value: str) -> str:
    """Return the name of a folder, which must be there; "" stays."""
    if value and not (Path(value).is_absolute() and Path(value).is_dir()):
        raise ValueError("no folder with this absolute path; name the one of the Bot API server")
    return value


def _webhook_url(value: str) -> str:
    """Return the URL of a webhook with a path; "" stays."""
    if not value:
        return value
    url = check_url(value)
    split = urlsplit(url)
    if split.query or split.fragment or split.username is not None:
        raise ValueError("not of the form https://host/path; write it so")
    if not _PATH.fullmatch(split.path):
        raise ValueError("the path may have letters, digits, and / . _ ~ -; write no others")
    if split.path.startswith(TAKEN):
        raise ValueError(f"the bot answers something else under {split.path}; name another path")
    return url if split.path else f"{url}{PATH}"


class Telegram(Platform):
    """The account of one bot on Telegram."""

    name = "telegram"
    needs = "  TELEGRAM_TOKEN   from @BotFather on Telegram: send it /newbot"
    credential = "TELEGRAM_TOKEN"
    loggers = ("telegram",)

    telegram_token: Secret = SecretStr("")
    """The token that @BotFather gives."""
    telegram_api_url: Url = PUBLIC_SERVER
    """The server of the Bot API; one of your own is fine."""
    telegram_files_dir: Annotated[str, AfterValidator(_folder)] = ""
    """The folder of your own server's files, if it runs with `--local`: it must have the same path
    here as there, and nothing outside of it is read."""
    telegram_webhook_url: Annotated[str, AfterValidator(_webhook_url)] = ""
    """The public URL to which Telegram posts updates, as `https://bot.example.org`; it needs
    `PORT`. Without it the bot asks for updates."""

    @property
    def is_set(self) -> bool:
        """True if the operator has set a token."""
        return bool(self.telegram_token.get_secret_value())

    @property
    def served_by(self) -> str:
        """The name of the webhook's setting if there is a webhook."""
        return "TELEGRAM_WEBHOOK_URL" if self.telegram_webhook_url else ""

    @model_validator(mode="after")
    def _telegram_reaches_the_webhook(self) -> Self:
        """Refuse a URL to which Telegram's own server posts nothing; a local one is less strict."""
        split = urlsplit(self.telegram_webhook_url)
        if self.telegram_webhook_url and self.telegram_api_url == PUBLIC_SERVER:
            if split.scheme != "https":
                raise ValueError("TELEGRAM_WEBHOOK_URL: Telegram wants https://; write it so")
            if (split.port or 443) not in WEBHOOK_PORTS:
                raise ValueError(
                    "TELEGRAM_WEBHOOK_URL: Telegram wants port 443, 80, 88 or 8443; name one"
                )
        return self

    @cached_property
    def webhook(self) -> "Webhook | None":
        """The webhook, which is one for all attempts to connect; None to poll."""
        from bots.telegram.mailbox import Mailbox  # noqa: PLC0415 - see Platform
        from bots.telegram.subscription import Webhook, secret_of  # noqa: PLC0415 - as above

        if not self.telegram_webhook_url:
            return None
        secret = secret_of(self.telegram_token.get_secret_value())
        return Webhook(self.telegram_webhook_url, secret, Mailbox())

    def routes(self) -> "Sequence[RouteDef]":
        """Return the route of the webhook."""
        if self.webhook is None:
            return ()
        from bots.telegram.webhook import routes  # noqa: PLC0415 - who polls needs no server

        return routes(self.webhook)

    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Make one attempt to log in; Telegram itself keeps missed updates."""
        with garbage.unsought():
            from bots.telegram.adapter import connect  # noqa: PLC0415 - see Platform

        token = self.telegram_token.get_secret_value()
        folder, operators = self.telegram_files_dir, known.operators()
        return connect(token, self.telegram_api_url, folder, operators, self.webhook)

    async def introduce(self) -> Introduction:
        """Ask Telegram for the account of the token."""
        from bots.telegram import checkup  # noqa: PLC0415 - a running bot does not need it

        token = self.telegram_token.get_secret_value()
        return await checkup.introduce(checkup.Account(token, self.telegram_api_url))

    def checks(self, me: Introduction, known: Acquaintance) -> Sequence[Check]:
        """Return the checks of the account."""
        from bots.telegram import checkup  # noqa: PLC0415 - as above

        token = self.telegram_token.get_secret_value()
        account = checkup.Account(token, self.telegram_api_url, self.telegram_webhook_url)
        return checkup.checks(account, me, known)
