"""The seam to the dashboard: what its pages show, and what operators do there.

The core answers as a `Desk`; the pages know neither the database nor who is an operator. All texts
of people are plain, and money is in micro-dollars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Protocol

from core.adapter import Account


class Span(StrEnum):
    """The time that the plots show."""

    HOURS = "hours"
    """The last 48 hours, by hour."""
    DAYS = "days"
    """The last 30 days, by day."""


@dataclass(frozen=True, slots=True)
class Point:
    """The figures of one hour or day."""

    at: datetime
    """Its beginning, in the operator's time zone."""
    answers: int = 0
    refused: int = 0
    failed: int = 0
    cost: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    people: int | None = None
    """The people who got an answer; None for an hour."""
    half: float | None = None
    """The seconds within which half of the answers had their first text; None without answers."""
    most: float | None = None
    """The same for 95 of 100 answers."""
    first_ms: int = 0
    """The milliseconds up to the first text of all answers of which `model_ms` is known."""
    model_ms: int = 0
    """The milliseconds of them for which the model was waited for."""
    size: int = 0
    """The bytes of the database at the end of a day; 0 if they are not known."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An account of ours, and who listens for it."""

    platform: str
    bot_id: str
    is_heard: bool
    """True while a process listens for it, as far as this one can know."""
    is_here: bool
    """True if that is this process."""
    sign_ago: float | None
    """The seconds since the platform gave this process a sign of life; None if it never did."""
    heard_at: datetime | None
    """The time of its last question or command among the newest ones of all accounts."""


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that the operators have to see to, as they were told."""

    kind: str
    subject: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """The turns that are not delivered."""

    waiting: int
    """Those that no process has taken."""
    oldest_at: datetime | None
    """The time of the oldest one of them."""
    running: int


@dataclass(frozen=True, slots=True)
class Left:
    """The rest of a limit; money in micro-dollars."""

    limit: str
    """The limit in the operator's words, as "20 usd/month"."""
    unit: str
    amount: int
    left: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Money:
    """The spending of the deployment, in micro-dollars."""

    today: int
    month: int
    forecast: int
    """The spending of the whole month, if it goes on as in the last seven days."""
    budget: tuple[Left, ...]
    """The limits of the budget in which something is counted."""
    has_budget: bool


@dataclass(frozen=True, slots=True)
class People:
    """The number of people who got an answer today, since Monday, and in this month."""

    today: int
    week: int
    month: int


@dataclass(frozen=True, slots=True)
class Spender:
    """A person with what they cost this month."""

    id: int
    name: str
    terms: str
    """Their limits, if they differ from the default; "" if not."""
    answers: int
    tokens: int
    cost: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A turn that ended with an error, or does not end."""

    id: int
    platform: str
    asked_at: datetime
    attempts: int
    outcome: str
    """"failed", "undeliverable", or "" while it does not end."""
    reason: str
    """The kind of the error, as in `core.errors`; "" if it is not known."""
    user_id: int

    @property
    def is_over(self) -> bool:
        """True if it can be tried again."""
        return bool(self.outcome)


@dataclass(frozen=True, slots=True)
class Store:
    """The size of the database in bytes, and its copies."""

    size: int
    sizes: tuple[tuple[date, int], ...]
    """The last size of each day that is known."""
    backup_at: datetime | None

    @property
    def growth(self) -> int | None:
        """The bytes by which it grew in the last seven days that are known; None before."""
        if len(self.sizes) < 2:
            return None
        return self.size - self.sizes[-min(len(self.sizes), 8)][1]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page."""

    at: datetime
    span: Span
    listening: tuple[Listening, ...]
    matters: tuple[Matter, ...]
    queue: Queue
    points: tuple[Point, ...]
    whole: Point
    """The figures of all points together."""
    errors: tuple[tuple[str, int], ...]
    """The errors of the model by kind, the most frequent first."""
    floods: tuple[tuple[str, int], ...]
    """The flood limits that were met, by platform."""
    money: Money
    people: People
    top: tuple[Spender, ...]
    failures: tuple[Failure, ...]
    store: Store
    is_partial: bool
    """True if older figures are still being added up."""

    @property
    def is_well(self) -> bool:
        """True if the operators have nothing to see to."""
        return not self.matters and all(each.is_heard for each in self.listening)


@dataclass(frozen=True, slots=True)
class Profile:
    """A person, without their words."""

    id: int
    name: str
    accounts: tuple[str, ...]
    language: str
    terms: str
    is_blocked: bool
    left: tuple[Left, ...]
    month_cost: int
    month_answers: int
    month_tokens: int
    since: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """A turn, with the words that were said if the operator wants to see them."""

    failure: Failure
    answered_at: datetime | None
    delivered_at: datetime | None
    calls: tuple[tuple[str, int, int], ...]
    """The model, tokens and cost of each call; of one that is open, what is reserved for it."""
    question: str = field(default="", repr=False)
    answer: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that an operator did."""

    at: datetime
    operator: str
    verb: str
    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to an order, in the Markdown of `core.operations`."""

    text: str
    asks: bool = False
    """True if nothing is done yet: the text asks whether the operator is sure."""
    failed: bool = False


class Away(Exception):
    """The database does not answer now."""


class Desk(Protocol):
    """The core's side of the dashboard. Every method raises `Away` while the database is away."""

    @property
    def zone(self) -> tzinfo:
        """The operator's time zone."""

    async def overview(self, span: Span) -> Overview:
        """Return the figures of the first page, which may be some seconds old."""

    async def people(self, text: str) -> tuple[Profile, ...]:
        """Return the people that a text finds, the newest first, without limits and spending."""

    async def person(self, user_id: int) -> Profile | None:
        """Return a person; None if there is none with this number."""

    async def failures(self) -> tuple[Failure, ...]:
        """Return the newest turns that ended with an error, and those that do not end."""

    async def turn(self, turn_id: int, *, words: bool) -> Told | None:
        """Return a turn, with its words if wanted; None if there is none with this number."""

    async def deeds(self) -> tuple[Deed, ...]:
        """Return what operators did last, the newest first."""

    async def order(
        self, operator: Account, verb: str, given: Mapping[str, str], *, sure: bool
    ) -> Said:
        """Carry out a verb of `core.operations` with its parameters."""

    async def send_code(self, browser: str, account: str) -> None:
        """Send a code to an operator's private chat, and do nothing for anybody else.

        `browser` is the secret of the browser in which the code will be good, and `account` is what
        somebody wrote: "telegram:123" or "123". Nothing tells the caller whether a code was sent.
        """

    async def sign_in(self, browser: str, code: str) -> str | None:
        """Return the secret of a new visit for a right code, None for any other."""

    async def visitor(self, token: str) -> Account | None:
        """Return the operator of a visit; None if it has ended."""

    async def sign_out(self, token: str) -> None:
        """End a visit."""
