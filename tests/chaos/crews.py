"""Several processes on one database: one listens, all answer, together within the limits."""

import asyncio
import time

from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict
from tests.chaos.scenes import TelegramScene
from tests.fakes.telegram.methods import RATED
from tests.records import eventually

PER_SECOND = 30
"""Calls a second that Telegram takes from a token."""
PRESENT = "SELECT count(*) FROM workers WHERE session IS NOT NULL"


async def rush(arena: Arena, workers: int, rounds: int) -> tuple[Verdict, int]:
    """Everybody writes at the same moment, several times; the most calls in a second."""
    await arena.fleet.start("w0")
    for number in range(1, workers):
        await arena.fleet.start(f"w{number}")
    await arena.acquaint()
    await arena.quiet_enough(3)  # by then each knows of the others
    for _ in range(rounds):
        for place in arena.scene.places:
            for who in arena.scene.speakers(place):
                await arena.crowd.ask(place, who, "short")
        await arena.quiet()
    return arena.audit(), most_calls(arena)


def most_calls(arena: Arena) -> int:
    """The most calls that a flood limit counts in any second."""
    assert isinstance(arena.scene, TelegramScene)
    times = [call.at for call in arena.scene.server.calls if call.method in RATED]
    first, most = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


async def take_over(arena: Arena) -> tuple[Verdict, float]:
    """Kill the listener; return the seconds until the other process hears a message."""
    await arena.fleet.start("w0")
    await arena.acquaint()
    await arena.fleet.start("w1")
    await eventually(lambda: arena.records.one(PRESENT) == 2)
    arena.fleet.check()
    await arena.fleet.kill("w0")
    began = time.monotonic()
    for place in arena.scene.places[:2]:
        await arena.crowd.ask(place, place, "short")
    await arena.fleet.listening(20)
    seconds = time.monotonic() - began
    await arena.quiet(30)
    return arena.audit(), seconds


async def told_to_wait(arena: Arena, workers: int, seconds: int) -> Verdict:
    """One process is told to leave a chat alone; all of them do."""
    scene = arena.scene
    assert isinstance(scene, TelegramScene)
    for number in range(workers):
        await arena.fleet.start(f"w{number}")
    await arena.acquaint()
    scene.server.fail("sendMessage", status=429, retry_after=seconds)
    for _ in range(3):
        for place in arena.scene.places:
            for who in arena.scene.speakers(place):
                await arena.crowd.ask(place, who)
        await asyncio.sleep(seconds / 4)
    await arena.quiet()
    return arena.audit()
