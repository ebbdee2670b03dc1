"""The open call of an attempt: entering it reserves money, and leaving it settles the cost."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Self

from core import inbox, memory, quota, words
from core.chat._question import question_of
from core.chat._terms import Terms
from core.db import Session, Sessions, transact
from core.errors import (
    AttachmentError,
    LeaseLost,
    ModelError,
    RetryAfter,
    Undeliverable,
    Unreachable,
)
from core.llm import Answering, Event, LeftOut, Lost, Unsaid, Waiting
from core.memory import Context, Marks
from core.messages import (
    Block,
    ChatMessage,
    Finish,
    Text,
    Thought,
    ToolCall,
    Unseen,
    Usage,
    assistant,
    system,
)
from core.quota import Progress, Reservation
from core.reply import Reply, Tally
from core.tools import Toolbox
from core.turns import Turn

LONGEST = 40_000
"""The most characters of one answer, about 20 messages on Discord."""
MOST_RECEIVED = 2_000_000
"""The most characters of one call, with thoughts and tool calls, if a server ignores its limit."""
MOST_TOOL_CALLS = 100
"""The most tool calls that one call may ask for; they bound the growth of memory by one turn."""
AHEAD = 500
"""The tokens that may come of a call from one note of its progress to the next, in some two
seconds. After a crash the last note is all that is known, and the cost of these tokens is part of
it: more would let a few crashes use up a budget."""


class OpenCall:
    """The calls of one attempt, one after the other; at most one is open in the ledger.

    Entering recalls the conversation and reserves the first call. Leaving settles the open call.
    If an error leaves, a call that brought nothing is released. If another attempt owns the turn,
    a call that a person cut off is settled already; leaving corrects its cost to what came. After
    any other error the person pays for what came. A call that a crash cuts off stays open until
    the next attempt recovers it.
    """

    def __init__(
        self,
        sessions: Sessions,
        terms: Terms,
        now: Callable[[], datetime],
        turn: Turn,
        reply: Reply,
        tools: Toolbox,
    ) -> None:
        self.turn = turn
        self.reply = reply
        self.tools = tools
        self.context = Context()
        self.said: list[ChatMessage] = []
        """The messages for memory: the question, tool calls and their results, the answer."""
        self.tool_calls: list[ToolCall] = []
        self.finish_reason = ""
        self.left_out: LeftOut | None = None
        """The kinds of content that the model could not take."""
        self.tally = Tally()
        self._began_at = now()
        self.model_ms: int | None = None
        """The milliseconds for which the model kept its first text waiting, in all calls so far."""
        self._asked_at: datetime | None = None  # while the first text is not there
        self._sessions = sessions
        self._terms = terms
        self._now = now
        self._reservation: Reservation | None = None
        self._prompt_tokens = 0
        self._begins_at = 0  # the offset in the reply's text at which the open call begins
        self._model = ""
        self._usage: Usage | None = None
        self._received: str | None = None  # the text that came of a lost call
        self._came: list[str] = []  # the pieces that came of the open call, seen or not
        self._length = 0  # the characters in them
        self._noted, self._noted_tokens = 0, 0  # how many of them the last note counted
        self._thoughts: list[str] = []  # those of the open call
        self._thoughts_of: dict[int, str] = {}  # those before tool calls, by their place in `said`
        self._offered = False  # True if the open call offers the tools

    async def __aenter__(self) -> Self:
        """Recall the conversation and reserve the first call; raises QuotaExceeded."""
        tries = count()

        async def work(session: Session) -> tuple[Context, int, Reservation]:
            turn = self.turn
            again = next(tries) > 0 or turn.attempt > 1
            context = await memory.recall(session, turn, self.marks, now=self._now())
            if context.cut:
                notice = words.shortened(by_summary=False, can_search=self._terms.tools)
                await inbox.tell(session, turn, notice, now=self._now())
            tokens = self._estimate(context)
            counts = turn.kind == "chat"
            if again and counts:
                # A turn counts once, and an earlier attempt may have counted it.
                counts = not await quota.is_counted(session, turn)
            reservation = await self._reserve(session, turn, tokens, turns=int(counts), again=again)
            return context, tokens, reservation

        while True:
            try:
                entered = await transact(self._sessions, work)
                break
            except LeaseLost:
                # Or its person has linked accounts since the claim, which moves their turns.
                moved = await transact(self._sessions, lambda s: inbox.current(s, self.turn))
                if moved == self.turn:
                    raise
                self.turn = moved
        self.context, self._prompt_tokens, self._reservation = entered
        self.reply.progress = self.progress
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        match error:
            case None:
                await self._settle_now()
            case ModelError() if self._received is not None:
                await self._settle_now()
            case ModelError() | AttachmentError() | RetryAfter() | Unreachable():
                await self.release()
            case Undeliverable():
                await self._settle_now()  # who gives the turn up may excuse the person
            # The person pays for the attempt that goes on instead. If they have cut this one off
            # themselves, its call was settled at their expense before, and stays so.
            case LeaseLost():
                await self._settle_now(excused=True)
            case asyncio.CancelledError() if self.reply.lease.lost:
                await self._settle_now(excused=True)
            case Exception() if self._came:
                # A fault of ours. Whoever can bring one about shall not get the model for nothing.
                await self._settle_now()

    # The conversation with the model

    @property
    def request(self) -> list[ChatMessage]:
        """All messages of the next request to the model.

        The thoughts that led to tool calls go with them, inside this turn only.
        """
        said = list(self.said)
        for index, thoughts in self._thoughts_of.items():
            said[index] = {**said[index], "reasoning_content": thoughts}
        return [*self._terms.prompt(self.context), *said]

    @property
    def marks(self) -> Marks:
        """The sizes between which the conversation is kept word for word for this model."""
        return self._terms.marks

    @property
    def is_long(self) -> bool:
        """True if the conversation has grown past the mark at which it is summarised."""
        used = self.counted
        return used.prompt_tokens + used.completion_tokens > self.marks.high

    @property
    def prompt_tokens(self) -> int:
        """The size of the prompt, estimated until the API tells it."""
        return self._prompt_tokens

    @property
    def seconds(self) -> float:
        """The seconds since the attempt began."""
        return (self._now() - self._began_at).total_seconds()

    @property
    def is_near(self) -> bool:
        """True if the open call may bring a limit of its person or group near its end."""
        return self._reservation is not None and self._reservation.is_near

    @property
    def model(self) -> str:
        """The model that answers, or that is to answer."""
        return self._model or self._terms.chosen(self.turn) or self._terms.model

    @property
    def usage(self) -> Usage:
        """The usage of the call: the API's own figures, or an estimate from the received text."""
        if self._usage is not None:
            return self._usage
        came = "".join(self._came) if self._received is None else self._received
        completion = max(memory.estimate(assistant(came)), memory.estimate(self._message()))
        return Usage(self._prompt_tokens, completion)

    @property
    def counted(self) -> Usage:
        """The usage for memory: with the tools, which the next turn offers again in any case."""
        used = self.usage
        unoffered = 0 if self._offered else self._tools_tokens
        return replace(used, prompt_tokens=used.prompt_tokens + unoffered)

    def ask(self, *, offers_tools: bool) -> None:
        """Note that the open call is about to be sent, with the tools or without."""
        self._offered = offers_tools
        self._asked_at = None if self.reply.text else self._now()
        self.reply.explain(words.MODEL_SILENT)

    def hear(self, event: Event) -> bool:
        """Take in an event of the model's stream; write its text to the reply.

        Return whether the answer is as long as one may be: no more of it is to be read.
        """
        self.reply.wait(waits=isinstance(event, Waiting))
        match event:
            case Text(text):
                self._stop_waiting()
                self._take(text)
                self.reply.write(text[: max(LONGEST - len(self.reply.text), 0)])
            case Unseen(text):
                self._take(text)
                if isinstance(event, Thought):
                    self._thoughts.append(text)
                    self.reply.explain(words.STILL_THINKING)
            case Unsaid():
                self.reply.rewind(self._begins_at)
            case Waiting(seconds):
                self.reply.explain(words.waiting(seconds, self._now()))
            case ToolCall() if len(self.tool_calls) < MOST_TOOL_CALLS:
                self.tool_calls.append(event)
            case _:
                self._note(event)
        is_full = len(self.reply.text) >= LONGEST or self._length > MOST_RECEIVED
        is_late = self.reply.time <= 0
        self.finish_reason = "time" if is_late else "length" if is_full else self.finish_reason
        return is_full or is_late

    def _note(self, event: Event) -> None:
        """Take in an event that brings nothing of the answer itself."""
        match event:
            case Answering(model):
                self._model = model
            case LeftOut():
                self.left_out = event
            case Usage():
                self._usage = event
            case Finish(reason):
                self.finish_reason = reason
            case Lost(model, usage, received):
                self._model, self._usage, self._received = model, usage, received

    def _stop_waiting(self) -> None:
        if self._asked_at is not None:
            waited = self._now() - self._asked_at
            self.model_ms = (self.model_ms or 0) + round(waited.total_seconds() * 1000)
            self._asked_at = None

    def _take(self, text: str) -> None:
        self._came.append(text)
        self._length += len(text)

    def wants_tools(self) -> bool:
        """Return whether the model asked for tools and the person has not stopped it since."""
        return bool(self.tool_calls) and not self.reply.stopped

    def conclude(self) -> None:
        """Add the model's message in this call to `said`, for memory and the next request."""
        self._stop_waiting()
        if self.wants_tools():
            self._thoughts_of[len(self.said)] = "".join(self._thoughts)
            self.said.append(self._message())
        elif self._text:
            self.said.append(assistant(self._text))

    # Money

    async def shorten(self, files: Sequence[Block]) -> bool:
        """Leave out the older messages, because the model takes no such long prompt.

        Reserve again; return False if nothing can be left out. Raises QuotaExceeded.
        """
        marks = Marks(0, self.marks.low // 2)
        context = await transact(
            self._sessions, lambda s: memory.recall(s, self.turn, marks, now=self._now())
        )
        if len(context.messages) >= len(self.context.messages):
            return False
        self.context = context
        self.said = [question_of(self.turn, context, files)]
        self._prompt_tokens = self._estimate(context)
        await self.widen(files)
        return True

    def progress(self) -> Progress | None:
        """Return how far the open call has come; None if nothing came since the last look."""
        if self._reservation is None or len(self._came) == self._noted:
            return None
        news = "".join(self._came[self._noted :])
        self._noted = len(self._came)
        self._noted_tokens += memory.estimate(assistant(news))
        usage = Usage(self._prompt_tokens, self._noted_tokens + AHEAD)
        cost = self._terms.cost(usage, self.model)
        return Progress(self._reservation.call_id, usage.completion_tokens, cost)

    async def widen(self, files: Sequence[Block]) -> None:
        """Reserve again with the size of the files; raises QuotaExceeded."""
        question: ChatMessage = {"role": "user", "content": [*files]}
        # In a thread: a long text takes many milliseconds.
        self._prompt_tokens += await asyncio.to_thread(memory.estimate, question)
        await self.release()
        await self._reserve_now()

    async def again(self) -> None:
        """Settle a lost call and reserve another one; raises QuotaExceeded."""
        await self._settle_now()
        self.reply.rewind(self._begins_at)
        await self._reserve_now()

    async def go_on(self, results: Sequence[ChatMessage]) -> None:
        """Settle a call that asked for tools, and reserve one with their results."""
        if self._text:
            self.reply.write("\n\n")
        used = self.usage
        came = max(used.completion_tokens, memory.estimate(self._message()))
        more = sum(map(memory.estimate, results))
        # Two transactions: settling and reserving lock the same rows in different orders.
        await self._settle_now()
        self._prompt_tokens = used.prompt_tokens + came + more
        self._begins_at = len(self.reply.text)
        await self._reserve_now()

    async def settle(self, session: Session, *, excused: bool = False) -> None:
        """Replace the reservation by the cost of the call; do nothing if no call is open.

        `excused` means that the person does not pay.
        """
        if self._reservation is None:
            return
        await quota.settle(
            session,
            self._reservation,
            self._terms.rules,
            self.usage,
            self._terms.cost(self.usage, self.model),
            model=self.model,
            estimated=self._usage is None,
            excused=excused,
            now=self._now(),
        )

    def settled(self) -> None:
        """Add the call that has been settled to the tally."""
        if self._reservation is None:
            return
        used, tally = self.usage, self.tally
        tally.model = self.model
        tally.prompt_tokens += used.prompt_tokens
        tally.cached_tokens += used.cached_tokens
        tally.completion_tokens += used.completion_tokens
        tally.cost += self._terms.cost(used, self.model)
        self._reservation = None

    async def release(self) -> None:
        """Give the money back: the model was not asked, or the call brought nothing."""
        if (reservation := self._reservation) is not None:
            self._reservation = None
            await transact(
                self._sessions,
                lambda s: quota.release(s, reservation, self._terms.rules, now=self._now()),
            )

    async def recover(self, session: Session) -> None:
        """Settle the calls that earlier attempts left open, and one with an unheard commit."""
        await quota.recover(session, self.turn, self._terms.rules, now=self._now())

    async def _settle_now(self, *, excused: bool = False) -> None:
        if self._reservation is not None:
            await transact(self._sessions, lambda s: self.settle(s, excused=excused))
            self.settled()

    async def _reserve_now(self) -> None:
        """Reserve one more call of the attempt, which counts as a turn once."""
        tries = count()

        async def work(session: Session) -> Reservation:
            turn, again = await inbox.current(session, self.turn), next(tries) > 0
            return await self._reserve(session, turn, self._prompt_tokens, turns=0, again=again)

        self._reservation = await transact(self._sessions, work)
        self.tool_calls, self._usage, self._received = [], None, None
        self._came, self._noted, self._noted_tokens = [], 0, 0
        self._thoughts = []
        self._length = 0
        self.finish_reason = ""

    async def _reserve(
        self, session: Session, turn: Turn, tokens: int, *, turns: int, again: bool
    ) -> Reservation:
        """Reserve a call.

        `again` means that an unknown call may be open: its process died, or the database committed
        it and could not say so. Such a call is recovered first.
        """
        if again:
            await quota.prepare(session, self.turn, self._terms.rules, now=self._now())
            await self.recover(session)
        return await quota.reserve(
            session,
            turn,
            self._terms.rules,
            model=self.model,
            cost=self._terms.most(turn, tokens),
            turns=turns,
            tokens=tokens + self._terms.max_completion_tokens,
            prompt_tokens=tokens,
            completion_tokens=AHEAD,
            least=self._terms.cost(Usage(tokens, AHEAD), self.model),
            now=self._now(),
        )

    def _estimate(self, context: Context) -> int:
        """Return the size of the first prompt: the API's last figure plus an estimate."""
        question = memory.estimate(question_of(self.turn, context))
        if context.total is not None:
            return context.total + context.beyond + context.slack + question
        prompt = sum(map(memory.estimate, self._terms.prompt(context)))
        return self._tools_tokens + prompt + question

    @property
    def _tools_tokens(self) -> int:
        """The size of the tools in a prompt, as an estimate."""
        schemas = self.tools.schemas
        return memory.estimate(system(json.dumps(schemas))) if schemas else 0

    @property
    def _text(self) -> str:
        return self.reply.text[self._begins_at :]

    def _message(self) -> ChatMessage:
        """Return the model's message in this call, in the API's form."""
        if not self.tool_calls:
            return assistant(self._text)
        message: ChatMessage = {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.tool_calls
            ],
        }
        # The API refuses an empty content beside tool calls.
        return {**message, "content": self._text} if self._text else message
