"""One, two and four processes on PostgreSQL: whether two do twice the work at the same cost."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from random import Random

from tests.bench.figures import Figure, quantile
from tests.bench.stage import FAST, Bot, Person, Stage, answered
from tests.fakes.model import Answer

CONCURRENCY = 20
THINKING = (0.5, 1.5)
"""Seconds that the model takes for an answer, a second on average."""


async def workers(stage: Stage, number: int, turns: int) -> tuple[float, float]:
    """Turns a second and CPU seconds a turn of so many processes with more work than they can."""
    chance = Random(number)
    stage.model.respond = lambda _: Answer("hello there", first_token=chance.uniform(*THINKING))
    people = stage.people(turns)
    async with AsyncExitStack() as stack:
        bots = [
            await stack.enter_async_context(stage.bot(module=FAST, concurrency=CONCURRENCY))
            for _ in range(number)
        ]
        await stage.ready()
        await asyncio.sleep(1)
        used = _cpu(bots)
        for person in people:
            await person.say("say hello")
        await answered(people, within=turns)
        used = _cpu(bots) - used
    return _rate(people), used / turns


def _cpu(bots: Sequence[Bot]) -> float:
    return sum(bot.cpu() for bot in bots)


def _rate(people: Sequence[Person]) -> float:
    """Turns a second in the middle of the time, when all of the processes were busy."""
    ends = [person.answer().edited_at or person.answer().sent_at for person in people]
    first, last = quantile(ends, 0.2), quantile(ends, 0.8)
    return 0.6 * len(ends) / (last - first)


def figures(database: str, measured: dict[int, tuple[float, float]]) -> Iterator[Figure]:
    """Compare more processes with one."""
    one_rate, one_cost = measured[1]
    for number, (rate, cost) in measured.items():
        value = f"{rate:.1f} turns/s, {cost * 1000:.1f} ms CPU a turn"
        if number > 1:
            value += f": {rate / one_rate:.2f} × the work at {cost / one_cost:.2f} × the CPU"
        yield Figure(f"{number} process{'es' * (number > 1)}", database, value)
