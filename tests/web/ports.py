"""Ports of this machine that nobody uses, and a client that asks on one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from tests.records import PATIENCE


def free_port() -> int:
    """Return the number of a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass
class Probe:
    """A client that asks a process how it is."""

    client: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def of(cls, port: int) -> AsyncIterator[Self]:
        """The client for a port."""
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
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

    async def until_heard(self, within: float) -> None:
        """Wait until `/healthz` tells that the account gave a sign less than `within` seconds ago.

        A busy machine may hold up one sign, not all.
        """
        async with asyncio.timeout(PATIENCE):
            while await self._silence() >= within:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def _silence(self) -> float:
        seconds: float = (await self.health())["accounts"][0]["heard_seconds_ago"]
        return seconds

    async def _status_of(self, path: str) -> int:
        try:
            return await self.status(path)
        except httpx.TransportError:
            return 0
