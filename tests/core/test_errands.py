"""Errands: each is done once, in order, and a platform that is away delays no other one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from core import errands
from core.adapter import Address
from core.db import Sessions
from core.errands import Dismiss, Errand, Errands, Leave, Tell
from core.errors import DeliveryError, Muted, RetryAfter, Unreachable
from tests.memory.desk import Paper
from tests.records import PATIENCE, eventually

HERE = Address("paper", "1", "5", places=("5",))
THERE = Address("other", "1", "5", places=("5",))


@dataclass
class Recorder(Paper):
    """An account that records what is done, and fails as it is told to."""

    name: str = "paper"
    bot_id: str = "1"
    done: list[tuple[str, ...]] = field(default_factory=list)
    failures: list[DeliveryError] = field(default_factory=list)

    async def send(self, address: Address, markdown: str, **how: Any) -> str:
        self._fail()
        self.done.append(("send", markdown, how["nonce"]))
        return "9"

    async def dismiss(self, address: Address, *, reply_to: str | None, ticket: str) -> None:
        self._fail()
        self.done.append(("dismiss", ticket))

    async def leave(self, address: Address) -> None:
        self._fail()
        self.done.append(("leave", address.places[-1]))

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def kinds(self) -> list[str]:
        return [kind for kind, *_ in self.done]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the pace of a platform, or long for one that is away."""
    monkeypatch.setattr(errands, "PACE", 0.0)
    monkeypatch.setattr(errands, "AWAY", 0.2)


@asynccontextmanager
async def working(sessions: Sessions, *adapters: Recorder) -> AsyncIterator[Errands]:
    at_work = Errands(sessions)
    for adapter in adapters:
        at_work.serve(adapter)
    task = asyncio.create_task(at_work.run())
    try:
        yield at_work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def tell(key: str, address: Address = HERE, **how: Any) -> Tell:
    return Tell(key, address, key, "3", **how)


async def test_the_same_errand_waits_once(sqlite_sessions: Sessions) -> None:
    adapter = Recorder()
    async with working(sqlite_sessions, adapter) as at_work:
        for errand in (tell("a"), tell("a"), Dismiss("b", HERE, "4", "t"), tell("a")):
            at_work.take(errand)
        await eventually(lambda: len(adapter.done) == 2)
        assert adapter.kinds() == ["send", "dismiss"]
        at_work.take(tell("a"))
        await eventually(lambda: len(adapter.done) == 3)


async def test_what_is_told_is_stored_once_it_was_told(sqlite_sessions: Sessions) -> None:
    stored: list[int] = []
    adapter = Recorder(failures=[Unreachable("away"), RetryAfter(0.0)])

    async def store(_: object) -> None:
        stored.append(len(adapter.done))

    async with working(sqlite_sessions, adapter) as at_work:
        at_work.take(tell("a", then=store))
        await eventually(lambda: bool(stored))
    assert stored == [1]


async def test_what_can_never_be_told_is_stored_too(sqlite_sessions: Sessions) -> None:
    stored: list[bool] = []
    adapter = Recorder(failures=[Muted("blocked by the person")])

    async def store(_: object) -> None:
        stored.append(True)

    async with working(sqlite_sessions, adapter) as at_work:
        at_work.take(tell("a", then=store))
        await eventually(lambda: stored == [True])
    assert adapter.done == []


@pytest.mark.parametrize("failures", [[], [Muted("blocked by the person")]])
async def test_what_is_told_is_told_once_while_the_database_is_away(
    sqlite_sessions: Sessions, failures: list[DeliveryError]
) -> None:
    adapter, tries, stored = Recorder(failures=failures.copy()), 0, asyncio.Event()
    is_away = True

    async def store(_: object) -> None:
        nonlocal tries
        tries += 1
        if is_away:
            raise ConnectionError
        stored.set()

    async with working(sqlite_sessions, adapter) as at_work:
        at_work.take(tell("a", then=store))
        await eventually(lambda: tries > 0)
        at_work.take(Dismiss("b", HERE, "4", "t"))
        await eventually(lambda: "dismiss" in adapter.kinds())
        is_away = False
        await at_work.finish(PATIENCE)
    assert stored.is_set()
    assert adapter.kinds() == (["dismiss"] if failures else ["send", "dismiss"])


async def test_a_slow_database_lets_nothing_be_told_twice(sqlite_sessions: Sessions) -> None:
    adapter, tries = Recorder(), 0

    async def store(_: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            time.sleep(2 * errands.AWAY)  # noqa: ASYNC251 - a transaction runs in its own thread

    async with working(sqlite_sessions, adapter) as at_work:
        at_work.take(tell("a", then=store))
        await at_work.finish(PATIENCE)
    assert adapter.kinds() == ["send"]
    assert tries >= 2, "it was stored once more, as often as it took too long"


async def test_a_platform_that_is_away_delays_no_other_one(sqlite_sessions: Sessions) -> None:
    away, other = Recorder(failures=[RetryAfter(600.0)]), Recorder(name="other")
    async with working(sqlite_sessions, away, other) as at_work:
        for errand in (tell("a"), tell("b"), tell("c", THERE)):
            at_work.take(errand)
        await eventually(lambda: other.kinds() == ["send"])
    assert away.done == []


async def test_the_bot_says_goodbye_once_and_leaves(sqlite_sessions: Sessions) -> None:
    adapter = Recorder()
    async with working(sqlite_sessions, adapter) as at_work:
        at_work.take(Leave("a", HERE, "Goodbye!"))
        await eventually(lambda: adapter.kinds() == ["send", "leave"])
        adapter.failures = [Muted("no right to write"), Unreachable("away")]
        at_work.take(Leave("b", HERE, "Goodbye!"))
        await eventually(lambda: adapter.kinds() == ["send", "leave", "leave"])
        adapter.failures = [RetryAfter(0.1)]
        at_work.take(Leave("c", HERE, "Goodbye!"))
        await at_work.finish(PATIENCE)
    assert adapter.kinds()[3:] == ["send", "leave"]


async def test_a_stop_waits_for_what_is_left_but_not_for_a_platform_that_is_away(
    sqlite_sessions: Sessions,
) -> None:
    adapter, away = Recorder(), Recorder(name="other", failures=[RetryAfter(600.0)])
    async with working(sqlite_sessions, adapter, away) as at_work:
        await at_work.finish(0.0)
        for key in ("a", "b", "c"):
            at_work.take(Dismiss(key, HERE, "4", "t"))
        await at_work.finish(PATIENCE)
        assert len(adapter.done) == 3
        at_work.take(tell("d", THERE))
        await at_work.finish(0.05)
    assert away.done == []


async def test_a_flood_makes_no_queue(sqlite_sessions: Sessions) -> None:
    at_work = Errands(sqlite_sessions)
    adapter = Recorder()
    at_work.serve(adapter)
    many: list[Errand] = [Dismiss(number, HERE, "1") for number in range(errands.MOST + 50)]
    for errand in many:
        at_work.take(errand)
    task = asyncio.create_task(at_work.run())
    await eventually(lambda: len(adapter.done) == errands.MOST)
    at_work.take(tell("after"))
    await eventually(lambda: adapter.kinds()[-1] == "send")
    assert len(adapter.done) == errands.MOST + 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
