"""A turn that a worker has in hand."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from core.reply import Lease, Reply
from core.turns import Turn


@dataclass(slots=True)
class Run:
    """A turn that is being carried out here."""

    turn: Turn
    reply: Reply
    lease: Lease
    task: asyncio.Task[None] | None = None
    saved: str = ""
    """The text that is stored as its draft."""

    def lose(self) -> None:
        """Another attempt owns the turn: end this one, as soon as its call under way is over."""
        if self.task and not self.lease.lost:
            self.task.cancel()
        self.lease.lost = True

    async def take_over(self, older: Sequence["Run"]) -> None:
        """Wait until older runs of the same turn have left the platform alone."""
        for run in older:
            run.lose()
            if run.task:
                await asyncio.wait([run.task])
