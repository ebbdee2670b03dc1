"""The state of the process that draws the pages."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from bots.version import VERSION

EVERY = 1.0
"""The seconds between two looks at the event loop."""
LATEST = 60
"""The looks among which the longest wait counts."""
_MEMORY = Path("/proc/self/statm")


class Vitals:
    """The release, the memory, and the longest wait at the event loop in the last minute."""

    version = VERSION

    def __init__(self) -> None:
        self._waits: deque[float] = deque(maxlen=LATEST)

    @property
    def memory(self) -> int | None:
        """The bytes of memory that this process takes; None where that is not known."""
        try:
            pages = int(_MEMORY.read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def lag(self) -> float:
        """The seconds for which the event loop kept a task waiting at the longest."""
        return max(self._waits, default=0.0)

    async def watch(self, app: web.Application) -> AsyncIterator[None]:
        """Look at the event loop while an application runs."""
        watching = asyncio.create_task(self._watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + EVERY
            await asyncio.sleep(EVERY)
            self._waits.append(max(clock() - due, 0.0))
