"""A command as somebody gave it, and what comes of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core import words
from core.db import Session
from core.quota import Rules
from core.turns import Speaker


@dataclass(frozen=True, slots=True)
class Offer:
    """What an operator offers people."""

    rules: Rules
    model: str
    """The model that answers where none was chosen."""
    models: tuple[str, ...] = ()
    """Those that people may choose among."""
    fallbacks: tuple[str, ...] = ()
    """Those that answer while others fail."""
    personas: Mapping[str, str] = field(default_factory=dict)
    """Instructions by a short name."""
    retention_days: int | None = None

    @property
    def privacy(self) -> str:
        """Three lines that tell what is stored and where it is sent."""
        models = dict.fromkeys((self.model, *self.fallbacks, *self.models))
        return words.privacy(models, self.retention_days)


@dataclass(frozen=True, slots=True)
class Call:
    """A command in a conversation; `admin` may change what holds for everybody there, None is
    unknown."""

    speaker: Speaker
    arguments: str
    private: bool
    admin: bool | None
    offer: Offer
    now: datetime
    refusal: str = ""
    """Why this person may not change what holds for everybody here; "" where they may."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is answered, and what else has to be done when the command is stored."""

    text: str
    stopped: bool = False
    """A turn that may be running was stopped."""
    instructions: str | None = None
    """What the model is told from now on, below what was said so far."""
    forgot: bool = False
    """Words were deleted, and have to leave the database's file too."""
    export: bool = False
    """A file with all that is stored about the person goes with the answer."""


CarryOut = Callable[[Session, Call], Awaitable[Result]]
"""Carries out one command in a transaction."""
