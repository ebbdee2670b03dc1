"""Updates that come by HTTP, from their arrival until they are stored."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bots.telegram.answers import Json

MOST = 1000
"""The most updates that wait."""
PATIENCE = 10.0
"""The seconds in which an update has to be stored; then Telegram is asked to send it again."""


@dataclass(frozen=True, slots=True, eq=False)
class _Letter:
    """An update, and whether it is stored."""

    update: Json
    stored: "asyncio.Future[bool]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self, *, stored: bool) -> None:
        if not self.stored.done():
            self.stored.set_result(stored)


class Mailbox:
    """The updates of one account in the order of their arrival.

    They are taken one by one, as those of a poll are. Telegram sends the next update of a chat only
    after the one before was taken, so that they keep their order also among several processes.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Letter] = deque()
        self._came = asyncio.Event()
        self._is_open = False

    async def put(self, update: Json) -> bool:
        """Return True once an update is stored, and False if it has to be sent again.

        That is so while nobody listens, and while the database is away.
        """
        if not self._is_open or len(self._waiting) >= MOST:
            return False
        letter = _Letter(update)
        self._waiting.append(letter)
        self._came.set()
        try:
            async with asyncio.timeout(PATIENCE):
                return await letter.stored
        except TimeoutError:
            return False
        finally:
            with suppress(ValueError):  # it was taken
                self._waiting.remove(letter)

    async def updates(self, heard: Callable[[], None]) -> AsyncGenerator[Json, None]:
        """Yield updates for ever; a request for the next one tells that the last one is stored.

        `heard` is told of each.
        """
        letter: _Letter | None = None
        self._is_open = True
        try:
            while True:
                self._came.clear()
                while self._waiting:
                    letter = self._waiting.popleft()
                    heard()
                    yield letter.update
                    letter.end(stored=True)
                await self._came.wait()
        finally:
            self._is_open = False
            for each in (*self._waiting, letter):
                if each is not None:
                    each.end(stored=False)
