"""The upkeep of a worker's running turns: save drafts, renew leases, notice stops."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from core import fleet, inbox, quota
from core.adapter import Account
from core.db import TRANSIENT, Session, Sessions, may_pass, transact
from core.gates import Gates, happens
from core.worker._reach import Reach
from core.worker._run import Run

log = logging.getLogger(__name__)

T = TypeVar("T")

BEAT = 2.0
"""The most seconds between two saves of growing answers."""


class Keeper:
    """Keeps the leases and drafts of one worker's runs; the worker adds and removes runs."""

    def __init__(
        self,
        worker_id: str,
        sessions: Sessions,
        runs: Mapping[int, Run],
        gates: Mapping[Account, Gates],
        *,
        now: Callable[[], datetime],
        lease: timedelta,
    ) -> None:
        self._worker_id = worker_id
        self._sessions = sessions
        self._runs = runs
        self._gates = gates
        self._now = now
        self._lease = lease
        self._clock = asyncio.get_running_loop().time
        self._reach = Reach(lease.total_seconds(), self._clock)
        self._look = asyncio.Event()
        self._leaving = False

    def look(self) -> None:
        """Look at the running turns now: one may have been stopped or changed."""
        self._look.set()

    def leave(self) -> None:
        """Let the others know that this process claims no more turns."""
        self._leaving = True
        self.look()

    def is_in_doubt(self) -> bool:
        """Return whether no process may be taken for dead: the database was away, or still is."""
        return self._reach.is_in_doubt()

    def short(self) -> list[int]:
        """Return the ids of running turns whose leases could not be renewed in time."""
        # A copy, because on SQLite a claim calls this in the thread of the database.
        return [run.turn.id for run in list(self._runs.values()) if run.lease.is_short()]

    async def transact(
        self,
        work: Callable[[Session], Awaitable[T]],
        *,
        single: bool = False,
        patience: float = math.inf,
    ) -> T:
        """Run a transaction on the table of turns, and note that the table was reached."""
        done = await transact(self._sessions, work, single=single, patience=patience)
        self._reach.reached()
        return done

    async def run(self) -> None:
        """Save drafts, renew leases and stop cancelled turns, for ever.

        Leases are renewed three times in the time of one. A failure that may pass is logged; any
        other error of the database ends this.
        """
        every = self._lease.total_seconds() / 3
        renewed_at = self._clock() - every
        while True:
            due = renewed_at + every - self._clock()
            looked = await happens(self._look, min(BEAT, due if due > 0 else every))
            self._look.clear()
            try:
                await self._save_drafts()
                if looked or self._clock() - renewed_at >= every:
                    began = self._clock()
                    await self._live()
                    await self._renew()
                    renewed_at = began
            except TRANSIENT as error:
                if not may_pass(error):
                    raise
                log.warning("database: %s; leases are not renewed", type(error).__name__)

    async def _save_drafts(self) -> None:
        """Save growing answers as people see them, and their calls' progress for the ledger."""
        changed = [run for run in self._runs.values() if run.reply.text != run.saved]
        drafts = [(run.turn, run.reply.text) for run in changed]
        news = [new for run in self._runs.values() if (new := run.reply.progress())]

        async def save(session: Session) -> None:
            if drafts:
                await inbox.save_drafts(session, drafts)
            if news:
                await quota.note(session, news)

        if drafts or news:
            await self.transact(save, patience=BEAT)
        for run, (_, text) in zip(changed, drafts, strict=True):
            run.saved = text

    async def _live(self, *, patience: float = BEAT) -> None:
        """Note that this process is alive, and share the accounts' rates among live processes."""
        # Not `self.transact`, because the table of turns may still be locked.
        living = await transact(
            self._sessions,
            lambda s: fleet.alive(
                s, self._worker_id, now=self._now(), lease=self._lease, leaving=self._leaving
            ),
            patience=patience,
        )
        for gates in self._gates.values():
            gates.share(living)

    async def confirm(self) -> None:
        """Note that this process is alive, renew its leases, and drop turns that it has lost."""
        await self._live(patience=math.inf)
        await self._renew(patience=math.inf)

    async def _renew(self, *, patience: float = BEAT) -> None:
        runs = dict(self._runs)
        if not runs:
            return
        until = self._clock() + self._lease.total_seconds()
        lease_until = self._now() + self._lease
        held = await self.transact(
            lambda s: inbox.renew(s, self._worker_id, runs.keys(), lease_until=lease_until),
            single=True,
            patience=patience,
        )
        attempts = {turn.id: turn for turn in held}
        for run in runs.values():
            mine = attempts.get(run.turn.id)
            if mine is None or mine.attempt != run.turn.attempt:
                run.lose()
                continue
            run.lease.until = until
            run.reply.messages.answered_id = mine.message_id
            if mine.cancel:
                run.reply.stop()
