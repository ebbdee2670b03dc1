"""Carries out turns: asks the model, lets it use tools, remembers, settles, delivers."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from core import attachments, inbox, memory, privacy, quota, toolkit
from core.chat._exchange import Exchange
from core.chat._question import ask, blinded, without_model
from core.chat._terms import (
    AGAIN,
    BROKE_OFF,
    CUT,
    FAILED,
    NOT_SENT,
    NOTES,
    NOTHING,
    SUMMARISED,
    UNAVAILABLE,
    Terms,
    with_reference,
)
from core.commands import until
from core.db import Sessions, transact
from core.errors import (
    AttachmentError,
    DeliveryError,
    ModelBroke,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    QuotaExceeded,
    Undeliverable,
)
from core.llm import LLM, Answering
from core.memory import Context
from core.messages import ChatMessage, Finish, Part, Text, ToolCall, Usage, system
from core.quota import Reservation
from core.reply import Reply
from core.tools import Toolbox
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)

Schema = Mapping[str, Any]
"""A tool as the API is told of it."""

EXPORT = "parley.json"
PAUSES = (0.5, 2.0)
"""Seconds after which a call is begun anew when its stream broke: what broke it may last."""
ROUNDS = 6
"""How many calls one answer may take; only the last of them must do without tools."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A turn with its answer, and whether another one may have waited for it."""

    turn: Turn
    followed: bool


