"""A turn is answered, and the answer delivered: the two steps of its life."""

import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from core import inbox, memory, quota
from core.adapter import Button, ChangeKind
from core.commands import until
from core.db import Sessions, transact
from core.errors import (
    ModelBroke,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    QuotaExceeded,
)
from core.llm import LLM
from core.memory import Context, Marks
from core.messages import ChatMessage, Finish, Text, Usage, assistant, system, user
from core.quota import Reservation, Rules
from core.reply import Reply
from core.settings import Prices
from core.turns import Outcome, Question, Turn

log = logging.getLogger(__name__)

STARTS = 3
"""How often an answer is begun anew when its stream breaks."""
AGAIN = (Button(ChangeKind.REGENERATE, "Try again"),)

UNAVAILABLE = "I cannot answer at the moment. The people who run me have been told."
FAILED = "Something went wrong while I was answering. Please try again."
BROKE_OFF = "*My answer broke off here. Please try again.*"
NOTES = {
    "length": "\n\n*This is as long as one answer may be. Ask me to go on.*",
    "content_filter": "\n\n*The provider of my language model ended this answer here.*",
}
"""What is added below an answer that did not end by itself."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator sets for every answer."""

    model: str
    system_prompt: str
    max_completion_tokens: int
    prices: Prices | None
    rules: Rules
    marks: Marks

    def estimate(self, prompt_tokens: int) -> int:
        """The most that a call can cost, in micro-dollars."""
        return self.cost(Usage(prompt_tokens, self.max_completion_tokens))

    def cost(self, usage: Usage) -> int:
        """What a call cost: as the API told, else by the price list."""
        if usage.cost is not None:
            return usage.cost
        if self.prices is None:
            return 0
        return self.prices.cost(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)


@dataclass(frozen=True, slots=True)
class Answered:
    """A turn with its answer, and whether another one may have waited for it."""

    turn: Turn
    followed: bool


@dataclass(slots=True)
class _Stream:
    """One call to the model and what came of it."""

    call: Reservation
    prompt_tokens: int
    usage: Usage | None = None
    reason: str = "stop"

    def used(self, text: str) -> Usage:
        """What the call used, estimated from what was received where the API did not tell."""
        if self.usage is not None:
            return self.usage
        return Usage(self.prompt_tokens, memory.estimate(assistant(text)))


