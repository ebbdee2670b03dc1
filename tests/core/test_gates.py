"""A call to a platform starts at the right time, by a clock that the tests move."""

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapter import Adapter, Address
from core.gates import BURST, SPARE, Gate, Gates, happens


@dataclass
class Clock:
    """A clock that the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Platform:
    """The limits of an adapter."""

    rate = 30.0
    broadcast_rate = 15.0

    def pace(self, address: Address) -> float:
        return 3.0 if address.chat.startswith("group") else 1.0


PLATFORM = cast(Adapter, Platform())


def chat(name: str, thread: str = "") -> Address:
    return Address("platform", "bot", name, thread)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gates(clock: Clock) -> Gates:
    return Gates(PLATFORM, clock)


def through(gates: Gates, address: Address, most: int = 1000, spare: float = 0) -> int:
    """Count the calls that may start now."""
    count = 0
    while count < most and gates.wait(address, spare) == 0:
        gates.count(address)
        count += 1
    return count


def test_a_quiet_chat_takes_a_burst_then_a_call_in_each_interval(
    clock: Clock, gates: Gates
) -> None:
    assert through(gates, chat("a")) == BURST
    assert gates.wait(chat("a")) == pytest.approx(1)
    clock.now += 0.4
    assert gates.wait(chat("a")) == pytest.approx(0.6)
    clock.now += 0.6
    assert through(gates, chat("a")) == 1
    clock.now += 3600
    assert through(gates, chat("a")) == BURST


def test_the_told_wait_is_long_enough(clock: Clock, gates: Gates) -> None:
    through(gates, chat("a"))
    for _ in range(100):
        clock.now += gates.wait(chat("a"))
        assert through(gates, chat("a")) == 1


def test_a_chat_has_the_pace_of_its_kind(clock: Clock, gates: Gates) -> None:
    for name, pace in (("group", 3), ("a", 1)):
        through(gates, chat(name))
        assert gates.wait(chat(name)) == pytest.approx(pace)
        clock.now += 1


def test_threads_share_their_chat_and_chats_share_nothing(gates: Gates) -> None:
    through(gates, chat("a", "one"))
    assert gates.wait(chat("a", "two")) > 0
    assert gates.wait(chat("b")) == 0


def test_previews_leave_calls_free_for_urgent_texts(clock: Clock, gates: Gates) -> None:
    assert through(gates, chat("a"), spare=SPARE) == BURST - SPARE
    assert gates.wait(chat("a"), SPARE) == pytest.approx(1)
    assert through(gates, chat("a")) == SPARE


def test_the_account_limits_all_chats_together(clock: Clock, gates: Gates) -> None:
    assert sum(through(gates, chat(str(n))) for n in range(100)) == 6
    assert gates.wait(chat("new")) == pytest.approx(1 / 30)
    clock.now += 0.1
    assert sum(through(gates, chat(f"more {n}")) for n in range(100)) == 3
    clock.now += 60
    assert sum(through(gates, chat(f"most {n}")) for n in range(100)) == 6


def test_an_account_is_shared_among_processes(clock: Clock, gates: Gates) -> None:
    gates.share(3)
    assert sum(through(gates, chat(str(n))) for n in range(100)) == 2
    clock.now += 1
    assert sum(through(gates, chat(f"more {n}")) for n in range(100)) == 2
    gates.share(0)
    clock.now += 1
    assert sum(through(gates, chat(f"most {n}")) for n in range(100)) == 6


def test_previews_come_through_if_many_processes_share_an_account(
    clock: Clock, gates: Gates
) -> None:
    gates.share(30)
    assert through(gates, chat("a"), spare=SPARE) == 1
    clock.now += gates.wait(chat("a"), SPARE)
    assert through(gates, chat("a"), spare=SPARE) == 1


def test_a_pause_holds_its_chat_and_a_shorter_one_does_not_end_it(
    clock: Clock, gates: Gates
) -> None:
    gates.of(chat("a")).pause(30)
    gates.of(chat("a")).pause(5)
    assert gates.wait(chat("a")) == pytest.approx(30)
    assert gates.wait(chat("b")) == 0
    clock.now += 30
    assert gates.wait(chat("a")) == 0


def test_previews_are_rarer_the_more_answers_grow(gates: Gates) -> None:
    assert gates.interval(chat("a")) == 1
    assert gates.interval(chat("group")) == 3
    gates.streams = 60
    assert gates.interval(chat("a")) == pytest.approx(2)
    assert gates.interval(chat("group")) == 3
    gates.share(4)
    assert gates.interval(chat("a")) == pytest.approx(8)


def test_idle_gates_are_forgotten_and_busy_ones_are_not(clock: Clock, gates: Gates) -> None:
    idle = gates.of(chat("idle"))
    paused = gates.of(chat("paused"))
    paused.pause(3600)
    for n in range(600):
        gates.of(chat(f"busy {n}")).enter()
    assert gates.of(chat("paused")) is paused
    assert gates.of(chat("busy 0")).wait(BURST - 1) > 0
    assert gates.of(chat("idle")) is not idle

    clock.now += 10
    for n in range(2000):
        gates.of(chat(f"new {n}"))
    assert gates.of(chat("paused")) is paused
    assert gates.of(chat("busy 0")).wait(BURST - 1) == 0


@given(
    interval=st.floats(0.01, 10),
    burst=st.integers(1, 30),
    tries=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 3)), max_size=200),
)
def test_no_window_has_more_calls_than_the_burst_and_its_share(
    interval: float, burst: int, tries: list[tuple[float, int]]
) -> None:
    clock = Clock()
    gate = Gate(interval, burst, clock)
    starts: list[float] = []
    for seconds, spare in tries:
        # Either some time goes by, or exactly as much as the gate asks for.
        clock.now += seconds if spare else gate.wait()
        if gate.wait(spare) == 0:
            gate.enter()
            starts.append(clock.now)
    for first, start in enumerate(starts):
        for last in range(first, len(starts)):
            window = starts[last] - start
            assert last - first + 1 <= burst + window / interval + 1e-6


async def test_entering_waits_for_the_gate_of_the_chat() -> None:
    clock = asyncio.get_running_loop().time
    gates = Gates(PLATFORM, clock)
    gates.of(chat("a")).interval = 0.05
    begin = clock()
    async with asyncio.timeout(60):
        for _ in range(BURST + 4):
            await gates.enter(chat("a"), 1)
    assert clock() - begin >= 4 * 0.05 - 0.001


async def test_entering_waits_for_the_gate_of_the_account() -> None:
    clock = asyncio.get_running_loop().time
    gates, begin = Gates(PLATFORM, clock), clock()
    async with asyncio.timeout(60):
        for number in range(6 + 4):
            await gates.enter(chat(str(number)), 1)
    assert clock() - begin >= 4 / PLATFORM.rate - 0.001


async def test_the_work_for_a_call_does_not_grow_with_the_chats_that_wait() -> None:
    looks = 0

    def look() -> float:
        nonlocal looks
        looks += 1
        return asyncio.get_running_loop().time()

    class Fast(Platform):
        rate = 2000.0

    async def work(chats: int) -> float:
        nonlocal looks
        gates = Gates(cast(Adapter, Fast()), look)
        looks = 0
        await asyncio.gather(*(gates.enter(chat(f"{n}"), n) for n in range(chats)))
        return looks / chats

    few, many = await work(450), await work(900)
    assert many < 1.5 * few


async def test_a_chat_that_has_to_wait_lets_others_go_first() -> None:
    gates = Gates(PLATFORM, asyncio.get_running_loop().time)
    gates.of(chat("paused")).pause(0.3)
    slow = asyncio.create_task(gates.enter(chat("paused"), 1))
    await asyncio.sleep(0)
    for number in range(6):  # more than start at once
        await gates.enter(chat(f"{number}"), 2)
    assert not slow.done()
    await slow


async def test_a_call_that_waits_behind_others_keeps_a_pause_of_a_newer_gate() -> None:
    clock = asyncio.get_running_loop().time
    gates = Gates(PLATFORM, clock)
    gates.rest(0.2)
    behind = asyncio.create_task(gates.enter_behind(chat("a")))
    await asyncio.sleep(0)
    for n in range(600):
        gates.of(chat(f"{n}")).enter()
    gates.of(chat("a")).pause(0.6)
    begin = clock()
    async with asyncio.timeout(60):
        await behind
    assert clock() - begin >= 0.6 - 0.001


async def test_many_calls_of_one_person_hold_up_nobody_else() -> None:
    gates = Gates(PLATFORM, asyncio.get_running_loop().time)
    gates.of(chat("a")).interval = 0.01
    entered: list[str] = []

    async def enter(name: str, person: int) -> None:
        await gates.enter(chat("a"), person)
        entered.append(name)

    noisy = [asyncio.create_task(enter("Ada", 1)) for _ in range(40)]
    await asyncio.wait(noisy[:BURST])  # the gate is empty from now on
    async with asyncio.timeout(60):
        await enter("Bob", 2)
        assert entered.count("Ada") <= BURST + 2
        await asyncio.gather(*noisy)
    await asyncio.sleep(0.05)  # the gate fills meanwhile
    assert gates.of(chat("a")).is_idle(), "lines are forgotten"


async def test_a_person_with_many_calls_stands_in_the_line_once() -> None:
    gate = Gate(1, BURST, asyncio.get_running_loop().time)
    entered: list[str] = []

    async def enter(name: str, person: int) -> None:
        async with gate.at_the_front(person):
            entered.append(name)
            await asyncio.sleep(0)  # the others come meanwhile

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        async with gate.at_the_front(1):
            tasks.create_task(enter("Ada", 1))
            await asyncio.sleep(0)
        # Her first call is over, and others wait for their turn.
        for _ in range(3):
            tasks.create_task(enter("Ada", 1))
        tasks.create_task(enter("Bob", 2))
    assert entered.index("Bob") <= 1
    assert gate.is_idle(), "lines are forgotten"


async def test_a_call_that_is_given_up_leaves_the_line_to_the_others() -> None:
    gate = Gate(1, BURST, asyncio.get_running_loop().time)

    async def enter() -> None:
        async with gate.at_the_front(1):
            pass

    async with asyncio.timeout(60):
        async with gate.at_the_front(1):
            waiting = [asyncio.create_task(enter()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.wait(waiting[:1])
            assert not gate.is_idle()
        await asyncio.gather(*waiting[1:])
    assert gate.is_idle()


async def test_a_download_takes_its_turn_at_the_account_but_for_the_spare_calls() -> None:
    loop = asyncio.get_running_loop()
    began, is_frozen = loop.time(), True
    gates = Gates(PLATFORM, lambda: began if is_frozen else loop.time())
    begun: list[str] = []

    async def download(who: str) -> None:
        begun.append(who)

    mine, yours = gates.paced(1, download), gates.paced(2, download)
    many = [asyncio.create_task(mine("me")) for _ in range(20)]
    await asyncio.sleep(0)
    one = asyncio.create_task(yours("you"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(begun) == PLATFORM.rate / 5 - SPARE
    assert gates.wait(chat("a")) == 0, "an answer's text need not wait"
    is_frozen = False
    async with asyncio.timeout(60):
        await one
    assert len(begun) < 10, "one person's files delay nobody else's"
    for task in many:
        task.cancel()
    await asyncio.gather(*many, return_exceptions=True)


async def test_a_wait_for_an_event_has_an_end() -> None:
    event = asyncio.Event()
    assert not await happens(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    async with asyncio.timeout(60):
        assert await happens(event, 60)
    assert await happens(event, 0)
