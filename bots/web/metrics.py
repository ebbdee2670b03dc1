"""The route of the figures."""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from bots.web.figures import Figures
from core.vitals import Vitals


def routes(figures: Figures, look: Callable[[], Awaitable[Vitals]]) -> list[web.RouteDef]:
    """Return the route of the figures; `look` tells how the process is when they are asked for."""

    async def tell(request: web.Request) -> web.Response:
        figures.set(await look())
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(
            body=encode(figures.registry), headers={hdrs.CONTENT_TYPE: content_type}
        )

    return [web.get("/metrics", tell)]
