"""Translation of python-telegram-bot's errors to the errors of the seam."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
from telegram import error as telegram_error

from core.errors import (
    MISSHAPEN,
    DeliveryError,
    MessageGone,
    Muted,
    RetryAfter,
    Undeliverable,
    Unreachable,
    place,
)
from core.plain import line, unquoted

UNCHANGED = "is not modified"
TOO_LARGE = "Entity Too Large"
_GONE = re.compile(
    "message to (edit|delete) not found|message can't be edited|message_id_invalid", re.IGNORECASE
)
_MUTED = re.compile(
    "chat not found|peer_id_invalid"
    "|rights to send (text|messages)|no write access|need administrator rights"
    "|chat_(write|restricted|guest_send|send_plain)|group chat was (deleted|deactivated)"
    "|channel_private|user_(is_blocked|deactivated|banned_in_channel)",
    re.IGNORECASE,
)
"""The refusals of everything that the bot writes to a chat; a 403 is one too."""
_CLOSED = re.compile(
    "thread not found|topic_(closed|deleted|id_invalid)|invalid forum topic|chat is not a forum",
    re.IGNORECASE,
)
"""The refusals of everything that the bot writes to a topic."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NOT_DONE = (telegram_error.InvalidToken, telegram_error.Conflict)


class TopicClosed(Muted):
    """A topic takes nothing more: it is closed or deleted. Its chat may be open."""


@contextmanager
def translating() -> Iterator[None]:
    """Raise the library's failures in a call as errors of the seam."""
    try:
        yield
    except telegram_error.TelegramError as error:
        raise translated(error) from error
    except MISSHAPEN as error:
        # The call may have been done: only its answer cannot be read.
        raise Unreachable(f"an answer of another shape: {place(error)}") from None


def translated(error: telegram_error.TelegramError) -> DeliveryError:
    """Translate an error of the library to an error of the seam."""
    if isinstance(error, telegram_error.RetryAfter):
        return RetryAfter(_seconds(error.retry_after))
    told = line(unquoted(error.message))
    if isinstance(error, telegram_error.Forbidden):
        return Muted(told)
    if isinstance(error, telegram_error.BadRequest):
        return _refusal(error.message)(told)
    if TOO_LARGE in error.message:
        return Undeliverable(told)
    # A refused token is among these: the operator may replace it, and nothing is lost.
    maybe_done = not isinstance(error, _NOT_DONE) and not isinstance(error.__cause__, _NOT_SENT)
    return Unreachable(told, maybe_done=maybe_done)


def _refusal(message: str) -> type[DeliveryError]:
    if _GONE.search(message):
        return MessageGone
    if _CLOSED.search(message):
        return TopicClosed
    return Muted if _MUTED.search(message) else Undeliverable


def _seconds(period: int | timedelta) -> float:
    return period.total_seconds() if isinstance(period, timedelta) else float(period)
