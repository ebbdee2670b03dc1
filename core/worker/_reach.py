"""How long the database was away, for then nobody may be taken for dead (pure)."""

from collections.abc import Callable


class Reach:
    """One process's view of the database: when it was there, in seconds of `clock`."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float]) -> None:
        self._lease = lease_seconds
        self._clock = clock
        self._reached_at = clock()
        self._doubtful_until = 0.0

    def reached(self) -> None:
        """A transaction was committed just now."""
        clock = self._clock()
        if self._was_away(clock):
            self._doubtful_until = clock + self._lease
        self._reached_at = clock

    def is_in_doubt(self) -> bool:
        """Whether a lease that has run out says nothing of the process that held it.

        Nobody can renew one while the database is away; afterwards everybody gets a whole lease's
        time, or a message that was sent meanwhile would be sent again by who takes the turn over.
        """
        clock = self._clock()
        return self._was_away(clock) or clock < self._doubtful_until

    def _was_away(self, clock: float) -> bool:
        """Whether leases may have run out because nobody could renew them.

        A process that is there reaches the database at every beat, each third of a lease; until
        the lease of one runs out that could not renew it, two thirds of it pass.
        """
        return clock - self._reached_at > self._lease / 2
