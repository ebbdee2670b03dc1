"""The pages of the bot's process: its health, its figures, and the routes that platforms call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from bots.platform import Platform
from bots.web import health
from bots.web.health import Health
from bots.web.ports import Pages, Ports, Routes, answering
from bots.web.pulse import Pulse
from core.desk import Desk
from core.vitals import Vitals

if TYPE_CHECKING:
    from bots.web.figures import Figures


@asynccontextmanager
async def serving_process(
    ports: Ports,
    platforms: Sequence[Platform],
    look: Callable[[], Awaitable[Vitals]],
    tasks: Mapping[str, asyncio.Task[None]],
    *,
    figures: "Figures | None" = None,
    desk: Desk | None = None,
    shows_words: bool = False,
) -> AsyncIterator[None]:
    """Answer for the process on its ports inside this context.

    `look` tells how the process is, and `tasks` are those whose death is one of the process.
    `figures` are told to whoever asks on METRICS_PORT. With a `desk` there is the dashboard, which
    shows what people said if it `shows_words`. Raises SettingsError if a port cannot be opened.
    """
    pulse = Pulse() if figures is None else Pulse(figures.note_lag)
    pages = Pages(
        health=health.routes(Health(pulse, partial(_dead, tasks), look)),
        figures=_routes(figures, look),
        public=[route for platform in platforms for route in platform.routes()],
        beneath={} if desk is None else _dashboard(desk, pulse, shows_words=shows_words),
    )
    beating = asyncio.create_task(pulse.run())
    try:
        async with answering(ports, pages):
            yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


def _dashboard(desk: Desk, pulse: Pulse, *, shows_words: bool) -> dict[str, web.Application]:
    from bots.web import dashboard  # noqa: PLC0415 - most processes have none

    return {dashboard.PATH: dashboard.application(desk, pulse, shows_words=shows_words)}


def _routes(figures: "Figures | None", look: Callable[[], Awaitable[Vitals]]) -> Routes:
    if figures is None:
        return ()
    from bots.web import metrics  # noqa: PLC0415 - health needs no library for figures

    return metrics.routes(figures, look)


def _dead(tasks: Mapping[str, asyncio.Task[None]]) -> list[str]:
    """Return the names of the tasks that have ended with an error."""
    ended = {name: task for name, task in tasks.items() if task.done()}
    return [name for name, task in ended.items() if task.cancelled() or task.exception()]