class Chat:
    """Carries out turns: asks the model, remembers, settles, delivers."""

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
        if turn.cancel:
            return await self._end(turn, turn.draft, Outcome.STOPPED)
        try:
            context, call = await transact(self._sessions, lambda s: self._prepare(s, turn))
        except QuotaExceeded as refusal:
            return await self._end(turn, self._refusal(refusal), Outcome.REFUSED)
        reply.intend()
        try:
            return await self._ask(turn, reply, context, call)
        except ModelUnavailable as error:
            log.error("turn %s: %s", turn.reference, error)
            return await self.fail(turn, UNAVAILABLE)
        except ModelRejected as error:
            log.error("turn %s: the model API refused the request: %s", turn.reference, error)
            return await self.fail(turn)

    async def fail(self, turn: Turn, sentence: str = FAILED) -> Answered:
        """End a turn that cannot be answered with a plain sentence and its reference."""
        return await self._end(turn, _with_reference(sentence, turn), Outcome.FAILED)

    async def deliver(self, turn: Turn, reply: Reply) -> None:
        """Step 2: the stored answer stands on the platform, whole, whatever stood there before."""
        assert turn.answer is not None
        again = AGAIN if turn.outcome in (Outcome.FAILED, Outcome.REFUSED) else ()
        await reply.close(turn.answer, again)
        await transact(
            self._sessions,
            lambda session: inbox.delivered(
                session, turn, turn.outcome or Outcome.OK, now=self._now()
            ),
        )

    async def _prepare(self, session: AsyncSession, turn: Turn) -> tuple[Context, Reservation]:
        if turn.attempt > 1:
            await quota.recover(session, turn, self._terms.rules, now=self._now())
        context = await memory.recall(session, turn, self._terms.marks, now=self._now())
        call = await self._reserve(session, turn, self._prompt_tokens(turn, context), turns=1)
        await inbox.posting(session, turn, 0)
        return context, call

    async def _reserve(
        self, session: AsyncSession, turn: Turn, prompt_tokens: int, *, turns: int
    ) -> Reservation:
        return await quota.reserve(
            session,
            turn,
            self._terms.rules,
            model=self._terms.model,
            cost=self._terms.estimate(prompt_tokens),
            turns=turns,
            now=self._now(),
        )

    async def _ask(self, turn: Turn, reply: Reply, context: Context, call: Reservation) -> Answered:
        question = ask(turn, context)
        messages = [system(self._terms.system_prompt), *context.messages, question]
        stream = _Stream(call, self._prompt_tokens(turn, context))
        async with reply.growing():
            for start in range(1, STARTS + 1):
                try:
                    await self._listen(turn, stream, messages, reply)
                    break
                except ModelBroke as error:
                    log.warning("turn %s: %s (start %d)", turn.reference, error, start)
                    if start == STARTS:
                        return await self._broke_off(turn, stream, reply)
                    stream = await self._start_anew(turn, stream, reply)
        return await self._finish(turn, stream, reply, context, question)

    async def _listen(
        self, turn: Turn, stream: _Stream, messages: list[ChatMessage], reply: Reply
    ) -> None:
        """Let the answer grow with what the model says, until its end or until it is stopped."""
        try:
            async with (
                reply.until_stopped(),
                aclosing(self._llm.stream(messages, request_id=f"turn-{turn.reference}")) as events,
            ):
                async for event in events:
                    match event:
                        case Text(text):
                            reply.write(text)
                        case Usage():
                            stream.usage = event
                        case Finish(reason):
                            stream.reason = reason
        except ModelBroke:
            raise
        except ModelError:
            # Nothing came, so nothing is charged.
            await transact(
                self._sessions,
                lambda s: quota.release(s, stream.call, self._terms.rules, now=self._now()),
            )
            raise

    async def _start_anew(self, turn: Turn, broken: _Stream, reply: Reply) -> _Stream:
        """Pay for a stream that broke off and reserve another; the person's turn counts once."""

        async def work(session: AsyncSession) -> Reservation:
            await self._settle(session, broken, reply.text)
            return await self._reserve(session, turn, broken.prompt_tokens, turns=0)

        call = await transact(self._sessions, work)
        reply.restart()
        return _Stream(call, broken.prompt_tokens)

    async def _broke_off(self, turn: Turn, stream: _Stream, reply: Reply) -> Answered:
        """No start came to an end: what is shown stays, with a sentence and a way to try again."""
        text = f"{reply.text}\n\n{_with_reference(BROKE_OFF, turn)}"

        async def work(session: AsyncSession) -> bool:
            await self._settle(session, stream, reply.text)
            return await inbox.answered(session, turn, text, Outcome.FAILED, now=self._now())

        return self._answered(turn, text, Outcome.FAILED, await transact(self._sessions, work))

    async def _finish(
        self,
        turn: Turn,
        stream: _Stream,
        reply: Reply,
        context: Context,
        question: ChatMessage,
    ) -> Answered:
        """The one transaction that stores the answer, remembers it and settles its cost."""
        outcome = Outcome.STOPPED if reply.stopped else Outcome.OK
        text = reply.text + NOTES.get(stream.reason, "")

        async def work(session: AsyncSession) -> bool:
            followed = await inbox.answered(session, turn, text, outcome, now=self._now())
            if reply.text:
                said = [question, assistant(reply.text)]
                await memory.remember(session, turn, context, said, stream.usage, now=self._now())
            await self._settle(session, stream, reply.text)
            return followed

        followed = await transact(self._sessions, work)
        self._log(turn, stream, reply.text)
        return self._answered(turn, text, outcome, followed)

    async def _end(self, turn: Turn, text: str, outcome: Outcome) -> Answered:
        """End a turn without the model."""
        followed = await transact(
            self._sessions,
            lambda session: inbox.answered(session, turn, text, outcome, now=self._now()),
        )
        return self._answered(turn, text, outcome, followed)

    def _answered(self, turn: Turn, text: str, outcome: Outcome, followed: bool) -> Answered:
        return Answered(replace(turn, answer=text, outcome=outcome), followed)

    async def _settle(self, session: AsyncSession, stream: _Stream, text: str) -> None:
        usage = stream.used(text)
        await quota.settle(
            session,
            stream.call,
            self._terms.rules,
            usage,
            self._terms.cost(usage),
            estimated=stream.usage is None,
            now=self._now(),
        )

    def _prompt_tokens(self, turn: Turn, context: Context) -> int:
        """About how long the prompt is: as the API counted it last, and an estimate of the rest."""
        question = memory.estimate(ask(turn, context))
        if context.total is not None:
            return context.total + question
        known = [system(self._terms.system_prompt), *context.messages]
        return question + sum(memory.estimate(message) for message in known)

    def _refusal(self, refusal: QuotaExceeded) -> str:
        when = until(refusal.resets_at, self._now())
        return f"That was all for now: your limit is {refusal.limit}. You can go on {when}."

    def _log(self, turn: Turn, stream: _Stream, text: str) -> None:
        usage = stream.used(text)
        log.info(
            "turn %s answered: conversation=%d platform=%s attempt=%d tokens=%d cached=%d"
            " cost=%d seconds=%.2f",
            turn.reference,
            turn.conversation_id,
            turn.address.platform,
            turn.attempt,
            usage.prompt_tokens + usage.completion_tokens,
            usage.cached_tokens,
            self._terms.cost(usage),
            (self._now() - stream.call.at).total_seconds(),
        )


def ask(turn: Turn, context: Context) -> ChatMessage:
    """The question as the model sees it: the day when it changed, what it refers to, who asks.

    It is made of the turn and its context alone, so that every attempt sends the same bytes.
    """
    question, day = turn.question, turn.created_at.date()
    told = f"[{day:%A}, {day.day} {day:%B %Y}]" if day != context.day else ""
    quote = "\n".join(f"> {line}" for line in question.quote.splitlines())
    text = question.text if question.private else f"{question.name}: {question.text}"
    return user("\n\n".join(part for part in (told, quote, text, _unseen(question)) if part))


def _unseen(question: Question) -> str:
    """What came along that the model cannot see; it should say so instead of guessing."""
    things = [attachment.name for attachment in question.attachments]
    if question.unreadable:
        things.append(question.unreadable)
    return f"[Attached, but you cannot see it: {', '.join(things)}]" if things else ""


def _with_reference(sentence: str, turn: Turn) -> str:
    return f"{sentence} (Reference {turn.reference})"
