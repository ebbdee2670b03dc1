"""The operators' dashboard: an application beneath `/dashboard`, drawn on the server.

It has no script and nothing from elsewhere. Operators come in by a code that the bot sends to their
private chat. `application` gets the core's side as a `core.desk.Desk`.
"""

from aiohttp import web
from aiohttp.typedefs import Handler

from bots.web.dashboard.entry import Entry
from bots.web.dashboard.pages import Pages
from bots.web.dashboard.process import Process
from bots.web.dashboard.rendering import page, prepare, style, style_path
from bots.web.pulse import Pulse
from core.desk import Away, Desk

__all__ = ["PATH", "application"]

PATH = "/dashboard"
"""The path beneath which it answers."""


def application(desk: Desk, pulse: Pulse, *, shows_words: bool = False) -> web.Application:
    """Return the dashboard; `shows_words` lets operators read what was said in a turn."""
    app = web.Application(middlewares=[_calmly])
    app.on_startup.append(prepare)
    app.add_routes(Entry(desk).routes())
    app.add_routes(Pages(desk, Process(pulse), shows_words=shows_words).routes())
    app.add_routes([web.get(style_path().removeprefix(PATH), style)])
    return app


@web.middleware
async def _calmly(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what to do when the database is away, or a form is too old."""
    try:
        return await handler(request)
    except Away:
        return await page("trouble", status=503, kind="away")
    except web.HTTPForbidden:
        return await page("trouble", status=403, kind="old")
