"""SIGKILL at every moment of a turn, while people keep writing."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle

from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict
from tests.chaos.moments import MOMENTS, Moment

PATIENCE = 4.0
"""Seconds after which a process dies although its moment did not come."""
WEARY = "SELECT count(*) FROM turns WHERE answered_at IS NULL AND faults >= 3"
"""Turns that are left in peace for a while: the fifth fault would end them, and should."""


async def kill(arena: Arena, kills: int, *, workers: int = 1) -> Verdict:
    """Kill processes at moment after moment, starting each again at once."""
    for number in range(workers):
        await arena.fleet.start(f"w{number}")
    await arena.acquaint()
    async with arena.crowd.talking():
        for moment in _moments(arena, kills):
            await _rest(arena)
            await _strike(arena, moment)
    await arena.quiet()
    return arena.audit()


def _moments(arena: Arena, kills: int) -> Iterator[Moment]:
    """Each moment as often as the others, in a random order."""
    names = list(MOMENTS)
    arena.choice.shuffle(names)
    for name, _ in zip(cycle(names), range(kills), strict=False):
        yield MOMENTS[name]


async def _rest(arena: Arena) -> None:
    """Wait until there is a process to kill, and no turn that has suffered too much."""
    await arena.fleet.listening()
    async with asyncio.timeout(90):
        while True:
            [(weary,)] = await arena.query(WEARY)
            if not weary:
                return
            await asyncio.sleep(0.1)


async def _strike(arena: Arena, moment: Moment) -> None:
    fleet = arena.fleet
    key: str | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            key = await moment(arena.sight())
    if key not in fleet.members:
        key = fleet.listener() or arena.choice.choice(list(fleet.members))
    fleet.check()
    await fleet.kill(key)
    await fleet.start(key)
