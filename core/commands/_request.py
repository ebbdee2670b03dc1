"""A request to carry out a command, and its result."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core import words
from core.adapter import Account, Address, Author
from core.db import Session
from core.quota import Rules
from core.turns import Enclosure, Speaker


@dataclass(frozen=True, slots=True)
class Offer:
    """The operator's offer to people: limits, models and personas."""

    rules: Rules
    model: str
    """The default model."""
    models: tuple[str, ...] = ()
    """The models that people may choose."""
    fallbacks: tuple[str, ...] = ()
    """The models that answer while others fail."""
    personas: Mapping[str, str] = field(default_factory=dict)
    """Instructions by a short name."""
    retention_days: int | None = None
    admins: frozenset[Account] = frozenset()
    """The operators' accounts."""
    links: Callable[[str], Sequence[str]] = lambda _: ()
    """Returns the addresses of pages that open a chat with the bot and send it an invite."""
    language: str = words.ENGLISH
    """The language for people of whom none is known."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The models that may read what people write."""
        return tuple(dict.fromkeys((self.model, *self.fallbacks, *self.models)))


@dataclass(frozen=True, slots=True)
class Request:
    """A command that a person gave in a conversation."""

    speaker: Speaker
    arguments: str
    private: bool
    admin: bool | None
    """True if the person administers the chat; None if that is unknown."""
    offer: Offer
    now: datetime
    author: Author
    address: Address
    about: str = ""
    """The matter of the question that the person has confirmed, see `Result.asks`."""
    confidential: bool = False
    """True if nobody but the person sees the answer, though others read the chat."""
    refusal: str = ""
    """The sentence for a person who may not change anything here; "" for one who may."""


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a command, and the work that is left when the command is stored."""

    text: str
    """The answer, as Markdown."""
    stopped: bool = False
    """True if a turn that may be running was stopped."""
    instructions: str | None = None
    """New instructions for the model, to be stored at the end of the conversation."""
    epoch: int | None = None
    """The epoch that has begun; None if the conversation goes on."""
    forgot: bool = False
    """True if a conversation was forgotten; what it holds has to be deleted."""
    encloses: Enclosure | None = None
    """The file that goes with the answer."""
    whispered: bool = False
    """True if the answer is for the person alone, wherever the platform can hide it from others."""
    asks: str = ""
    """The command, if it waits for a confirmation by buttons. Behind its name may stand a word for
    the matter that it asks about; the confirmed request gets that back."""
    fleeting: bool = False
    """True if the text holds a secret: it is deleted once it is delivered."""
    secret: bool = False
    """True if the arguments hold a secret: they are not stored."""
    speaker: Speaker | None = None
    """The person and their conversation from now on, if another one than before."""


CarryOut = Callable[[Session, Request], Awaitable[Result]]
"""Carries out one command in a transaction."""
