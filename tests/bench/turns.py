"""Plain turns of one process: how soon they are seen, what they cost, what they leave behind."""

import asyncio
import statistics
import time
from collections.abc import Iterator

from tests.bench.figures import Figure, spread
from tests.bench.stage import FAST, Person, Stage, talk
from tests.fakes.model import Answer

WORDS = 12
PACE = 0.02
"""Seconds between the tokens of an answer that is watched."""
SLOW = 0.15
"""Seconds between the tokens of a model that says no sentence within the 0.4 s that are waited."""
SENTENCE = "This is a sentence that a notification shows. "
TEXT = "say hello there my friend"


def answer() -> Answer:
    """An answer that begins with a whole sentence: the first message waits for one."""
    pieces = [SENTENCE, *["word "] * WORDS]
    return Answer("".join(pieces), pieces=pieces, pace=PACE)


async def start(stage: Stage, times: int) -> Iterator[Figure]:
    """From nothing to the first answer, of a question that was there before."""
    seconds = []
    for person in stage.people(times, first=100):
        await person.say(TEXT)
        began = time.monotonic()
        async with stage.bot():
            await stage.telegram.wait(person.has_answer, timeout=60)
            seconds.append(person.answer().sent_at - began)
            await stage.ready()
    value = f"{statistics.median(seconds):.2f} s"
    return iter([Figure("start to first answer", stage.database, value)])


async def latency(stage: Stage, turns: int) -> Iterator[Figure]:
    """Measure the time that Parley adds to the model's, one turn after the other on a quiet bot."""
    stage.model.respond = lambda _: answer()
    people = stage.people(10)
    async with stage.bot():
        await stage.ready()
        await talk(people, TEXT, turns=len(people), at_once=1)
        added = [await _watched(stage, people[n % len(people)]) for n in range(turns)]
        stage.model.respond = lambda _: Answer("word " * WORDS, pace=SLOW)
        slow = [await _watched(stage, person) for person in people]
    return iter(
        [
            Figure("event to first text", stage.database, spread([first for first, _ in added])),
            Figure(
                "event to first text of a slow model",
                stage.database,
                spread([first for first, _ in slow]),
            ),
            Figure("last token to whole text", stage.database, spread([last for _, last in added])),
        ]
    )


async def _watched(stage: Stage, person: Person) -> tuple[float, float]:
    said_at = time.monotonic()
    answer = await person.ask(TEXT)
    request = stage.model.requests[-1]
    assert request.first_token_at is not None
    assert request.last_token_at is not None
    first = answer.sent_at - said_at - (request.first_token_at - request.started)
    # A chat takes about a call a second for long: who talks faster would measure that.
    await asyncio.sleep(0.05)
    return first, (answer.edited_at or answer.sent_at) - request.last_token_at


async def cost(stage: Stage, seconds: float, number: int) -> Iterator[Figure]:
    """CPU, speed and memory of turns that follow each other, twenty of so many people at a time."""
    people = stage.people(number)
    async with stage.bot(module=FAST) as bot:
        await stage.ready()
        await asyncio.sleep(1)
        idle = bot.memory()
        await talk(people, TEXT, turns=len(people), at_once=20)
        memory, cpu, calls = bot.memory(), bot.cpu(), len(stage.telegram.calls)
        began, turns = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            await talk(people, TEXT, turns=len(people), at_once=20)
            turns += len(people)
        took, used = time.monotonic() - began, bot.cpu() - cpu
        made = len(stage.telegram.calls) - calls
        grown = bot.memory()
    name = stage.database
    return iter(
        [
            Figure("CPU of a plain turn", name, f"{used / turns * 1000:.1f} ms"),
            Figure("plain turns a second, one process", name, f"{turns / took:.0f}"),
            Figure("calls to Telegram for a plain turn", name, f"{made / turns:.2f}"),
            Figure("memory when idle", name, f"{idle:.0f} MB"),
            Figure(
                f"memory after {number} turns, and after more",
                name,
                f"{memory:.0f} MB, {grown:.0f} MB after {turns + len(people):,}",
            ),
        ]
    )
