"""An attempt at an answer: it reserves money, recalls the conversation, and asks the model."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Self

from core import attachments, inbox, memory, quota, tools, words
from core.chat._calls import Calls
from core.chat._terms import Means
from core.db import Session, transact
from core.errors import (
    AttachmentError,
    LeaseLost,
    ModelBroke,
    ModelError,
    PromptTooLong,
    QuotaExceeded,
    RetryAfter,
    Undeliverable,
    Unreachable,
    kind,
)
from core.llm import Again, Event, Unsaid, Waiting
from core.memory import Context, Marks
from core.messages import Block, ChatMessage, Text, Thought, ToolCall, Usage, assistant, user
from core.quota import Reservation
from core.reply import Reply
from core.tools import Toolbox
from core.turns import Outcome, Turn

log = logging.getLogger(__name__)

ROUNDS = 6
"""The most calls for one answer; the last of them offers no tools."""
PAUSES = (0.5, 2.0)
"""The seconds before a call is repeated because its stream broke."""
LONGEST = 40_000
"""The most characters of one answer, about 20 messages on Discord."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The text and the outcome with which an attempt ends."""

    text: str
    outcome: Outcome
    refusal: QuotaExceeded | None = None
    """The refusal that the text tells of."""
    sentence: str = ""
    """The sentence of the bot's own in the text."""
    reason: str | None = None
    """The kind of the error that the text tells of, if it is not one of a limit or a file."""


def ending_with(
    sentence: str, outcome: Outcome, turn: Turn, reply: Reply, reason: str | None = None
) -> Ending:
    """Return an ending with a sentence below the text that people have seen."""
    if outcome is Outcome.FAILED:
        sentence = words.with_reference(sentence, turn.reference)
    shown = max(reply.text, turn.draft, key=len)  # an earlier attempt may have shown more
    return Ending(words.below(shown, sentence), outcome, sentence=sentence, reason=reason)


