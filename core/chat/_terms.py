"""What holds for every answer: what an operator sets, and the sentences people read."""

from dataclasses import dataclass

from core.adapter import Button, ChangeKind
from core.errors import QuotaExceeded
from core.memory import Context, Marks
from core.messages import ChatMessage, Usage, system
from core.quota import Rules
from core.settings import Prices
from core.turns import Turn

AGAIN = (Button(ChangeKind.REGENERATE, "Try again"),)

UNAVAILABLE = "I cannot answer at the moment. The people who run me have been told."
FAILED = "Something went wrong while I was answering. Please try again."
BROKE_OFF = "*My answer broke off here. Please try again.*"
NOTES = {
    "length": "\n\n*This is as long as one answer may be. Ask me to go on.*",
    "content_filter": "\n\n*The provider of my language model ended this answer here.*",
}
"""What is added below an answer that did not end by itself."""
NOTHING = "I have no answer to that. Please ask me in other words."
NOT_SENT = (
    "The file cannot be sent here; it may be too large. The people who run me can give it to you."
)
SUMMARISED = "Our conversation has grown long: I keep its earlier part as a summary from now on."
CUT = "Our conversation has grown long: I no longer see its earlier part from now on."
"""Told once, when the first part of a conversation is no longer word for word before the model."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator sets for every answer."""

    model: str
    system_prompt: str
    max_completion_tokens: int
    prices: Prices | None
    rules: Rules
    marks: Marks
    tools: bool = True
    """Whether the model may call tools."""
    vision: bool = True
    """Whether the model can look at images."""
    models: tuple[str, ...] = ()
    """Those that people may choose among."""

    def chosen(self, turn: Turn) -> str | None:
        """The model that was chosen for a turn's conversation, if it is still on offer."""
        return turn.model if turn.model in self.models else None

    def prompt(self, context: Context) -> list[ChatMessage]:
        """What the model sees before the question."""
        return [system(self.system_prompt), *context.messages]

    def shortened(self, sentence: str) -> str:
        """SUMMARISED or CUT, with what can be done about it."""
        remedy = "; ask me for anything said before, and I look it up" if self.tools else ""
        return f"*{sentence} Nothing is deleted{remedy}.*"

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


def with_reference(sentence: str, turn: Turn) -> str:
    """A sentence by which a person can tell the operator what went wrong."""
    return f"{sentence} (Reference {turn.reference})"


def below(shown: str, sentence: str) -> str:
    """A sentence below what is shown already, if anything is."""
    return f"{shown.rstrip()}\n\n{sentence}" if shown.strip() else sentence


def refused(refusal: QuotaExceeded, when: str) -> str:
    """Whose limit is reached, and what can be done about it."""
    limit = "there is a limit for everybody together"
    if not refusal.shared:
        limit = f"your limit is {refusal.limit}"
    if refusal.needed > refusal.most:
        return f"This is too much at once: {limit}. Send less, or begin anew with /new."
    rest = ", and too little of it is left for this" if refusal.left else ""
    return f"That was all for now: {limit}{rest}. You can go on {when}."
