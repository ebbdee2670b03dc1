"""A port on which an application answers."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from bots.web.connection import Connection
from core.errors import SettingsError

log = logging.getLogger(__name__)

LAST_SECONDS = 2.0
"""The seconds that running requests have to end when the process stops."""
ALL_OF_IPV4 = "0.0.0.0"  # noqa: S104 - whoever sets a port wants to be reached


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, setting: str
) -> AsyncIterator[asyncio.Server]:
    """Answer requests on a port inside this context; "" is every address of the machine.

    Raises SettingsError, which names the `setting` of the port, if it cannot be opened.
    """
    runner = web.AppRunner(app, shutdown_timeout=LAST_SECONDS)
    await runner.setup()
    assert runner.server is not None, "it is made by `setup`"
    try:
        server = await _open(runner.server, host, port, setting)
        log.info("answering HTTP on port %d (%s)", port, setting)
        try:
            yield server
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _open(handler: web.Server, host: str, port: int, setting: str) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    begin = partial(loop.create_server, partial(Connection, handler), port=port)
    try:
        try:
            return await begin(host=host or None)
        except OSError as error:
            if host or error.errno != errno.EADDRNOTAVAIL:
                raise
            return await begin(host=ALL_OF_IPV4)  # a machine without IPv6
    except socket.gaierror:
        raise SettingsError("HOST: no address of this machine; leave it empty for all") from None
    except OSError as error:
        raise SettingsError(_refusal(error, port, setting)) from None


def _refusal(error: OSError, port: int, setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{setting}: port {port} is in use by another process; choose another one"
        case errno.EACCES:
            return f"{setting}: port {port} is not for this user; choose one above 1023"
        case errno.EADDRNOTAVAIL:
            return "HOST: no address of this machine; leave it empty for all"
        case _:
            return f"{setting}: port {port} cannot be opened: {error.strerror}"
