"""The connections to Telegram, from the login to the end."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from telegram import Bot, BotCommand
from telegram.error import InvalidToken, TelegramError

from bots.telegram.request import Request
from bots.trust import trust
from core.adapter import COMMANDS
from core.errors import SettingsError, Unreachable

log = logging.getLogger(__name__)

_TOKEN = re.compile(r"\d+:[\w-]+")
_SIMULTANEOUS = 256
# httpx searches all idle connections at every request, which takes long if there are many.
_IDLE = 20


@asynccontextmanager
async def open_session(token: str, api_url: str) -> AsyncIterator[tuple[Bot, httpx.AsyncClient]]:
    """Yield a bot that is logged in, and a client for polls and files.

    Raises SettingsError if the token is wrong, and Unreachable if Telegram does not answer.
    """
    if not _TOKEN.fullmatch(token):
        raise SettingsError("TELEGRAM_TOKEN is no token; @BotFather shows it as 123456:ABC-DEF")
    _hush()
    limits = httpx.Limits(max_connections=_SIMULTANEOUS, max_keepalive_connections=_IDLE)
    async with httpx.AsyncClient(verify=trust(), limits=limits) as client:
        bot = Bot(
            token,
            base_url=f"{api_url.rstrip('/')}/bot",
            base_file_url=f"{api_url.rstrip('/')}/file/bot",
            request=Request(client),
            get_updates_request=Request(client),  # never used, see polling
        )
        try:
            await _greet(bot, api_url)
            await _prepare(bot)
            yield bot, client
        finally:
            await bot.shutdown()


def _hush() -> None:
    """Silence the loggers that log URLs, because a URL contains the token."""
    for name in ("httpx", "telegram.Bot"):
        logging.getLogger(name).setLevel(logging.WARNING)


async def _greet(bot: Bot, api_url: str) -> None:
    """Log in, which is to learn the account of the token."""
    try:
        await bot.initialize()
    except InvalidToken:
        # The library's message contains the token.
        raise SettingsError(
            f"TELEGRAM_TOKEN is not accepted by {api_url}: copy it again from @BotFather"
        ) from None
    except TelegramError as error:
        told = f"TELEGRAM_API_URL: no answer from {api_url} ({error.message})"
        raise Unreachable(told) from None


async def _prepare(bot: Bot) -> None:
    """Remove a webhook and offer the commands; a failure of these is only logged."""
    try:
        if (await bot.get_webhook_info()).url:
            log.warning("Removing the webhook of this bot, because updates are polled")
            await bot.delete_webhook()
        await bot.set_my_commands([BotCommand(each.name, each.summary) for each in COMMANDS])
    except TelegramError as error:
        log.warning("Telegram does not accept the command menu: %s", error)
