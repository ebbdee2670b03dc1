"""The worker: it claims turns, carries them out side by side, and stops gently."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.exc import IntegrityError

from core import fleet, inbox, words
from core.adapter import Account, Adapter
from core.chat import Chat
from core.db import LOOK, TRANSIENT, WORK, Session, Sessions, may_pass, notify, reason, transact
from core.delivery import Delivery
from core.errors import LeaseLost
from core.gates import Gates, happens
from core.lines import ALONE, FIRST, LAST, LATER, SHAKEN, UNASKED, line_after
from core.presence import Gone, Sure, always
from core.reply import NOTICE_AFTER, Lease, Reply
from core.signals import Tell, nobody
from core.turns import Turn
from core.worker._attempts import AGE, Attempts
from core.worker._deaths import take_over
from core.worker._keeper import BEAT, Keeper
from core.worker._run import Run

log = logging.getLogger(__name__)

CROWD = 10
"""A process carries out this many times CONCURRENCY turns, if the others wait for a model."""
BATCH = 20
"""The most turns of one claim."""
LOOK_OVER = 2.0
"""The seconds between two looks for turns whose process died, or that missed their call."""
QUIET = 10.0
"""The seconds that running answers have to finish before a turn runs alone."""
ASIDE = 20.0
"""The most seconds for which other turns wait while some run alone, one after the other."""
BETWEEN = 20.0
"""The seconds after that in which no turn runs alone, so that the others come on."""
POLL = 2.0
"""The seconds after which a worker looks at the inbox without any hint."""


class Worker:
    """One process's share of the work; any number may run on PostgreSQL."""

    def __init__(
        self,
        worker_id: str,
        sessions: Sessions,
        chat: Chat,
        delivery: Delivery,
        adapters: Mapping[Account, Adapter],
        *,
        now: Callable[[], datetime],
        concurrency: int,
        lease_seconds: float,
        backoff: float,
        notice_after: float = NOTICE_AFTER,
        tell: Tell = nobody,
        is_sure: Sure = always,
    ) -> None:
        """Make a worker.

        `backoff` is the seconds for which a turn is put back after its first fault; each further
        fault doubles them. `notice_after` is the seconds without text after which a sentence in
        the place of an answer tells why. `tell` hears what happens on the way, and `is_sure`
        returns whether no other process can have taken this one for dead.
        """
        self.id = worker_id
        self._sessions = sessions
        self._adapters = dict(adapters)
        self._accounts = set(adapters)
        """The accounts to claim turns for; a refused account may still have running turns."""
        self._now = now
        self._concurrency = concurrency
        self._lease = timedelta(seconds=lease_seconds)
        self._notice_after = notice_after
        self._tell = tell
        self._is_sure = is_sure
        self._clock = asyncio.get_running_loop().time
        self._gates = {
            account: Gates(adapter, self._clock) for account, adapter in adapters.items()
        }
        self._runs: dict[int, Run] = {}
        self._waiting: set[int] = set()
        """The running turns that only wait for a model that is away."""
        self._keeper = Keeper(
            worker_id, sessions, self._runs, self._gates, now=now, lease=self._lease
        )
        self._wake = asyncio.Event()
        self._attempts = Attempts(
            sessions,
            chat,
            delivery,
            now,
            backoff=backoff,
            followed=self._wake.set,
            put_back=self.wake,
            tell=tell,
        )
        self._came = False
        self._done = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._eased = asyncio.Event()
        self._draining = False
        self._gone: dict[int, Gone] = {}
        """The dead processes to take over from, by the numbers of their sessions."""
        self._looked_over_at = self._alone_at = -math.inf
        self._shaken = {*SHAKEN, ALONE}
        """The lines in which turns waited at the last look that were in hand at a death, or that
        nobody asked for."""

    def serve(self, adapter: Adapter) -> None:
        """Claim turns for one more account from now on."""
        account = adapter.name, adapter.bot_id
        self._adapters[account] = adapter
        self._gates[account] = Gates(adapter, self._clock)
        self._accounts.add(account)
        self.wake()
        self.look()  # to share the account's rate with the other processes

    @property
    def is_draining(self) -> bool:
        """True once the process has begun to stop."""
        return self._draining

    @property
    def running(self) -> int:
        """The number of turns in hand."""
        return len(self._runs)

    @property
    def adapters(self) -> dict[Account, Adapter]:
        """The accounts that this process serves."""
        return {each: self._adapters[each] for each in self._accounts}

    @property
    def broadcast_rates(self) -> dict[Account, float]:
        """The messages a second that the accounts may send to people who have asked nothing."""
        return {each: self._adapters[each].broadcast_rate for each in self._accounts}

    def dismiss(self, adapter: Adapter) -> None:
        """Claim no more turns for an account that the platform refuses."""
        self._accounts.discard((adapter.name, adapter.bot_id))

    def wake(self, at: datetime | None = None) -> None:
        """Look for turns to claim, now or at a later time."""
        seconds = 0.0 if at is None else (at - self._now()).total_seconds()
        if seconds <= 0:
            self._came = True
            self._wake.set()
        else:
            asyncio.get_running_loop().call_later(seconds, self.wake)

    def look(self) -> None:
        """Look at the running turns now: one may have been stopped or changed."""
        self._keeper.look()

    async def run(self) -> None:
        """Work until cancelled, then hand every running turn back."""
        beat = asyncio.create_task(self._keeper.run())
        try:
            while not beat.done():
                self._wake.clear()
                came, self._came = self._came, False
                await self._claim()
                if came and not self._room:
                    # More came in here than this process can take, so tell the others. A hint from
                    # another process is not passed on: hints would go round without end.
                    await transact(self._sessions, lambda s: notify(s, WORK), single=True)
                await happens(self._wake, min(POLL, self._lease.total_seconds() / 6))
        finally:
            beat.cancel()
            await asyncio.wait([beat])  # a transaction under way has to end first
            await self._hand_back()
        beat.result()

    def hear(self, what: str) -> None:
        """Act on a hint of another process, `LOOK` or `WORK`."""
        if what == LOOK:
            self.look()
        else:
            self._wake.set()

    def died(self, gone: Gone) -> None:
        """Take over from a process that is dead."""
        self._gone[gone.session] = gone
        self._wake.set()

    async def confirm(self) -> None:
        """Find out which turns this process still has, and drop the others."""
        await self._keeper.confirm()

    async def drain(self, seconds: float) -> None:
        """Claim no more turns, and wait so many seconds at most until the running ones end.

        Those that only wait for a model are not waited for: the next process waits on.
        """
        self._draining = True
        until = self._clock() + seconds
        self._keeper.leave()
        while self._working and (left := until - self._clock()) > 0:
            self._eased.clear()
            await happens(self._eased, left)

    async def until_idle(self) -> None:
        """Wait until all turns of these accounts are delivered, also those that were put back."""
        while await transact(self._sessions, lambda s: inbox.is_busy(s, self._accounts)):
            await happens(self._done, POLL)
            self._done.clear()

    @property
    def _working(self) -> int:
        """The number of running turns that do not only wait for a model."""
        return len(self._runs) - len(self._waiting)

    @property
    def _room(self) -> int:
        """The number of turns that may be claimed now."""
        beside = CROWD * self._concurrency - len(self._runs)
        return max(min(self._concurrency - self._working, beside), 0)

    @property
    def _may_claim(self) -> bool:
        return bool(self._accounts) and not self._draining

    async def _claim(self) -> None:
        """Claim as many turns as there is room for, and look over the others now and then."""
        try:
            while self._gone:
                await self._bury(next(iter(self._gone.values())))
            await self._claim_in_order()
            if self._may_claim and self._clock() - self._looked_over_at >= LOOK_OVER:
                await self._look_over()
        except IntegrityError:
            return  # another process took a turn of the same lane
        except TRANSIENT as error:
            if not may_pass(error):
                raise
            log.error("cannot claim turns: %s: %s", type(error).__name__, reason(error))

    async def _claim_in_order(self) -> None:
        """Claim the turns whose process died first, and those that nobody asked for last."""
        for line in [line for line in SHAKEN if line in self._shaken]:
            await self._claim_shaken(line)
        if ALONE in self._shaken and self._clock() - self._alone_at >= BETWEEN:
            await self._run_alone()
        while await self._claim_from((FIRST, LATER), BATCH) == BATCH:
            pass
        if LAST in self._shaken:
            await self._claim_unasked()

    async def _claim_from(self, lines: tuple[int, ...], most: int) -> int:
        """Claim at most so many turns from some lines, and begin them; return their number."""
        limit = min(self._room, most)
        if not self._may_claim or limit <= 0:
            return 0
        take = partial(self._take, lines=lines, limit=limit)
        until, turns = await self._keeper.transact(take, single=True)
        for turn in turns:
            self._begin(turn, until)
        return len(turns)

    async def _take(
        self, session: Session, *, lines: tuple[int, ...], limit: int
    ) -> tuple[float, list[Turn]]:
        """Claim turns; return the end of their lease, on the event loop's clock, and the turns."""
        now, until = self._now(), self._clock() + self._lease.total_seconds()
        return until, await inbox.claim(
            session,
            self.id,
            self._accounts,
            now=now,
            lease_until=now + self._lease,
            limit=limit,
            lines=lines,
        )

    async def _bury(self, gone: Gone) -> None:
        """Take over from a dead process, unless another one did so before."""
        work = partial(take_over, gone=gone, now=self._now(), ago=self._clock() - gone.since)
        if await self._keeper.transact(work, patience=BEAT):
            log.warning("process %s is dead; its turns are taken over", gone.worker_id)
        self._gone.pop(gone.session, None)
        self._looked_over_at = -math.inf
        self._shaken |= {*SHAKEN, ALONE}

    async def _look_over(self) -> None:
        """Free the turns of dead processes, and those that missed their call.

        Note in which lines behind others turns wait.
        """

        async def work(session: Session) -> tuple[bool, set[int]]:
            now = self._now()
            # In doubt, free only leases that ended so long ago that their process must be dead.
            ended_at = now - AGE if self._keeper.is_in_doubt() else now
            await inbox.bury(session, now=now, ended_at=ended_at, kept=self._keeper.short())
            is_free = await inbox.unblock(session)
            return is_free, set(await inbox.shaken(session, self.id, self._accounts, now=now))

        is_free, self._shaken = await self._keeper.transact(work)
        self._looked_over_at = self._clock()
        if is_free or self._shaken:
            self._wake.set()

    async def _claim_shaken(self, line: int) -> None:
        """Claim few turns that were in hand at a death, so that the guilty one is found out."""
        in_hand = sum(
            line_after(run.turn.deaths) == line and run.turn.id not in self._waiting
            for run in self._runs.values()
        )
        await self._claim_from((line,), SHAKEN[line] - in_hand)

    async def _claim_unasked(self) -> None:
        """Claim some of the turns that nobody asked for, one for each that has ended."""
        in_hand = sum(run.turn.question.announced for run in self._runs.values())
        most = UNASKED - in_hand
        if most > 0 and await self._claim_from((LAST,), most) < most:
            self._shaken.discard(LAST)  # until the next look

    async def _run_alone(self) -> None:
        """Carry out the turns that may end their process, one by one and with nothing beside them.

        Other turns wait meanwhile, but for `QUIET` and `ASIDE` seconds at most. Answers that are
        not finished by then go on later, in their messages.
        """
        await happens(self._idle, QUIET)
        if self._runs and self._may_claim:
            await self._stop_runs()
            await self._keeper.transact(lambda s: inbox.hand_back(s, self.id))
        self._shaken.discard(ALONE)  # until the next look
        until = self._clock() + ASIDE
        while self._clock() < until and await self._claim_from((ALONE,), 1):
            await happens(self._idle, until - self._clock())
            self._alone_at = self._clock()
            if self._runs:
                break

    def _begin(self, turn: Turn, until: float) -> None:
        account = turn.address.platform, turn.address.bot_id
        lease = Lease(until, self._clock, is_sure=self._is_sure)
        gates = self._gates[account]
        if turn.paused_until is not None:
            gates.of(turn.address).pause((turn.paused_until - self._now()).total_seconds())
        adapter = self._adapters[account]
        reply = Reply(
            adapter,
            gates,
            self._sessions,
            turn,
            lease,
            self._now,
            waiting=partial(self._note_wait, turn.id),
            notice_after=self._notice_after,
            tell=self._tell,
        )
        run = Run(turn, reply, lease)
        over = [self._runs[each] for each in (turn.id, turn.replaces_id) if each in self._runs]
        self._runs[turn.id] = run
        self._waiting.discard(turn.id)
        self._idle.clear()
        run.task = asyncio.create_task(self._carry_out(run, over), name=f"turn {turn.reference}")

    async def _carry_out(self, run: Run, over: Sequence[Run]) -> None:
        """Carry a turn out to one of its ends; a failure of it does not disturb the others."""
        try:
            await run.take_over(over)
            with words.spoken_in(run.turn.question.language):
                await self._attempts.make(run)
        except LeaseLost:
            log.info("turn %s: another attempt owns it now", run.turn.reference)
        except asyncio.CancelledError:
            if not run.lease.lost:
                raise
        except TRANSIENT as error:
            told = f"{type(error).__name__}: {reason(error)}"
            log.error("turn %s: waits for the end of its lease: %s", run.turn.reference, told)
        except Exception:  # as above: not even a turn that cannot be put back disturbs the others
            log.exception("turn %s: waits for the end of its lease", run.turn.reference)
        finally:
            self._end(run)

    def _note_wait(self, turn_id: int, waits: bool) -> None:
        """Note that a running turn begins to wait for a model, which makes room, or goes on."""
        was_full = not self._room
        (self._waiting.add if waits else self._waiting.discard)(turn_id)
        self._ease(was_full=was_full)

    def _ease(self, *, was_full: bool) -> None:
        """Claim more turns if there is room again."""
        if was_full and self._room:
            self._wake.set()
        self._eased.set()

    def _end(self, run: Run) -> None:
        was_full = not self._room
        if self._runs.get(run.turn.id) is run:
            del self._runs[run.turn.id]
            self._waiting.discard(run.turn.id)
        self._ease(was_full=was_full)
        if run.turn.question.announced and LAST in self._shaken:
            self._wake.set()
        if not self._runs:
            self._idle.set()
        self._done.set()

    async def _hand_back(self) -> None:
        """Stop all runs and hand their turns back; the next process goes on in their messages."""
        await self._stop_runs()
        with contextlib.suppress(*TRANSIENT):
            await transact(self._sessions, self._leave, patience=BEAT)

    async def _stop_runs(self) -> None:
        tasks = [run.task for run in self._runs.values() if run.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(self, session: Session) -> None:
        await inbox.hand_back(session, self.id)
        await fleet.leave(session, self.id)
