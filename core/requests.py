"""The bounds on what one person asks for in a minute, and on what of it may wait (pure).

Every message, command, pressed button and edit is a request. The turns that a person has made in a
minute are counted in their table; the row of the person counts the requests that made no turn. So
an ordinary question costs no statement for it, and an event that comes twice counts once.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core import words
from core.adapter import Author
from core.turns import Activity

MINUTE = timedelta(minutes=1)
URGENT = 2
"""The bound on requests to stop an answer, as a multiple of the bound on all requests."""


FLOOD = 120
"""The events of a person in a minute after which further ones are not looked at, at the least."""


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
            return words.TOO_MUCH_PENDING.format(self.pending)
        return words.TOO_OFTEN.format(until=words.until(minute(now) + MINUTE, now))


class Turnstile:
    """Counts the events of each person in a minute, in memory, before anything is stored of them.

    Events come one after the other: hundreds of one person would keep all others waiting, even if
    each is only refused. By the time that one is let through no more, its author has been told.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._most = max(FLOOD, bounds.requests * URGENT)
        self._minute: datetime | None = None
        self._passed: Counter[Author] = Counter()

    def lets(self, author: Author, now: datetime) -> bool:
        """Return whether an event may pass, and count it."""
        if self._minute != minute(now):
            self._minute = minute(now)
            self._passed.clear()
        person = replace(author, name="")  # the name may change from event to event
        self._passed[person] += 1
        return self._passed[person] <= self._most


def minute(now: datetime) -> datetime:
    """Return the beginning of the minute in which requests are counted."""
    return now.replace(second=0, microsecond=0)
