"""The connections to Telegram, from the login to the end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from telegram import Bot
from telegram.error import InvalidToken, RetryAfter, TelegramError

from bots import transport
from bots.telegram.failures import translated
from bots.telegram.menus import offer, translate
from bots.telegram.request import Request
from bots.telegram.token import NOT_ACCEPTED, check_form
from core.errors import MISSHAPEN, SettingsError, Unreachable, place

log = logging.getLogger(__name__)

_SIMULTANEOUS = 256
# Through a proxy, httpx searches all idle connections at every request.
_IDLE = 20


@asynccontextmanager
async def open_session(
    token: str, api_url: str, operators: Sequence[str] = ()
) -> AsyncIterator[tuple[Bot, httpx.AsyncClient]]:
    """Yield a bot that is logged in, and a client for polls and files.

    Raises SettingsError if the token is wrong, and Unreachable or RetryAfter if Telegram does not
    answer.
    """
    check_form(token)
    _hush()
    limits = httpx.Limits(max_connections=_SIMULTANEOUS, max_keepalive_connections=_IDLE)
    way = transport.to(api_url, limits)
    async with httpx.AsyncClient(transport=way, trust_env=False) as client:
        bot = Bot(
            token,
            base_url=f"{api_url}/bot",
            base_file_url=f"{api_url}/file/bot",
            request=Request(way),
            get_updates_request=Request(way),  # never used, see polling
        )
        try:
            await _greet(bot, api_url)
            await offer(bot)
            async with _beside(translate(bot, operators)):
                yield bot, client
        finally:
            await bot.shutdown()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Translate the menus beside the body, and cancel that at the end."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_of_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _tell_of_end(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("The command menus in other languages are left: %s", place(error))


def _hush() -> None:
    """Silence the loggers that log URLs, because a URL contains the token, or bodies."""
    for name in ("httpx", "telegram.Bot"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs a body that it cannot read. Nothing else comes from there.
    logging.getLogger("telegram.request.BaseRequest").setLevel(logging.CRITICAL)


async def _greet(bot: Bot, api_url: str) -> None:
    """Log in, which is to learn the account of the token."""
    try:
        await bot.initialize()
    except InvalidToken:
        # The library's message contains the token.
        raise SettingsError(NOT_ACCEPTED.format(url=api_url)) from None
    except RetryAfter as limit:
        raise translated(limit) from None
    except TelegramError as error:
        raise _no_answer(api_url, error.message) from None
    except MISSHAPEN as error:
        raise _no_answer(api_url, f"getMe: {place(error)}") from None
    me: Any = bot.bot
    if not isinstance(me.id, int) or not isinstance(me.username, str):
        raise _no_answer(api_url, "getMe tells no account")


def _no_answer(api_url: str, why: str) -> Unreachable:
    return Unreachable(f"TELEGRAM_API_URL: no answer from {api_url} ({why})")
