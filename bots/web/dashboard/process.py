"""The state of the process that draws the pages."""

import os
from dataclasses import dataclass
from pathlib import Path

from bots.version import VERSION
from bots.web.pulse import Pulse

_MEMORY = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Process:
    """The release, the memory and the event loop of this process."""

    pulse: Pulse

    @property
    def version(self) -> str:
        """The release."""
        return VERSION

    @property
    def memory(self) -> int | None:
        """The bytes of memory that it takes; None where that is not known."""
        try:
            pages = int(_MEMORY.read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def lag(self) -> float:
        """The seconds by which its event loop is late."""
        return self.pulse.lag
