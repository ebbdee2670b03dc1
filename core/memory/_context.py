"""What a turn sees of its conversation."""

from dataclasses import dataclass
from datetime import date, datetime

from core.messages import ChatMessage


@dataclass(frozen=True, slots=True)
class Context:
    """What the model will see before the question of a turn."""

    messages: tuple[ChatMessage, ...] = ()
    parent_id: int | None = None
    total: int | None = None
    """Tokens of `messages` and the system prompt as the API last counted them."""
    day: date | None = None
    """The day of the last question, so that the model is told only when it changed."""
    cut_id: int | None = None
    """The newest message that a summary may stand for: what follows it fits the low mark."""
    shortened: bool = False
    """What was said first is no longer word for word in `messages`."""
    cut: bool = False
    """It is so from this turn on, and no summary stands for it: nobody was told yet."""
    instructed: str = ""
    """The instructions that stand before the cut: a summary must keep them word for word."""
    since: datetime | None = None
    """When the oldest of what stands before the cut was said; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Between how many tokens a conversation is kept word for word."""

    high: int
    low: int
