"""The calls that no answer needs: a small rate for all people, and a smaller one for each."""

from collections.abc import Callable

RATE, BURST = 5.0, 5.0
"""The calls a second for all people together, and how many may start at once."""
OWN_RATE, OWN_BURST = 0.5, 3.0
"""The same for one person, who thus cannot use up what is there for all."""
REMEMBERED = 1000
"""The number of people from which on those are forgotten who have all their calls again."""

_Level = tuple[float, float]
"""The calls that are left, and when that was so."""


class Spare:
    """Decides whether a call may start now. A call that may not is left out; nobody waits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: _Level = BURST, clock()
        self._own: dict[str, _Level] = {}

    def take(self, person: str) -> bool:
        """Return whether a call for a person may start now, and count it if it may."""
        now = self._clock()
        everybody = _refilled(self._all, now, RATE, BURST)
        own = _refilled(self._own.get(person, (OWN_BURST, now)), now, OWN_RATE, OWN_BURST)
        if min(everybody, own) < 1:
            return False
        self._all = everybody - 1, now
        self._own[person] = own - 1, now
        if len(self._own) > REMEMBERED:
            self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Forget people who have not called for long; at this rate there are few others."""
        long_ago = now - OWN_BURST / OWN_RATE
        self._own = {person: level for person, level in self._own.items() if level[1] > long_ago}


def _refilled(level: _Level, now: float, rate: float, burst: float) -> float:
    left, at = level
    return min(burst, left + (now - at) * rate)
