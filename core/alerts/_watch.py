"""The watch of one process over everything that operators have to see to."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from core import fleet, sqlite, words
from core.adapter import Account, Adapter
from core.alerts import _checks as checks
from core.alerts._matters import Key, Matter, end, open_ones, places_of, take, tell
from core.db import TRANSIENT, Session, Sessions, transact
from core.errors import (
    CreditUsedUp,
    DeliveryError,
    KeyRefused,
    ModelGone,
    ModelUnavailable,
    QuotaExceeded,
)
from core.fleet import Listener
from core.llm import LLM
from core.outages import is_full
from core.places import Place
from core.quota import Rules
from core.text import plain_moments

log = logging.getLogger(__name__)

EVERY = 30.0
PATIENCE = 10.0
"""The seconds for which one look waits for the database."""
LONG = timedelta(minutes=2)
"""The time after which a platform, the models or the database have been away for long."""
FRESH = timedelta(minutes=5)
"""The time for which a refusal of the model API is news."""
DAY, WEEK = timedelta(days=1), timedelta(days=7)

MODEL = ("key", "credit", "gone", "refused", "away")
"""The matters that are over once a model has answered."""


@dataclass(slots=True)
class _Refusal:
    """A refusal of the model API that goes on."""

    matter: Matter
    latest: datetime


@dataclass(frozen=True, slots=True)
class _Seen:
    """The state of the database at a look."""

    listeners: Mapping[Account, Listener]
    places: Sequence[Place]
    open: Mapping[Key, datetime]


@dataclass(slots=True)
class _Outage:
    """The time in which the database takes nothing."""

    since: datetime
    told: bool = False


@dataclass(slots=True)
class Watch:
    """One process's watch; `run` looks every half minute and tells the operators.

    What can be known in one process only, it notes in memory; nothing here costs a turn a
    statement. While the database takes nothing, the process that listened last tells it by itself.
    """

    sessions: Sessions
    worker_id: str
    admins: Sequence[Account]
    rules: Rules
    model: LLM
    adapters: Callable[[], Mapping[Account, Adapter]]
    """The accounts of this process by now."""
    platforms: Sequence[str]
    """The names of the platforms on which this process is to listen."""
    file: str | None
    """The path of an SQLite database."""
    now: Callable[[], datetime]
    language: str = words.ENGLISH
    """The language for operators of whom none is known."""
    every: float = EVERY
    """The seconds between two looks."""
    patience: float = PATIENCE
    _refusals: dict[str, _Refusal] = field(default_factory=dict)
    _noted: dict[Key, Matter] = field(default_factory=dict)
    _silent: dict[str, datetime] = field(default_factory=dict)
    """The platforms that nobody hears, and since when."""
    _seen: _Seen | None = None
    _outage: _Outage | None = None

    # What others notice

    def notice(self, error: Exception) -> None:
        """Note the error that ended a turn, if an operator has to see to it."""
        now = self.now()
        match error:
            case QuotaExceeded(whose="everybody"):
                spent = checks.budget_matter("budget_spent", error.limit, error.resets_at, now)
                self.note(spent)
            case KeyRefused():
                self._refuse("key", now)
            case CreditUsedUp():
                self._refuse("credit", now)
            case ModelGone():
                self._refuse("gone", now)
            case ModelUnavailable():
                self._refuse("refused", now)

    def note(self, matter: Matter) -> None:
        """Note a matter that lasts; it is told at the next look."""
        self._noted.setdefault(matter.key, matter)

    def withdrawn(self, model: str, *, on: date | None, instead: str) -> None:
        """Note that a model will be withdrawn on a day, and another one to be used, if told."""
        kind = "leaving" if on is None else "replaced" if instead else "leaving_on"
        facts = {"model": model, "on": on, "instead": instead}
        self.note(Matter(kind, self.now(), model, facts, DAY))

    def unlisted(self, model: str) -> None:
        """Note that a model is withdrawn, or not on offer."""
        self.note(Matter("unlisted", self.now(), model, {"model": model}, WEEK))

    def _refuse(self, kind: str, now: datetime) -> None:
        known = self._refusals.setdefault(kind, _Refusal(Matter(kind, now), now))
        known.latest = now

    # The rounds

    async def run(self) -> None:
        """Look and tell, for ever."""
        while True:
            await asyncio.sleep(self.every)
            await self.look()

    async def look(self) -> None:
        """Look at everything once, and tell what is new."""
        try:
            self._seen = await transact(self.sessions, self._see, patience=self.patience)
            matters, over = self._judge(self._seen)
            tell_all = partial(self._tell, matters=matters, over=over, outage=self._outage)
            await transact(self.sessions, tell_all, patience=self.patience)
            self._outage = None
        except TRANSIENT as error:
            await self._bear(error)

    async def _see(self, session: Session) -> _Seen:
        listeners = await fleet.listeners(session)
        return _Seen(listeners, await places_of(session, self.admins), await open_ones(session))

    def _judge(self, seen: _Seen) -> tuple[list[Matter], list[Key]]:
        """Return the matters that this process knows of, and those that it knows to be over."""
        now = self.now()
        self._noted = {
            key: matter for key, matter in self._noted.items() if matter.since + matter.again > now
        }
        over = self._over_by_answers(seen, now)
        matters = [*self._noted.values(), *self._of_model(now), *self._of_disk(now)]
        if self.file and not any(each.kind == "disk" for each in matters):
            over.append(("disk", ""))
        for platform in self.platforms:
            if hearing := self._hearing(platform, seen.listeners, now):
                self._silent.pop(platform, None)
                # The lease of another process does not tell whether its connection is up.
                if self.worker_id in hearing:
                    over.append(("deaf", platform))
                continue
            since = self._silent.setdefault(platform, now)
            if now - since >= LONG:
                matters.append(Matter("deaf", since, platform, {"platform": platform}))
        return matters, over

    def _over_by_answers(self, seen: _Seen, now: datetime) -> list[Key]:
        """Return the open matters of the models that lie before the last answer of a model."""
        if self.model.answered_ago is None:
            return []
        answered_at = now - timedelta(seconds=self.model.answered_ago)
        for kind in MODEL:
            if kind in self._refusals and self._refusals[kind].latest < answered_at:
                del self._refusals[kind]
        return [key for key, since in seen.open.items() if key[0] in MODEL and since < answered_at]

    def _hearing(
        self, platform: str, listeners: Mapping[Account, Listener], now: datetime
    ) -> set[str]:
        """Return the processes that listen on a platform, as far as this one can know."""
        adapters, hearing = self.adapters(), set()
        for account, listener in listeners.items():
            if account[0] == platform and listener.until > now:
                adapter = adapters.get(account)
                if listener.worker_id != self.worker_id or (adapter and adapter.hears):
                    hearing.add(listener.worker_id)
        return hearing

    def _of_model(self, now: datetime) -> Iterable[Matter]:
        """Return what the models tell of their service."""
        for refusal in self._refusals.values():
            if now - refusal.latest < FRESH:
                yield refusal.matter
        away = self.model.away_for
        if away is not None and away >= LONG.total_seconds():
            yield Matter("away", now - timedelta(seconds=away))

    def _of_disk(self, now: datetime) -> Iterable[Matter]:
        """Return the matter of a disk that is nearly full, or was full a moment ago."""
        if self.file is not None:
            with suppress(OSError):
                left = sqlite.last_room(self.file)
                if left is not None:
                    yield Matter("disk", now, facts={"megabytes": left // 1_000_000})
            return
        full_at, clock = self.sessions.full_at, asyncio.get_running_loop().time()
        if full_at is not None and clock - full_at < 2 * self.every:
            yield Matter("disk_full", now)

    async def _tell(
        self,
        session: Session,
        *,
        matters: Sequence[Matter],
        over: Sequence[Key],
        outage: _Outage | None,
    ) -> None:
        """Tell everything that is not told yet, and what is over."""
        now, told = self.now(), await open_ones(session)
        found, ended = await self._check(session, (*told, *(each.key for each in matters)), now)
        with words.spoken_in(self.language):
            for matter in (*matters, *found):
                await tell(session, self.admins, matter, now=now)
            for key in {*over, *ended} & told.keys():
                await end(session, self.admins, key, now=now)
            if outage is not None and outage.told:
                # Other processes meet the end of this outage before another one can be long.
                past = Matter("database_was", outage.since, facts={"until": now}, again=LONG)
                if await tell(session, self.admins, past, now=now):
                    await end(session, self.admins, past.key, now=now)

    async def _check(
        self, session: Session, known: Sequence[Key], now: datetime
    ) -> tuple[list[Matter], list[Key]]:
        """Return the matters that the database tells of, and those that it tells to be over.

        One process at a time looks at what all of them could see.
        """
        accounts = list(self.adapters())
        found = await checks.stuck(session, accounts, now)
        over = _missing("stuck", {platform for platform, _ in accounts}, found)
        turn = Matter("round", now, again=timedelta(seconds=self.every * 0.8))
        if not await take(session, turn, now=now):
            return found, over
        failing = await checks.errors(session, now)
        over += _missing("errors", {""}, failing)
        found += await checks.budget(session, self.rules, now)
        if not any(kind in MODEL for kind, _ in known):  # else their reason is told
            found += failing
        return found, over

    # While the database takes nothing

    async def _bear(self, error: Exception) -> None:
        """Tell by this process alone that the database takes nothing, once in an outage."""
        now = self.now()
        outage = self._outage = self._outage or _Outage(now)
        if outage.told or now - outage.since < LONG:
            return
        outage.told = True
        kind = "disk_full" if is_full(error) else "database"
        matter = Matter(kind, outage.since)
        log.warning("alert: %s", plain_moments(matter.sentence))
        if self._seen is None:
            return
        for place in self._seen.places:
            account = place.address.platform, place.address.bot_id
            listener = self._seen.listeners.get(account)
            adapter = self.adapters().get(account)
            if adapter is not None and listener and listener.worker_id == self.worker_id:
                nonce = f"alert-{int(now.timestamp())}"
                with words.spoken_in(place.language or self.language):
                    sentence = matter.sentence
                try:
                    await adapter.send(place.address, sentence, final=True, nonce=nonce)
                except DeliveryError as refusal:
                    log.warning("the alert is not delivered: %s", refusal)


def _missing(kind: str, subjects: Iterable[str], found: Iterable[Matter]) -> list[Key]:
    """Return the matters of a kind that were looked for and not found."""
    there = {each.subject for each in found}
    return [(kind, subject) for subject in subjects if subject not in there]
