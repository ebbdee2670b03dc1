"""The operator's terms, which hold for every answer."""

from dataclasses import dataclass

from core.memory import Context, Marks
from core.messages import ChatMessage, Usage, system
from core.quota import Rules
from core.settings import Prices
from core.turns import Turn


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that decide how a turn is answered and what it costs."""

    model: str
    system_prompt: str
    max_completion_tokens: int
    prices: Prices | None
    rules: Rules
    marks: Marks
    tools: bool = True
    """The model may call tools."""
    vision: bool = True
    """The model can look at images."""
    models: tuple[str, ...] = ()
    """The models that people may choose among."""

    def chosen(self, turn: Turn) -> str | None:
        """Return the model that the conversation of a turn has chosen, if it is still on offer."""
        return turn.model if turn.model in self.models else None

    def prompt(self, context: Context) -> list[ChatMessage]:
        """Return the messages that stand before the question."""
        return [system(self.system_prompt), *context.messages]

    def most(self, prompt_tokens: int) -> int:
        """Return the most that a call with such a prompt can cost, in micro-dollars."""
        return self.cost(Usage(prompt_tokens, self.max_completion_tokens))

    def cost(self, usage: Usage) -> int:
        """Return the cost of a call in micro-dollars, by the API's own figure or the price list."""
        if usage.cost is not None:
            return usage.cost
        if self.prices is None:
            return 0
        return self.prices.cost(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
