"""The provider's prompt cache pays: every message is sent again byte for byte."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest

from tests.fakes.model import ModelRequest, ModelServer
from tests.memory import talk
from tests.memory.desk import desk
from tests.records import Records

QUESTIONS = 200


def lines(request: ModelRequest) -> list[bytes]:
    """The tools and the messages of a request as they were sent."""
    sent = [request.body.get("tools"), *request.messages]
    return [json.dumps(each, ensure_ascii=False).encode() for each in sent]


def begins_with(request: ModelRequest, before: ModelRequest) -> bool:
    return lines(request)[: len(lines(before))] == lines(before)


def share(requests: Sequence[ModelRequest]) -> float:
    """Return the share of the prompts that the provider had seen before."""
    total = sum(request.prompt_tokens for request in requests)
    return sum(request.cached_tokens for request in requests) / total


@pytest.mark.slow
async def test_every_prompt_begins_with_the_one_before_it(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = talk.respond
    async with desk(sqlite_url, model) as ada:
        for number in range(QUESTIONS):
            await ada.ask(talk.question(number))
    broken = [
        before for before, request in pairwise(model.requests) if not begins_with(request, before)
    ]
    summaries = Records(sqlite_url).one("SELECT count(*) FROM summaries")

    assert len(model.requests) == QUESTIONS + summaries
    assert all("Summarise our" in before.text for before in broken), "only a summary breaks it"
    assert len(broken) == summaries >= 2
    assert share(model.requests[1:]) >= 0.93
    marks = [request.prompt_tokens for request in model.requests]
    assert max(marks) < 12_000 + 600, "a summary is asked for as soon as it is time"


@pytest.mark.slow
async def test_tools_and_files_leave_the_prefix_alone_and_instructions_break_it_once(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = talk.respond
    async with desk(sqlite_url, model) as ada:
        for number in range(3):
            await ada.ask(talk.question(number))
        await ada.ask("What did I say of topic001?")
        await ada.ask("/persona You are a pirate.")
        await ada.ask("What is this?", files={"notes.txt": b"A note.", "page.pdf": b"%PDF-1.7 x"})
        await ada.ask("/usage")
        await ada.ask(talk.question(4))
    assert len(model.requests) == 7
    assert [begins_with(after, before) for before, after in pairwise(model.requests)] == [
        *[True] * 4,
        False,
        True,
    ]


async def test_the_prefix_outlives_a_restart(sqlite_url: str, model: ModelServer) -> None:
    for number in range(3):
        async with desk(sqlite_url, model) as ada:
            await ada.ask(talk.question(number))
    assert len(model.requests) == 3
    assert all(begins_with(after, before) for before, after in pairwise(model.requests))


async def test_an_answer_that_is_written_anew_has_the_same_prompt(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model) as ada:
        await ada.ask(talk.question(1))
        [first] = await ada.asking(talk.question(2))
        [again] = await ada.asking("/retry")
    assert lines(again) == lines(first)
