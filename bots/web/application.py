"""The application of a port: its routes, and what holds for every request and answer."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

LARGEST = 1_000_000
"""The most bytes of a request's body."""
LONGEST = 30.0
"""The most seconds for one request, with the time in which its body comes."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every answer, unless a route sets others."""


def application(
    routes: Iterable[web.AbstractRouteDef],
    beneath: Mapping[str, web.Application] | None = None,
) -> web.Application:
    """Return an application with these routes.

    `beneath` holds further applications by the paths under which they answer, as `/dashboard`. The
    bounds and headers of this one hold for them, too.
    """
    app = web.Application(middlewares=[_in_time], client_max_size=LARGEST)
    app.on_response_prepare.append(_add_headers)
    app.add_routes(routes)
    for prefix, other in (beneath or {}).items():
        app.add_subapp(prefix, other)
    return app


@web.middleware
async def _in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request, or end it with 503 when it takes too long."""
    try:
        async with asyncio.timeout(LONGEST) as limit:
            return await handler(request)
    except TimeoutError:
        if not limit.expired():
            raise
        log.warning("a request took too long")  # its path may be a secret
        return web.Response(status=503, text="It took too long.\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop(hdrs.SERVER, None)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
