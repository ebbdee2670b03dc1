"""A typed function is a tool: told to the model, called with checked arguments, its faults told."""

import asyncio
import json
import logging
from collections.abc import Awaitable
from functools import partial
from typing import Annotated, Literal

import pytest
from pydantic import Field

from core.messages import ToolCall
from core.tools import Tool, Toolbox, tool
from core.tools._toolbox import LIMIT, Function

UNITS = Literal["celsius", "kelvin"]


async def weather(
    city: Annotated[str, Field(description="in English")], days: int = 1, unit: UNITS = "celsius"
) -> str:
    """Tell the weather."""
    return f"{city} {days} {unit}"


async def run(*calls: tuple[str, str], tools: list[Tool], seconds: float = 5) -> list[str]:
    """Return the results that the model gets for these calls, each a name and arguments."""
    made = [ToolCall(f"call_{at}", name, given) for at, (name, given) in enumerate(calls)]
    answers = await Toolbox(tools, seconds=seconds).run_all(made)
    assert [answer["role"] for answer in answers] == ["tool"] * len(calls)
    assert [answer["tool_call_id"] for answer in answers] == [call.id for call in made]
    return [str(answer["content"]) for answer in answers]


def failing(error: BaseException) -> Function:
    async def fail() -> str:
        """Fail."""
        raise error

    return fail


def test_the_schema_is_made_of_name_docstring_and_types() -> None:
    assert tool(weather).schema == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "in English"},
                    "days": {"type": "integer", "default": 1},
                    "unit": {
                        "type": "string",
                        "enum": ["celsius", "kelvin"],
                        "default": "celsius",
                    },
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }


def test_bound_arguments_are_hidden_from_the_model() -> None:
    assert tool(partial(weather, "Oslo")).schema["function"]["name"] == "weather"
    parameters = tool(partial(weather, "Oslo")).schema["function"]["parameters"]
    assert list(parameters["properties"]) == ["days", "unit"]
    assert "required" not in parameters


def test_the_same_tools_are_the_same_bytes() -> None:
    first, second = (
        json.dumps(Toolbox([tool(weather), tool(partial(weather, city))]).schemas)
        for city in ("Oslo", "Rome")
    )
    assert first == second


def test_a_function_without_docstring_is_no_tool() -> None:
    async def silent() -> str:
        return ""

    with pytest.raises(TypeError, match="silent has no docstring"):
        tool(silent)


async def test_arguments_are_checked_and_defaults_filled_in() -> None:
    calls = [
        ("weather", '{"city": "Oslo"}'),
        ("weather", '{"city": "Oslo", "days": "3", "unit": "kelvin"}'),
    ]
    assert await run(*calls, tools=[tool(weather)]) == ["Oslo 1 celsius", "Oslo 3 kelvin"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ("{}", "city: Missing required argument"),
        ("", "city: Missing required argument"),
        ('{"city": 5}', "city: Input should be a valid string"),
        ('{"city": "Oslo", "days": "many"}', "days: Input should be a valid integer"),
        ('{"city": "Oslo", "unit": "miles"}', "unit: Input should be 'celsius' or 'kelvin'"),
        ('{"city": "Oslo", "mood": 1}', "mood: Unexpected keyword argument"),
        ('{"city": "Os', "Invalid JSON"),
        ("null", "Arguments must be"),
    ],
)
async def test_arguments_that_do_not_fit_are_told(arguments: str, fault: str) -> None:
    [told] = await run(("weather", arguments), tools=[tool(weather)])
    assert told.startswith("The arguments do not fit weather: ")
    assert fault in told


async def test_an_unknown_tool_is_told_with_those_on_offer() -> None:
    told = await run(("fly", "{}"), ("weather", '{"city": "Oslo"}'), tools=[tool(weather)])
    assert told == ["There is no tool fly. On offer: weather.", "Oslo 1 celsius"]
    assert await run(("fly", "{}"), tools=[]) == ["There is no tool fly. On offer: none."]


async def test_calls_run_side_by_side_and_answer_in_their_order() -> None:
    meeting = asyncio.Barrier(3)

    async def meet(name: str) -> str:
        """Wait for the others."""
        await meeting.wait()
        return name

    calls = [("meet", json.dumps({"name": name})) for name in ("a", "b", "c")]
    assert await run(*calls, tools=[tool(meet)]) == ["a", "b", "c"]


async def test_a_tool_that_takes_too_long_is_stopped_alone() -> None:
    stopped = asyncio.Event()

    async def sleep() -> str:
        """Sleep for ever."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    calls = [("sleep", "{}"), ("weather", '{"city": "Oslo"}')]
    told = await run(*calls, tools=[tool(sleep), tool(weather)], seconds=0.05)
    assert told == ["sleep took longer than 0.05 seconds and was stopped.", "Oslo 1 celsius"]
    assert stopped.is_set()


async def test_a_failure_is_logged_and_told_without_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tools = [tool(failing(RuntimeError("the secret cause"))), tool(weather)]
    told = await run(("fail", "{}"), ("weather", '{"city": "Oslo"}'), tools=tools)
    assert told == ["fail failed unexpectedly.", "Oslo 1 celsius"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "the secret cause" in str(record.exc_info[1])


async def test_a_function_that_fails_before_it_waits_leaves_the_others_alone() -> None:
    def fail() -> Awaitable[str]:
        """Fail at once."""
        raise RuntimeError("at once")

    told = await run(
        ("fail", "{}"), ("weather", '{"city": "Oslo"}'), tools=[tool(fail), tool(weather)]
    )
    assert told == ["fail failed unexpectedly.", "Oslo 1 celsius"]


@pytest.mark.parametrize(
    "call", [("weather", '{"city": "a\\u0000b"}'), ("weather", '{"city": "", "a\\u0000b": 1}')]
)
async def test_a_result_holds_nothing_that_no_database_takes(call: tuple[str, str]) -> None:
    [told] = await run(call, tools=[tool(weather)])
    assert "\0" not in told
    assert "ab" in told


async def test_cancellation_passes_through() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def sleep() -> str:
        """Sleep for ever."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return ""

    running = asyncio.create_task(run(("sleep", "{}"), tools=[tool(sleep)]))
    async with asyncio.timeout(60):
        await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stopped.is_set()


async def test_a_long_result_is_cut() -> None:
    async def recite(length: int) -> str:
        """Recite."""
        return "x" * length

    calls = [("recite", json.dumps({"length": length})) for length in (LIMIT, LIMIT + 1)]
    whole, cut = await run(*calls, tools=[tool(recite)])
    assert whole == "x" * LIMIT
    assert len(cut) == LIMIT
    assert cut.endswith("[The result is cut here.]")
