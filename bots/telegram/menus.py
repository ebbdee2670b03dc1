"""The menu of commands. An earlier bot with our token may have left others that hide it.

Telegram shows a person the list of the narrowest scope that has one, and in each scope that of
their own language first. Nothing tells which lists there are: each has to be asked for.
"""

import asyncio
import logging
from itertools import product

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError

from core.adapter import COMMANDS
from core.errors import MISSHAPEN, place

log = logging.getLogger(__name__)

NARROWER = (
    BotCommandScopeAllPrivateChats(),
    BotCommandScopeAllGroupChats(),
    BotCommandScopeAllChatAdministrators(),
)
LANGUAGES = (
    *("en", "de", "ru", "es", "fr", "pt", "it", "fa", "ar", "uk", "tr", "id", "zh", "hi", "ko"),
    *("ja", "pl", "nl", "uz", "he", "vi", "be", "cs", "kk", "ro", "ms", "ca", "sv", "hu", "th"),
)
"""The languages in which most people use Telegram, those of most bots first."""
PAUSE = 0.1
"""The seconds between two looks for lists in a language: about ten seconds for all of them."""

_FAILURES = (TelegramError, *MISSHAPEN)


async def offer(bot: Bot) -> None:
    """Offer the commands, and remove the lists of narrower scopes. A failure is only logged."""
    try:
        await bot.set_my_commands([BotCommand(each.name, each.summary) for each in COMMANDS])
    except _FAILURES as error:
        log.warning("Telegram does not accept the command menu: %s", place(error))
        return
    try:
        await asyncio.gather(*(_remove(bot, scope) for scope in NARROWER))
    except _FAILURES as error:
        log.warning("Telegram does not tell the command menus: %s", place(error))


async def remove_translations(bot: Bot) -> None:
    """Remove the lists of all scopes in a language, slowly; end at the first failure."""
    try:
        for language, scope in product(LANGUAGES, (BotCommandScopeDefault(), *NARROWER)):
            await asyncio.sleep(PAUSE)
            await _remove(bot, scope, language)
    except _FAILURES as error:
        log.debug("The command menus in other languages are left: %s", place(error))


async def _remove(bot: Bot, scope: BotCommandScope, language: str | None = None) -> None:
    """Remove the list of a scope and a language, if there is one."""
    if await bot.get_my_commands(scope, language):
        log.info("Removing an earlier command menu: %s %s", scope.type, language or "")
        await bot.delete_my_commands(scope, language)
