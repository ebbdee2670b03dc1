"""Listening: one process listens for an account, another takes over, and never do both."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import make_url, select, text

from bots.console import adapter as console
from core import fleet
from core.adapter import Change, Event, InboundMessage
from core.db import Sessions
from core.errors import SettingsError
from core.listening import Listening
from core.models import listeners
from core.vitals import State
from tests import postgres
from tests.core import rows
from tests.core.conftest import Ahead, connected
from tests.core.rows import NOW, commit, later, message
from tests.memory.desk import Paper

LONG = timedelta(hours=1)
"""A lease that ends when a test moves the time on, and not because a machine is slow."""
STEP = LONG.total_seconds() / 120
"""The seconds that pass at once where a test moves the time on."""
REFUSE = "CREATE TRIGGER no BEFORE UPDATE ON listeners BEGIN SELECT RAISE(ABORT, 'no'); END"


@dataclass
class Radio(Paper):
    """An account that records the times in which a process listens to it: it is on the air."""

    events: "asyncio.Queue[InboundMessage | None]" = field(default_factory=asyncio.Queue)
    spans: list[list[float]] = field(default_factory=list)
    fault: Exception | None = None

    async def listen(self) -> AsyncGenerator[InboundMessage | Change, str | None]:
        clock = asyncio.get_running_loop().time
        self.spans.append([clock()])
        try:
            while event := await self.events.get():
                yield event
            if self.fault:
                raise self.fault
        finally:
            self.spans[-1].append(clock())

    def is_on(self) -> bool:
        return bool(self.spans) and len(self.spans[-1]) == 1


def now() -> datetime:
    """Return the time of all processes, which passes as the event loop's does."""
    return NOW + timedelta(seconds=asyncio.get_running_loop().time())


def listening(
    sessions: Sessions,
    worker_id: str,
    heard: list[Event] | None = None,
    lease: timedelta = LONG,
) -> Listening:
    async def handle(event: Event) -> str:
        if heard is not None:
            heard.append(event)
        return ""

    return Listening(sessions, worker_id, handle, now=now, lease=lease)


@asynccontextmanager
async def begun(
    radio: Radio, sessions: Sessions, worker_id: str, lease: timedelta = LONG
) -> AsyncIterator["asyncio.Task[None]"]:
    """A process that tries to listen."""
    task = asyncio.create_task(listening(sessions, worker_id, lease=lease).listen(radio))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def on_air(radio: Radio, *, is_on: bool = True) -> None:
    await rows.until(lambda: asyncio.sleep(0, radio.is_on() is is_on))


async def told(caplog: pytest.LogCaptureFixture, words: str) -> None:
    await rows.until(lambda: asyncio.sleep(0, words in caplog.text))


async def test_events_are_handled_in_order_until_the_last(
    sessions: Sessions,
) -> None:
    radio, heard = Radio(), list[Event]()
    for event in (message("1"), message("2"), None):
        radio.events.put_nowait(event)
    await listening(sessions, "first", heard).listen(radio)
    assert heard == [message("1"), message("2")]
    assert await commit(sessions, lambda s: s.scalar(text("SELECT count(*) FROM listeners"))) == 0


