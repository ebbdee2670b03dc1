"""Faults on order, for the next calls of a method."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tests.fakes.telegram.errors import Refused, flooded
from tests.fakes.telegram.methods import METHODS
from tests.fakes.telegram.state import Call
from tests.fakes.telegram.updates import OTHER_POLLER

Drop: TypeAlias = Literal["before", "after", "within"]

ANY = "*"
FILE = "file"
"""Stands for the download of a file, which is no method."""
DESCRIPTIONS = {
    400: "Bad Request: something is wrong",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: f"Conflict: {OTHER_POLLER}",
    500: "Internal Server Error",
}


@dataclass(slots=True)
class Fault:
    """A fault to come, with the number of times left."""

    method: str
    chat: int | None
    times: int
    status: int | None
    retry_after: int
    description: str
    drop: Drop | None
    delay: float
    """The seconds by which the answer is late; the call itself is done at once."""
    keep: int
    """The bytes of the answer that still come when the connection drops within it."""

    def refusal(self) -> Refused | None:
        """The refusal it stands for, if it is one."""
        if self.status is None:
            return None
        if self.status == 429:
            return flooded(self.retry_after)
        described = self.description or DESCRIPTIONS.get(self.status, "Bad Gateway")
        return Refused(self.status, described)


class Faults:
    """The faults that are still to happen, the oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._cleared = asyncio.Event()

    def add(self, fault: Fault) -> None:
        """Let a fault happen; KeyError for a method that does not exist."""
        if fault.method not in {*METHODS, ANY, FILE}:
            raise KeyError(fault.method)
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget the faults that are still to happen, and let late answers go out now."""
        self._waiting.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def delay(self, fault: Fault) -> None:
        """Wait for as long as a fault makes an answer late."""
        with suppress(TimeoutError):
            async with asyncio.timeout(fault.delay):
                await self._cleared.wait()

    def take(self, call: Call) -> Fault | None:
        """The fault that hits this call."""
        for fault in self._waiting:
            if fault.method in {ANY, call.method} and fault.chat in {None, call.chat}:
                fault.times -= 1
                self._waiting = [waiting for waiting in self._waiting if waiting.times > 0]
                return fault
        return None
