"""Bots with a webhook, and a front that shares updates out among several processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import aiohttp
from aiohttp import web

from tests.web.ports import free_port

PATH = "/telegram"


def url_of(port: int) -> str:
    """Return the URL of a webhook on a port of this machine."""
    return f"http://127.0.0.1:{port}{PATH}"


def hooked(port: int) -> dict[str, object]:
    """Return the settings of a bot with a webhook on a port."""
    return {"port": port, "host": "127.0.0.1", "telegram_webhook_url": url_of(port)}


@asynccontextmanager
async def front(*ports: int) -> AsyncIterator[str]:
    """The URL of a front that sends each update to the next of these ports.

    One that does not answer is passed over, as a balancer does it.
    """
    turns = count()

    async def forward(request: web.Request) -> web.Response:
        body, turn = await request.read(), next(turns)
        for number in range(len(ports)):
            url = url_of(ports[(turn + number) % len(ports)])
            try:
                async with client.post(url, data=body, headers=_kept(request)) as answer:
                    return web.Response(status=answer.status, body=await answer.read())
            except (aiohttp.ClientError, OSError):
                continue
        return web.Response(status=502)

    app = web.Application()
    app.add_routes([web.post(PATH, forward)])
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    port = free_port()
    async with aiohttp.ClientSession() as client:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield url_of(port)
        finally:
            await runner.cleanup()


def _kept(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.startswith("X-")}
