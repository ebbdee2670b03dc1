"""Telegram: long polling in, plain text with entities out."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from bots.accounts import Acquaintance, Introduction
from bots.platform import Platform, Secret, Url
from core.adapter import Adapter, Known
from core.findings import Check


def _folder(value: str) -> str:
    """Return the name of a folder, which must be there; "" stays."""
    if value and not (Path(value).is_absolute() and Path(value).is_dir()):
        raise ValueError("no folder with this absolute path; name the one of the Bot API server")
    return value


class Telegram(Platform):
    """The account of one bot on Telegram."""

    name = "telegram"
    needs = "  TELEGRAM_TOKEN   from @BotFather on Telegram: send it /newbot"
    credential = "TELEGRAM_TOKEN"
    loggers = ("telegram",)

    telegram_token: Secret = SecretStr("")
    telegram_api_url: Url = "https://api.telegram.org"
    telegram_files_dir: Annotated[str, AfterValidator(_folder)] = ""
    """The folder in which a local Bot API server keeps its files."""

    @property
    def is_set(self) -> bool:
        """True if the operator has set a token."""
        return bool(self.telegram_token.get_secret_value())

    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Make one attempt to log in; Telegram itself keeps missed updates."""
        from bots.telegram.adapter import connect  # noqa: PLC0415 - see Platform

        token = self.telegram_token.get_secret_value()
        folder, operators = self.telegram_files_dir, known.operators()
        return connect(token, self.telegram_api_url, folder, operators)

    async def introduce(self) -> Introduction:
        """Ask Telegram for the account of the token."""
        from bots.telegram import checkup  # noqa: PLC0415 - a running bot does not need it

        token = self.telegram_token.get_secret_value()
        return await checkup.introduce(checkup.Account(token, self.telegram_api_url))

    def checks(self, me: Introduction, known: Acquaintance) -> Sequence[Check]:
        """Return the checks of the account."""
        from bots.telegram import checkup  # noqa: PLC0415 - as above

        token = self.telegram_token.get_secret_value()
        return checkup.checks(checkup.Account(token, self.telegram_api_url), me, known)
