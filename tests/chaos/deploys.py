"""Rolling deploys: a new process starts, the old one is asked to stop, people keep writing."""

from dataclasses import dataclass

from tests.chaos.answers import wish_in
from tests.chaos.arena import Arena
from tests.chaos.audit import Verdict
from tests.chaos.crowd import Asked
from tests.chaos.moments import key_of
from tests.records import eventually

LIVING = "SELECT count(*) FROM workers"
SILENCE = 2.0
"""Seconds that a deploy may add before the first text."""


@dataclass
class Deployed:
    """The outcome of some deploys."""

    verdict: Verdict
    silence: float
    """The longest time between a message and its first text."""
    moved: int
    """Answers that were begun by one process and ended by another."""


async def deploy(arena: Arena, times: int, *, drain_seconds: float = 20) -> Deployed:
    """Replace the one process again and again, each as soon as the next one lives."""
    await arena.fleet.start("w0", DRAIN_SECONDS=f"{drain_seconds}")
    await arena.acquaint()
    before = len(arena.crowd.asked)
    async with arena.crowd.talking():
        for number in range(times):
            await arena.quiet_enough(2)
            await arena.fleet.start(f"w{number + 1}", DRAIN_SECONDS=f"{drain_seconds}")
            await eventually(lambda: arena.records.one(LIVING) >= 2, within=20)
            status = await arena.fleet.stop(f"w{number}")
            assert status == 0, f"a process that was asked to stop ended with {status}"
        await arena.quiet_enough(2)
    await arena.quiet()
    verdict = arena.audit()
    silence = max(silences(arena, arena.crowd.asked[before:]), default=0.0)
    return Deployed(verdict, silence, len(moved(arena)))


def silences(arena: Arena, asked: list[Asked]) -> list[float]:
    """Return the seconds that each person waited for a first text, if nothing else of theirs ran.

    Groups are left out, because people there wait for the platform's pace.
    """
    found: list[float] = []
    done: dict[str, float] = {}
    for each in asked:
        messages = [
            said for said in arena.scene.answers(each.place) if each.wish.tag in words(said.text)
        ]
        alone = not arena.scene.is_group(each.place)
        if messages and alone and each.at > done.get(each.who, 0.0):
            found.append(messages[0].sent_at - each.at)
        done[each.who] = max([done.get(each.who, 0.0), *(said.changed_at for said in messages)])
    return found


def words(text: str) -> set[str]:
    """The words of a text, those around an underscore apart."""
    return set(text.replace("_", " ").replace("*", " ").split())


def moved(arena: Arena) -> set[str]:
    """The tags that two processes asked the model for."""
    owners: dict[str, set[str]] = {}
    for request in arena.model.requests:
        if wish := wish_in(request.text):
            owners.setdefault(wish.tag, set()).add(key_of(request))
    return {tag for tag, keys in owners.items() if len(keys) > 1}
