"""The calls that no answer needs: a rate for all people together, and a smaller one for each."""

from collections.abc import Callable
from dataclasses import dataclass

REMEMBERED = 1000
"""The number of people above which those are forgotten who have all their calls again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The calls a second, and the calls that may start at once."""

    calls: float
    burst: float

    def refill(self, left: float, seconds: float) -> float:
        """Return the calls that are left after so many more seconds."""
        return min(self.burst, left + seconds * self.calls)


class Spare:
    """Decides whether a call may start now. A call that may not is left out; nobody waits."""

    def __init__(self, everybody: Rate, each: Rate, clock: Callable[[], float]) -> None:
        self._everybody = everybody
        self._each = each
        self._clock = clock
        self._left, self._at = everybody.burst, clock()
        self._own: dict[str, tuple[float, float]] = {}
        """The calls that were left to each person, and when that was so."""

    def take(self, person: str) -> bool:
        """Return whether a call for a person may start now, and count it if it may."""
        now = self._clock()
        left, at = self._own.get(person, (self._each.burst, now))
        own = self._each.refill(left, now - at)
        self._left, self._at = self._everybody.refill(self._left, now - self._at), now
        if min(self._left, own) < 1:
            return False
        self._left -= 1
        self._own[person] = own - 1, now
        if len(self._own) > REMEMBERED:
            self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Forget people who have all their calls again. At this rate, few others are left."""
        long_ago = now - self._each.burst / self._each.calls
        self._own = {person: known for person, known in self._own.items() if known[1] > long_ago}
