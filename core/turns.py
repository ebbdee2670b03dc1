"""A turn as a value, for all modules above the tables."""

import re
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

from core import words
from core.adapter import Address, Attachment, InboundMessage, Opening

T = TypeVar("T")

MOST_PIECES = 100
"""The most pieces of one question, as many as Telegram forwards at once."""
MOST_BYTES = 100_000
"""The most bytes of text that are gathered in one question: some 25 messages full of text."""

Kind = Literal["chat", "command", "summary"]


class Enclosure(StrEnum):
    """The files that go with the answers to commands."""

    EXPORT = "export"
    """Everything that is stored about the person."""
    USAGE = "usage"
    """A picture of their limits and of what they used."""
    STATS = "stats"
    """A picture of the deployment's figures, for an operator."""


class Outcome(StrEnum):
    """The kind of answer that a turn got. Memory keeps the text of OK and STOPPED answers."""

    OK = "ok"
    REFUSED = "refused"
    """A quota refused the turn, or a file in it could not be read."""
    STOPPED = "stopped"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class Activity:
    """The requests of a person by now, see `core.requests`."""

    asked: int = 0
    """The requests that they have made in the current minute."""
    pending: int = 0
    """Their turns that are not delivered yet."""
    told_of: str | None = None
    """The bound of which their last turn was a notice; None if it was something else."""
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The decisions of operators about a person; see `models.standings`."""

    allowed: bool = False
    blocked: bool = False
    told: bool = False
    """True if they were told that they are not let in."""
    since: datetime | None = None
    """The time of the last unblocking; messages from before it are not answered."""


NEWCOMER = Standing()


@dataclass(frozen=True, slots=True)
class Stranger:
    """An account that may not speak to the bot where it did."""

    user_id: int | None
    """Its person; None if nothing is stored of it."""
    standing: Standing = NEWCOMER


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person in a conversation, with the conversation's epoch when they spoke."""

    user_id: int
    conversation_id: int
    epoch: int
    may_go_on: bool = field(default=False, compare=False)
    """True if their last question was as long as a message may be, or a forward: more may follow.
    """
    activity: Activity = field(default=Activity(), compare=False)
    language: str = field(default="", compare=False)
    """The language in which they want to be spoken to; "" if none is known."""
    hint: str = field(default="", compare=False)
    """The language that their platform tells, whatever they have chosen; "" if none is known."""


IDS_PER_TURN = 1024
"""The most messages of one turn: its first message has the id turn id × IDS_PER_TURN."""

