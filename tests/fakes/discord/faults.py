"""Faults that a test orders for the next calls of a route."""

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

from tests.fakes.discord.refusals import REFUSALS, Refusal

Drop = Literal["before", "after"]


@dataclass(slots=True)
class Fault:
    """A fault of the next calls whose method and path match."""

    route: re.Pattern[str]
    status: int | None
    times: int
    drop: Drop | None
    delay: float
    until: asyncio.Event | None
    code: int
    retry_after: float | None

    @property
    def refusal(self) -> Refusal | None:
        """The answer instead of the true one; None lets the call take effect."""
        if self.status is None or self.drop:
            return None
        message = REFUSALS.get(self.code, (0, f"{self.status}: injected fault"))[1]
        return Refusal(self.status, message, self.code)


class Faults:
    """The faults on order, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def order(
        self,
        route: str,
        *,
        status: int | None = None,
        times: int = 1,
        drop: Drop | None = None,
        delay: float = 0.0,
        until: asyncio.Event | None = None,
        code: int = 0,
        retry_after: float | None = None,
    ) -> None:
        """Order a fault for `METHOD /path`, where `{anything}` stands for one part of the path.

        A code alone brings its status, `retry_after` alone a 429.
        """
        if status is None and code:
            status = REFUSALS[code][0]
        if status is None and retry_after is not None:
            status = 429
        pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(route))
        fault = Fault(re.compile(pattern), status, times, drop, delay, until, code, retry_after)
        self._faults.append(fault)

    def clear(self) -> None:
        """Forget the faults that are still to happen."""
        self._faults.clear()

    def next(self, call: str) -> Fault | None:
        """The fault for this call, used up by it."""
        for fault in self._faults:
            if fault.route.fullmatch(call):
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None
