"""The subscription of an account: Telegram posts its updates to a URL."""

import asyncio
import hmac
import logging
import random
from dataclasses import dataclass
from datetime import datetime

from telegram import Bot, WebhookInfo
from telegram.error import InvalidToken, RetryAfter, TelegramError

from bots.telegram.mailbox import Mailbox
from bots.telegram.polling import KINDS, REVOKED
from bots.telegram.signs import Signs
from core.errors import MISSHAPEN, SettingsError, place
from core.plain import line, unquoted

log = logging.getLogger(__name__)

LOOK = 30.0
"""The seconds between two looks whether the webhook stands and takes updates."""
CONNECTIONS = 40
"""The most updates that Telegram sends at the same time."""
LONGEST_PAUSE = 30.0


def secret_of(token: str) -> str:
    """Return the secret that Telegram sends along, which all processes derive from the token."""
    return hmac.new(token.encode(), b"webhook", "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Webhook:
    """The webhook of an account."""

    url: str
    secret: str
    mailbox: Mailbox


class Subscription:
    """The webhook as Telegram has it."""

    def __init__(self, bot: Bot, webhook: Webhook, signs: Signs) -> None:
        self._bot = bot
        self._webhook = webhook
        self._signs = signs
        self._failed_at: datetime | None = None

    async def keep(self) -> None:
        """Set the webhook, and look for ever whether it stands and takes updates.

        Raises SettingsError if the token is refused.
        """
        is_set, failures = False, 0
        while True:
            try:
                if not is_set:
                    await self._set()
                    is_set = True
                is_set = await self._look()
            except (TelegramError, *MISSHAPEN) as error:
                failures += 1
                self._signs.note(False)
                if isinstance(error, InvalidToken):
                    raise SettingsError(REVOKED) from None
                if failures == 1:
                    log.error("TELEGRAM_WEBHOOK_URL: it is not set: %s", _reason(error))
                await asyncio.sleep(_pause(error, failures))
                continue
            failures = 0
            await asyncio.sleep(LOOK if is_set else 0)

    async def _set(self) -> None:
        """Have updates posted from now on; those that wait are not lost."""
        await self._bot.set_webhook(
            self._webhook.url,
            secret_token=self._webhook.secret,
            allowed_updates=KINDS,
            max_connections=CONNECTIONS,
        )
        log.info("Telegram posts updates to TELEGRAM_WEBHOOK_URL")

    async def _look(self) -> bool:
        """Return whether the webhook still stands; log what keeps updates from coming."""
        found = await self._bot.get_webhook_info()
        if found.url != self._webhook.url:
            log.warning("somebody else has changed the webhook of this bot; setting it again")
            self._signs.note(False)
            return False
        failing = self._is_failing(found)
        if failing:
            told = line(unquoted(found.last_error_message or "no reason given"))
            log.warning("TELEGRAM_WEBHOOK_URL: Telegram cannot deliver updates there: %s", told)
        self._signs.note(not failing)
        return True

    def _is_failing(self, found: WebhookInfo) -> bool:
        """Return whether updates wait and one has failed since the last look.

        A refusal of our own, while the database is away, is none.
        """
        before, self._failed_at = self._failed_at, found.last_error_date
        is_ours = BUSY in (found.last_error_message or "")
        is_new = found.last_error_date is not None and found.last_error_date != before
        return bool(found.pending_update_count) and is_new and not is_ours


BUSY = "503"
"""The status in Telegram's words about an answer with which this bot asks for patience."""


def _reason(error: Exception) -> str:
    return line(unquoted(error.message)) if isinstance(error, TelegramError) else place(error)


def _pause(error: Exception, failures: int) -> float:
    if isinstance(error, RetryAfter):
        told = error.retry_after
        return told if isinstance(told, int | float) else told.total_seconds()
    return min(LONGEST_PAUSE, 2.0 ** min(failures, 5)) * random.uniform(0.25, 0.75)
