"""The operator's terms, which apply to every answer."""

from dataclasses import dataclass

from core.memory import Context, Marks
from core.messages import ChatMessage, Usage, system
from core.quota import Rules
from core.settings import Prices
from core.turns import Turn


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings for the answer to a turn and for its cost."""

    model: str
    system_prompt: str
    max_completion_tokens: int
    prices: Prices | None
    rules: Rules
    marks: Marks
    tools: bool = True
    """True if the model may call tools."""
    vision: bool = True
    """True if the model can look at images."""
    file_bytes: int = 200_000_000
    """The most bytes of files that are stored for one person."""
    models: tuple[str, ...] = ()
    """The models that people may choose."""

    def chosen(self, turn: Turn) -> str | None:
        """Return the model that somebody chose for a turn's conversation; None for the default.

        A model that is no longer on offer counts as not chosen.
        """
        return turn.model if turn.model in self.models else None

    def prompt(self, context: Context) -> list[ChatMessage]:
        """Return the messages before the question."""
        return [system(self.system_prompt), *context.messages]

    def most(self, prompt_tokens: int) -> int:
        """Return the highest cost of a call with a prompt of this size, in micro-dollars."""
        return self.cost(Usage(prompt_tokens, self.max_completion_tokens))

    def cost(self, usage: Usage) -> int:
        """Return the cost of a call in micro-dollars, from the API's figure or the price list."""
        if usage.cost is not None:
            return usage.cost
        if self.prices is None:
            return 0
        return self.prices.cost(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
