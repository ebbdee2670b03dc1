"""Turns that can never be answered, and turns that take their process with them."""

import asyncio
from dataclasses import replace

from core.lines import FATAL
from tests.chaos.answers import wish_in
from tests.chaos.arena import Arena
from tests.chaos.audit import Auditor, Verdict
from tests.chaos.moments import key_of
from tests.fakes.model import Fault, ModelRequest
from tests.fakes.model.script import Reply
from tests.records import eventually

FAILED, AWAY = "Something went wrong", "My language model has not answered"
"""The sentences for a turn that ends its processes, and for one that the model never answers."""
QUICK = {"RETRY_SECONDS": "1", "MODEL_PATIENCE_SECONDS": "8"}
"""By this a turn comes to its end within seconds instead of minutes."""


async def unanswerable(arena: Arena) -> Verdict:
    """The model fails at one question for ever; later questions are answered."""
    well = arena.model.respond
    bad = ""

    def respond(request: ModelRequest) -> Reply:
        wish = wish_in(request.text)
        return Fault(500) if wish and wish.tag == bad else well(request)

    arena.model.respond = respond
    await arena.fleet.start("w0")
    await arena.acquaint()
    place = arena.scene.places[0]
    bad = (await arena.crowd.ask(place, place, "short")).wish.tag
    await arena.crowd.ask(place, place, "short")
    await arena.quiet(60)
    return _without(arena, bad, AWAY)


async def deadly(arena: Arena, workers: int = 1) -> Verdict:
    """The process dies whenever it comes to one question; the others in hand are answered."""
    well = arena.model.respond
    for number in range(workers):
        await arena.fleet.start(f"w{number}")
    await arena.acquaint()
    first, *others = arena.scene.places
    bad = (await arena.crowd.ask(first, first, "long")).wish.tag

    def respond(request: ModelRequest) -> Reply:
        wish = wish_in(request.text)
        return Fault(stall=True) if wish and wish.tag == bad else well(request)

    arena.model.respond = respond
    for place in others:
        for who in arena.scene.speakers(place):
            await arena.crowd.ask(place, who, "long")
    for death in range(1, FATAL + 1):
        await eventually(lambda: _asked(arena, bad) >= death, within=90)  # noqa: B023 - at once
        key = _key(arena, bad)
        await arena.fleet.kill(key)
        await arena.fleet.start(key)
    await eventually(lambda: any(FAILED in said.text for said in arena.scene.answers(first)))
    await arena.crowd.ask(first, first, "short")
    await arena.quiet(60)
    return _without(arena, bad, FAILED)


async def shot(arena: Arena, kills: int, every: float) -> Verdict:
    """Somebody kills the process again and again while people write; nobody reads an apology."""
    await arena.fleet.start("w0")
    await arena.acquaint()
    async with arena.crowd.talking():
        for _ in range(kills):
            await asyncio.sleep(every)
            await arena.fleet.kill("w0")
            await arena.fleet.start("w0")
    await arena.quiet(180)
    return arena.audit()


def _key(arena: Arena, tag: str) -> str:
    """Return the key of the process that asked last for the answer of a tag."""
    asked = [
        each for each in arena.model.requests if (wish := wish_in(each.text)) and wish.tag == tag
    ]
    return key_of(asked[-1])


def _asked(arena: Arena, tag: str) -> int:
    wishes = [wish_in(request.text) for request in arena.model.requests]
    return sum(wish is not None and wish.tag == tag for wish in wishes)


def _without(arena: Arena, bad: str, sentence: str) -> Verdict:
    """The verdict on all but the bad turn, which must have ended with a sentence and a button."""
    crowd = replace(arena.crowd, asked=[each for each in arena.crowd.asked if each.wish.tag != bad])
    auditor = Auditor(arena.scene, crowd, arena.records, arena.model.requests, arena.fleet.kills)
    verdict = auditor.audit()
    sentences = [note for note in verdict.notes if note.startswith("strange")]
    ended = len(sentences) == verdict.strange == 1 and sentence in sentences[0]
    verdict.strange = 0
    if not ended:
        verdict.note("strange", f"the bad turn did not end with one sentence: {sentences}")
    if not arena.scene.offers("Try again"):
        verdict.note("strange", "nothing to try it again with")
    return verdict
