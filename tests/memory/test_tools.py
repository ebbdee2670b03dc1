"""The model uses tools: their results are remembered and paid for, their faults are told."""

from typing import Any

import pytest

from core.chat._attempt import ROUNDS
from core.chat._calls import MOST_TOOL_CALLS
from core.memory import IDS_PER_TURN
from core.tools._toolbox import MOST, TOO_MANY
from core.words import NOTHING_ANSWERED
from tests.fakes.model import Answer, Fault, ModelRequest, ModelServer, Reply
from tests.memory.desk import desk
from tests.records import Records

SIX, TWELVE = ("calculate", {"expression": "2*3"}), ("calculate", {"expression": "3*4"})


def roles(request: ModelRequest) -> list[str]:
    """Return the roles in a request, from its first question on."""
    return [message["role"] for message in request.messages if message["role"] != "system"]


def results(request: ModelRequest) -> list[str]:
    return [each["content"] for each in request.messages if each["role"] == "tool"]


def calls(records: Records) -> list[Any]:
    return records.all("SELECT * FROM calls ORDER BY id")


async def test_several_calls_are_answered_and_remembered_in_their_order(
    database_url: str, model: ModelServer
) -> None:
    history = ("search_history", {"query": "unicorns"})
    model.enqueue(Answer("Let me see.", tool_calls=[SIX, history, TWELVE]), "Six and twelve.", "Hi")
    async with desk(database_url, model) as ada:
        heard = await ada.ask("What is 2*3 and 3*4?")
        [next_question] = await ada.asking("Thanks")
    second = model.requests[1]
    asked, answered = second.messages[2], second.messages[3:]

    assert heard == "Let me see.\n\nSix and twelve."
    assert results(second) == ["6", "Nothing was found.", "12"]
    assert [call["id"] for call in asked["tool_calls"]] == [
        each["tool_call_id"] for each in answered
    ]
    assert roles(next_question) == [
        *("user", "assistant", "tool", "tool", "tool", "assistant"),
        "user",
    ]
    assert next_question.messages[: len(second.messages)] == second.messages
    records = Records(database_url)
    assert [call.turns for call in calls(records)] == [1, 0, 1], "a question counts once"
    assert [call.prompt_tokens for call in calls(records)] == [
        request.prompt_tokens for request in model.requests
    ]
    assert records.drift() == []


async def test_one_tool_after_another_but_not_for_ever(sqlite_url: str, model: ModelServer) -> None:
    model.respond = lambda request: Answer(
        "" if request.body.get("tools") else "Six.", tool_calls=[SIX]
    )
    async with desk(sqlite_url, model) as ada:
        heard = await ada.ask("What is 2*3?")
    assert heard == "Six."
    assert len(model.requests) == ROUNDS
    assert ["tools" in request.body for request in model.requests] == [True] * (ROUNDS - 1) + [
        False
    ]
    assert results(model.requests[-1]) == ["6"] * (ROUNDS - 1)


async def test_a_call_of_an_unknown_tool_spoils_nothing(
    sqlite_url: str, model: ModelServer
) -> None:
    """A call without its result would make every later request an invalid one."""
    model.respond = lambda request: Answer("Six.", tool_calls=[SIX])
    async with desk(sqlite_url, model, tools=False) as ada:
        assert await ada.ask("What is 2*3?") == "Six."
        [request] = await ada.asking("hi")
        assert len(model.requests) == 2
        model.respond = lambda request: Answer("", tool_calls=[SIX])
        assert await ada.ask("What is 2*3?") == NOTHING_ANSWERED
    assert roles(request) == ["user", "assistant", "user"]
    assert "tool_calls" not in str(request.messages)
    assert Records(sqlite_url).drift() == []


@pytest.mark.slow
async def test_a_failure_is_told_to_the_model(sqlite_url: str, model: ModelServer) -> None:
    wrong = [
        ("calculate", {"expression": "1/0"}),
        ("calculate", {"wrong": 1}),
        ("calculate", "no JSON"),
        ("fly", {}),
        ("search_history", {"query": "x" * 100_000}),
    ]
    model.enqueue(Answer("", tool_calls=wrong), "It did not work.")
    async with desk(sqlite_url, model) as ada:
        assert await ada.ask("Do something.") == "It did not work."
    by_zero, misfit, no_json, fly, found = results(model.requests[1])
    assert "division by zero" in by_zero
    assert "do not fit calculate" in misfit
    assert "do not fit calculate" in no_json
    assert "There is no tool fly" in fly
    assert found == "Nothing was found."


async def test_without_tools_none_are_sent(sqlite_url: str, model: ModelServer) -> None:
    async with desk(sqlite_url, model, tools=False) as ada:
        [request] = await ada.asking("hi")
    assert "tools" not in request.body


