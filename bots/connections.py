"""The connections of a process to its accounts; a failure of one does not disturb the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from core.adapter import Adapter
from core.errors import DeliveryError, RetryAfter, SettingsError, Unreachable, place

log = logging.getLogger(__name__)

Connect = Callable[[], AbstractAsyncContextManager[Adapter]]
"""Makes one attempt to reach a platform. Raises DeliveryError if it does not answer, and
SettingsError if the operator has to change something."""
Use = Callable[[Adapter], Awaitable[None]]
"""Uses an account until nothing is left to do."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""The seconds between two attempts to reach a platform; the pause doubles each time."""


class Connections:
    """The accounts of a process; each is used as soon as its platform answers."""

    def __init__(self, stack: AsyncExitStack, use: Use) -> None:
        """Make connections; `stack` closes them, because answers need them longer than `use`."""
        self._stack = stack
        self._use = use
        self._left = 0
        self.refused: set[str] = set()
        """The names of the platforms that refuse the account."""

    async def run(self, connects: Mapping[str, Connect]) -> None:
        """Use the accounts of all platforms, by their names, until nothing is left to do.

        Raises SettingsError if an account is refused at the first try, or the last one later.
        """
        self._left = len(connects)
        async with asyncio.TaskGroup() as tasks:
            for name, connect in connects.items():
                tasks.create_task(self._serve(name, connect))

    async def _serve(self, name: str, connect: Connect) -> None:
        adapter: Adapter | None = None
        pause = SHORTEST_PAUSE
        try:
            adapter = await self._reach(connect)
        except RetryAfter as limit:
            log.warning("%s: %s; trying again then", name, limit)
            pause = max(pause, limit.retry_after)
        except DeliveryError as error:
            log.warning("%s; trying again until it answers", error)
        try:
            await self._use(adapter or await self._insist(connect, pause))
        except SettingsError as error:
            self._left -= 1
            self.refused.add(name)
            if not self._left:
                raise
            log.error("%s", error)

    async def _insist(self, connect: Connect, pause: float) -> Adapter:
        """Try until the platform answers, with growing pauses, of which the first is given."""
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                return await self._reach(connect)
            except RetryAfter as limit:
                pause = max(pause, limit.retry_after)
            except DeliveryError as error:
                log.debug("%s", error)

    async def _reach(self, connect: Connect) -> Adapter:
        """Make one attempt; a fault of one platform's code must not end the others."""
        try:
            return await self._stack.enter_async_context(connect())
        except (DeliveryError, SettingsError):
            raise
        except Exception as error:  # one platform must not end the others
            raise Unreachable(f"a platform cannot be reached: {place(error)}") from error
