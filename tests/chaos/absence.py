"""The model goes away while a hundred chats wait for it, and comes back."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.words import MODEL_WAITS
from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict
from tests.fakes.model import Fault

TOLD = 15.0
"""Seconds within which people are told that the model does not answer."""
BACK = 20.0
"""Seconds after which all have their answers when the model is back."""
PER_SECOND = 2
"""Requests a second that a model gets which is known to be away."""
LOOKS = 0.05
"""Seconds between two looks at all chats."""


@dataclass
class Absence:
    """The things that people saw of it; times in seconds."""

    verdict: Verdict = field(default_factory=Verdict)
    untold: int = 0
    """The chats that were never told."""
    told: float = 0.0
    """The time until the last one was told."""
    back: float = 0.0
    """The time from the return of the model until the last answer was whole."""
    probes: int = 0
    """The requests from the moment at which the model is known to be away."""
    most: int = 0
    """The most of them within a second."""


async def leave(arena: Arena, seconds: float) -> Absence:
    """Let everybody ask something while the model is away for so many seconds."""
    found = Absence()
    await arena.fleet.start("w0")
    await arena.acquaint()
    respond, arena.model.respond = arena.model.respond, lambda request: Fault(503)
    began = time.monotonic()
    asked = [
        await arena.crowd.ask(place, who, "short")
        for place in arena.scene.places
        for who in arena.scene.speakers(place)
        if not arena.scene.is_group(place)
    ]
    known = await _until(lambda: "is away" in _log(arena))
    waits = {each.place for each in asked}
    while time.monotonic() < began + seconds:
        for place in sorted(waits):
            if any(said.text == MODEL_WAITS for said in arena.scene.answers(place)):
                waits.remove(place)
                found.told = time.monotonic() - began
        await asyncio.sleep(LOOKS)
    found.untold = len(waits)
    arena.model.respond, back = respond, time.monotonic()
    found.back = await _until(lambda: all(map(arena.crowd.is_answered, asked))) - back
    _count(found, [each.started for each in arena.model.requests if known < each.started < back])
    await arena.quiet()
    found.verdict = arena.audit()
    return found


def _count(found: Absence, times: list[float]) -> None:
    found.probes = len(times)
    found.most = max((sum(at <= t < at + 1 for t in times) for at in times), default=0)


def _log(arena: Arena) -> str:
    return "\n".join(arena.fleet.members["w0"].running.lines())


async def _until(condition: Callable[[], bool]) -> float:
    """Wait until something holds; return the time at which it does."""
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110 - another process has no events for us
            await asyncio.sleep(LOOKS)
    return time.monotonic()
