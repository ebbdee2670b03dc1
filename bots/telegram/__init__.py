"""Telegram: long polling in, plain text with entities out."""

from contextlib import AbstractAsyncContextManager

from pydantic import SecretStr

from bots.platform import Platform, Secret, Url
from core.adapter import Adapter, Known


class Telegram(Platform):
    """The account of one bot on Telegram."""

    name = "telegram"
    needs = "  TELEGRAM_TOKEN   from @BotFather on Telegram: send it /newbot"
    loggers = ("telegram",)

    telegram_token: Secret = SecretStr("")
    telegram_api_url: Url = "https://api.telegram.org"

    @property
    def is_set(self) -> bool:
        """True if the operator has set a token."""
        return bool(self.telegram_token.get_secret_value())

    def connect(self, known: Known) -> AbstractAsyncContextManager[Adapter]:
        """Make one attempt to log in; Telegram itself keeps missed updates."""
        from bots.telegram.adapter import connect  # noqa: PLC0415 - see Platform

        return connect(self.telegram_token.get_secret_value(), self.telegram_api_url)
