"""The reach of the database: while it is away, no process may be taken for dead (pure)."""

from collections.abc import Callable


class Reach:
    """One process's record of when it reached the database, in seconds of `clock`."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float]) -> None:
        self._lease = lease_seconds
        self._clock = clock
        self._reached_at = clock()
        self._doubtful_until = 0.0

    def reached(self) -> None:
        """Note that a transaction was committed just now."""
        clock = self._clock()
        if self._was_away(clock):
            self._doubtful_until = clock + self._lease
        self._reached_at = clock

    def is_in_doubt(self) -> bool:
        """Return whether the process behind an expired lease may still be alive.

        While the database is away, no process can renew a lease. Afterwards each one gets the time
        of a whole lease to do so. Otherwise another process would take a turn over and repeat a
        message that was sent meanwhile.
        """
        clock = self._clock()
        return self._was_away(clock) or clock < self._doubtful_until

    def _was_away(self, clock: float) -> bool:
        """Return whether leases may have expired because no process could renew them.

        A process normally reaches the database at least once in each third of a lease. A lease
        expires two thirds of its time after the first renewal that fails.
        """
        return clock - self._reached_at > self._lease / 2
