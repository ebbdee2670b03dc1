"""A reservation covers all that the request will hold, whatever was appended meanwhile."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from core.settings import DEFAULT_PRICES
from tests.fakes.model import Answer, ModelRequest, ModelServer, Reply
from tests.memory import talk
from tests.memory.desk import ADA, BOB, Desk, desk
from tests.records import Records

GROUP: dict[str, Any] = {"chat": "-1", "admin": True}
PERSONA = "/persona " + "Be as brief as a telegram. " * 145
MARKS: dict[str, object] = {"memory_high_tokens": 1500, "memory_low_tokens": 500}
SUM = ("calculate", {"expression": "+".join(["1"] * 700)})
LONG_ANSWER = "A long answer of many words. " * 150


def uncovered(records: Records, requests: Sequence[ModelRequest]) -> list[str]:
    """Return the calls that reserved less than their prompts cost with the longest answer."""
    asked = defaultdict(list)
    for request in requests:
        asked[request.request_id].append(request)
    calls = records.all("SELECT * FROM calls ORDER BY id")
    assert len(calls) == len(requests)
    faults = []
    for call in calls:
        request = asked[f"turn-{call.turn_id}-{call.attempt}"].pop(0)
        due = DEFAULT_PRICES.cost(request.prompt_tokens, 0, 8192)
        if call.reserved < due:
            faults.append(f"{request.text[:30]!r}: {call.reserved} reserved, {due} due")
    return faults


def told(request: ModelRequest) -> list[str]:
    """Return the instructions in a prompt, shortened."""
    [system] = [each["content"] for each in request.messages if each["role"] == "system"]
    return [text[:60] for text in system.split("\n\n")[1:]]


async def side_by_side(here: Desk, *questions: str) -> None:
    """Two people ask in a group at once, and neither answer sees the other."""
    before = len(here.model.requests)
    with here.model.hold():
        for number, question in enumerate(questions):
            await here.say(question, who=(ADA, BOB)[number % 2], **GROUP)
            await here.model.seen(before + number + 1)
    await here.settled()


async def test_instructions_that_follow_each_other_are_told_and_paid_once(
    database_url: str, model: ModelServer
) -> None:
    async with desk(database_url, model) as ada:
        [before] = await ada.asking("hi")
        for number in range(5):
            await ada.ask(f"{PERSONA} {number}")
        [after] = await ada.asking("hi")
        [again] = await ada.asking("hi")
    assert after.messages[1 : len(before.messages)] == before.messages[1:]
    assert again.messages[: len(after.messages)] == after.messages, "the cache pays"
    assert len(told(after)) == 1
    assert after.messages[0]["content"].endswith("4")
    assert uncovered(Records(database_url), model.requests) == []


@pytest.mark.slow
async def test_answers_written_side_by_side_are_part_of_the_next_reservation(
    database_url: str, model: ModelServer
) -> None:
    async with desk(database_url, model) as here:
        await here.ask("hi", **GROUP)
        model.respond = lambda request: LONG_ANSWER
        for number in range(2):
            await side_by_side(here, f"One {number}?", f"Two {number}?")
        model.respond = lambda request: "Well."
        [request] = await here.asking("And now?", **GROUP)
    assert str(request.messages).count("long answer") == 4 * 150
    assert uncovered(Records(database_url), model.requests) == []
    assert Records(database_url).drift() == []


@pytest.mark.slow
async def test_whatever_is_appended_is_covered(sqlite_url: str, model: ModelServer) -> None:
    def respond(request: ModelRequest) -> Reply:
        if request.text.startswith("Sum") and request.messages[-1]["role"] == "user":
            return Answer("", tool_calls=[SUM] * 8)
        return talk.respond(request)

    model.respond = respond
    async with desk(sqlite_url, model, **MARKS) as here:
        for number in range(2):
            await here.ask(f"{PERSONA} {number}", **GROUP)
            await side_by_side(here, talk.question(number), f"Sum of {number}?")
            await here.ask(f"{PERSONA} again {number}", **GROUP)
            await here.say("hi", **GROUP)
            await here.ask(f"{PERSONA} while it answers {number}", **GROUP)
            await here.ask("/retry", **GROUP)
        await here.ask("/new", **GROUP)
        await here.ask("hi", **GROUP)
    summaries = Records(sqlite_url).one("SELECT count(*) FROM summaries")
    assert summaries >= 1
    assert uncovered(Records(sqlite_url), model.requests) == []
    assert Records(sqlite_url).drift() == []


async def test_the_first_prompt_is_reserved_with_its_tools(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model) as ada:
        [request] = await ada.asking("hi")
    call = Records(sqlite_url).all("SELECT * FROM calls")[0]
    assert request.body["tools"]
    assert call.reserved >= DEFAULT_PRICES.cost(request.prompt_tokens, 0, 8192)


async def test_a_last_call_without_tools_does_not_make_the_next_prompt_smaller(
    sqlite_url: str, model: ModelServer
) -> None:
    """The last call of a round offers no tools, and the next question offers them again."""
    six = Answer("", tool_calls=[("calculate", {"expression": "2*3"})])
    async with desk(sqlite_url, model) as ada:
        model.enqueue(*[six] * 5, "Six.")
        await ada.ask("What is 2*3?")
        assert "tools" not in model.requests[-1].body
        await ada.ask("ok")
    assert uncovered(Records(sqlite_url), model.requests) == []