class Chat:
    """The two steps of a turn, and what leads to them."""

    def __init__(
        self, sessions: Sessions, llm: LLM, terms: Terms, *, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._llm = llm
        self._terms = terms
        self._now = now

    async def answer(self, turn: Turn, reply: Reply) -> Answered:
        """Step 1: the turn with its whole answer, stored and paid; the lane is free.

        Raises ModelBusy when the turn should be put back, LeaseLost when it is another's.
        """
        if known := without_model(turn):
            return await self._end(turn, reply, *known)
        try:
            tries = count()
            context, call = await transact(
                self._sessions, lambda s: self._prepare(s, turn, again=next(tries) > 0)
            )
        except QuotaExceeded as refusal:
            return await self._end(turn, reply, self._refusal(refusal), Outcome.REFUSED)
        try:
            if turn.kind == "summary":
                return await self._summarise(turn, reply, context, call)
            return await self._ask(turn, reply, context, call)
        except ModelUnavailable as error:
            log.error("turn %s: %s", turn.reference, error)
            return await self.fail(turn, reply, UNAVAILABLE)
        except ModelRejected as error:
            log.error("turn %s: the model API refused the request: %s", turn.reference, error)
            return await self.fail(turn, reply)

    async def fail(self, turn: Turn, reply: Reply, sentence: str = FAILED) -> Answered:
        """End a turn that cannot be answered with a plain sentence and its reference."""
        return await self._end(turn, reply, with_reference(sentence, turn), Outcome.FAILED)

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

    async def _prepare(
        self, session: AsyncSession, turn: Turn, *, again: bool
    ) -> tuple[Context, Reservation]:
        context = await memory.recall(session, turn, self._terms.marks, now=self._now())
        if context.cut:
            await inbox.tell(session, turn, self._terms.shortened(CUT), now=self._now())
        again = again or turn.attempt > 1
        is_counted = again and await quota.is_counted(session, turn)
        turns = 1 if turn.kind == "chat" and not is_counted else 0
        tokens = self._prompt_tokens(turn, context)
        return context, await self._reserve(session, turn, tokens, turns=turns, again=again)

    async def _reserve(
        self, session: AsyncSession, turn: Turn, prompt_tokens: int, *, turns: int = 0, again: bool
    ) -> Reservation:
        """Reserve a call; `again` where one may be open that nobody knows of: its process died,
        or the database committed it and could not say so."""
        if again:
            await quota.recover(session, turn, self._terms.rules, now=self._now())
        return await quota.reserve(
            session,
            turn,
            self._terms.rules,
            model=self._terms.chosen(turn) or self._terms.model,
            cost=self._terms.estimate(prompt_tokens),
            turns=turns,
            now=self._now(),
        )

    def _prompt_tokens(self, turn: Turn, context: Context) -> int:
        """About how long the prompt is: as the API counted it last, and an estimate of the rest."""
        question = memory.estimate(ask(turn, context))
        if context.total is not None:
            return context.total + question
        return question + sum(memory.estimate(message) for message in self._prompt(context))

    def _toolbox(self, turn: Turn) -> Toolbox:
        if not self._terms.tools:
            return Toolbox(())
        return toolkit.toolbox(self._sessions, turn.conversation_id)

    def _prompt(self, context: Context) -> list[ChatMessage]:
        return [system(self._terms.system_prompt), *context.messages]

    # the answer

    async def _ask(self, turn: Turn, reply: Reply, context: Context, call: Reservation) -> Answered:
        exchange = Exchange(
            context, self._prompt(context), call, self._prompt_tokens(turn, context)
        )
        toolbox = self._toolbox(turn)
        async with reply.growing():
            try:
                parts = await self._parts(turn, reply)
                exchange.said.append(ask(turn, context, parts))
                if parts:
                    await self._widen(turn, exchange, parts)
                for left in reversed(range(ROUNDS)):
                    await self._call(turn, exchange, toolbox.schemas if left else (), reply)
                    if not exchange.calls or reply.stopped:
                        break
                    await self._use_tools(turn, exchange, toolbox, reply)
            except (AttachmentError, DeliveryError) as error:
                await self._release(exchange)
                if isinstance(error, DeliveryError):
                    raise  # the platform did not hand a file over: another try may get it
                return await self._end(turn, reply, str(error), Outcome.REFUSED)
            except QuotaExceeded as refusal:
                text = f"{reply.text}\n\n{self._refusal(refusal)}".strip()
                return await self._end(turn, reply, text, Outcome.REFUSED)
            except ModelBroke:
                return await self._broke_off(turn, exchange, reply)
        return await self._finish(turn, exchange, reply)

    async def _parts(self, turn: Turn, reply: Reply) -> Sequence[Part]:
        if not turn.question.attachments:
            return ()
        download = reply.adapter.download
        return await attachments.load(self._sessions, turn, download, now=self._now())

    async def _widen(self, turn: Turn, exchange: Exchange, parts: Sequence[Part]) -> None:
        """Reserve for the files too: how large they are is known only now."""
        exchange.prompt_tokens += memory.estimate({"role": "user", "content": [*parts]})
        turns, tries = exchange.call.turns, count()
        await self._release(exchange)
        exchange.call = await transact(
            self._sessions,
            lambda s: self._reserve(
                s, turn, exchange.prompt_tokens, turns=turns, again=next(tries) > 0
            ),
        )

    async def _call(
        self, turn: Turn, exchange: Exchange, tools: Sequence[Schema], reply: Reply
    ) -> None:
        """One call, begun anew when its stream breaks; ModelBroke when none comes to an end."""
        request = await self._expanded(exchange.request)
        for pause in (*PAUSES, None):
            try:
                await self._listen(turn, exchange, request, tools, reply)
                exchange.close(reply)
                return
            except ModelBroke as error:
                log.warning("turn %s: %s", turn.reference, error)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            except ModelError:
                # Nothing came, so nothing is charged.
                await self._release(exchange)
                raise
            begun = exchange.begun
            await self._next(turn, exchange, reply, exchange.prompt_tokens)
            exchange.begun = begun
            reply.rewind(begun)

    async def _listen(
        self,
        turn: Turn,
        exchange: Exchange,
        request: Sequence[ChatMessage],
        tools: Sequence[Schema],
        reply: Reply,
    ) -> None:
        """Let the answer grow with what the model says, until its end or until it is stopped."""
        stream = self._llm.stream(
            request,
            tools,
            request_id=f"turn-{turn.reference}",
            model=self._terms.chosen(turn),
        )
        async with reply.until_stopped(), aclosing(stream) as events:
            async for event in events:
                match event:
                    case Text(text):
                        reply.write(text)
                    case Answering(model):
                        exchange.model = model
                    case ToolCall() if tools:
                        exchange.calls.append(event)
                    case Usage():
                        exchange.usage = event
                    case Finish(reason):
                        exchange.reason = reason

    async def _expanded(self, messages: list[ChatMessage]) -> list[ChatMessage]:
        """The request itself: with the bytes of files in it, as far as the model can see them."""
        if not any(isinstance(message.get("content"), list) for message in messages):
            return messages
        if not self._terms.vision:
            messages = [blinded(message) for message in messages]
        return await transact(self._sessions, lambda s: attachments.expand(s, messages))

    async def _use_tools(
        self, turn: Turn, exchange: Exchange, toolbox: Toolbox, reply: Reply
    ) -> None:
        """Run what the model asked for and pay the call that asked; the next one is reserved."""
        results = await toolbox.run_all(exchange.calls)
        exchange.said.extend(results)
        if reply.text[exchange.begun :]:
            reply.write("\n\n")
        used = exchange.used(reply)
        more = sum(memory.estimate(message) for message in results)
        tokens = used.prompt_tokens + used.completion_tokens + more
        await self._next(turn, exchange, reply, tokens)

    async def _next(self, turn: Turn, exchange: Exchange, reply: Reply, prompt_tokens: int) -> None:
        """Settle the call that is over and reserve another; the person's turn counts once."""

        # Two transactions: settling and reserving lock the same rows in different orders.
        await transact(self._sessions, lambda s: self._settle(s, exchange, reply))
        tries = count()
        call = await transact(
            self._sessions,
            lambda s: self._reserve(s, turn, prompt_tokens, again=next(tries) > 0),
        )
        exchange.count(exchange.used(reply))
        exchange.open(call, reply, prompt_tokens)

    # the end

    async def _finish(self, turn: Turn, exchange: Exchange, reply: Reply) -> Answered:
        """The one transaction that stores the answer, remembers it and settles its cost."""
        outcome = Outcome.STOPPED if reply.stopped else Outcome.OK
        text = reply.text + NOTES.get(exchange.reason, "")
        if not text and outcome is Outcome.OK:
            text = NOTHING
        used = exchange.used(reply)
        long = used.prompt_tokens + used.completion_tokens > self._terms.marks.high

        async def work(session: AsyncSession) -> bool:
            followed = await inbox.answered(session, turn, text, outcome, now=self._now())
            if reply.text:
                await memory.remember(
                    session, turn, exchange.context, exchange.said, used, now=self._now()
                )
            await self._settle(session, exchange, reply)
            if long:
                await inbox.summarise(session, turn, now=self._now())
            return followed

        followed = await self._store(turn, reply, work)
        exchange.count(used)
        self._log(turn, exchange)
        return self._answered(turn, text, outcome, followed or long)

    async def _broke_off(self, turn: Turn, exchange: Exchange, reply: Reply) -> Answered:
        """No start came to an end: what is shown stays, with a sentence and a way to try again."""
        text = f"{reply.text}\n\n{with_reference(BROKE_OFF, turn)}"

        async def work(session: AsyncSession) -> bool:
            await self._settle(session, exchange, reply)
            return await inbox.answered(session, turn, text, Outcome.FAILED, now=self._now())

        return self._answered(turn, text, Outcome.FAILED, await self._store(turn, reply, work))

    async def _summarise(
        self, turn: Turn, reply: Reply, context: Context, call: Reservation
    ) -> Answered:
        """Ask for a summary of the earlier part of a conversation, with the same prompt before."""
        exchange = Exchange(
            context, self._prompt(context), call, self._prompt_tokens(turn, context)
        )
        if context.cut_id is None or exchange.prompt_tokens <= self._terms.marks.high:
            # Nothing can be left out, or another summary stood before this one was asked for.
            await self._release(exchange)
            return await self._end(turn, reply, "", Outcome.OK)
        exchange.said.append(ask(turn, context))
        tools = self._toolbox(turn).schemas  # not to be used, but a part of the same prompt
        try:
            await self._call(turn, exchange, tools, reply)
        except ModelBroke:
            await transact(self._sessions, lambda s: self._settle(s, exchange, reply))
            raise

        async def work(session: AsyncSession) -> tuple[str, bool]:
            first = await memory.summarise(session, context, reply.text, now=self._now())
            await self._settle(session, exchange, reply)
            text = self._terms.shortened(SUMMARISED) if first else ""
            return text, await inbox.answered(session, turn, text, Outcome.OK, now=self._now())

        reply.finish()
        text, followed = await transact(self._sessions, work)
        exchange.count(exchange.used(reply))
        self._log(turn, exchange)
        return self._answered(turn, text, Outcome.OK, followed)

    async def _end(self, turn: Turn, reply: Reply, text: str, outcome: Outcome) -> Answered:
        """End a turn without the model. What goes wrong with a summary is not the person's."""
        if turn.kind == "summary":
            text = ""

        async def work(session: AsyncSession) -> bool:
            followed = await inbox.answered(session, turn, text, outcome, now=self._now())
            if turn.attempt > 1:
                # There will be no further attempt to close what an earlier one left open.
                await quota.recover(session, turn, self._terms.rules, now=self._now())
            return followed

        followed = await self._store(turn, reply, work)
        return self._answered(turn, text, outcome, followed)

    async def _store(
        self, turn: Turn, reply: Reply, work: Callable[[AsyncSession], Awaitable[bool]]
    ) -> bool:
        """Answer a turn in one transaction, once: a commit whose end was not heard may stand.

        From its beginning on, what follows the turn has to let its answer go first.
        """
        reply.finish()
        tries = count()

        async def once(session: AsyncSession) -> bool:
            if next(tries) and await inbox.is_answered(session, turn):
                return True
            return await work(session)

        return await transact(self._sessions, once)

    def _answered(self, turn: Turn, text: str, outcome: Outcome, followed: bool) -> Answered:
        return Answered(replace(turn, answer=text, outcome=outcome), followed)

    async def _settle(self, session: AsyncSession, exchange: Exchange, reply: Reply) -> None:
        usage = exchange.used(reply)
        await quota.settle(
            session,
            exchange.call,
            self._terms.rules,
            usage,
            self._terms.cost(usage),
            model=exchange.model,
            estimated=exchange.usage is None,
            now=self._now(),
        )

    async def _release(self, exchange: Exchange) -> None:
        await transact(
            self._sessions,
            lambda s: quota.release(s, exchange.call, self._terms.rules, now=self._now()),
        )

    def _refusal(self, refusal: QuotaExceeded) -> str:
        when = until(refusal.resets_at, self._now())
        return f"That was all for now: your limit is {refusal.limit}. You can go on {when}."

    def _log(self, turn: Turn, exchange: Exchange) -> None:
        usage = exchange.total
        log.info(
            "turn %s answered: kind=%s conversation=%d platform=%s attempt=%d model=%s tokens=%d"
            " cached=%d cost=%d seconds=%.2f",
            turn.reference,
            turn.kind,
            turn.conversation_id,
            turn.address.platform,
            turn.attempt,
            exchange.model,
            usage.prompt_tokens + usage.completion_tokens,
            usage.cached_tokens,
            self._terms.cost(usage),
            (self._now() - exchange.call.at).total_seconds(),
        )
