"""The admins of groups, who are looked up only for what they alone may do."""

import asyncio
import logging
import time
from dataclasses import replace

from telegram import Bot
from telegram.constants import ChatMemberStatus
from telegram.error import TelegramError, TimedOut

from bots.spare import Spare
from bots.telegram.answers import Json
from bots.telegram.inbound import asker
from core.adapter import COMMANDS, Address, Author, Change, Event, InboundMessage
from core.errors import MISSHAPEN, place

log = logging.getLogger(__name__)

ADMINS = (ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR)
FOR_ADMINS = {command.name for command in COMMANDS if command.admins_only}
"""The commands that ask Telegram for a group's admins."""
REMEMBERED = 60.0
"""The seconds for which the answer is kept."""
FAILED = 10.0
"""The seconds for which nobody is looked up after Telegram did not answer in time."""
PATIENCE = 1.0
"""The seconds that Telegram has to answer; all later updates wait meanwhile."""


class Admins:
    """The admins of all groups, as far as they are known."""

    def __init__(self, bot: Bot, spare: Spare) -> None:
        self._bot = bot
        self._spare = spare
        self._known: dict[tuple[str, str], tuple[float, bool]] = {}
        self._look_again = 0.0

    async def look_up(self, event: Event, update: Json) -> Event:
        """Return an event; for a command that a group's admins give, find out whether one did.

        Below an answer to an anonymous admin, an admin who presses a button is that one.
        """
        if isinstance(event, Change) and (chat := asker(update)):
            is_admin = await self._is_admin(event.address, event.author)
            return replace(event, author=chat) if is_admin else event
        if not isinstance(event, InboundMessage) or event.private:
            return event
        if event.command not in FOR_ADMINS or event.admin:
            return event
        if event.author.account_id.startswith("-"):  # a channel, of which Telegram tells nothing
            return event
        return replace(event, admin=await self._is_admin(event.address, event.author))

    async def _is_admin(self, address: Address, author: Author) -> bool | None:
        """Return whether somebody administers a group; None if Telegram does not tell."""
        who, now = (address.chat, author.account_id), time.monotonic()
        self._known = {key: known for key, known in self._known.items() if known[0] > now}
        if who not in self._known:
            if now < self._look_again or not self._spare.take(who[1]):
                return None
            try:
                async with asyncio.timeout(PATIENCE):
                    member = await self._bot.get_chat_member(int(who[0]), int(who[1]))
            except (TelegramError, TimeoutError, *MISSHAPEN) as error:
                log.warning("Cannot get the admins of a group: %s", place(error))
                if isinstance(error, TimeoutError | TimedOut):
                    self._look_again = time.monotonic() + FAILED
                return None
            self._known[who] = now + REMEMBERED, member.status in ADMINS
        return self._known[who][1]