class Attempt:
    """One attempt at an answer, which asks the model in one call or more.

    Entering recalls the conversation and reserves the first call. Leaving settles the open call.
    If an error leaves, a call that brought nothing is released. If another attempt owns the turn,
    a call that a person cut off is settled already; leaving corrects its cost to what came. After
    any other error the person pays for what came. A call that a crash cuts off stays open until
    the next attempt recovers it.
    """

    def __init__(self, means: Means, turn: Turn, reply: Reply) -> None:
        self.turn = turn
        self.reply = reply
        self.context = Context()
        self.said: list[ChatMessage] = []
        """The messages for memory: the question, tool calls and their results, the answer."""
        self.model_ms: int | None = None
        """The milliseconds for which the model kept its first text waiting, in all calls so far."""
        self._means = means
        self._now = means.now
        self._chosen = means.terms.chosen(turn)
        self._terms = means.terms.within(means.llm.context(self._chosen))
        self.calls = Calls(means.sessions, self._terms, means.now, turn, reply)
        self._tools = Toolbox(())
        if means.terms.tools:
            self._tools = tools.offer(means.sessions, turn.conversation_id)
        self._offered = False  # True if the open call offers the tools
        self._thoughts_of: dict[int, str] = {}  # those before tool calls, by their place in `said`
        self._began_at = self._now()
        self._asked_at: datetime | None = None  # while the first text is not there

    async def __aenter__(self) -> Self:
        """Recall the conversation and reserve the first call; raises QuotaExceeded."""
        tries = count()

        async def work(session: Session) -> tuple[Context, Reservation, int]:
            turn = self.turn
            again = next(tries) > 0 or turn.attempt > 1
            context = await memory.recall(session, turn, self._terms.marks, now=self._now())
            if context.cut:
                notice = words.shortened(by_summary=False, can_search=self._terms.tools)
                await inbox.tell(session, turn, notice, now=self._now())
            tokens = self._estimate(context)
            counts = turn.kind == "chat"
            if again and counts:
                # A turn counts once, and an earlier attempt may have counted it.
                counts = not await quota.is_counted(session, turn)
            reservation = await self.calls.reserve(
                session, turn, tokens, turns=int(counts), again=again
            )
            return context, reservation, tokens

        while True:
            try:
                self.context, opened, tokens = await transact(self._means.sessions, work)
                break
            except LeaseLost:
                # Or its person has linked accounts since the claim, which moves their turns.
                moved = await transact(
                    self._means.sessions, lambda s: inbox.current(s, self.turn), single=True
                )
                if moved == self.turn:
                    raise
                self.turn = self.calls.turn = moved
        self.calls.open(opened, tokens)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        match error:
            case None:
                await self.calls.settle_now()
            case ModelError() if self.calls.heard.received is not None:
                await self.calls.settle_now()
            case ModelError() | AttachmentError() | RetryAfter() | Unreachable():
                await self.calls.release()
            case Undeliverable():
                await self.calls.settle_now()  # who gives the turn up may excuse the person
            # The person pays for the attempt that goes on instead. If they have cut this one off
            # themselves, its call was settled at their expense before, and stays so.
            case LeaseLost():
                await self.calls.settle_now(excused=True)
            case asyncio.CancelledError() if self.reply.lease.lost:
                await self.calls.settle_now(excused=True)
            case Exception() if self.calls.heard.pieces:
                # A fault of ours. Whoever can bring one about shall not get the model for nothing.
                await self.calls.settle_now()

    # The conversation with the model

    async def ask(self) -> Ending:
        """Ask the model for an answer, or for a summary; return how that ends.

        Raises ModelError, AttachmentError, DeliveryError, QuotaExceeded and LeaseLost.
        """
        if self.turn.kind == "summary":
            return await self._ask_for_summary()
        return await self._ask_for_answer()

    async def _ask_for_answer(self) -> Ending:
        """Ask the model and run the tools that it calls, until it has answered."""
        turn, reply = self.turn, self.reply
        async with reply.growing():
            files = await attachments.load(
                self._means.sessions,
                turn,
                reply.gates.paced(turn.user_id, reply.adapter.download),
                room=self._means.arriving,
                most=self._terms.file_bytes,
                now=self._now(),
            )
            self.said.append(question_of(turn, self.context, files))
            if files:
                await self._widen(self.calls.prompt_tokens, files)
            for left in reversed(range(ROUNDS)):
                try:
                    await self._listen_shortened(files, may_call=left > 0)
                except ModelBroke as error:
                    why = kind(error)
                    return ending_with(words.BROKE_OFF, Outcome.FAILED, turn, reply, why)
                if not self._wants_tools():
                    break
                results = await self._tools.run_all(self.calls.heard.tool_calls)
                self.said.extend(results)
                if not self._wants_tools():
                    break
                await self._go_on(results)
        if reply.stopped:
            return Ending(reply.text, Outcome.STOPPED)
        notes = [words.note(self.calls.heard.finish_reason), *self._notes()]
        text = "\n\n".join(filter(None, (reply.text, *notes)))
        return Ending(text or words.NOTHING_ANSWERED, Outcome.OK)

    def _notes(self) -> Iterator[str]:
        """Yield notes on what the model could not do, for each conversation and model once."""
        if self._chosen is not None and self._means.llm.is_gone(self._chosen):
            yield words.MODEL_REPLACED.format(gone=self._chosen, model=self.calls.model)
        left_out = self.calls.heard.left_out
        which = self.turn.conversation_id, self.calls.model
        if left_out is not None and which not in self._means.told:
            self._means.told.append(which)
            yield words.unseen(self.calls.model, images=left_out.images, files=left_out.files)

    async def _ask_for_summary(self) -> Ending:
        """Ask for a summary of the older messages of a conversation, below the same prompt."""
        if self.context.cut_id is None or self.context.length <= self._terms.marks.high:
            # The conversation is short enough, or another summary came first.
            await self.calls.release()
        else:
            self.said.append(question_of(self.turn, self.context))
            # The model needs no tools here, but they belong to the same prompt.
            await self._listen(may_call=True)
        return Ending("", Outcome.OK)

    async def _listen_shortened(self, files: Sequence[Block], *, may_call: bool) -> None:
        """Listen to the model, and once more without the older messages if there are too many."""
        try:
            await self._listen(may_call=may_call)
        except PromptTooLong:
            if len(self.said) > 1 or not await self._shorten(files):
                raise
            await self._listen(may_call=may_call)

    async def _listen(self, *, may_call: bool) -> None:
        """Write the model's stream to the reply until it ends or the person stops it.

        A call whose stream breaks is repeated. Raises ModelBroke when the last try breaks too.
        """
        reply, schemas = self.reply, self._tools.schemas
        self._offered = may_call = may_call and bool(schemas)
        self._asked_at = None if reply.text else self._now()
        reply.explain(words.MODEL_SILENT)
        for pause in (*PAUSES, None):
            stream = self._means.llm.stream(
                await attachments.expand(
                    self._means.sessions, self._request, room=self._means.leaving
                ),
                schemas,
                may_call=may_call,
                request_id=f"turn-{self.turn.reference}",
                model=self._chosen,
                patience=min(self._terms.patience_seconds - self._seconds, reply.time),
            )
            try:
                async with reply.until_stopped(), aclosing(stream) as events:
                    async for event in events:
                        if isinstance(event, Again):
                            await self._again()
                        elif (may_call or not isinstance(event, ToolCall)) and self._hear(event):
                            break
                break
            except ModelBroke as error:
                log.warning("turn %s: %s", self.turn.reference, error)
                if pause is None:
                    raise
            finally:
                reply.wait(waits=False)
            await asyncio.sleep(pause)
            if reply.stopped:
                break
            await self._again()
        self._conclude()

    def _hear(self, event: Event) -> bool:
        """Take in an event of the model's stream; write its text to the reply.

        Return whether the answer is as long as one may be: no more of it is to be read.
        """
        reply = self.reply
        reply.wait(waits=isinstance(event, Waiting))
        self.calls.heard.take(event)
        match event:
            case Text(text):
                self._stop_waiting()
                reply.write(text[: max(LONGEST - len(reply.text), 0)])
            case Thought():
                reply.explain(words.STILL_THINKING)
            case Unsaid():
                self.calls.rewind()
            case Waiting(seconds):
                reply.explain(words.waiting(seconds, self._now()))
        is_full = len(reply.text) >= LONGEST or self.calls.heard.is_full
        is_late = reply.time <= 0
        if is_full or is_late:
            self.calls.heard.finish_reason = "time" if is_late else "length"
        return is_full or is_late

    def _conclude(self) -> None:
        """Add the model's message in this call to `said`, for memory and the next request."""
        self._stop_waiting()
        if self._wants_tools():
            self._thoughts_of[len(self.said)] = "".join(self.calls.heard.thoughts)
            self.said.append(self.calls.message)
        elif self.calls.text:
            self.said.append(assistant(self.calls.text))

    def _stop_waiting(self) -> None:
        if self._asked_at is not None:
            waited = self._now() - self._asked_at
            self.model_ms = (self.model_ms or 0) + round(waited.total_seconds() * 1000)
            self._asked_at = None

    @property
    def _request(self) -> list[ChatMessage]:
        """All messages of the next request to the model.

        The thoughts that led to tool calls go with them, inside this turn only.
        """
        said = list(self.said)
        for index, thoughts in self._thoughts_of.items():
            said[index] = {**said[index], "reasoning_content": thoughts}
        return [*self._terms.prompt(self.context), *said]

    def _wants_tools(self) -> bool:
        """Return whether the model asked for tools and the person has not stopped it since."""
        return bool(self.calls.heard.tool_calls) and not self.reply.stopped

    @property
    def _seconds(self) -> float:
        """The seconds since the attempt began."""
        return (self._now() - self._began_at).total_seconds()

    async def _again(self) -> None:
        """Settle a lost call and reserve another one; raises QuotaExceeded."""
        await self.calls.settle_now()
        self.calls.rewind()
        await self._reserve_next(self.calls.prompt_tokens)

    async def _go_on(self, results: Sequence[ChatMessage]) -> None:
        """Settle a call that asked for tools, and reserve one with their results."""
        if self.calls.text:
            self.reply.write("\n\n")
        used = self.calls.usage
        came = max(used.completion_tokens, memory.estimate(self.calls.message))
        more = sum(map(memory.estimate, results))
        # Two transactions: settling and reserving lock the same rows in different orders.
        await self.calls.settle_now()
        await self._reserve_next(used.prompt_tokens + came + more)

    async def _shorten(self, files: Sequence[Block]) -> bool:
        """Leave out the older messages, because the model takes no such long prompt.

        Reserve again; return False if nothing can be left out. Raises QuotaExceeded.
        """
        marks = Marks(0, self._terms.marks.low // 2)
        context = await transact(
            self._means.sessions, lambda s: memory.recall(s, self.turn, marks, now=self._now())
        )
        if len(context.messages) >= len(self.context.messages):
            return False
        if self.calls.heard.received is not None:
            await self.calls.settle_now()  # it told so in the middle of its answer
        self.calls.rewind()
        self.context = context
        self.said = [question_of(self.turn, context, files)]
        await self._widen(self._estimate(context), files)
        return True

    async def _widen(self, tokens: int, files: Sequence[Block]) -> None:
        """Reserve again, with the size of the files besides; raises QuotaExceeded."""
        question: ChatMessage = {"role": "user", "content": [*files]}
        # In a thread: a long text takes many milliseconds.
        more = await asyncio.to_thread(memory.estimate, question)
        await self.calls.release()
        await self._reserve_next(tokens + more)

    async def _reserve_next(self, tokens: int) -> None:
        """Reserve one more call, which counts as no further turn.

        Raises QuotaExceeded, and LeaseLost if another attempt owns the turn.
        """
        tries = count()

        async def work(session: Session) -> Reservation:
            turn, again = await inbox.current(session, self.turn), next(tries) > 0
            return await self.calls.reserve(session, turn, tokens, turns=0, again=again)

        self.calls.open(await transact(self._means.sessions, work), tokens)

    def _estimate(self, context: Context) -> int:
        """Return the size of the first prompt: the API's last figure plus an estimate."""
        question = memory.estimate(question_of(self.turn, context))
        if context.total is not None:
            return context.total + context.beyond + context.slack + question
        prompt = sum(map(memory.estimate, self._terms.prompt(context)))
        return self._tools.tokens + prompt + question

    @property
    def counted(self) -> Usage:
        """The usage for memory: with the tools, which the next turn offers again in any case."""
        used = self.calls.usage
        unoffered = 0 if self._offered else self._tools.tokens
        return replace(used, prompt_tokens=used.prompt_tokens + unoffered)

    @property
    def is_long(self) -> bool:
        """True if the conversation has grown past the mark at which it is summarised."""
        used = self.counted
        return used.prompt_tokens + used.completion_tokens > self._terms.marks.high


def question_of(turn: Turn, context: Context, files: Sequence[Block] = ()) -> ChatMessage:
    """Return a question in the form that the model gets, the same bytes at every attempt.

    It has the day if that changed, the quote, the text, and the files; in a group, the author's
    name stands before the text.
    """
    day = turn.created_at.date()
    told = f"[{day:%A}, {day.day} {day:%B %Y}]" if day != context.day else ""
    text = turn.question.in_words(told)
    if not files:
        return user(text)
    return {"role": "user", "content": [{"type": "text", "text": text}, *files]}
