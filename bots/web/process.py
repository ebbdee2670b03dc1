"""The pages of the bot's process: its health, its figures, and the routes that platforms call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bots.platform import Platform
from bots.web import health
from bots.web.health import Health
from bots.web.ports import Pages, Ports, Routes, answering
from bots.web.pulse import Pulse
from core.vitals import Vitals

if TYPE_CHECKING:
    from bots.web.figures import Figures


@dataclass(frozen=True, slots=True)
class Process:
    """The sources of what the pages tell of a process."""

    look: Callable[[], Awaitable[Vitals]]
    """Tells how it is."""
    running: Callable[[], int]
    """Returns the number of turns in hand."""
    tasks: Mapping[str, asyncio.Task[None]]
    """The tasks whose death is one of the process, by their names in its log."""
    figures: "Figures | None"
    """The figures; None if nobody counts."""


@asynccontextmanager
async def serving_process(
    ports: Ports, platforms: Sequence[Platform], process: Process
) -> AsyncIterator[None]:
    """Answer for the process on its ports inside this context.

    Raises SettingsError if a port cannot be opened.
    """
    pulse = Pulse() if process.figures is None else Pulse(process.figures.note_lag)
    pages = Pages(
        health=health.routes(Health(pulse, partial(_dead, process.tasks), process.look)),
        figures=_figures(process),
        public=[route for platform in platforms for route in platform.routes()],
    )
    beating = asyncio.create_task(pulse.run())
    try:
        async with answering(ports, pages):
            yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


def _figures(process: Process) -> Routes:
    if process.figures is None:
        return ()
    from bots.web import metrics  # noqa: PLC0415 - health needs no library for figures

    return metrics.routes(process.figures, process.look, process.running)


def _dead(tasks: Mapping[str, asyncio.Task[None]]) -> list[str]:
    """Return the names of the tasks that have ended with an error."""
    ended = {name: task for name, task in tasks.items() if task.done()}
    return [name for name, task in ended.items() if task.cancelled() or task.exception()]
