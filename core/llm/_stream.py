"""The events of a stream from the model."""

from dataclasses import dataclass

from core.llm._thoughts import Unsaid
from core.messages import Finish, Text, ToolCall, Unseen, Usage


@dataclass(frozen=True, slots=True)
class Answering:
    """The model that answers; this event precedes everything it says."""

    model: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that failed after some of its answer had come, so that it is charged."""

    model: str
    usage: Usage | None
    """The usage, if the server reported it."""
    received: str
    """All text that came, thoughts and tool calls included, in no particular form."""


@dataclass(frozen=True, slots=True)
class Again:
    """The model is about to be asked once more, after a loss."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The model does not answer at present; it is asked until it does, or patience ends."""

    seconds: float
    """The time for which the server asked to wait; 0 if it told none."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Short texts stand in the place of content that the model cannot take."""

    images: bool
    files: bool


Event = (
    Waiting
    | LeftOut
    | Answering
    | Text
    | Unseen
    | Unsaid
    | ToolCall
    | Usage
    | Finish
    | Lost
    | Again
)
