"""The lines in which turns wait for a worker; the lower line goes first (pure).

A turn that waits for another one stands in no line. Everybody has at most one turn in the first
line, so people are served in turn. A turn whose process died stands in a line of its own kind: a
worker takes few of such turns at once, and from the line `ALONE` only one with nothing beside it.
"""

FIRST = 0
"""The turns that are their people's next."""
LATER = 1
"""The turns of people who have another one before."""
ONCE = 2
"""The turns that were in hand when a process died, once."""
TWICE = 3
ALONE = 4
"""The turns that may have ended three processes or more."""
LAST = 5
"""The turns that nobody asked for, such as announcements; they go when nobody else waits."""

SHAKEN = {ONCE: 100, TWICE: 10}
"""The most turns of these lines that one process has in hand: of a hundred turns that were in hand
at a death, ten are there at the next one, and few of them have to run alone."""
UNASKED = 5
"""The most turns of the line `LAST` that one process has in hand: one goes after the other."""

SUSPECT = ALONE - ONCE + 1
"""The deaths after which a turn runs alone."""
FATAL = SUSPECT + 3
"""The deaths after which a turn ends with a sentence; at the last three of them it ran alone."""
REST = {SUSPECT + 1: 15.0, SUSPECT + 2: 45.0}
"""The seconds for which a turn rests after a death alone: somebody may be killing processes."""


def line_after(deaths: int) -> int:
    """Return the line of a turn after so many deaths."""
    return min(ONCE + deaths - 1, ALONE) if deaths else FIRST
