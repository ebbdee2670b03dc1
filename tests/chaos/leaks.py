"""Many turns through one process: its resources stay the same."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict

MEGABYTE = 1 << 20
IDLE = 40
"""Seconds after which connections that nobody needs any more are closed: aiohttp looks for them
every 15 s, and closes those that were not used for as long."""
GROWTH = 24 * MEGABYTE
"""Bytes that caches may still fill after the first half."""
DESCRIPTORS = 12
THREADS = 2
"""The tolerated difference between two moments."""


@dataclass(frozen=True, slots=True)
class Held:
    """The resources of a process at one moment."""

    bytes: int
    descriptors: int
    threads: int


@dataclass
class Leaks:
    """The resources of a process in the middle and at the end."""

    verdict: Verdict
    middle: Held
    end: Held

    @property
    def is_flat(self) -> bool:
        """True if the two are the same, within the tolerance."""
        return (
            self.end.bytes - self.middle.bytes < GROWTH
            and self.end.descriptors - self.middle.descriptors <= DESCRIPTORS
            and self.end.threads - self.middle.threads <= THREADS
        )


async def persist(arena: Arena, turns: int) -> Leaks:
    """Let everybody ask so many short questions in all, and look at the process meanwhile."""
    member = await arena.fleet.start("w0")
    await arena.acquaint()
    middle = held(member.pid)
    per_round = sum(len(arena.scene.speakers(place)) for place in arena.scene.places)
    rounds = -(-turns // per_round)
    for number in range(rounds):
        for place in arena.scene.places:
            for who in arena.scene.speakers(place):
                await arena.crowd.ask(place, who, "short")
        await arena.quiet()
        if number == rounds // 2:
            await asyncio.sleep(IDLE)
            middle = held(member.pid)
    await asyncio.sleep(IDLE)
    return Leaks(arena.audit(), middle, held(member.pid))


def held(pid: int) -> Held:
    """Read the resources of a process from the kernel."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    resident = int(status["VmRSS"].split()[0]) * 1024
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Held(resident, descriptors, int(status["Threads"]))
