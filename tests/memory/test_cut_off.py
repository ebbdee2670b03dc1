"""Who ends a call decides who pays: nobody reads an answer for nothing by cutting it off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from core.adapter import ChangeKind
from core.memory import estimate
from core.messages import assistant
from core.words import FAILED
from tests.core.streams import chunk, delta, head, raw, sse
from tests.fakes.model import Answer, Fault, ModelServer
from tests.memory.desk import Desk, desk
from tests.records import Records, eventually

LONG = "word " * 400
THREE = "3 turns/month, 1 usd/month"


def calls(records: Records) -> list[Any]:
    return records.all("SELECT * FROM calls ORDER BY id")


def amounts(records: Records) -> dict[str, int]:
    """Return what a person has used of their limits, by unit."""
    rows = records.all("SELECT unit, used FROM allowances WHERE owner_id = 1")
    return {row.unit: row.used for row in rows}


@asynccontextmanager
async def half_an_answer(here: Desk, records: Records) -> AsyncIterator[str]:
    """A question whose answer is being written, and stays so until the end of the context."""
    here.model.enqueue(LONG)
    with here.model.hold():
        question = await here.say("Tell me a story")
        await here.model.wait(lambda: begun(here))
        await records.posted()
        yield question
    await here.settled()


def begun(here: Desk) -> bool:
    return any(request.first_token_at for request in here.model.requests[-1:])


async def test_an_edit_is_paid_and_counts(database_url: str, model: ModelServer) -> None:
    records = Records(database_url)
    async with desk(database_url, model, quota=THREE, budget="1 usd/month") as ada:
        async with half_an_answer(ada, records) as question:
            reserved = calls(records)[0].reserved
            await ada.change(ChangeKind.EDITED, question, "Tell me another story")
            cut_off, *_ = calls(records)
            assert cut_off.settled_at is not None, "the money is free at once"
            await model.seen(2)
        cut_off, answered = calls(records)
    assert (cut_off.turns, answered.turns) == (1, 1)
    assert 0 < cut_off.charged == cut_off.cost < reserved / 4
    assert cut_off.completion_tokens >= 1
    assert records.drift() == []
    assert amounts(records) == {"turns": 2, "usd": cut_off.charged + answered.charged}


@pytest.mark.slow
async def test_quick_edits_use_up_the_turns_and_not_the_budget(
    database_url: str, model: ModelServer
) -> None:
    records = Records(database_url)
    async with (
        desk(database_url, model, quota=THREE, budget="0.1 usd/month") as ada,
        half_an_answer(ada, records) as question,
    ):
        for number in range(25):
            asked = len(model.requests)
            await ada.change(ChangeKind.EDITED, question, f"Tell me story {number}")
            if asked < 3:
                await model.seen(asked + 1)
    assert len(model.requests) == 3
    assert sum(call.turns for call in calls(records)) == 3
    assert all(call.settled_at for call in calls(records))
    assert records.one("SELECT outcome FROM turns") == "refused"
    assert sum(call.cost for call in calls(records)) < 2000
    assert records.drift() == []


async def test_an_answer_that_was_whole_when_the_edit_came_is_paid_as_the_api_told(
    sqlite_url: str, model: ModelServer
) -> None:
    """The old attempt has read it to its end before it finds itself fenced off."""
    records = Records(sqlite_url)
    async with desk(sqlite_url, model) as ada:
        ada._intake._changed = lambda: None  # the edit came to another process
        async with half_an_answer(ada, records) as question:
            ada._worker.dismiss(ada.paper)
            await ada.change(ChangeKind.EDITED, question, "Tell me another story")
            model.release()
            await eventually(lambda: not calls(records)[0].estimated)
            ada._worker.serve(ada.paper)
        [cut_off, _] = calls(records)
    assert cut_off.completion_tokens > 300
    assert cut_off.charged == cut_off.cost > 100
    assert cut_off.turns == 1
    assert records.drift() == []


async def test_an_edit_in_another_process_is_paid_too(
    postgres_url: str, model: ModelServer
) -> None:
    """The first process reads to the end, or finds before that it is fenced off."""
    records = Records(postgres_url)
    async with (
        desk(postgres_url, model) as ada,
        desk(postgres_url, model, "other") as other,
        half_an_answer(ada, records) as question,
    ):
        await other.change(ChangeKind.EDITED, question, "Tell me another story")
        await model.seen(2)
    cut_off, answered = calls(records)
    assert (cut_off.turns, answered.turns) == (1, 1)
    assert cut_off.charged == cut_off.cost > (0 if cut_off.estimated else 100)
    assert records.drift() == []


async def test_a_turn_that_waits_may_be_edited_for_nothing(
    sqlite_url: str, model: ModelServer
) -> None:
    records = Records(sqlite_url)
    async with desk(sqlite_url, model, quota=THREE) as ada, half_an_answer(ada, records):
        question = await ada.say("And then?")
        for number in range(5):
            await ada.change(ChangeKind.EDITED, question, f"And then, {number}?")
    assert [call.turns for call in calls(records)] == [1, 1]
    assert model.requests[-1].text.endswith("And then, 4?")


async def test_a_piece_that_starts_an_answer_again_counts(
    sqlite_url: str, model: ModelServer
) -> None:
    records = Records(sqlite_url)
    model.enqueue(LONG)
    async with desk(sqlite_url, model) as ada:
        sent: dict[str, Any] = {"sent_at": datetime.now(UTC)}
        with model.hold():
            await ada.say("Tell me of this", **sent)
            await model.wait(lambda: begun(ada))
            await ada.say("All cats are grey.", forwarded=True, **sent)
            await model.seen(2)
        await ada.settled()
    assert [call.turns for call in calls(records)] == [1, 1]
    assert all(call.charged > 0 for call in calls(records))
    assert records.drift() == []


def noted(here: Desk, records: Records) -> int:
    """Let the worker note how far the open call has come; return the tokens."""
    here._worker.look()
    return sum(call.completion_tokens for call in calls(records))


async def test_a_stop_while_the_model_thinks_pays_the_thoughts(
    sqlite_url: str, model: ModelServer
) -> None:
    thoughts = [chunk(sse(delta(reasoning_content="Hm, let me see. " * 50), done=False))] * 4
    async with (
        raw([head(), *thoughts, 60.0]) as server,
        desk(sqlite_url, model, model_api_url=server.url) as ada,
    ):
        await ada.say("What is 2*3?")
        received = estimate(assistant("Hm, let me see. " * 200))
        await eventually(lambda: bool(calls(Records(sqlite_url))))
        await eventually(lambda: calls(Records(sqlite_url))[0].completion_tokens >= received / 2)
        await ada.say("/stop")
        await ada.settled()
    [call] = calls(Records(sqlite_url))
    assert call.completion_tokens >= received
    assert call.charged == call.cost > received / 2
    assert call.turns == 1
    assert Records(sqlite_url).drift() == []


async def test_forgetting_pays_what_came(database_url: str, model: ModelServer) -> None:
    records = Records(database_url)
    async with desk(database_url, model) as ada, half_an_answer(ada, records):
        reserved = calls(records)[0].reserved
        await ada.say("/forget yes")
        assert calls(records)[0].settled_at is not None
    [call] = calls(records)
    assert call.turns == 1
    assert 0 < call.charged == call.cost < reserved / 4
    assert records.drift() == []


async def test_regenerate_while_an_answer_is_written_changes_nothing(
    sqlite_url: str, model: ModelServer
) -> None:
    records = Records(sqlite_url)
    async with desk(sqlite_url, model) as ada, half_an_answer(ada, records):
        [post] = [post for post, (_, said) in ada.paper.posts.items() if "word" in said]
        await ada.change(ChangeKind.REGENERATE, post)
    assert [call.turns for call in calls(records)] == [1]


# An attempt counts whatever comes of it


async def test_a_request_that_the_api_refuses_counts(sqlite_url: str, model: ModelServer) -> None:
    records = Records(sqlite_url)
    model.respond = lambda request: Fault(400)
    async with desk(sqlite_url, model, quota="2 turns/month") as ada:
        heard = [await ada.ask("hi") for _ in range(4)]
    assert [FAILED in each for each in heard] == [True, True, False, False]
    assert len(model.requests) == 2
    assert [(call.turns, call.cost) for call in calls(records)] == [(1, 0), (1, 0)]
    assert records.drift() == []


async def test_trying_again_counts_each_time(sqlite_url: str, model: ModelServer) -> None:
    records = Records(sqlite_url)
    model.respond = lambda request: Fault(400)
    async with desk(sqlite_url, model, quota="3 turns/month") as ada:
        await ada.ask("hi")
        [post] = ada.paper.posts
        for _ in range(8):
            await ada.change(ChangeKind.REGENERATE, post)
            await ada.settled()
    assert len(model.requests) == 3
    assert records.drift() == []


async def test_a_question_that_is_tried_often_counts_once(
    sqlite_url: str, model: ModelServer
) -> None:
    """The model was busy, and the person did not ask for more."""
    records = Records(sqlite_url)
    model.enqueue(Fault(503), Fault(503), Answer("Six."))
    async with desk(sqlite_url, model, retry_seconds=0.01) as ada:
        assert await ada.ask("What is 2*3?", files={"a.txt": b"a text"}) == "Six."
    assert sum(call.turns for call in calls(records)) == 1


async def test_a_limit_in_tokens_holds_to_the_token(database_url: str, model: ModelServer) -> None:
    records = Records(database_url)
    few = {"quota": "1.5k tokens/month", "max_completion_tokens": 1000, "tools": "off"}
    async with desk(database_url, model, **few) as ada:
        heard = [await ada.ask("Tell me a story") for _ in range(8)]
        assert "of 1,500 tokens a month" in await ada.ask("/usage")
    answered = [call for call in calls(records) if call.completion_tokens]
    assert 1 < len(answered) < 8
    assert "1,500 tokens a month" in heard[len(answered)]
    used = sum(call.prompt_tokens + call.completion_tokens for call in answered)
    assert amounts(records) == {"tokens": used}
    assert used <= 1500
    assert records.drift() == []
