"""The driver of PostgreSQL, which leaves the event loop to others while the server works."""

import asyncio
from typing import Any

import psycopg
from psycopg import waiting
from psycopg.abc import RV, PQGen
from sqlalchemy.util.concurrency import await_, in_greenlet


class Connection(psycopg.Connection[Any]):
    """A connection on which a greenlet of the event loop can wait without blocking the loop.

    Elsewhere it blocks its thread, as psycopg's own does. SQLAlchemy knows of no difference, and
    needs none of the layers of its asyncio.
    """

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Return the result of an exchange with the server.

        A greenlet that is cancelled closes the connection. The server ends the statement first
        and then the transaction, which it rolls back unless the statement was all of it.
        """
        if not in_greenlet():
            return super().wait(gen, interval, timeout)
        try:
            socket = self.pgconn.socket
            return await_(waiting.wait_async(gen, socket, interval=interval, timeout=timeout))
        except (asyncio.CancelledError, GeneratorExit):
            self.close()
            raise
