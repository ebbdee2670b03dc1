"""How often a person may ask for anything, and how much of it may wait (pure).

Every message, command, pressed button and edit is a request. The turns that a person has made in a
minute are counted in their table; the row of the person counts the requests that made no turn. So
an ordinary question costs no statement for it, and an event that comes twice counts once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core import words
from core.turns import Activity

MINUTE = timedelta(minutes=1)
URGENT = 2
"""A person may stop an answer until they have made so many times the requests of a minute."""


class Reason(StrEnum):
    """The bound that a person has reached."""

    REQUESTS = "requests"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most requests of a person in a minute, and the most turns of theirs that wait."""

    requests: int = 30
    pending: int = 20

    def reached(self, activity: Activity, *, urgent: bool = False) -> Reason | None:
        """Return the bound that keeps a person from making a turn now; None if they may.

        An `urgent` request, to stop an answer, makes nothing wait and has a higher bound.
        """
        if activity.asked >= self.requests * (URGENT if urgent else 1):
            return Reason.REQUESTS
        if activity.pending >= self.pending and not urgent:
            return Reason.PENDING
        return None

    def is_told(self, activity: Activity, reason: Reason, now: datetime) -> bool:
        """Return whether a notice of this bound was the last that a person got."""
        if activity.told_of != reason or activity.told_at is None:
            return False
        return reason is Reason.PENDING or activity.told_at >= minute(now)

    def notice(self, reason: Reason, now: datetime) -> str:
        """Return the sentence that tells a person to wait."""
        if reason is Reason.PENDING:
            return words.TOO_MUCH_PENDING.format(number=self.pending)
        return words.TOO_OFTEN.format(until=words.until(minute(now) + MINUTE, now))


def minute(now: datetime) -> datetime:
    """Return the beginning of the minute in which requests are counted."""
    return now.replace(second=0, microsecond=0)
