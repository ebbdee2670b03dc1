"""The health of a process: its accounts, its database and the turns that wait."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import DBAPIError

from core import db, models, schema
from core.adapter import Account, Adapter
from core.db import Session, Sessions, transact
from core.lines import LAST
from core.vitals import Hearing, State, Vitals

PATIENCE = 3.0
"""The seconds for which a look waits for the database."""
KEPT = 1.0
"""The seconds for which a look serves everybody who asks, because strangers may."""

_turns = models.turns
# Announcements wait as long as they like.
_WAITING = select(func.count(), func.min(_turns.c.ready_at)).where(
    _turns.c.platform.in_(bindparam("the_platforms", expanding=True)),
    _turns.c.line != LAST,
    *models.WAITING,
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer of the database to a look."""

    seconds: float
    current: bool
    waiting: int = 0
    oldest: datetime | None = None


@dataclass(slots=True)
class Health:
    """The health of one process; `look` tells it."""

    sessions: Sessions
    platforms: Sequence[str]
    """The names of the platforms on which this process runs."""
    adapters: Callable[[], Mapping[Account, Adapter]]
    """The accounts of this process by now."""
    states: Callable[[], Mapping[Account, State]]
    """The part that the process has in listening for each account."""
    running: Callable[[], int]
    """Returns the number of turns in hand."""
    stopping: Callable[[], bool]
    now: Callable[[], datetime]
    refused: Callable[[], Collection[str]] = tuple
    """The platforms that refuse the account."""
    _looking: asyncio.Task[_Answer] | None = None
    _seen: Vitals | None = None
    _seen_at: float = field(default=float("-inf"))

    async def look(self) -> Vitals:
        """Return how the process is; looks at the same time share one question to the database."""
        if self._seen is None or time.monotonic() - self._seen_at > KEPT:
            answer = await self._ask()
            self._seen, self._seen_at = self._vitals(answer), time.monotonic()
        return self._seen

    async def _ask(self) -> _Answer | None:
        """Return the database's answer, or None if none comes in time; a late one is not lost."""
        asking = self._looking
        if asking is None:
            asking = self._looking = asyncio.create_task(self._question())
        await asyncio.wait({asking}, timeout=PATIENCE)
        if not asking.done():
            return None
        self._looking = None
        try:
            return asking.result()
        except (DBAPIError, *db.TRANSIENT):
            return None

    async def _question(self) -> _Answer:
        began = time.monotonic()

        async def work(session: Session) -> tuple[int, datetime | None] | None:
            if not await schema.is_current(session):
                return None
            values = {"the_platforms": list(self.platforms)}
            waiting, oldest = (await session.execute(_WAITING, values)).one()
            return waiting, oldest

        found = await transact(self.sessions, work, patience=0)
        return _Answer(time.monotonic() - began, found is not None, *(found or ()))

    def _vitals(self, answer: _Answer | None) -> Vitals:
        oldest = answer.oldest if answer else None
        waited = None if oldest is None else (self.now() - oldest).total_seconds()
        return Vitals(
            accounts=self._hearings(),
            database_seconds=answer.seconds if answer else None,
            schema_current=answer is not None and answer.current,
            running=self.running(),
            waiting=answer.waiting if answer else 0,
            oldest_waiting=waited,
            stopping=self.stopping(),
        )

    def _hearings(self) -> list[Hearing]:
        found, states, refused = [], self.states(), self.refused()
        adapters = self.adapters()
        for platform in self.platforms:
            mine = [account for account in (*adapters, *states) if account[0] == platform]
            if not mine:  # its id is not known
                state = State.REFUSED if platform in refused else State.CONNECTING
                found.append(Hearing(platform, "", state, hears=False, heard_ago=None))
            found.extend(
                _hearing(account, adapters.get(account), states.get(account))
                for account in dict.fromkeys(mine)
            )
        return found


def _hearing(account: Account, adapter: Adapter | None, state: State | None) -> Hearing:
    if adapter is None:  # it was dismissed
        return Hearing(*account, State.REFUSED, hears=False, heard_ago=None)
    heard_at = adapter.heard_at
    ago = None if heard_at is None else time.monotonic() - heard_at
    return Hearing(
        *account,
        state or State.ANSWERING,
        hears=adapter.hears,
        heard_ago=ago,
        reconnects=adapter.reconnects,
    )
