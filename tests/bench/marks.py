"""`python -m tests.bench.marks`: what a long conversation costs, and what of it is still known.

The marks say between how many tokens a conversation is kept word for word: lower ones make every
prompt shorter, higher ones leave the provider's cache alone for longer and more to be seen.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import schema
from tests.fakes.model import ModelRequest, ModelServer
from tests.memory import talk
from tests.memory.desk import Desk, desk

QUESTIONS = 120
ASKED_FOR = range(1, QUESTIONS + 1, 10)
"""The questions that the model is asked about in the end."""
MARKS: tuple[tuple[int, int] | None, ...] = (
    (6_000, 2_000),
    (12_000, 4_000),
    (25_000, 8_000),
    None,
)
"""The high and low marks; none means that messages are only appended."""
ENDLESS = {"memory_high_tokens": 900_000, "memory_low_tokens": 800_000}


@dataclass(frozen=True, slots=True)
class Price:
    """The costs of a conversation with some marks."""

    marks: str
    usd: float
    cached: float
    """The share of the prompt tokens that came from the cache."""
    summaries: int
    longest: int
    """Tokens of the longest prompt."""
    seen: int
    """The number of old questions that the prompt still held word for word."""
    found: int
    """The number of other questions that it found with a search."""


async def converse(marks: tuple[int, int] | None, questions: int = QUESTIONS) -> Price:
    """Hold the conversation with these marks."""
    values = ENDLESS
    if marks is not None:
        values = {"memory_high_tokens": marks[0], "memory_low_tokens": marks[1]}
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory)}/marks.db"
        await asyncio.to_thread(schema.upgrade, url)
        async with ModelServer() as model:
            model.respond = talk.respond
            async with desk(url, model, **values) as ada:
                for number in range(1, questions + 1):
                    await ada.ask(talk.question(number))
                asked = list(model.requests)
                sought = [number for number in ASKED_FOR if number <= questions]
                looked_up = [await look_up(ada, number) for number in sought]
    prompt = str(looked_up[0][0].messages)
    seen = [beginning(number) in prompt for number in sought]
    found = [
        seen[at] or beginning(number) in str(looked_up[at][-1].messages)
        for at, number in enumerate(sought)
    ]
    name = "append only" if marks is None else f"{marks[0]:,} / {marks[1]:,}"
    return _price(name, asked, sum(seen), sum(found))


async def look_up(ada: Desk, number: int) -> list[ModelRequest]:
    """Let the model search for the words of a question."""
    return await ada.asking(f"What did I say of {talk.topic(number)}?")


def beginning(number: int) -> str:
    """Return the beginning of a question, about as much as a search shows."""
    return talk.question(number)[:100]


def _price(marks: str, requests: Sequence[ModelRequest], seen: int, found: int) -> Price:
    prompts = [request.prompt_tokens for request in requests]
    return Price(
        marks=marks,
        usd=float(sum(request.usd_spent for request in requests)),
        cached=sum(request.cached_tokens for request in requests) / sum(prompts),
        summaries=sum("Summarise our" in request.text for request in requests),
        longest=max(prompts),
        seen=seen,
        found=found,
    )


def table(prices: Iterable[Price], questions: int) -> str:
    """The prices as Markdown."""
    lines = [
        "| marks | USD | cached | summaries | longest prompt | word for word | with a search |",
        "|---|---|---|---|---|---|---|",
    ]
    of = sum(number <= questions for number in ASKED_FOR)
    lines += [
        f"| {each.marks} | {each.usd:.4f} | {each.cached:.1%} | {each.summaries}"
        f" | {each.longest:,} | {each.seen} of {of} | {each.found} of {of} |"
        for each in prices
    ]
    return "\n".join(lines)


async def measure(questions: int = QUESTIONS) -> str:
    """The conversation with all marks, as a table."""
    told = f"{questions} questions of 60 words, answers of {talk.LENGTH} characters:"
    return f"{told}\n\n{table([await converse(each, questions) for each in MARKS], questions)}"


if __name__ == "__main__":
    print(asyncio.run(measure()))
