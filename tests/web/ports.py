"""Ports of this machine that nobody uses, and a client that asks on one."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

import httpx

from bots.trust import trust
from tests.parallel import NUMBER
from tests.records import PATIENCE

FIRST, EACH, WORKERS = 10_000, 1_000, 20
"""The first port of the tests, how many each process of the tests has, and for how many processes.

All lie below those that the system gives to connections and to servers that ask for any port. So
nobody takes one between `free_port` and the server that is to have it.
"""

_tries = count(os.getpid())


def free_port() -> int:
    """Return the number of a port that nobody uses now, and that no other test gets meanwhile."""
    worker = int(os.environ.get(NUMBER, "0")) % WORKERS
    while True:
        port = FIRST + EACH * worker + next(_tries) % EACH
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass
class Probe:
    """A client that asks a process how it is."""

    client: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def of(cls, port: int) -> AsyncIterator[Self]:
        """The client for a port."""
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(
            base_url=url, verify=trust(), trust_env=False, timeout=30
        ) as client:
            yield cls(client)

    async def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""
        answer = await self.client.get(path)
        return answer.status_code, answer.text

    async def status(self, path: str) -> int:
        return (await self.get(path))[0]

    async def text(self, path: str) -> str:
        return (await self.get(path))[1]

    async def health(self) -> dict[str, Any]:
        """Return what `/healthz` tells."""
        told: dict[str, Any] = (await self.client.get("/healthz")).json()
        return told

    async def until(self, path: str, status: int) -> None:
        """Wait until a page has a status; before the process has opened its port it has none."""
        async with asyncio.timeout(PATIENCE):
            while await self._status_of(path) != status:  # noqa: ASYNC110 - it has no events for us
                await asyncio.sleep(0.05)

    async def until_told(self, reason: str) -> None:
        """Wait until `/healthz` tells a reason."""
        async with asyncio.timeout(PATIENCE):
            while (await self.health())["reason"] != reason:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def until_shown(self, line: str) -> None:
        """Wait until `/metrics` has a line."""
        async with asyncio.timeout(PATIENCE):
            while line not in await self.text("/metrics"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def until_it_tells(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until something holds for what `/healthz` tells, and return it.

        One answer serves everybody for a second, so it may be older than what a test has seen.
        """
        async with asyncio.timeout(PATIENCE):
            while not holds(told := await self.health()):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        return told

    async def until_state(self, state: str) -> None:
        """Wait until `/healthz` tells that the account is in a state."""
        await self.until_it_tells(lambda told: told["accounts"][0]["state"] == state)

    async def until_page(self, path: str, status: int, text: str) -> None:
        """Wait until a page has a status and a text."""
        async with asyncio.timeout(PATIENCE):
            while await self.get(path) != (status, text):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def _status_of(self, path: str) -> int:
        try:
            return await self.status(path)
        except httpx.TransportError:
            return 0
