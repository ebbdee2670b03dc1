"""An exchange with the model as far as it has come: one call, or several with tools between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core import memory
from core.llm import Answering, Event, Lost
from core.memory import Context
from core.messages import ChatMessage, Finish, Text, ToolCall, Usage, assistant
from core.quota import Reservation
from core.reply import Reply
from core.turns import Turn

MOST_CALLS = 100
"""Tool calls that are taken note of in one round: what a turn may add to memory is bounded."""


@dataclass(slots=True)
class Tally:
    """What an attempt at a turn has used so far, all its calls together; for the log."""

    began: datetime
    model: str = ""
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    cost: int = 0
    """Micro-dollars."""

    def count(self, model: str, usage: Usage, cost: int) -> None:
        """Add what a call used."""
        self.model = model
        self.cost += cost
        self.usage = Usage(
            self.usage.prompt_tokens + usage.prompt_tokens,
            self.usage.completion_tokens + usage.completion_tokens,
            self.usage.cached_tokens + usage.cached_tokens,
        )


@dataclass(slots=True)
class Exchange:
    """What a turn asked, what came of it, and the call that is open in the ledger."""

    turn: Turn
    reply: Reply
    """Where the answer grows."""
    context: Context
    prompt: list[ChatMessage]
    """What is sent before `said`: the system prompt and the context."""
    call: Reservation
    tally: Tally
    prompt_tokens: int
    """About how long the next prompt is."""
    said: list[ChatMessage] = field(default_factory=list)
    """What is remembered in the end: the question, tool calls and their results, the answer."""
    begun: int = 0
    """Where in the reply's text the present call began."""
    model: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    reason: str = ""
    received: str | None = None
    """What came of the present call if it was lost, all that counts for an estimate."""

    @property
    def request(self) -> list[ChatMessage]:
        """All that the model sees."""
        return [*self.prompt, *self.said]

    @property
    def text(self) -> str:
        """What the present call has said."""
        return self.reply.text[self.begun :]

    @property
    def used(self) -> Usage:
        """What the present call used; estimated from what was received where it was not told."""
        if self.usage is not None:
            return self.usage
        if self.received is not None:
            came = assistant(self.received)
        else:
            came = _calling(self.text, self.calls)
        return Usage(self.prompt_tokens, memory.estimate(came))

    def close(self) -> None:
        """The present call is over: remember what the model said in it."""
        if self.calls and not self.reply.stopped:
            self.said.append(_calling(self.text, self.calls))
        elif self.text:
            self.said.append(assistant(self.text))

    def hear(self, event: Event) -> None:
        """Take in what comes of the present call."""
        match event:
            case Text(text):
                self.reply.write(text)
            case Answering(model):
                self.model = model
            case ToolCall() if len(self.calls) < MOST_CALLS:
                self.calls.append(event)
            case Usage():
                self.usage = event
            case Finish(reason):
                self.reason = reason
            case Lost(model, usage, received):
                self.model, self.usage, self.received = model, usage, received

    def open(self, call: Reservation, prompt_tokens: int) -> None:
        """Another call begins below what is shown already."""
        self.call = call
        self.begun = len(self.reply.text)
        self.prompt_tokens = prompt_tokens
        self.calls, self.usage, self.reason, self.received = [], None, "", None


def _calling(text: str, calls: Sequence[ToolCall]) -> ChatMessage:
    message: ChatMessage = {
        "role": "assistant",
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ],
    }
    # The API refuses an empty content beside calls.
    return {**message, "content": text} if text else message
