"""The calls of an attempt: what came of the open one, and its row in the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from core import memory, quota
from core.chat._terms import Terms
from core.db import Session, Sessions, transact
from core.llm import Answering, Event, LeftOut, Lost
from core.messages import ChatMessage, Finish, Text, Thought, ToolCall, Unseen, Usage, assistant
from core.quota import Progress, Reservation
from core.reply import Reply, Tally
from core.turns import Turn

MOST_RECEIVED = 2_000_000
"""The most characters of one call, with thoughts and tool calls, if a server ignores its limit."""
MOST_TOOL_CALLS = 100
"""The most tool calls that one call may ask for; they bound the growth of memory by one turn."""
AHEAD = 500
"""The tokens that may come of a call from one note of its progress to the next, in some two
seconds. After a crash the last note is all that is known, and the cost of these tokens is part of
it: more would let a few crashes use up a budget."""


class Calls:
    """The calls of one attempt, one after the other; at most one is open."""

    def __init__(
        self,
        sessions: Sessions,
        terms: Terms,
        now: Callable[[], datetime],
        turn: Turn,
        reply: Reply,
    ) -> None:
        self.turn = turn
        self.heard = Heard()
        self.tally = Tally()
        self.prompt_tokens = 0
        """The size of the open call's prompt, as an estimate."""
        self._sessions = sessions
        self._terms = terms
        self._now = now
        self._reply = reply
        self._reservation: Reservation | None = None
        self._begins_at = 0  # the offset in the reply's text at which the open call begins
        self._noted, self._noted_tokens = 0, 0  # the pieces that the last note counted

    @property
    def model(self) -> str:
        """The model that answers, or that is to answer."""
        return self.heard.model or self._terms.chosen(self.turn) or self._terms.model

    @property
    def text(self) -> str:
        """The text of the open call that people see."""
        return self._reply.text[self._begins_at :]

    @property
    def message(self) -> ChatMessage:
        """The model's message in the open call."""
        return self.heard.message(self.text)

    @property
    def usage(self) -> Usage:
        """The usage of the open call: the API's own figures, or an estimate from what came."""
        if self.heard.usage is not None:
            return self.heard.usage
        sizes = (memory.estimate(assistant(self.heard.all)), memory.estimate(self.message))
        return Usage(self.prompt_tokens, max(sizes))

    @property
    def is_near(self) -> bool:
        """True if the open call may bring a limit of its person or group near its end."""
        return self._reservation is not None and self._reservation.is_near

    def open(self, reservation: Reservation, prompt_tokens: int) -> None:
        """Begin a call that has been reserved."""
        self._reservation, self.prompt_tokens = reservation, prompt_tokens
        self.heard = Heard(self.heard.model, self.heard.left_out)
        self._begins_at = len(self._reply.text)
        self._noted, self._noted_tokens = 0, 0
        self._reply.progress = self._progress

    def rewind(self) -> None:
        """Take back the text of the open call."""
        self._reply.rewind(self._begins_at)

    async def reserve(
        self, session: Session, turn: Turn, tokens: int, *, turns: int, again: bool
    ) -> Reservation:
        """Reserve a call with a prompt of so many tokens; raises QuotaExceeded and LeaseLost.

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

    async def recover(self, session: Session) -> None:
        """Settle the calls that earlier attempts left open, and one with an unheard commit."""
        await quota.recover(session, self.turn, self._terms.rules, now=self._now())

    def _progress(self) -> Progress | None:
        """Return how far the open call has come; None if nothing came since the last look."""
        pieces = self.heard.pieces
        if self._reservation is None or len(pieces) == self._noted:
            return None
        news = "".join(pieces[self._noted :])
        self._noted = len(pieces)
        self._noted_tokens += memory.estimate(assistant(news))
        usage = Usage(self.prompt_tokens, self._noted_tokens + AHEAD)
        cost = self._terms.cost(usage, self.model)
        return Progress(self._reservation.call_id, usage.completion_tokens, cost)

    async def settle(self, session: Session, *, excused: bool = False) -> None:
        """Replace the reservation by the cost of the call; do nothing if no call is open.

        `excused` means that the person does not pay. After the commit, `close` ends it.
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
            estimated=self.heard.usage is None,
            excused=excused,
            now=self._now(),
        )

    def close(self) -> None:
        """Close the open call, whose cost is settled by now, and add it to the tally."""
        if self._reservation is None:
            return
        used, tally = self.usage, self.tally
        tally.model = self.model
        tally.prompt_tokens += used.prompt_tokens
        tally.cached_tokens += used.cached_tokens
        tally.completion_tokens += used.completion_tokens
        tally.cost += self._terms.cost(used, self.model)
        self._reservation = None

    async def settle_now(self, *, excused: bool = False) -> None:
        """Settle and close the open call in a transaction of its own, if there is one."""
        if self._reservation is not None:
            await transact(self._sessions, lambda s: self.settle(s, excused=excused))
            self.close()

    async def release(self) -> None:
        """Give the money back: the model was not asked, or the call brought nothing."""
        if (reservation := self._reservation) is not None:
            self._reservation = None
            await transact(
                self._sessions,
                lambda s: quota.release(s, reservation, self._terms.rules, now=self._now()),
            )


@dataclass(slots=True)
class Heard:
    """The model's side of one call, as far as it has come."""

    model: str = ""
    """The model that answers, as the API names it; until it does, that of the call before."""
    left_out: LeftOut | None = None
    """The kinds of content that the model could not take, in this call or an earlier one."""
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str = ""
    usage: Usage | None = None
    """The usage as the API counts it; None until it does."""
    received: str | None = None
    """The text that came of a call that was lost."""
    pieces: list[str] = field(default_factory=list)
    """The text, the thoughts and the tool calls, as they came."""
    length: int = 0
    """The characters in them."""
    thoughts: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Take in an event of the model's stream."""
        match event:
            case Text() | Unseen():
                self._add(event)
            case ToolCall() if len(self.tool_calls) < MOST_TOOL_CALLS:
                self.tool_calls.append(event)
            case Answering(model):
                self.model = model
            case LeftOut():
                self.left_out = event
            case Usage():
                self.usage = event
            case Finish(reason):
                self.finish_reason = reason
            case Lost(model, usage, received):
                self.model, self.usage, self.received = model, usage, received

    def _add(self, piece: Text | Unseen) -> None:
        self.pieces.append(piece.text)
        self.length += len(piece.text)
        if isinstance(piece, Thought):
            self.thoughts.append(piece.text)

    @property
    def is_full(self) -> bool:
        """True if more came than any answer needs."""
        return self.length > MOST_RECEIVED

    @property
    def all(self) -> str:
        """The text of everything that came."""
        return "".join(self.pieces) if self.received is None else self.received

    def message(self, text: str) -> ChatMessage:
        """Return the model's message with this text, in the API's form."""
        if not self.tool_calls:
            return assistant(text)
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
        return {**message, "content": text} if text else message
