"""The accounts of a process, each reached by itself: the trouble of one is not the others'."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from core.adapter import Adapter
from core.errors import DeliveryError, RetryAfter, SettingsError

log = logging.getLogger(__name__)

Connect = Callable[[], AbstractAsyncContextManager[Adapter]]
"""One attempt to reach a platform: DeliveryError when it does not answer, SettingsError when the
operator has to change something."""
Use = Callable[[Adapter], Awaitable[None]]
"""What is done with an account, as long as there is something to do."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between attempts to reach a platform that does not answer."""


class Connections:
    """Accounts that are used as soon as their platform answers."""

    def __init__(self, stack: AsyncExitStack, use: Use) -> None:
        """The `stack` closes the connections: answers in hand need them longer than `use`."""
        self._stack = stack
        self._use = use
        self._left = 0

    async def run(self, connects: Sequence[Connect]) -> None:
        """Until nothing is left to do for any account.

        SettingsError when one is refused at once, and when the last one is refused later.
        """
        self._left = len(connects)
        async with asyncio.TaskGroup() as tasks:
            for connect in connects:
                tasks.create_task(self._serve(connect))

    async def _serve(self, connect: Connect) -> None:
        adapter: Adapter | None = None
        try:
            adapter = await self._reach(connect)
        except DeliveryError as error:
            log.warning("%s; trying again until it answers", error)
        try:
            await self._use(adapter or await self._insist(connect))
        except SettingsError as error:
            self._left -= 1
            if not self._left:
                raise
            log.error("%s", error)

    async def _insist(self, connect: Connect) -> Adapter:
        """Try again and again, ever more seldom."""
        pause = SHORTEST_PAUSE
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
        return await self._stack.enter_async_context(connect())