KEPT = "kept"
"""The key of the lengths of text and quote, in the stored form of a question without words."""
GAP = "\n\n"
UNREAD = "[Sent along, but you cannot read it: {what}]"
WROTE = "{name} wrote:"
"""The line above a quote."""


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
    encloses: Enclosure | None = None
    """The file that goes with the answer; it is made when the answer is delivered."""
    notice: str = ""
    """The bound that the person has reached, if this is no question but a notice of that."""
    account: str = field(default="", compare=False)
    """The account of the author, in a group."""
    whispered: bool = False
    """True if the answer is for the author alone, wherever the platform can hide it from others."""
    announced: bool = False
    """True if nobody asked anything, and the answer is an announcement: it lets others go first."""
    asks: str = ""
    """The name of the command that is to be confirmed, by a button below the answer."""
    fleeting: bool = False
    """True if the answer holds a secret: it is deleted once it is delivered."""
    pieces: int = 1
    """The number of messages that make up the question."""
    again: bool = field(default=False, compare=False)
    """True if the question is answered once more only to get another answer to it."""
    # The following facts of the newest piece tell whether another message is a further piece.
    album: str = field(default="", compare=False)
    partial: bool = field(default=False, compare=False)
    forwarded: bool = field(default=False, compare=False)
    sent_at: float = field(default=0.0, compare=False)
    """Seconds since 1970 UTC, by the platform's clock."""
    language: str = field(default=words.ENGLISH, compare=False)
    """The language in which its author is spoken to."""

    @classmethod
    def of(cls, message: InboundMessage) -> Self:
        """Return the question in a message, whose author is spoken to in the current language."""
        return cls(
            text=message.text,
            private=message.private,
            name=message.author.name,
            account="" if message.private else message.author.account_id,
            quote=_attributed(message),
            unreadable=message.unreadable,
            attachments=message.attachments,
            album=message.album,
            partial=message.partial,
            forwarded=message.forwarded,
            sent_at=message.sent_at.timestamp(),
            language=words.language(),
        )

    def opened_by(self, opening: Opening) -> Self:
        """Return this question below the beginning of its thread."""
        if self.unreadable and self.ready_answer:
            return self
        return replace(
            self,
            quote=_both(opening.text, self.quote, GAP),
            attachments=self.attachments + opening.attachments,
        )

    @classmethod
    def load(cls, stored: dict[str, Any], message: dict[str, Any] | None = None) -> Self:
        """Return a question from its stored form; fields of a newer release are ignored.

        The form without words needs the question's message in memory; it stays without words if
        that is deleted.
        """
        attachments = tuple(_known(Attachment, item) for item in stored.get("attachments", ()))
        pieces = stored.get("pieces", stored.get("parts", 1))  # the older name
        encloses = stored.get("encloses") or (Enclosure.EXPORT if stored.get("export") else None)
        values = {"attachments": attachments, "pieces": pieces, "encloses": _enclosure(encloses)}
        question = _known(cls, {**stored, **values})
        if message is None or KEPT not in stored:
            return question
        return question._with_words(content_of(message), *stored[KEPT])

    def dump(self) -> dict[str, Any]:
        """Return the stored form: the text, and what differs from an ordinary question."""
        stored = {
            name: value
            for name, value in asdict(self).items()
            if name == "text" or value != _DEFAULTS[name]
        }
        if self.encloses is Enclosure.EXPORT:
            stored["export"] = True  # the older name, for a release that shares turns in a deploy
        return stored

    def dump_without_words(self) -> dict[str, Any]:
        """Return the stored form of a question whose words stand in its message in memory."""
        lengths = [len(self.text), len(self.quoted)]
        return {**replace(self, text="", quote="").dump(), KEPT: lengths}

    def in_words(self, told: str = "") -> str:
        """Return the question as the model reads it, below something that it is told."""
        return GAP.join(block for block in (told, self.quoted, self.said, self.unread) if block)

    @property
    def quoted(self) -> str:
        """The quote as the model reads it."""
        return "\n".join(f"> {line}" for line in self.quote.split("\n") if self.quote)

    @property
    def said(self) -> str:
        """The text as the model reads it: in a group with its author's name."""
        return self.text if self.private else f"{self.name}: {self.text}"

    @property
    def unread(self) -> str:
        """The note about what came along and cannot be read; "" if there was nothing of it."""
        return UNREAD.format(what=self.unreadable) if self.unreadable else ""

    def _with_words(self, content: str, text_length: int, quote_length: int) -> Self:
        """Return this question with the words that `in_words` put at the end of a message."""
        end = len(content) - (len(self.unread) + len(GAP) if self.unread else 0)
        question = replace(self, text=content[max(end - text_length, 0) : max(end, 0)])
        if not quote_length:
            return question
        if question.said:
            end -= len(question.said) + len(GAP)
        lines = content[end - quote_length : end].split("\n")
        return replace(question, quote="\n".join(line.removeprefix("> ") for line in lines))

    @property
    def ready_answer(self) -> str | None:
        """The answer to an empty or unreadable question; None if the model has to answer."""
        if self.text or self.quote or self.attachments:
            return None
        if self.unreadable:
            return words.unreadable(self.unreadable)
        return words.NOTHING_SAID

    def aside(self, *, notice: str = "", whispered: bool = False) -> "Question":
        """Return what stands for a question where its author is only told something."""
        return Question(
            "",
            private=self.private,
            account=self.account,
            language=self.language,
            notice=notice,
            whispered=whispered,
        )

    def takes(self, piece: "Question") -> bool:
        """Return whether a piece still fits in; the rest of what is sent is another question."""
        size = sum(len(text.encode(errors="replace")) for text in (*self._texts, *piece._texts))
        return self.pieces + piece.pieces <= MOST_PIECES and size <= MOST_BYTES

    @property
    def _texts(self) -> tuple[str, ...]:
        return self.text, self.quote, self.unreadable

    def joined(self, other: "Question") -> "Question":
        """Return this question with a piece that was sent after it."""
        return replace(
            self,
            text=_both(self.text, other.text, "\n"),
            quote=_once(self.quote, other.quote, "\n\n"),
            unreadable=_once(self.unreadable, other.unreadable, " and "),
            # A reply to a forward beside it brings the same file again.
            attachments=tuple(dict.fromkeys(self.attachments + other.attachments)),
            pieces=self.pieces + other.pieces,
            again=False,
            album=other.album or self.album,
            partial=other.partial,
            forwarded=other.forwarded,
            sent_at=max(self.sent_at, other.sent_at),
        )


