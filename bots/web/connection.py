"""A connection of a client, with a bound and an answer that the library does not have."""

import asyncio
import logging
from typing import cast

from aiohttp import hdrs, web

MOST = 500
"""The most connections at the same time; further ones are closed at once."""
IDLE = 75.0
"""The seconds after which a connection without a whole request is closed. Proxies in front of a
server close theirs after 60."""
LINGERING = 2.0
"""The seconds for which the rest of a body is read that nobody wants."""


class Connection(web.RequestHandler):
    """A connection. No access is logged, because a path may hold a secret."""

    __slots__ = ("_server",)

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=IDLE,
            access_log=cast("logging.Logger", None),
            lingering_time=LINGERING,
            auto_decompress=False,  # a small body may become a large one
        )
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, or close the connection if there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > MOST:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request without a word about the server; log and answer a failure."""
        if exc is not None and status >= 500:
            return super().handle_error(request, status, exc, message)
        answer = web.Response(status=status, text="This is no request.\n")
        answer.headers[hdrs.SERVER] = ""
        answer.force_close()
        return answer