async def test_a_stream_that_breaks_after_a_tool_keeps_what_was_said_before_it(
    database_url: str, model: ModelServer
) -> None:
    model.enqueue(
        Answer("Let me see.", tool_calls=[SIX]),
        Answer("It is seven, or so", cut_after=10),
        "It is six.",
    )
    async with desk(database_url, model) as ada:
        heard = await ada.ask("What is 2*3?")
        [request] = await ada.asking("hi")
    records = Records(database_url)
    assert heard == "Let me see.\n\nIt is six."
    assert "seven" not in str(request.messages)
    assert roles(request) == ["user", "assistant", "tool", "assistant", "user"]
    assert len(calls(records)) == 4, "what broke is paid too"
    assert [bool(call.estimated) for call in calls(records)] == [False, True, False, False]
    assert records.drift() == []


async def test_a_model_that_fails_between_two_calls_is_asked_on(
    database_url: str, model: ModelServer
) -> None:
    model.enqueue(Answer("Let me see.", tool_calls=[SIX]), *[Fault(504)] * 2, Answer("It is six."))
    async with desk(database_url, model, quota="1 turns/month, 1 usd/month") as ada:
        heard = await ada.ask("What is 2*3?")
    records = Records(database_url)
    assert heard == "Let me see.\n\nIt is six."
    assert [(call.attempt, call.turns) for call in calls(records)] == [(1, 1), (1, 0)]
    assert records.drift() == []


async def test_a_question_that_is_handed_on_counts_once(
    database_url: str, model: ModelServer
) -> None:
    """The process ends between two calls: all begins anew, but it stays the person's one turn."""
    model.enqueue(
        Answer("Let me see.", tool_calls=[SIX]),
        Answer("It is", first_token=20),
        Answer("Let me see.", tool_calls=[SIX]),
        "It is six.",
    )
    quota = "1 turns/month, 1 usd/month"
    async with desk(database_url, model, quota=quota) as ada:
        await ada.say("What is 2*3?")
        await model.seen(2)
    async with desk(database_url, model, quota=quota) as ada:
        await ada.settled()
        [heard] = [said for _, said in ada.paper.posts.values()]
        refused = await ada.ask("And now?")
    records = Records(database_url)
    assert heard == "Let me see.\n\nIt is six."
    assert "your limit is 1 answer a month" in refused
    assert [call.attempt for call in calls(records)] == [1, 1, 2, 2]
    assert sum(call.turns for call in calls(records)) == 1
    assert records.drift() == []


@pytest.mark.slow
async def test_a_quota_that_ends_between_two_calls_ends_the_answer_kindly(
    sqlite_url: str, model: ModelServer
) -> None:
    long = "word " * 4000
    model.respond = lambda request: Answer(long, tool_calls=[SIX])
    async with desk(sqlite_url, model, quota="0.008 usd/month") as ada:
        heard = await ada.ask("What is 2*3?")
    records = Records(sqlite_url)
    assert "That was all for now" in heard
    assert records.memory() == []
    assert records.drift() == []
    assert sum(call.charged for call in calls(records)) <= 5500


async def test_stop_while_a_tool_was_asked_for_leaves_a_sound_memory(
    sqlite_url: str, model: ModelServer
) -> None:
    def respond(request: ModelRequest) -> Reply:
        if request.messages[-1]["role"] == "tool":
            model.hold()  # from its first word on
            return "It is six, as I said before."
        return Answer("Let me see.", tool_calls=[SIX]) if "2*3" in request.text else "Well."

    model.respond = respond
    async with desk(sqlite_url, model) as ada:
        await ada.say("What is 2*3?")
        await model.wait(lambda: len(model.requests) > 1 and bool(model.requests[1].first_token_at))
        await ada.say("/stop")
        await ada.settled()
        await model.wait(lambda: model.requests[1].cut)
        model.release()
        [request] = await ada.asking("hi")
    assert request.status == 200, "the strict model takes what is remembered"
    assert Records(sqlite_url).drift() == []


@pytest.mark.slow
async def test_of_very_many_calls_few_are_carried_out(sqlite_url: str, model: ModelServer) -> None:
    """Five rounds of them stay within what one turn may add to memory, and the next one begins."""
    model.respond = lambda request: Answer(
        "" if request.body.get("tools") else "Six.", tool_calls=[SIX] * 300
    )
    async with desk(sqlite_url, model) as ada:
        assert await ada.ask("What is 2*3?") == "Six."
        model.respond = lambda request: "Well."
        assert (await ada.ask("And now?")).startswith("Well.")
    assert results(model.requests[1]) == ["6"] * MOST + [TOO_MANY] * (MOST_TOOL_CALLS - MOST)
    records = Records(sqlite_url)
    assert 500 < records.one("SELECT count(*) FROM messages WHERE turn_id = 1") <= IDS_PER_TURN
    assert records.one("SELECT max(id) FROM messages WHERE turn_id = 1") < 2 * IDS_PER_TURN
