"""The rest of a process, as its session with PostgreSQL knows it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from core import fleet
from core.db import Sessions
from core.presence import Gone, Presence
from tests.core import rows

LEASE = timedelta(hours=1)


@dataclass
class Quiet:
    """Notes what it is told, and does nothing."""

    hints: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    confirmed: int = 0

    def hear(self, what: str) -> None:
        self.hints.append(what)

    def died(self, gone: Gone) -> None:
        self.dead.add(gone.worker_id)

    async def confirm(self) -> None:
        self.confirmed += 1


@dataclass
class Member:
    """A process that is present."""

    presence: Presence
    crew: Quiet
    task: "asyncio.Task[None]"


@asynccontextmanager
async def present(
    sessions: Sessions, url: str, worker_id: str, crew: Quiet | None = None
) -> AsyncIterator[Member]:
    """A process with a row and a session, which has registered there."""
    now = datetime.now(UTC)
    await rows.commit(sessions, lambda s: fleet.alive(s, worker_id, now=now, lease=LEASE))
    presence, crew = Presence(sessions, worker_id), crew or Quiet()
    task = asyncio.create_task(presence.run(url, crew))
    try:
        await rows.until(lambda: is_registered(sessions, worker_id))
        yield Member(presence, crew, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_registered(sessions: Sessions, worker_id: str) -> bool:
    """Return whether the row of a process has the number of a session."""
    return await number_of(sessions, worker_id) is not None


async def number_of(sessions: Sessions, worker_id: str) -> int | None:
    """Return the number of the session in the row of a process."""
    query = text("SELECT session FROM workers WHERE id = :id").bindparams(id=worker_id)
    found: int | None = await rows.commit(sessions, lambda s: s.scalar(query))
    return found
