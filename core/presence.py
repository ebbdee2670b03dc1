"""The presence of a process on PostgreSQL: a session that holds a lock while the process lives.

How a death is seen. Each process opens one session beside its pool, draws a number that nobody has,
takes the advisory lock of that number, and writes the number into its row of `workers`. When the
process dies, its kernel closes the session, and the server frees the lock at once. Every `BEAT`
seconds each process sends one statement through its own session: it tries the locks of all numbers
in `workers`. A free one means that the session behind it has ended for good, because a new session
has a new number. If the row still has that number `GRACE` seconds later, its process is pronounced
dead: whoever deletes the row, with that number as its condition, takes over. The statement reads
one row for each process, so its cost does not grow with turns, people or locks.

Why no living process is taken for dead while it answers.

1. A process whose session ends without its death learns of it by the end of the connection, by a
   beat that fails, or by one that gets no answer for `SILENCE` seconds. It then takes the number
   out of its row through its pool. After that only its lease tells whether it lives, until it has a
   new session. If its row is gone, it was pronounced dead: it asks which turns it still has.
2. Until that is done, it starts no call to a platform: `is_sure` is False. It is False, too, when
   the last beat that was answered was sent `FRESH` seconds ago or more. The lock was held at that
   beat, so it was freed later, and nobody acts before it was free for `GRACE` seconds. `FRESH` is
   the shorter one: the last call of the old process starts before the first step of the new one.
3. A call that started in time may still be under way. The chats in which it could do harm, those
   with a create that is not confirmed or with an answer that is being delivered, rest until a call
   that began `FRESH` seconds after the end of the session has had its `MARGIN`.
4. What ends all sessions, such as a restart of the server, says nothing about processes. A process
   that has lost a session itself judges only numbers whose locks it has seen held since.

The lease stays for everything else: it is all there is behind a pooler, which lends no sessions.
A host that vanishes or a process that is stopped (SIGSTOP) keeps its session, and so its lock, and
loses its turns by the lease alone.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sqlalchemy import make_url, update

from core import models, postgresql
from core.db import CHANNEL, Session, Sessions, normal_url, reason, transact

log = logging.getLogger(__name__)

BEAT = 0.4
"""The seconds between two looks at the other processes."""
FRESH = 1.1
"""The seconds after a beat in which no other process can have acted on the loss of the lock."""
GRACE = 1.2
"""The seconds for which the lock of a dead process must have been free."""
SILENCE = 2.0
"""The seconds without an answer after which a session counts as lost."""
SECOND_LOOK = 0.1
"""The seconds after that for an answer that came while the process could not run."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""The seconds between two attempts to open a session; each pause is twice the one before."""

LOCKS = 0x5061726C
"""The first key of PostgreSQL's advisory locks of sessions; the second one is their number."""

POOLED = (
    "DATABASE_URL leads to a pooler, so that this process looks for work of others every two"
    " seconds, and for that of dead ones after LEASE_SECONDS; with DATABASE_DIRECT_URL it hears"
    " of both at once"
)

_workers = models.workers
_LOCK = "SELECT pg_try_advisory_lock(%s, %s)"
_LOOK = """
SELECT id, session,
    CASE WHEN id = %s THEN false ELSE pg_try_advisory_xact_lock_shared(%s, session) END
FROM workers WHERE session IS NOT NULL
"""
_REGISTER = "UPDATE workers SET session = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Gone:
    """A process whose session has ended."""

    worker_id: str
    session: int
    since: float
    """The time by which its lock was free, by the event loop's clock."""


class Crew(Protocol):
    """The parts of this process that act on what its session tells."""

    def hear(self, what: str) -> None:
        """Act on a hint of another process."""

    def died(self, gone: Gone) -> None:
        """Take over from a process that is dead; this is called until its row is gone."""

    async def confirm(self) -> None:
        """Find out which turns this process still has, and drop the others."""


