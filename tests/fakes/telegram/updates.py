"""The queue of updates, and the long poll that empties it."""

import asyncio
from collections import deque
from collections.abc import Collection
from itertools import islice

from tests.fakes.telegram.errors import Refused
from tests.fakes.telegram.spans import Json

FIRST_ID = 760_000_001
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
"""Kinds of updates that a bot gets only if it names them."""
OTHER_POLLER = (
    "terminated by other getUpdates request; make sure that only one bot instance is running"
)


class Updates:
    """The updates that the bot has not acknowledged. Updates of unwanted kinds never enter."""

    def __init__(self, violations: list[str]) -> None:
        self._violations = violations
        self._pending: deque[Json] = deque()
        self._again: list[Json] = []
        self._seen: dict[int, Json] = {}
        self._last_id = FIRST_ID - 1
        self._allowed: Collection[str] | None = None
        self._poller: asyncio.Future[None] | None = None
        self.changed = asyncio.Event()
        """Set when there may be something to post to a webhook."""

    @property
    def allowed(self) -> Collection[str]:
        """The kinds of updates that the bot wants; empty for the usual ones."""
        return self._allowed or ()

    def allow(self, kinds: Collection[str] | None) -> None:
        """Change the kinds of updates that the bot wants; None changes nothing."""
        if kinds is not None:
            self._allowed = kinds

    def waiting(self) -> list[Json]:
        """Return everything that would be delivered now, in order."""
        return [*self._again, *self._pending]

    def take_away(self, update: Json) -> None:
        """Forget an update that a webhook has taken."""
        for queue in (self._again, self._pending):
            for at, waiting in enumerate(queue):
                if waiting is update:
                    del queue[at]
                    return

    @property
    def unacknowledged(self) -> list[int]:
        """The ids of all updates that the service would still deliver."""
        return [update["update_id"] for update in self._pending]

    @property
    def polling(self) -> bool:
        """True while a poll waits."""
        return self._poller is not None

    def put(self, kind: str, payload: Json) -> int | None:
        """Queue an update; None if the bot does not want this kind."""
        wanted = kind not in ON_REQUEST if not self._allowed else kind in self._allowed
        return self.put_raw({kind: payload}) if wanted else None

    def put_raw(self, payload: Json) -> int:
        """Queue anything, wanted or not, under a fresh id."""
        self._last_id += 1
        update = {"update_id": self._last_id, **payload}
        self._seen[self._last_id] = update
        self._pending.append(update)
        self._wake()
        return self._last_id

    def put_again(self, update_id: int) -> None:
        """Deliver an update once more, though it may be acknowledged."""
        self._again.append(self._seen[update_id])
        self._wake()

    async def poll(
        self, offset: int, limit: int, seconds: int, allowed: Collection[str] | None
    ) -> list[Json]:
        """Wait at most `seconds` for updates; a later poll ends an earlier one."""
        self.end_poll(OTHER_POLLER)
        self.allow(allowed)
        self._acknowledge(offset)
        if seconds and not self._pending and not self._again:
            await self._sleep(seconds)
        return self._take(limit)

    def end_poll(self, reason: str) -> None:
        """Refuse the poll that is waiting, if any."""
        if self._poller is not None and not self._poller.done():
            self._violations.append(f"getUpdates {reason}")
            self._poller.set_exception(Refused(409, f"Conflict: {reason}"))

    def drop(self) -> None:
        """Forget everything that waits."""
        self._pending.clear()

    def _acknowledge(self, offset: int) -> None:
        while self._pending and self._pending[0]["update_id"] < offset:
            self._pending.popleft()
        while offset < 0 and len(self._pending) > -offset:
            self._pending.popleft()

    async def _sleep(self, seconds: int) -> None:
        poller = self._poller = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await poller
        except TimeoutError:
            pass
        finally:
            if self._poller is poller:
                self._poller = None

    def _wake(self) -> None:
        self.changed.set()
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(None)

    def _take(self, limit: int) -> list[Json]:
        again, self._again = self._again[:limit], self._again[limit:]
        return again + list(islice(self._pending, limit - len(again)))
