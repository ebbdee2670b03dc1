"""The health of the process, for what starts and watches it."""

from aiohttp import web


def routes() -> list[web.RouteDef]:
    """Return the routes of health."""
    return [web.get("/livez", _live)]


async def _live(request: web.Request) -> web.Response:
    """Answer, which the event loop can do only while it runs."""
    return web.Response(text="ok\n")
