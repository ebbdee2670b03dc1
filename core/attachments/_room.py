"""The room for bytes of files in the memory of this process."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ARRIVING = 30_000_000
"""The most bytes of files that are downloaded and stored at once; one message has up to 20 MB."""
LEAVING = 13_000_000
"""The most bytes that requests with files take at once, so that no download holds one up."""


class Room:
    """A number of bytes that tasks take for a while; who came first is served first.

    A task takes all that it needs at once, so tasks never wait for each other in a circle.
    """

    def __init__(self, size: int) -> None:
        self.size = self.free = size
        self.storing = asyncio.Lock()
        """Held while files are stored: database drivers copy them twice or three times."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """Hold so many bytes of the room, or the whole room if they are more than that."""
        size = min(size, self.size)
        await self._wait_for(size)
        try:
            yield
        finally:
            self.free += size
            self._let_in()

    async def _wait_for(self, size: int) -> None:
        """Wait until the bytes are free and take them; a cancelled wait takes nothing."""
        let_in = asyncio.get_running_loop().create_future()
        self._waiting.append((size, let_in))
        self._let_in()
        try:
            await let_in
        except asyncio.CancelledError:
            if let_in.done() and not let_in.cancelled():
                self.free += size
            elif (size, let_in) in self._waiting:  # else one that gave room just now took it out
                self._waiting.remove((size, let_in))
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            size, let_in = self._waiting.popleft()
            if not let_in.cancelled():
                self.free -= size
                let_in.set_result(None)
