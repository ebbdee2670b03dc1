"""Telegram: long polling in, plain text with entities out."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from bots.platform import Acquaintance, Introduction, Platform, Secret, Url
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
    loggers = ("telegram",)
    credential = "TELEGRAM_TOKEN"

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

        folder, operators = self.telegram_files_dir, known.operators()
        return connect(self._token, self.telegram_api_url, folder, operators)

    async def introduce(self) -> Introduction:
        """Ask Telegram for the account of the token."""
        from bots.telegram import checkup  # noqa: PLC0415 - a running bot does not need it

        return await checkup.introduce(checkup.Account(self._token, self.telegram_api_url))

    def checks(self, me: Introduction, known: Acquaintance) -> Sequence[Check]:
        """Return the checks of the account."""
        from bots.telegram import checkup  # noqa: PLC0415 - as above

        return checkup.checks(checkup.Account(self._token, self.telegram_api_url), me, known)

    @property
    def _token(self) -> str:
        return self.telegram_token.get_secret_value()
