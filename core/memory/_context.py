"""The context of a turn."""

from dataclasses import dataclass
from datetime import date, datetime

from core.messages import ChatMessage


@dataclass(frozen=True, slots=True)
class Context:
    """The messages that precede the question of a turn, with what memory knows about them."""

    told: str = ""
    """The current instructions and the summary, for the one system message of the prompt."""
    messages: tuple[ChatMessage, ...] = ()
    parent_id: int | None = None
    turn_id: int | None = None
    """The turn of the last question or answer; instructions are neither."""
    total: int | None = None
    """The tokens of the system prompt and of the messages up to the last answer, as the API counted
    them. None if it counted others than those of the path."""
    beyond: int = 0
    """The tokens of the messages after that answer, from above."""
    slack: int = 0
    """The tokens by which that answer may be larger in a prompt than the API told when it came."""
    length: int = 0
    """The tokens of all that, as far as the API counted it; the rest by estimate."""
    day: date | None = None
    """The day of the last question, so that the model is told only when it changed."""
    cut_id: int | None = None
    """The newest message that a summary may replace: the messages after it fit the low mark."""
    shortened: bool = False
    """True if a summary or a plain cut replaces the oldest messages."""
    cut: bool = False
    """True if this turn made a plain cut, of which the person was not told yet."""
    instructed: str = ""
    """The instructions before the cut; a summary must keep them word for word."""
    since: datetime | None = None
    """The time of the oldest message before the cut, or None if it is unknown."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The sizes in tokens between which a conversation is kept word for word.

    A conversation larger than `high` is shortened to `low`.
    """

    high: int
    low: int
