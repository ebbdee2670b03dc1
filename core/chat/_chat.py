"""Carries out turns: asks the model, lets it use tools, remembers, settles, delivers."""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count

from core import attachments, inbox, memory, privacy, toolkit
from core.chat._ends import Answered, Ends
from core.chat._exchange import Exchange, Tally
from core.chat._ledger import Ledger
from core.chat._question import ask, without_model
from core.chat._talk import Talk
from core.chat._terms import (
    AGAIN,
    CUT,
    FAILED,
    NOT_SENT,
    UNAVAILABLE,
    Terms,
    below,
    refused,
    with_reference,
)
from core.commands import until
from core.db import Session, Sessions, transact
from core.errors import (
    AttachmentError,
    DeliveryError,
    ModelBroke,
    ModelRejected,
    ModelUnavailable,
    QuotaExceeded,
    Undeliverable,
)
from core.llm import LLM
from core.memory import Context
from core.messages import ChatMessage, Part
from core.quota import Reservation
from core.reply import Reply
from core.tools import Toolbox
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)

EXPORT = "parley.json"
ROUNDS = 6
"""How many calls one answer may take; only the last of them must do without tools."""


class Chat:
    """The two steps of a turn, and what leads to them."""

    def __init__(
        self, sessions: Sessions, llm: LLM, terms: Terms, *, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._terms = terms
        self._now = now
        self._ledger = Ledger(sessions, terms, now)
        self._talk = Talk(sessions, llm, self._ledger, terms)
        self._ends = Ends(sessions, self._ledger, terms, now)

    async def answer(self, turn: Turn, reply: Reply) -> Answered:
        """Step 1: the turn with its whole answer, stored and paid; the lane is free.

        Raises ModelBusy when the turn should be put back, LeaseLost when it is another's.
        """
        tally = Tally(self._now())
        try:
            return await self._answer(turn, reply, tally)
        except QuotaExceeded as refusal:
            return await self._close(turn, reply, self._refusal(refusal), Outcome.REFUSED, tally)
        except AttachmentError as error:
            return await self._close(turn, reply, str(error), Outcome.REFUSED, tally)
        except ModelUnavailable as error:
            log.error("turn %s: %s", turn.reference, error)
            return await self._fail(turn, reply, UNAVAILABLE, tally)
        except ModelRejected as error:
            log.error("turn %s: the model API refused the request: %s", turn.reference, error)
            return await self._fail(turn, reply, FAILED, tally)

    async def _answer(self, turn: Turn, reply: Reply, tally: Tally) -> Answered:
        if known := without_model(turn):
            return await self._ends.end(turn, reply, *known, tally)
        exchange = await self._begin(turn, reply, tally)
        if turn.kind == "summary":
            return await self._summarise(exchange)
        return await self._ask(exchange)

    async def fail(self, turn: Turn, reply: Reply) -> Answered:
        """End a turn that cannot be answered with a plain sentence and its reference."""
        return await self._fail(turn, reply, FAILED, Tally(self._now()))

    async def _fail(self, turn: Turn, reply: Reply, sentence: str, tally: Tally) -> Answered:
        sentence = with_reference(sentence, turn)
        return await self._close(turn, reply, sentence, Outcome.FAILED, tally)

    async def _close(
        self, turn: Turn, reply: Reply, sentence: str, outcome: Outcome, tally: Tally
    ) -> Answered:
        """End a turn with a sentence below the part of its answer that people saw."""
        shown = max(reply.text, turn.draft, key=len)  # a new attempt may not be as far yet
        return await self._ends.end(turn, reply, below(shown, sentence), outcome, tally)

    async def deliver(self, turn: Turn, reply: Reply) -> None:
        """Step 2: the stored answer stands on the platform, whole, whatever stood there before."""
        assert turn.answer is not None
        again = AGAIN if turn.outcome in (Outcome.FAILED, Outcome.REFUSED) else ()
        await reply.close(turn.answer, again)
        if turn.question.export:
            await self._export(turn, reply)
        await transact(
            self._sessions,
            lambda session: inbox.delivered(
                session, turn, turn.outcome or Outcome.OK, now=self._now()
            ),
        )

    async def _export(self, turn: Turn, reply: Reply) -> None:
        """Post the file with all that is stored about a person, below what is said to it: should
        that fail, the file is not posted a second time."""
        stored = await transact(self._sessions, lambda s: privacy.export(s, turn.user_id))
        data = json.dumps(stored, ensure_ascii=False, indent=1).encode()
        try:
            await reply.attach(EXPORT, data)
        except Undeliverable as error:
            log.warning("turn %s: %d bytes not delivered: %s", turn.reference, len(data), error)
            await reply.close(NOT_SENT)

    # before the call

    async def _begin(self, turn: Turn, reply: Reply, tally: Tally) -> Exchange:
        """Recall what was said before and reserve the first call; QuotaExceeded."""
        tries = count()
        context, call = await transact(
            self._sessions, lambda s: self._prepare(s, turn, again=next(tries) > 0)
        )
        tokens = self._ledger.prompt_tokens(turn, context)
        return Exchange(turn, reply, context, self._terms.prompt(context), call, tally, tokens)

    async def _prepare(
        self, session: Session, turn: Turn, *, again: bool
    ) -> tuple[Context, Reservation]:
        context = await memory.recall(session, turn, self._terms.marks, now=self._now())
        if context.cut:
            await inbox.tell(session, turn, self._terms.shortened(CUT), now=self._now())
        again = again or turn.attempt > 1
        return context, await self._ledger.begin(session, turn, context, again=again)

    # the answer

    async def _ask(self, exchange: Exchange) -> Answered:
        async with exchange.reply.growing():
            try:
                await self._converse(exchange)
            except (AttachmentError, DeliveryError):
                # Nobody was asked. What a platform did not hand over, another try may get.
                await self._ledger.release(exchange)
                raise
            except ModelBroke:
                return await self._ends.break_off(exchange)
        return await self._ends.finish(exchange)

    async def _converse(self, exchange: Exchange) -> None:
        """Put the question to the model, and its tools to work, until it has answered."""
        toolbox = self._toolbox(exchange.turn)
        parts = await self._parts(exchange)
        exchange.said.append(ask(exchange.turn, exchange.context, parts))
        if parts:
            await self._ledger.widen(exchange, parts)
        for left in reversed(range(ROUNDS)):
            await self._talk.call(exchange, toolbox.schemas if left else ())
            results = await self._results(exchange, toolbox)
            if not results or exchange.reply.stopped:
                break
            await self._go_on(exchange, results)

    async def _parts(self, exchange: Exchange) -> Sequence[Part]:
        if not exchange.turn.question.attachments:
            return ()
        download = exchange.reply.adapter.download
        return await attachments.load(self._sessions, exchange.turn, download, now=self._now())

    def _toolbox(self, turn: Turn) -> Toolbox:
        if not self._terms.tools:
            return Toolbox(())
        return toolkit.toolbox(self._sessions, turn.conversation_id)

    async def _results(self, exchange: Exchange, toolbox: Toolbox) -> Sequence[ChatMessage]:
        """What comes of the tools that the model asked for, unless it was stopped."""
        if not exchange.calls or exchange.reply.stopped:
            return ()
        results = await toolbox.run_all(exchange.calls)
        exchange.said.extend(results)
        return results

    async def _go_on(self, exchange: Exchange, results: Sequence[ChatMessage]) -> None:
        """Pay the call that asked for tools; the next one, which sees the results, is reserved."""
        if exchange.text:
            exchange.reply.write("\n\n")
        used = exchange.used
        more = sum(memory.estimate(message) for message in results)
        await self._ledger.next(exchange, used.prompt_tokens + used.completion_tokens + more)

    async def _summarise(self, exchange: Exchange) -> Answered:
        """Ask for a summary of the earlier part of a conversation, with the same prompt before."""
        turn, context = exchange.turn, exchange.context
        if context.cut_id is None or exchange.prompt_tokens <= self._terms.marks.high:
            # Nothing can be left out, or another summary stood before this one was asked for.
            await self._ledger.release(exchange)
            return await self._ends.end(turn, exchange.reply, "", Outcome.OK, exchange.tally)
        exchange.said.append(ask(turn, context))
        tools = self._toolbox(turn).schemas  # not to be used, but a part of the same prompt
        try:
            await self._talk.call(exchange, tools)
        except ModelBroke:
            await self._ledger.close(exchange)
            raise
        return await self._ends.summarise(exchange)

    def _refusal(self, refusal: QuotaExceeded) -> str:
        return refused(refusal, until(refusal.resets_at, self._now()))
