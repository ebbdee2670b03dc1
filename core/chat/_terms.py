"""The terms and the means of all attempts of a process."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from core import attachments
from core.attachments import Room
from core.db import Sessions
from core.llm import LLM
from core.memory import Context, Marks
from core.messages import ChatMessage, Usage, system
from core.quota import Rules
from core.settings import PriceList
from core.turns import Turn


@dataclass(frozen=True, slots=True)
class Terms:
    """The operator's settings for the answer to a turn and for its cost."""

    model: str
    system_prompt: str
    max_completion_tokens: int
    prices: PriceList
    rules: Rules
    marks: Marks
    tools: bool = True
    """True if the model may call tools."""
    file_bytes: int = 200_000_000
    """The most bytes of files that are stored for one person."""
    models: tuple[str, ...] = ()
    """The models that people may choose."""
    patience_seconds: float = 1800
    """The seconds for which the model is asked for one answer while it is away."""
    fallbacks: tuple[str, ...] = ()
    """The models that answer while the others do not."""

    def chosen(self, turn: Turn) -> str | None:
        """Return the model that somebody chose for a turn's conversation; None for the default.

        A model that is no longer on offer counts as not chosen.
        """
        return turn.model if turn.model in self.models else None

    def within(self, context_tokens: int | None) -> "Terms":
        """Return the terms for a model that takes so many tokens; None if nobody knows.

        The prompt keeps to two thirds of the room: a question and its files come on top.
        """
        if context_tokens is None:
            return self
        room = max(context_tokens - self.max_completion_tokens, context_tokens // 2)
        # A conversation may grow to twice the high mark before it is cut.
        marks = Marks(min(self.marks.high, room // 3), min(self.marks.low, room // 6))
        return self if marks == self.marks else replace(self, marks=marks)

    def prompt(self, context: Context) -> list[ChatMessage]:
        """Return the messages before the question.

        There is exactly one system message, the first: some models refuse any other.
        """
        told = "\n\n".join(filter(None, (self.system_prompt, context.told)))
        return [system(told), *context.messages]

    def most(self, turn: Turn, prompt_tokens: int) -> int:
        """Return the highest cost of a call with a prompt of this size, in micro-dollars.

        Any of several models may answer; the dearest one counts.
        """
        usage = Usage(prompt_tokens, self.max_completion_tokens)
        models = (self.chosen(turn) or self.model, self.model, *self.fallbacks)
        return max(self.cost(usage, model) for model in models)

    def cost(self, usage: Usage, model: str) -> int:
        """Return the cost of a call in micro-dollars, from the API's figure or the price list."""
        if usage.cost is not None:
            return usage.cost
        tokens = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        return self.prices.cost(model, *tokens)


@dataclass(frozen=True, slots=True)
class Means:
    """Everything that the attempts of a process share."""

    sessions: Sessions
    llm: LLM
    terms: Terms
    now: Callable[[], datetime]
    arriving: Room = field(default_factory=partial(Room, attachments.ARRIVING))
    leaving: Room = field(default_factory=partial(Room, attachments.LEAVING))
    told: deque[tuple[int, str]] = field(
        default_factory=partial(deque[tuple[int, str]], maxlen=1000)
    )
    """The conversations, and models, of which people know what the model cannot take; after a
    restart they are told again."""
