"""The menus of commands, one in each language. Those of an earlier bot may hide them.

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

from core import words
from core.adapter import COMMANDS
from core.errors import MISSHAPEN, place

log = logging.getLogger(__name__)

NARROWER = (
    BotCommandScopeAllPrivateChats(),
    BotCommandScopeAllGroupChats(),
    BotCommandScopeAllChatAdministrators(),
)
_WIDEST = BotCommandScopeDefault()
LANGUAGES = (
    *("en", "de", "ru", "es", "fr", "pt", "it", "fa", "ar", "uk", "tr", "id", "zh", "hi", "ko"),
    *("ja", "pl", "nl", "uz", "he", "vi", "be", "cs", "kk", "ro", "ms", "ca", "sv", "hu", "th"),
)
"""The languages in which most people use Telegram, those of most bots first."""
PAUSE = 0.1
"""The seconds between two looks at lists in a language: about ten seconds for all of them."""

_FAILURES = (TelegramError, *MISSHAPEN)


async def offer(bot: Bot) -> None:
    """Offer the commands, and remove the lists of narrower scopes. A failure is only logged."""
    try:
        await bot.set_my_commands(_menu())
    except _FAILURES as error:
        log.warning("Telegram does not accept the command menu: %s", place(error))
        return
    try:
        await asyncio.gather(*(_remove(bot, scope) for scope in NARROWER))
    except _FAILURES as error:
        log.warning("Telegram does not tell the command menus: %s", place(error))


async def translate(bot: Bot) -> None:
    """Offer the commands in each language of ours, and remove all other lists in a language.

    This takes its time; it ends at the first failure.
    """
    ours = words.languages()[1:]
    others = [each for each in LANGUAGES if each not in ours]
    try:
        for language in ours:
            await asyncio.sleep(PAUSE)
            await _set(bot, language)
        for language, scope in (*product(ours, NARROWER), *product(others, (_WIDEST, *NARROWER))):
            await asyncio.sleep(PAUSE)
            await _remove(bot, scope, language)
    except _FAILURES as error:
        log.debug("The command menus in other languages are left: %s", place(error))


async def _set(bot: Bot, language: str) -> None:
    """Offer the commands in a language, unless they are on offer already."""
    with words.spoken_in(language):
        menu = _menu()
    if tuple(menu) != await bot.get_my_commands(language_code=language):
        await bot.set_my_commands(menu, language_code=language)


def _menu() -> list[BotCommand]:
    """Return the commands with their summaries in the current language."""
    return [BotCommand(each.name, words.summary(each)) for each in COMMANDS]


async def _remove(bot: Bot, scope: BotCommandScope, language: str | None = None) -> None:
    """Remove the list of a scope and a language, if there is one."""
    if await bot.get_my_commands(scope, language):
        log.info("Removing an earlier command menu: %s %s", scope.type, language or "")
        await bot.delete_my_commands(scope, language)