async def test_a_process_that_stands_by_says_so_once(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    second = Listening(sessions, "second", lambda _: asyncio.sleep(0, ""), now=lambda: NOW)
    with open(os.devnull, encoding="utf-8") as source, open(os.devnull, "w") as sink:  # noqa: ASYNC230 - opens at once
        async with console.connect(source, sink) as adapter:
            account = adapter.name, adapter.bot_id
            await commit(
                sessions,
                lambda s: fleet.may_listen(s, account, "first", now=NOW, lease_until=later(8)),
            )
            waiting = asyncio.create_task(second.listen(adapter))
            await told(caplog, "another process")
            await commit(sessions, lambda s: fleet.stop_listening(s, account, "first"))
            await asyncio.wait_for(waiting, 60)
    assert caplog.text.count("another process listens") == 1
    assert socket.gethostname() in account[1]


async def test_a_timeout_of_the_platform_is_not_taken_for_a_lost_lease(sessions: Sessions) -> None:
    radio = Radio(fault=TimeoutError("the platform's own"))
    radio.events.put_nowait(None)
    with pytest.raises(TimeoutError, match="the platform's own"):
        await listening(sessions, "first").listen(radio)


async def test_a_process_that_could_not_run_for_a_while_goes_on_and_misses_nothing(
    sessions: Sessions, ahead: Ahead
) -> None:
    radio = Radio()
    async with begun(radio, sessions, "first"):
        await on_air(radio)
        ahead.seconds += 2 * LONG.total_seconds()  # nothing runs in the process
        stood_still_until = now()

        async def renewed() -> bool:
            until = await commit(sessions, lambda s: s.scalar(select(listeners.c.lease_until)))
            return bool(until > stood_still_until)

        await rows.until(renewed)
        for _ in range(50):
            await asyncio.sleep(0)  # it would stop now
        assert radio.is_on()
        assert len(radio.spans) == 1, "it never stopped"


async def test_a_process_that_could_not_run_stops_if_another_listens_meanwhile(
    sessions: Sessions, ahead: Ahead
) -> None:
    radio = Radio()
    async with begun(radio, sessions, "first"):
        await on_air(radio)
        ahead.seconds += 2 * LONG.total_seconds()  # nothing runs in the process
        stolen = "UPDATE listeners SET worker_id = 'second', lease_until = '9999-01-01 00:00:00+00'"
        sessions.run_here(lambda s: s.execute(text(stolen)))
        await on_air(radio, is_on=False)


async def test_a_process_that_loses_its_lease_stands_by_and_comes_back(
    sessions: Sessions, ahead: Ahead, caplog: pytest.LogCaptureFixture
) -> None:
    radio = Radio()
    async with begun(radio, sessions, "first"):
        await on_air(radio)
        stolen = "UPDATE listeners SET worker_id = 'second', lease_until = '9999-01-01 00:00:00+00'"
        await commit(sessions, lambda s: s.execute(text(stolen)))
        ahead.seconds += LONG.total_seconds() / 2  # time for a renewal
        await on_air(radio, is_on=False)
        await told(caplog, "standing by")
        account = radio.name, radio.bot_id
        await commit(sessions, lambda s: fleet.stop_listening(s, account, "second"))
        await on_air(radio)


async def test_a_failed_renewal_is_logged_and_tried_again(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    until = text("SELECT lease_until FROM listeners")
    async with connected(sqlite_url) as sessions:
        radio, first = Radio(), listening(sessions, "first", lease=LONG)
        first._renewal = 0.1
        task = asyncio.create_task(first.listen(radio))
        await on_air(radio)
        await commit(sessions, lambda s: s.execute(text(REFUSE)))
        before = await commit(sessions, lambda s: s.scalar(until))
        await told(caplog, "is not renewed")
        assert await commit(sessions, lambda s: s.scalar(until)) == before
        await commit(sessions, lambda s: s.execute(text("DROP TRIGGER no")))

        async def renewed() -> bool:
            return bool(await commit(sessions, lambda s: s.scalar(until)) > before)

        await rows.until(renewed)
        task.cancel()
        await asyncio.wait([task])
        assert len(radio.spans) == 1, "it listened all the time"


# Events that a platform pushes


@dataclass
class Pushed(Radio):
    """An account whose platform sends events to every process."""

    is_pushed: bool = True
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def subscribe(self) -> None:
        self.subscribed.set()
        await asyncio.Event().wait()


async def test_what_is_pushed_is_heard_by_all_and_looked_after_by_one(
    postgres_sessions: Sessions,
) -> None:
    one, other, heard = Pushed(), Pushed(), list[Event]()
    account = one.name, one.bot_id
    first = listening(postgres_sessions, "first", heard, LONG)
    second = listening(postgres_sessions, "second", heard, LONG)
    tasks = [asyncio.create_task(first.listen(one))]
    await one.subscribed.wait()
    tasks.append(asyncio.create_task(second.listen(other)))
    await on_air(one)
    await on_air(other)
    assert first.states == {account: State.LISTENING}
    await rows.until(lambda: asyncio.sleep(0, second.states == {account: State.RECEIVING}))
    for number, radio in enumerate((one, other)):
        radio.events.put_nowait(message(str(number)))
    await rows.until(lambda: asyncio.sleep(0, len(heard) == 2))
    assert not other.subscribed.is_set()
    tasks[0].cancel()
    await other.subscribed.wait()
    assert second.states == {account: State.LISTENING}
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not first.states


async def test_a_subscription_that_is_refused_ends_the_listening(sessions: Sessions) -> None:
    class Refused(Pushed):
        async def subscribe(self) -> None:
            raise SettingsError("TOKEN is wrong")

    radio = Refused()
    with pytest.raises(SettingsError, match="TOKEN is wrong"):
        await listening(sessions, "first").listen(radio)
    assert not radio.is_on()


async def test_a_subscription_that_fails_is_tried_again_while_events_are_heard(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Pushed):
        async def subscribe(self) -> None:
            if "failed" not in caplog.text:
                raise OSError("no network")
            await super().subscribe()

    radio, heard = Faulty(), list[Event]()
    task = asyncio.create_task(listening(sessions, "first", heard, LONG).listen(radio))
    await radio.subscribed.wait()
    radio.events.put_nowait(message("1"))
    await rows.until(lambda: asyncio.sleep(0, bool(heard)))
    assert "the webhook of desk failed: OSError" in caplog.text
    assert len(radio.spans) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# Two processes on PostgreSQL


@contextmanager
def a_role(url: str) -> Iterator[tuple[str, str]]:
    """A role that may use a database, with its URL, until it is shut out."""
    owner = make_url(url)
    name = f"role_{owner.database}"
    with postgres.administer(owner) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
        try:
            yield name, owner.set(username=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP ROLE {name}")


def shut_out(url: str, role: str) -> None:
    """Cut a role off from the database, as a broken network would."""
    with postgres.administer(make_url(url)) as connection:
        connection.execute(f"ALTER ROLE {role} NOLOGIN")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
        )


def overlap(one: Radio, other: Radio) -> bool:
    """Return whether both were on the air at the same moment."""
    return any(a[0] < b[1] and b[0] < a[1] for a in one.spans for b in other.spans)


async def test_a_process_that_cannot_renew_its_lease_stops_before_another_listens(
    postgres_url: str, ahead: Ahead, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = Radio(), Radio()
    with a_role(postgres_url) as (role, url):
        async with AsyncExitStack() as stack:
            cut_off = await stack.enter_async_context(connected(url))
            sessions = await stack.enter_async_context(connected(postgres_url))
            await stack.enter_async_context(begun(one, cut_off, "first"))
            await on_air(one)
            await stack.enter_async_context(begun(other, sessions, "second"))
            await told(caplog, "standing by")
            await asyncio.to_thread(shut_out, postgres_url, role)
            await ahead.until(other.is_on, STEP)
            assert not one.is_on()
            assert "the lease has ended" in caplog.text
    assert not overlap(one, other)


async def test_a_process_that_lost_its_lease_does_not_claim_to_listen(
    postgres_url: str, ahead: Ahead
) -> None:
    radio = Radio()
    account = radio.name, radio.bot_id
    with a_role(postgres_url) as (role, url):
        async with connected(url) as cut_off:
            first = listening(cut_off, "first")
            task = asyncio.create_task(first.listen(radio))
            await on_air(radio)
            assert first.states == {account: State.LISTENING}
            await asyncio.to_thread(shut_out, postgres_url, role)
            await ahead.until(lambda: not radio.is_on(), STEP)
            connecting = {account: State.CONNECTING}
            await rows.until(lambda: asyncio.sleep(0, first.states == connecting))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_renewal_that_hangs_ends_the_listening_too(
    postgres_sessions: Sessions, ahead: Ahead
) -> None:
    one, other = Radio(), Radio()
    async with begun(one, postgres_sessions, "first"):
        await on_air(one)
        async with begun(other, postgres_sessions, "second"):
            async with rows.begin(postgres_sessions) as holding:
                await holding.execute(text("SELECT * FROM listeners FOR UPDATE"))
                await ahead.until(lambda: not one.is_on(), STEP)
            await rows.until(lambda: asyncio.sleep(0, one.is_on() or other.is_on()))
    assert not overlap(one, other)


async def test_a_process_that_stops_leaves_the_account_at_once(
    postgres_sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = Radio(), Radio()
    async with begun(one, postgres_sessions, "first", LONG) as first:
        await on_air(one)
        async with begun(other, postgres_sessions, "second", LONG):
            await told(caplog, "standing by")
            first.cancel()
            await on_air(other)
    assert not overlap(one, other)
