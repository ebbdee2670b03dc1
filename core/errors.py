"""The errors that Parley raises on purpose.

ParleyError
├── SettingsError             a setting is missing or wrong; the message names it
├── DeliveryError             a platform did not do what was asked
│   ├── RetryAfter            a flood limit: call again after `retry_after` seconds, not before
│   ├── Unreachable           time-out, reset, 5xx: it may have been done or not
│   ├── MessageGone           the message to edit or delete no longer exists
│   └── Undeliverable         refused, not acceptable: never worth a retry
│       └── Muted             blocked, kicked, closed: the bot may write nothing there
│           └── TooLate       the time in which it could write there with a ticket is over
├── AttachmentError           an attachment cannot be read; the message is for the person
├── ModelError                the model did not answer
│   ├── ModelBusy             before the first token; worth a retry, after `retry_after` if given
│   ├── ModelBroke            the stream broke after the first token; worth a new start
│   ├── ModelUnavailable      the operator must act; asking again is of no use
│   │   ├── KeyRefused        the key is missing, wrong or without rights
│   │   ├── CreditUsedUp      the account behind the key has no money left
│   │   └── ModelGone         the model is unknown or retired
│   └── ModelRejected         the request was refused (400); never retried
│       ├── ContentRefused    the provider does not answer such content
│       ├── FileRefused       the provider cannot read a file of the prompt
│       └── PromptTooLong     the prompt has more tokens than the model takes
├── QuotaExceeded             an allowance is used up until `resets_at`
└── LeaseLost                 another attempt owns the turn now: stop writing

`desk.Away`, which the dashboard alone meets, stands beside the tree.
"""

import math
from datetime import datetime
from pathlib import Path
from typing import Literal

LONGEST_WAIT = 3600.0
"""The most seconds that a platform can tell to wait, whatever it says."""

MISSHAPEN = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""The errors of code that reads a value of another shape than it expects."""


def place(error: BaseException) -> str:
    """Return an error's type and where it was raised, for the log.

    The message is left out: that of a failed conversion quotes what people said.
    """
    trace = error.__traceback__
    if trace is None:
        return type(error).__name__
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = Path(trace.tb_frame.f_code.co_filename)
    return f"{type(error).__name__} in {file.parent.name}/{file.name}:{trace.tb_lineno}"


def kind(error: BaseException) -> str:
    """Return the name of an error's kind in the tree above, or of its type if it is not in it."""
    its = (each.__name__ for each in type(error).__mro__ if each.__module__ == __name__)
    return next(its, type(error).__name__)


class ParleyError(Exception):
    """Base of all errors that Parley raises on purpose."""


class SettingsError(ParleyError):
    """A setting is missing or wrong; the message names it and says what to do."""


class DeliveryError(ParleyError):
    """A platform did not do what was asked. The message is for the log, never for a person."""


class RetryAfter(DeliveryError):
    """A flood limit: no call there may be made for `retry_after` seconds.

    What a server tells is bounded: from 0 to LONGEST_WAIT, which also stands for no number.
    """

    def __init__(self, retry_after: float) -> None:
        longest = not math.isfinite(retry_after)
        retry_after = LONGEST_WAIT if longest else min(max(retry_after, 0.0), LONGEST_WAIT)
        super().__init__(f"flood limit, retry after {retry_after:g} s")
        self.retry_after = retry_after


class Unreachable(DeliveryError):
    """The platform gave no answer or failed; `maybe_done` if it may have done what was asked."""

    def __init__(self, message: str = "", *, maybe_done: bool = True) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class MessageGone(DeliveryError):
    """The message to edit or delete no longer exists."""


class Undeliverable(DeliveryError):
    """The platform refuses a call for good: forbidden or not acceptable."""


class Muted(Undeliverable):
    """The bot may write nothing at an address: blocked, kicked, closed, deleted."""


class TooLate(Muted):
    """The bot may write at an address only with a ticket, whose time is over."""


class AttachmentError(ParleyError):
    """An attachment cannot be read. The message is a plain sentence for the person."""


class ModelError(ParleyError):
    """The model did not answer. The message is for the log, never for a person."""


class ModelBusy(ModelError):
    """The model failed before its first token; retry, after `retry_after` seconds if given."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelBroke(ModelError):
    """The stream broke after its first token; start the answer again."""


class ModelUnavailable(ModelError):
    """The key, credits, path or model is wrong: the operator must act, and the message says how."""


class KeyRefused(ModelUnavailable):
    """The model API does not accept the key, or the key may not do this."""


class CreditUsedUp(ModelUnavailable):
    """The account behind the key has no money left."""


class ModelGone(ModelUnavailable):
    """The server does not know the model any more, or never did; it may know another one."""


class ModelRejected(ModelError):
    """The server refused the request as invalid, and would refuse it again."""


class ContentRefused(ModelRejected):
    """The provider of the model does not answer such content."""


class FileRefused(ModelRejected):
    """The provider of the model cannot read a file of the prompt: that very file, not its kind."""


class PromptTooLong(ModelRejected):
    """The prompt has more tokens than the model takes.

    `size` and `most` are its tokens and the most that the model takes, if the server told them.
    """

    def __init__(self, message: str, size: int | None = None, most: int | None = None) -> None:
        super().__init__(message)
        self.size = size
        self.most = most


Unit = Literal["turns", "tokens", "usd"]
"""What a limit counts; money is in micro-dollars."""
Whose = Literal["person", "group", "everybody"]
"""The owner of a limit: one person, the members of a group, or all people together."""


class QuotaExceeded(ParleyError):
    """An allowance has less left than is needed, until `resets_at` (UTC).

    `limit` is the operator's text, `most` its amount; `needed`, `left` and `most` are in its
    `unit`: turns, tokens or micro-dollars ("usd").
    """

    def __init__(
        self,
        limit: str,
        resets_at: datetime,
        *,
        needed: int,
        left: int,
        most: int,
        unit: Unit = "turns",
        whose: Whose = "person",
    ) -> None:
        super().__init__(
            f"{limit}: {needed} needed, {left} left until {resets_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        self.limit = limit
        self.resets_at = resets_at
        self.needed = needed
        self.left = left
        self.most = most
        self.unit = unit
        self.whose = whose


class LeaseLost(ParleyError):
    """Another attempt owns the turn now; nothing more may be written for this one."""
