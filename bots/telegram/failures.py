"""Translation of python-telegram-bot's errors to the errors of the seam."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from telegram import error as telegram_error

from core.errors import (
    MISSHAPEN,
    DeliveryError,
    MessageGone,
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
        return Undeliverable(told)
    if isinstance(error, telegram_error.BadRequest):
        kind = MessageGone if _GONE.search(error.message) else Undeliverable
        return kind(told)
    if TOO_LARGE in error.message:
        return Undeliverable(told)
    # A refused token is among these: the operator may replace it, and nothing is lost.
    return Unreachable(told)


def _seconds(period: int | timedelta) -> float:
    return period.total_seconds() if isinstance(period, timedelta) else float(period)
