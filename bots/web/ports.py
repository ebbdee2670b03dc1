"""The ports of a process, and the routes that each of them has."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bots.web.application import application
from bots.web.server import serving

Routes = Sequence[web.AbstractRouteDef]


@dataclass(frozen=True, slots=True)
class Ports:
    """The numbers of the ports; None for one that is not opened."""

    public: int | None
    metrics: int | None
    host: str = ""
    """The address of both; "" for all addresses of the machine."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The routes of a process. Health is for every port, figures are for METRICS_PORT alone.

    Figures tell what the bot earns and costs, and the public port may be open to the world. If both
    ports are the same, it has everything.
    """

    health: Routes = ()
    figures: Routes = ()
    public: Routes = ()
    beneath: Mapping[str, web.Application] = field(default_factory=dict)
    """Applications of the public port, by the paths under which they answer."""


@asynccontextmanager
async def answering(ports: Ports, pages: Pages) -> AsyncIterator[None]:
    """Answer on all ports inside this context; raises SettingsError if one cannot be opened."""
    async with AsyncExitStack() as open_ones:
        for number, setting, app in _applications(ports, pages):
            await open_ones.enter_async_context(serving(app, ports.host, number, setting))
        yield


def _applications(ports: Ports, pages: Pages) -> Iterable[tuple[int, str, web.Application]]:
    """Return each port's number, the setting that names it, and its application."""
    if ports.public is not None:
        figures = pages.figures if ports.metrics == ports.public else ()
        routes = (*pages.health, *pages.public, *figures)
        yield ports.public, "PORT", application(routes, pages.beneath)
    if ports.metrics is not None and ports.metrics != ports.public:
        app = application((*pages.health, *pages.figures))
        yield ports.metrics, "METRICS_PORT", app