class Presence:
    """One process's session with PostgreSQL. Without one, its lease tells whether it lives."""

    def __init__(self, sessions: Sessions, worker_id: str) -> None:
        self._sessions = sessions
        self._worker_id = worker_id
        self._clock = asyncio.get_running_loop().time
        self._session: int | None = None
        """The number of the session, while it may stand in this process's row."""
        self._proven_at = 0.0
        """The time at which the last beat that was answered was sent."""
        self._lost, self._safe = asyncio.Event(), asyncio.Event()
        self._safe.set()
        self._has_lost = False
        self._held: set[tuple[str, int]] = set()
        """The processes whose locks were seen held in this session."""
        self._alarm: asyncio.TimerHandle
        """Rings when the session is silent."""
        self._missing: dict[tuple[str, int], float] = {}
        """The processes whose locks are free, with the time of the first look that found it."""

    def is_sure(self) -> bool:
        """Return whether no other process can have taken this one for dead."""
        if self._lost.is_set():
            return False
        return self._session is None or self._clock() - self._proven_at < FRESH

    async def until_lost(self) -> None:
        """Wait until other processes may take this one for dead, because its session has ended."""
        while True:
            await self._lost.wait()
            await asyncio.sleep(max(self._proven_at + FRESH - self._clock(), 0.0))
            if self._lost.is_set():
                return

    async def until_safe(self) -> None:
        """Wait until this process has drawn the consequences of a session that has ended."""
        await self._safe.wait()

    async def run(self, url: str, crew: Crew) -> None:
        """Hold a session, pass on the hints of other processes, and look for dead ones, for ever.

        While the database is away, try to connect again. Return if it is behind a pooler, which
        lends no sessions.
        """
        import psycopg  # noqa: PLC0415 - not needed on SQLite, and large

        pause = FIRST_PAUSE
        while True:
            if self._session is not None:
                await self._withdraw(crew)
            try:
                async with await postgresql.open_alone(make_url(normal_url(url))) as connection:
                    if await postgresql.is_pooled(connection):
                        log.info("%s", POOLED)
                        return
                    number = await self._lock(connection)
                    await connection.execute(f"LISTEN {CHANNEL}")
                    pause = FIRST_PAUSE
                    await self._attend(connection, number, crew)
            except psycopg.Error as error:
                if self._session is None:
                    log.warning("database: %s; not hearing other processes", reason(error))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                else:
                    log.warning("database: %s; its session is lost", reason(error))

    async def _lock(self, connection: Any) -> int:
        """Return the number of a new session, whose lock it holds."""
        while True:
            number = random.getrandbits(31)
            [is_mine] = await _one(connection, _LOCK, LOCKS, number)
            if is_mine:
                return number

    async def _attend(self, connection: Any, number: int, crew: Crew) -> None:
        """Beat, and pass hints on, until the session ends with an error."""
        self._held, self._missing = set(), {}
        while True:
            await self._beat(connection, number, crew)
            first = min(self._missing.values(), default=self._clock() + BEAT)
            pause = min(max(first + GRACE - self._clock(), 0.01), BEAT)
            async for heard in connection.notifies(timeout=pause):
                crew.hear(heard.payload)

    async def _beat(self, connection: Any, number: int, crew: Crew) -> None:
        """Prove that the session lives, keep its number in the row, and look at the others."""
        began = self._clock()
        self._ring(SILENCE, partial(self._ring, SECOND_LOOK, partial(_hang_up, connection)))
        try:
            cursor = await connection.execute(_LOOK, [self._worker_id, LOCKS])
            found: list[tuple[str, int, bool]] = await cursor.fetchall()
            if (self._worker_id, number, False) not in found:
                # Nobody knows whether a registration that fails was committed.
                self._session, self._proven_at = number, began
                registered = await connection.execute(_REGISTER, [number, self._worker_id])
                if not registered.rowcount:
                    self._session = None  # its worker has not written the row yet, or has left
            self._proven_at = began
        finally:
            self._alarm.cancel()
        self._judge(found, began, crew)

    def _ring(self, seconds: float, then: Callable[[], object]) -> None:
        self._alarm = asyncio.get_running_loop().call_later(seconds, then)

    def _judge(self, found: list[tuple[str, int, bool]], began: float, crew: Crew) -> None:
        """Report the processes that were found dead by a look that began at a time."""
        self._held = {
            (worker_id, session)
            for worker_id, session, is_free in found
            if not is_free or (worker_id, session) in self._held
        }
        free = {(worker_id, session) for worker_id, session, is_free in found if is_free}
        suspects = free & self._held if self._has_lost else free
        now = self._clock()
        self._missing = {each: self._missing.get(each, now) for each in suspects}
        for (worker_id, session), since in self._missing.items():
            if began - since >= GRACE:
                crew.died(Gone(worker_id, session, since))

    async def _withdraw(self, crew: Crew) -> None:
        """Let this process be judged by its lease again, and find out what it still has."""
        self._has_lost = True
        self._safe.clear()
        self._lost.set()
        row = update(_workers).where(_workers.c.id == self._worker_id)

        async def work(session: Session) -> None:
            await session.execute(row.values(session=None))

        await transact(self._sessions, work)
        await crew.confirm()
        self._session = None
        self._lost.clear()
        self._safe.set()


def always() -> bool:
    """Return True: without a session, no other process can take this one for dead by it."""
    return True


Sure = Callable[[], bool]
"""Returns whether no other process can have taken this one for dead."""


async def _one(connection: Any, statement: str, *values: object) -> Any:
    return await (await connection.execute(statement, values)).fetchone()


def _hang_up(connection: Any) -> None:
    """End the connection of a session that is silent, so that whoever waits for it fails at once.

    A cancellation would ask the server first, which does not answer.
    """
    plug = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    with plug, suppress(OSError):  # it may just have ended
        plug.shutdown(socket.SHUT_RDWR)
