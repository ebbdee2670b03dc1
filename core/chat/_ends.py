"""How a turn ends: each way is one transaction that stores the answer and frees the lane."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from core import inbox, memory
from core.chat._exchange import Exchange, Tally
from core.chat._ledger import Ledger
from core.chat._terms import BROKE_OFF, NOTES, NOTHING, SUMMARISED, Terms, below, with_reference
from core.db import Session, Sessions, transact
from core.inbox import Place
from core.reply import Reply
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """A turn with its answer, and whether another one may have waited for it."""

    turn: Turn
    followed: bool


class Ends:
    """The ends of turns; LeaseLost where the turn is another attempt's."""

    def __init__(
        self, sessions: Sessions, ledger: Ledger, terms: Terms, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._ledger = ledger
        self._terms = terms
        self._now = now

    async def finish(self, exchange: Exchange) -> Answered:
        """Store the answer, remember it and settle its cost."""
        turn, reply = exchange.turn, exchange.reply
        outcome = Outcome.STOPPED if reply.stopped else Outcome.OK
        text = reply.text + NOTES.get(exchange.reason, "")
        if not text and outcome is Outcome.OK:
            text = NOTHING
        used = exchange.used
        long = used.prompt_tokens + used.completion_tokens > self._terms.marks.high

        async def work(session: Session) -> Place:
            place = await inbox.answered(session, turn, text, outcome, now=self._now())
            if reply.text:
                await memory.remember(
                    session, turn, exchange.context, exchange.said, used, now=self._now()
                )
            await self._ledger.settle(session, exchange)
            if reply.stopped:
                # Stopped while another call was reserved, which then nobody made.
                await self._ledger.recover(session, turn)
            if long:
                await inbox.summarise(session, turn, now=self._now())
            return place

        place = await self._store(turn, reply, work)
        self._ledger.count(exchange)
        self._log(turn, exchange.tally, outcome)
        return _answered(turn, text, outcome, replace(place, followed=place.followed or long))

    async def break_off(self, exchange: Exchange) -> Answered:
        """No start came to an end: what is shown stays, with a sentence and a way to try again."""
        turn, reply = exchange.turn, exchange.reply
        text = below(reply.text, with_reference(BROKE_OFF, turn))

        async def work(session: Session) -> Place:
            await self._ledger.settle(session, exchange)
            return await inbox.answered(session, turn, text, Outcome.FAILED, now=self._now())

        place = await self._store(turn, reply, work)
        self._ledger.count(exchange)
        self._log(turn, exchange.tally, Outcome.FAILED)
        return _answered(turn, text, Outcome.FAILED, place)

    async def summarise(self, exchange: Exchange) -> Answered:
        """Let what the model said stand for the earlier part of the conversation."""
        turn, reply = exchange.turn, exchange.reply

        async def work(session: Session) -> tuple[str, Place]:
            first = await memory.summarise(session, exchange.context, reply.text, now=self._now())
            await self._ledger.settle(session, exchange)
            text = self._terms.shortened(SUMMARISED) if first else ""
            return text, await inbox.answered(session, turn, text, Outcome.OK, now=self._now())

        reply.finish()
        text, place = await transact(self._sessions, work)
        self._ledger.count(exchange)
        self._log(turn, exchange.tally, Outcome.OK)
        return _answered(turn, text, Outcome.OK, place)

    async def end(
        self, turn: Turn, reply: Reply, text: str, outcome: Outcome, tally: Tally
    ) -> Answered:
        """End a turn without the model. What goes wrong with a summary is not the person's."""
        if turn.kind == "summary":
            text = ""

        async def work(session: Session) -> Place:
            place = await inbox.answered(session, turn, text, outcome, now=self._now())
            if turn.attempt > 1:
                # There will be no further attempt to close what an earlier one left open.
                await self._ledger.recover(session, turn)
            return place

        place = await self._store(turn, reply, work)
        self._log(turn, tally, outcome)
        return _answered(turn, text, outcome, place)

    async def _store(
        self, turn: Turn, reply: Reply, work: Callable[[Session], Awaitable[Place]]
    ) -> Place:
        """Answer a turn in one transaction, once: a commit whose end was not heard may stand.

        From its beginning on, what follows the turn has to let its answer go first.
        """
        reply.finish()
        tries = count()

        async def once(session: Session) -> Place:
            if next(tries) and await inbox.is_answered(session, turn):
                return Place(followed=True, preceded=True)  # who may look does
            return await work(session)

        return await transact(self._sessions, once)

    def _log(self, turn: Turn, tally: Tally, outcome: Outcome) -> None:
        log.info(
            "turn %s answered: kind=%s conversation=%d platform=%s attempt=%d outcome=%s model=%s"
            " prompt=%d cached=%d completion=%d cost=%d seconds=%.2f",
            turn.reference,
            turn.kind,
            turn.conversation_id,
            turn.address.platform,
            turn.attempt,
            outcome,
            tally.model,
            tally.usage.prompt_tokens,
            tally.usage.cached_tokens,
            tally.usage.completion_tokens,
            tally.cost,
            (self._now() - tally.began).total_seconds(),
        )


def _answered(turn: Turn, text: str, outcome: Outcome, place: Place) -> Answered:
    whole = replace(turn, answer=text, outcome=outcome, preceded=place.preceded)
    return Answered(whole, place.followed)
