"""SIGKILL at every moment of a turn, while people keep writing."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice

from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict
from tests.chaos.moments import MOMENTS, Moment

PATIENCE = 4.0
"""Seconds after which a process dies although its moment did not come."""
WEARY = "SELECT count(*) FROM turns WHERE delivered_at IS NULL AND deaths >= 4"
"""Turns that are left in peace for a while: further deaths would end them, and should."""


@dataclass
class Killed:
    """The outcome of some kills."""

    verdict: Verdict
    came: Counter[str]
    """The number of processes that died in each moment."""
    missed: Counter[str]
    """The number of processes that died at another moment, because this one did not come."""


async def kill(arena: Arena, kills: int, *, workers: int = 1) -> Killed:
    """Kill processes at moment after moment, starting each again at once."""
    came, missed = Counter[str](), Counter[str]()
    for number in range(workers):
        await arena.fleet.start(f"w{number}")
    await arena.acquaint()
    async with arena.crowd.talking():
        for name in _moments(arena, kills):
            await _rest(arena)
            struck = await _strike(arena, MOMENTS[name])
            (came if struck else missed)[name] += 1
    await arena.quiet()
    return Killed(arena.audit(), came, missed)


def _moments(arena: Arena, kills: int) -> Iterator[str]:
    """Each moment as often as the others, in a random order."""
    names = list(MOMENTS)
    arena.choice.shuffle(names)
    return islice(cycle(names), kills)


async def _rest(arena: Arena) -> None:
    """Wait until there is a process to kill, and no turn that has suffered too much."""
    await arena.fleet.listening()
    async with asyncio.timeout(180):  # they run alone, one after the other
        while True:
            [(weary,)] = await arena.query(WEARY)
            if not weary:
                return
            await asyncio.sleep(0.1)


async def _strike(arena: Arena, moment: Moment) -> bool:
    """Kill a process, and start it again; whether it was at the moment."""
    fleet = arena.fleet
    key: str | None = None
    came = False
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            key = await moment(arena.sight())
            came = True
    if key not in fleet.members:
        key = fleet.listener() or arena.choice.choice(list(fleet.members))
    fleet.check()
    await fleet.kill(key)
    await fleet.start(key)
    return came
