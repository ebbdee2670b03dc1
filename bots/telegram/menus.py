"""The menus of commands, one in each language. Those of an earlier bot may hide them.

Telegram shows a person the list of the narrowest scope that has one, and in each scope that of
their own language first. Nothing tells which lists there are: each has to be asked for.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import product

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import TelegramError

from core import words
from core.adapter import COMMANDS, VERBS, Command
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
PAUSE = 0.5
"""The seconds between two lists of ours: nobody waits for them, and a start has more to do."""
SWEEP = 1.0
"""The seconds between two looks at lists that are not ours: two minutes for all of them."""

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


async def translate(bot: Bot, operators: Sequence[str] = ()) -> None:
    """Offer the commands in each language of ours, and remove all other lists in a language.

    Operators come first, by the ids of their accounts. This takes its time; it ends at the first
    failure.
    """
    for account_id in operators:
        await _offer_to(bot, account_id)
    ours = words.languages()[1:]
    others = [each for each in LANGUAGES if each not in ours]
    try:
        for language in ours:
            await asyncio.sleep(PAUSE)
            await _set(bot, language)
        for language, scope in (*product(ours, NARROWER), *product(others, (_WIDEST, *NARROWER))):
            await asyncio.sleep(SWEEP)
            await _remove(bot, scope, language)
    except _FAILURES as error:
        log.debug("The command menus in other languages are left: %s", place(error))


async def _offer_to(bot: Bot, account_id: str) -> None:
    """Offer an operator's own commands, too, in their private chat, which they must have begun."""
    try:
        scope = BotCommandScopeChat(int(account_id))
        for language in words.languages():
            await asyncio.sleep(PAUSE)
            with words.spoken_in(language):
                menu = _menu((*COMMANDS, *VERBS))
            code = None if language == words.ENGLISH else language
            if tuple(menu) != await bot.get_my_commands(scope, code):
                await bot.set_my_commands(menu, scope, code)
    except _FAILURES as error:
        log.debug("An operator has no menu: %s", place(error))


async def _set(bot: Bot, language: str) -> None:
    """Offer the commands in a language, unless they are on offer already."""
    with words.spoken_in(language):
        menu = _menu()
    if tuple(menu) != await bot.get_my_commands(language_code=language):
        await bot.set_my_commands(menu, language_code=language)


def _menu(commands: Sequence[Command] = COMMANDS) -> list[BotCommand]:
    """Return commands with their summaries in the current language."""
    return [BotCommand(each.name, words.summary(each)) for each in commands]


async def _remove(bot: Bot, scope: BotCommandScope, language: str | None = None) -> None:
    """Remove the list of a scope and a language, if there is one."""
    if await bot.get_my_commands(scope, language):
        log.info("Removing an earlier command menu: %s %s", scope.type, language or "")
        await bot.delete_my_commands(scope, language)
