"""The desk: the dashboard's questions, each answered in short transactions, one after the other."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import partial
from typing import TypeVar

from core import logins, operations, words
from core.adapter import Account, Adapter
from core.db import TRANSIENT, Session, Sessions, Work, reason, transact
from core.desk import Away, Deed, Failure, Overview, Profile, Said, Span, Told
from core.operations import CATALOGUE, Order
from core.overview import _figures as figures
from core.overview import _people as people
from core.overview import _state as state
from core.quota import Rules

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 3.0
"""The seconds for which a page tries again while the database is away."""
FRESH, REST = 5.0, 50.0
"""The least seconds for which an overview stays, and the same as a multiple of the time that it
took: its queries take at most 2 % of the time, however many operators look."""
SHORT = 8
"""The failures on the first page."""
MOST_REQUESTS = 20
"""The most requests for a code that wait in this process; others are dropped."""


@dataclass(slots=True)
class _Kept:
    """An overview that stays for a while, by the event loop's clock."""

    what: Overview
    until: float


@dataclass(slots=True)
class Dashboard:
    """The core's side of the dashboard, in one process."""

    sessions: Sessions
    worker_id: str
    rules: Rules
    admins: tuple[Account, ...]
    adapters: Callable[[], Mapping[Account, Adapter]]
    """The accounts of this process by now."""
    now: Callable[[], datetime]
    changed: Callable[[], None]
    """Is called when turns were stopped or queued: the worker looks at them."""
    language: str = words.ENGLISH
    """The language for operators of whom none is known."""
    _kept: dict[Span, _Kept] = field(default_factory=dict)
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _requests: asyncio.Queue[tuple[str, str]] = field(
        default_factory=lambda: asyncio.Queue(MOST_REQUESTS)
    )

    @property
    def zone(self) -> tzinfo:
        """The operator's time zone."""
        return self.rules.zone

    # Pages

    async def overview(self, span: Span) -> Overview:
        """Return the figures of the first page, which may be some seconds old."""
        clock = asyncio.get_running_loop().time
        async with self._alone:
            kept = self._kept.get(span)
            if kept is None or kept.until <= clock():
                began = clock()
                found = await self._overview(span)
                kept = _Kept(found, clock() + max(FRESH, REST * (clock() - began)))
                self._kept[span] = kept
            return kept.what

    async def people(self, text: str) -> tuple[Profile, ...]:
        """Return the people that a text finds, the newest first."""
        async with self._alone:
            return await self._do(partial(people.find, text=text))

    async def person(self, user_id: int) -> Profile | None:
        """Return a person; None if there is none with this number."""
        async with self._alone:
            return await self._do(
                partial(people.person, user_id=user_id, rules=self.rules, now=self.now())
            )

    async def failures(self) -> tuple[Failure, ...]:
        """Return the newest turns that ended with an error, and those that do not end."""
        async with self._alone:
            return await self._do(partial(state.failures, now=self.now(), most=state.FAILURES))

    async def turn(self, turn_id: int, *, words: bool) -> Told | None:
        """Return a turn, with its words if wanted."""
        async with self._alone:
            told = await self._do(partial(state.turn, turn_id=turn_id))
            if told is None or not words:
                return told
            record = await self._do(partial(operations.show, turn_id=turn_id))
        if record is None:
            return None
        return replace(told, question=record.question.text, answer=record.answer or "")

    async def deeds(self) -> tuple[Deed, ...]:
        """Return what operators did last, the newest first."""
        async with self._alone:
            return await self._do(state.deeds)

    # Orders

    async def order(
        self, operator: Account, verb: str, given: Mapping[str, str], *, sure: bool
    ) -> Said:
        """Carry out a verb of the operators; what changed is on the next page."""
        order = Order(
            operator=":".join(operator),
            rules=self.rules,
            now=self.now(),
            confirmed=sure,
            in_chat=False,
            admins=frozenset(self.admins),
        )
        async with self._alone:
            answer = await self._do(
                partial(operations.run, verb=CATALOGUE[verb], given=given, order=order)
            )
        if not answer.asks:
            self._kept.clear()
            self.changed()
        return Said(answer.text, answer.asks, answer.failed)

    # The way in

    async def send_code(self, browser: str, account: str) -> None:
        """Queue the request for a code, so that the caller's time tells nothing."""
        try:
            self._requests.put_nowait((browser, account))
        except asyncio.QueueFull:
            log.warning("no code for the dashboard: too many are asked for")

    async def run(self) -> None:
        """Send the codes that are asked for, one after the other, for ever."""
        while True:
            browser, text = await self._requests.get()
            account = logins.account_of(text, self.admins)
            if account is not None:
                with words.spoken_in(self.language):
                    work = partial(logins.send_code, account=account, browser=browser)
                    await transact(self.sessions, partial(work, now=self.now()))
                self.changed()

    async def sign_in(self, browser: str, code: str) -> str | None:
        """Return the secret of a new visit for a right code, None for any other."""

        async def work(session: Session) -> str | None:
            now = self.now()
            entered = await logins.redeem(session, browser, code, self.admins, now=now)
            if entered is None:
                return None
            account, token = entered
            order = Order(":".join(account), self.rules, now)
            await operations.note(session, order, "sign-in", "dashboard")
            return token

        return await self._do(work)

    async def visitor(self, token: str) -> Account | None:
        """Return the operator of a visit; None if it has ended."""
        return await self._do(
            partial(logins.visitor, token=token, admins=self.admins, now=self.now())
        )

    async def sign_out(self, token: str) -> None:
        """End a visit."""
        await self._do(partial(logins.end, token=token))

    # The database

    async def _overview(self, span: Span) -> Overview:
        now, zone = self.now(), self.rules.zone
        today = now.astimezone(zone).date()
        told = await self._do(partial(figures.figures, span=span, zone=zone, now=now))
        listening = partial(state.listening, worker_id=self.worker_id, adapters=self.adapters())
        return Overview(
            at=now.astimezone(zone),
            span=span,
            listening=await self._do(partial(listening, now=now)),
            matters=await self._do(partial(state.matters, now=now)),
            queue=await self._do(partial(state.queue, now=now)),
            points=told.points,
            whole=told.whole,
            errors=told.errors,
            floods=told.floods,
            money=await self._do(
                partial(figures.money, costs=told.costs, rules=self.rules, now=now)
            ),
            people=await self._do(partial(figures.people, told=told, zone=zone, now=now)),
            top=await self._do(partial(people.top, live=told.live, today=today)),
            failures=await self._do(partial(state.failures, now=now, most=SHORT)),
            store=await self._do(partial(state.store, zone=zone)),
            is_partial=told.is_partial,
        )

    async def _do(self, work: Work[T]) -> T:
        try:
            return await transact(self.sessions, work, heavy=True, patience=PATIENCE)
        except TRANSIENT as error:
            log.warning("the dashboard cannot be drawn: %s", reason(error))
            raise Away from error