_DAY = re.compile(r"\[\w+, \d+ \w+ \d+\]")
_DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Question)}


def content_of(message: dict[str, Any]) -> str:
    """Return the text of a message in the API's form; of several blocks, the first text."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return next((str(block["text"]) for block in content if block["type"] == "text"), "")


def own_words(content: str) -> str:
    """Return a question as `in_words` told it, without the day and without what it quotes."""
    blocks = content.split(GAP)
    while len(blocks) > 1 and (blocks[0].startswith("> ") or _DAY.fullmatch(blocks[0])):
        del blocks[0]
    return GAP.join(blocks)


def _attributed(message: InboundMessage) -> str:
    """Return the quote of a message, below the name of its author."""
    if not (message.quote and message.quoted_from):
        return message.quote
    return f"{WROTE.format(name=message.quoted_from)}\n{message.quote}"


def _enclosure(stored: str | None) -> Enclosure | None:
    """Return the enclosure of a stored name; None for that of a newer release."""
    return Enclosure(stored) if stored in set(Enclosure) else None


def _both(first: str, second: str, between: str) -> str:
    return between.join(text for text in (first, second) if text)


def _once(first: str, second: str, between: str) -> str:
    """Return two texts joined, or the first alone if it contains the second already."""
    if f"{between}{second}{between}" in f"{between}{first}{between}":
        return first
    return _both(first, second, between)


def _known(kind: type[T], stored: dict[str, Any]) -> T:
    """Make a value of the fields that this release knows; in a deploy, two releases share turns."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    return kind(**{name: value for name, value in stored.items() if name in names})


@dataclass(frozen=True, slots=True)
class Payer:
    """The person whose limits a turn counts in, and the group whose limits it counts in, too.

    Terms are "" for the default; see `quota.Rules`.
    """

    user_id: int
    terms: str = ""
    group_id: int | None = None
    """The id of the group's exception; None for a group that never had one, and in private."""
    group_terms: str = ""


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
    asked_at: datetime | None = None
    """The time of its message by the platform's clock, if it came late; see `models.turns`."""
    faults: int = 0
    asked: int = 0
    """The attempt after which its person asked last; see `models.turns`."""
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
    terms: str = ""
    group_id: int | None = None
    group_terms: str = ""
    """The parts of `payer`."""
    ticket: str = field(default="", repr=False)
    """An opaque value that the adapter gets back with the answer."""

    @property
    def whom(self) -> str | None:
        """The account of the one person for whom the answer is; None if it is for everybody.

        In a group, a refusal concerns nobody but the person who asked.
        """
        is_theirs = self.question.whispered or self.outcome is Outcome.REFUSED
        return (self.question.account or None) if is_theirs else None

    @property
    def reference(self) -> str:
        """The name of the attempt, for the log and for people who ask the operator."""
        return f"{self.id}-{self.attempt}"

    @property
    def payer(self) -> Payer:
        """The person and the group whose limits it counts in, on the terms of its claim."""
        return Payer(self.user_id, self.terms, self.group_id, self.group_terms)

    @property
    def fence(self) -> dict[str, int]:
        """The parameters of `models.FENCED`, the condition of every write."""
        return {"the_turn": self.id, "the_attempt": self.attempt}
