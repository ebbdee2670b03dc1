"""Signals: what happened in this process, told to whoever counts it, and no word about a person.

Whoever has something to tell takes a `Tell`; by default that is `nobody`, which costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class EventTaken:
    """An event of a platform is stored, or was known already."""

    platform: str
    kind: str
    """The name of its class, as `InboundMessage`."""


@dataclass(frozen=True, slots=True)
class ModelCalled:
    """A request to a model has ended."""

    model: str
    seconds: float
    first_seconds: float | None
    """The seconds until the first piece of the answer; None if there was none."""
    error: str
    """The name of the error's class; "" if there was none."""
    prompt_tokens: int | None
    completion_tokens: int | None
    """The figures of the API; None if it told none."""


@dataclass(frozen=True, slots=True)
class FirstText:
    """A person sees the first text of an answer."""

    platform: str
    seconds: float
    """The seconds since the question was stored."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer is stored, and what it cost is settled."""

    model: str
    """The model that was asked; "" for none."""
    cached_tokens: int
    cost: int
    """The cost of the attempt's calls, in micro-dollars."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An answer stands on its platform."""

    platform: str
    kind: str
    outcome: str
    seconds: float
    """The seconds since the question was stored."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An answer cannot be delivered."""

    platform: str
    kind: str


@dataclass(frozen=True, slots=True)
class Flooded:
    """A platform has told to wait."""

    platform: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StatementDone:
    """The database has executed a statement."""

    verb: str
    """SELECT, INSERT, UPDATE, DELETE or OTHER."""
    seconds: float


Signal: TypeAlias = (
    EventTaken | ModelCalled | FirstText | Answered | Delivered | GivenUp | Flooded | StatementDone
)
Tell: TypeAlias = Callable[[Signal], None]
"""Takes a signal, in any thread, and raises nothing."""


def nobody(signal: Signal) -> None:
    """Take a signal for nobody."""
