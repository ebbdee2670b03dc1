"""The pulse of the event loop: how late it does what is due."""

import asyncio
from collections.abc import Callable

EVERY = 1.0
"""The seconds between two beats."""


class Pulse:
    """The pulse of this process's event loop while `run` runs."""

    def __init__(self, heard: Callable[[float], None] = lambda _: None) -> None:
        """Make a pulse; `heard` is told the lag of every beat."""
        self._heard = heard
        self.lag = 0.0
        """The seconds by which the last beat was late."""

    async def run(self) -> None:
        """Measure for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + EVERY
            await asyncio.sleep(EVERY)
            self.lag = max(clock() - due, 0.0)
            self._heard(self.lag)
