"""One run of a turn in a worker."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from core.reply import Lease, Reply
from core.turns import Turn


@dataclass(slots=True)
class Run:
    """A turn that this process carries out."""

    turn: Turn
    reply: Reply
    lease: Lease
    task: asyncio.Task[None] | None = None
    saved: str = ""
    """The text that was last stored as its draft."""

    def lose(self) -> None:
        """End this run, because another attempt owns the turn; a call under way may finish."""
        if self.task and not self.lease.lost:
            self.task.cancel()
        self.lease.lost = True

    async def take_over(self, older: Sequence["Run"]) -> None:
        """End older runs of the same turn and wait until they send nothing more."""
        for run in older:
            run.lose()
            if run.task:
                await asyncio.wait([run.task])
