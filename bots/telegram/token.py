"""The token of an account on Telegram."""

import re

from core.errors import SettingsError

_TOKEN = re.compile(r"\d+:[\w-]+")
NOT_ACCEPTED = "TELEGRAM_TOKEN is not accepted by {url}: copy it again from @BotFather"


def check_form(token: str) -> None:
    """Raise SettingsError for what cannot be a token."""
    if not _TOKEN.fullmatch(token):
        raise SettingsError("TELEGRAM_TOKEN is no token; @BotFather shows it as 123456:ABC-DEF")
