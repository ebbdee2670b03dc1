"""The attempts at a turn: both steps of it, and what becomes of one that fails."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from core import inbox, posts, tallies, words
from core.chat import Chat
from core.db import TRANSIENT, Session, Sessions, timed_out, transact
from core.delivery import Delivery
from core.errors import (
    DeliveryError,
    LeaseLost,
    ModelBusy,
    ModelError,
    Muted,
    RetryAfter,
    Undeliverable,
    Unreachable,
    kind,
)
from core.lines import FATAL
from core.signals import Delivered, GivenUp, Tell, nobody
from core.turns import Outcome, Turn
from core.worker._run import Run

log = logging.getLogger(__name__)

FAULTS = 5
"""The faults after which a turn ends with a sentence instead of an answer; so do the deaths of
`FATAL` processes."""
AGE = timedelta(hours=24)
"""The age at which a turn ends with a sentence instead of an answer."""
REACHABLE = timedelta(hours=2)
"""The age at which a stored answer is given up because its platform does not answer. If only this
answer fails while the platform carries out other calls, each attempt is a fault: `FAULTS` of them
take some minutes."""
SELDOM = 300.0
"""The most seconds between two attempts to deliver such an answer."""


class Attempts:
    """The attempts of one process: a turn is answered, then delivered; or put back, or given up."""

    def __init__(
        self,
        sessions: Sessions,
        chat: Chat,
        delivery: Delivery,
        now: Callable[[], datetime],
        *,
        backoff: float,
        followed: Callable[[], None],
        put_back: Callable[[datetime], None],
        tell: Tell = nobody,
    ) -> None:
        """Make the attempts of a process.

        `backoff` is the seconds for which a turn is put back after its first fault; each further
        fault doubles them. `followed` is called when another turn may be claimed, and `put_back`
        with the time at which one that was put back may be. `tell` hears of every delivery.
        """
        self._sessions = sessions
        self._chat = chat
        self._delivery = delivery
        self._now = now
        self._backoff = backoff
        self._followed = followed
        self._note_put_back = put_back
        self._tell = tell

    async def make(self, run: Run) -> None:
        """Try both steps; after a failure, put the turn back or give it up."""
        try:
            await self._try(run)
        except (LeaseLost, *TRANSIENT) as error:
            if not timed_out(error):
                raise
            log.error("turn %s: the database takes too long for it", run.turn.reference)
            await self._put_back(run, self._pause(run.turn), fault=True)
        except Exception:  # one turn's bug must not stop the others
            log.exception("turn %s: failed", run.turn.reference)
            await self._put_back(run, self._pause(run.turn), fault=True)

    async def _try(self, run: Run) -> None:
        try:
            await self._both_steps(run)
        except Undeliverable as error:
            await self._give_up(run, error)
        except Unreachable as error:
            await self._wait(run, error)
        except (ModelError, DeliveryError) as error:
            seconds, fault = self._again(run.turn, error)
            await self._put_back(run, seconds, fault=fault, error=error)

    async def _both_steps(self, run: Run) -> None:
        turn = run.turn
        if turn.attempt == 1 and turn.replaces_id is None and turn.kind != "summary":
            await run.reply.resume({0: posts.Part()})  # `accept` stored this intent
        else:
            await run.reply.resume(
                await transact(self._sessions, lambda s: posts.parts(s, turn.id), single=True)
            )
        await self._knock(run)
        is_over = turn.faults >= FAULTS or self._now() - turn.created_at > AGE
        if turn.deaths >= FATAL:
            run.turn = await self._blame(run)
        elif turn.answer is None:
            answer = self._chat.fail if is_over else self._chat.answer
            run.turn = await answer(turn, run.reply)
        elif is_over:
            raise Undeliverable("the platform did not take it in time")
        if await self._delivery.deliver(run.turn, run.reply, last=self._is_last(run.turn)):
            self._followed()
        waited = (self._now() - turn.created_at).total_seconds()
        outcome = str(run.turn.outcome)
        self._tell(Delivered(turn.address.platform, turn.kind, outcome, waited))

    async def _knock(self, run: Run) -> None:
        """Try a place where the bot could not write; raises Muted if it is too soon for that.

        A ticket may have ended while its turn waited, and then no model need be asked.
        """
        turn = run.turn
        if turn.kind == "chat" and run.reply.time < 0:
            await run.reply.way.knock()
        if turn.muted_until is not None and not turn.ticket:  # a ticket opens closed doors
            if self._now() < turn.muted_until:
                raise Muted(f"nothing is tried there until {turn.muted_until:%H:%M:%S}")
            await run.reply.way.knock()

    async def _blame(self, run: Run) -> Turn:
        """Return a turn over which too many processes died with a plain sentence as its answer.

        Perhaps nobody can post the answer that it has. Raises Undeliverable if a process died over
        the sentence too.
        """
        turn = run.turn
        log.error("turn %s: %d processes died over it", turn.reference, turn.deaths)
        if turn.answer is None:
            return await self._chat.fail(turn, run.reply)
        if turn.deaths > FATAL:
            raise Undeliverable("processes died over it")
        sentence = words.with_reference(words.FAILED, turn.reference)
        return replace(turn, answer=sentence, outcome=Outcome.FAILED)

    async def _wait(self, run: Run, error: Unreachable) -> None:
        """Put a turn back that its platform did not take; give up one that fails alone."""
        turn = run.turn
        seconds, fault = self._again(turn, error)
        if turn.answer is not None:
            if self._now() - turn.created_at > REACHABLE:
                return await self._give_up(run, Undeliverable(f"not in time: {error}"))
            if await run.reply.way.fails_alone():
                if self._is_last(turn):
                    return await self._give_up(run, Undeliverable(f"it fails alone: {error}"))
                seconds, fault = 2 * self._pause(turn), True
        return await self._put_back(run, seconds, fault=fault)

    def _is_last(self, turn: Turn) -> bool:
        """Return whether one more fault of a stored answer is the last one."""
        return turn.faults + 1 >= FAULTS

    def _again(self, turn: Turn, error: ModelError | DeliveryError) -> tuple[float, bool]:
        """Return the seconds until the next attempt, and whether the turn itself is at fault."""
        if isinstance(error, RetryAfter):
            return error.retry_after, False
        log.warning("turn %s: %s: %s", turn.reference, type(error).__name__, error)
        if isinstance(error, Unreachable) and turn.answer is not None:
            # The longer a platform is away, the less often it is tried.
            age = (self._now() - turn.created_at).total_seconds()
            return min(max(age / 4, self._backoff), SELDOM), False
        told = error.retry_after if isinstance(error, ModelBusy) else None
        return self._pause(turn, told), told is None

    def _pause(self, turn: Turn, told: float | None = None) -> float:
        """Return the seconds until the next attempt.

        The model may have told to wait longer; that counts up to the turn's AGE.
        """
        left = (turn.created_at + AGE - self._now()).total_seconds()
        return max(self._backoff * 2.0**turn.faults, min(told or 0.0, left))

    async def _put_back(
        self, run: Run, seconds: float, *, fault: bool, error: Exception | None = None
    ) -> None:
        turn, text, now = run.turn, run.reply.text, self._now()
        ready_at = now + timedelta(seconds=seconds)
        # People have seen this text, and the next attempt may not get as far.
        is_further = turn.answer is None and len(text) > len(turn.draft)

        async def work(session: Session) -> None:
            if is_further:
                await inbox.save_drafts(session, [(turn, text)])
            await inbox.retry(session, turn, ready_at=ready_at, fault=fault)
            if isinstance(error, ModelError):
                await tallies.count(session, f"{tallies.ERROR}{kind(error)}", now=now)

        with contextlib.suppress(LeaseLost):
            await transact(self._sessions, work)
        self._note_put_back(ready_at)

    async def _give_up(self, run: Run, error: Undeliverable) -> None:
        log.warning("turn %s: cannot be delivered: %s", run.turn.reference, error)
        with contextlib.suppress(LeaseLost):
            if await self._delivery.give_up(run.turn, run.reply, error):
                self._followed()
            self._tell(GivenUp(run.turn.address.platform, run.turn.kind))
