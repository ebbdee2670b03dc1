"""A turn as a value, for all modules above the tables."""

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

from core import words
from core.adapter import Address, Attachment, InboundMessage

T = TypeVar("T")

Kind = Literal["chat", "command", "summary"]


class Outcome(StrEnum):
    """The kind of answer that a turn got. Memory keeps the text of OK and STOPPED answers."""

    OK = "ok"
    REFUSED = "refused"
    """A quota refused the turn, or a file in it could not be read."""
    STOPPED = "stopped"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person in a conversation, with the conversation's epoch when they spoke."""

    user_id: int
    conversation_id: int
    epoch: int
    may_go_on: bool = field(default=False, compare=False)
    """True if their last question was as long as a message may be, or a forward: more may follow.
    """


@dataclass(frozen=True, slots=True)
class Question:
    """A question in one message or in several pieces, as the turn stores it."""

    text: str
    private: bool = True
    name: str = ""
    """The author's name; the model sees it in a group."""
    quote: str = ""
    unreadable: str = ""
    attachments: tuple[Attachment, ...] = ()
    export: bool = False
    """True if a file with everything stored about the person goes with the answer."""
    pieces: int = 1
    """The number of messages that make up the question."""
    # The following facts of the newest piece tell whether another message is a further piece.
    album: str = field(default="", compare=False)
    partial: bool = field(default=False, compare=False)
    forwarded: bool = field(default=False, compare=False)
    sent_at: float = field(default=0.0, compare=False)
    """Seconds since 1970 UTC, by the platform's clock."""

    @classmethod
    def of(cls, message: InboundMessage) -> Self:
        """Return the question in a message."""
        return cls(
            text=message.text,
            private=message.private,
            name=message.author.name,
            quote=message.quote,
            unreadable=message.unreadable,
            attachments=message.attachments,
            album=message.album,
            partial=message.partial,
            forwarded=message.forwarded,
            sent_at=message.sent_at.timestamp(),
        )

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Self:
        """Return a question from its stored form; fields of a newer release are ignored."""
        attachments = tuple(_known(Attachment, item) for item in stored.get("attachments", ()))
        pieces = stored.get("pieces", stored.get("parts", 1))  # the older name
        return _known(cls, {**stored, "attachments": attachments, "pieces": pieces})

    def dump(self) -> dict[str, Any]:
        """Return the stored form."""
        return asdict(self)

    @property
    def ready_answer(self) -> str | None:
        """The answer to an empty or unreadable question; None if the model has to answer."""
        if self.text or self.quote or self.attachments:
            return None
        if self.unreadable:
            return words.UNREADABLE.format(what=self.unreadable)
        return words.NOTHING_SAID

    def joined(self, other: "Question") -> "Question":
        """Return this question with a piece that was sent after it."""
        return replace(
            self,
            text=_both(self.text, other.text, "\n"),
            quote=_once(self.quote, other.quote, "\n\n"),
            unreadable=_once(self.unreadable, other.unreadable, " and "),
            attachments=self.attachments + other.attachments,
            pieces=self.pieces + other.pieces,
            album=other.album or self.album,
            partial=other.partial,
            forwarded=other.forwarded,
            sent_at=max(self.sent_at, other.sent_at),
        )


def _both(first: str, second: str, between: str) -> str:
    return between.join(text for text in (first, second) if text)


def _once(first: str, second: str, between: str) -> str:
    """Return two texts joined, or the first alone if it contains the second already."""
    return first if second in first.split(between) else _both(first, second, between)


def _known(kind: type[T], stored: dict[str, Any]) -> T:
    """Make a value of the fields that this release knows; in a deploy, two releases share turns."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    return kind(**{name: value for name, value in stored.items() if name in names})


@dataclass(frozen=True, slots=True)
class Turn:
    """A claimed turn, with everything that any process needs to carry it out."""

    id: int
    kind: Kind
    conversation_id: int
    user_id: int
    epoch: int
    address: Address
    message_id: str | None
    """The id of the message that it answers on the platform."""
    question: Question
    attempt: int
    """The fencing token: a write with an older attempt changes nothing."""
    created_at: datetime
    faults: int = 0
    asked: int = 0
    """The attempt after which its person asked last; see `models.Turn`."""
    deaths: int = 0
    """The number of processes that died while they had it in hand."""
    follows_id: int | None = None
    replaces_id: int | None = None
    cancel: bool = False
    draft: str = ""
    answer: str | None = None
    outcome: Outcome | None = None
    model: str | None = None
    """The model that somebody has chosen for the conversation."""
    paused_until: datetime | None = None
    """The time before which nothing may be sent to the chat."""
    muted_until: datetime | None = None
    """The time before which nothing is tried, because the bot could write nothing there before."""
    ticket: str = field(default="", repr=False)
    """An opaque value that the adapter gets back with the answer."""

    @property
    def reference(self) -> str:
        """The name of the attempt, for the log and for people who ask the operator."""
        return f"{self.id}-{self.attempt}"

    @property
    def fence(self) -> dict[str, int]:
        """The parameters of `models.FENCED`, the condition of every write."""
        return {"the_turn": self.id, "the_attempt": self.attempt}
