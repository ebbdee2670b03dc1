"""No answer of a model's server, whatever its shape, is more than an answer that failed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import ModelError
from core.llm._answer import MOST_TOOL_CALLS, Answer
from core.llm._events import Reader
from core.llm._stream import Event, Lost
from core.messages import Text, ToolCall
from tests.core.streams import delta
from tests.fakes.rubbish import SHAPES
from tests.hostile import Json, Spoiler, is_storable


def call(**function: Any) -> Json:
    return {"index": 0, "id": "call_1", "type": "function", "function": function}


USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
}
STREAM: list[Json] = [
    delta(role="assistant", content="", reasoning_content="Well…"),
    delta(content="Hello"),
    delta(refusal="No."),
    delta(tool_calls=[call(name="search_history", arguments='{"query": ')]),
    delta(tool_calls=[call(arguments='"x"}')]),
    delta("tool_calls"),
    {"choices": [], "usage": USAGE, "meta": {"usage": {"usd_spent": 0.001}}},
]
BODY: Json = {
    "id": "1",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "tool_calls": [call(name="f")]},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}


def check(chunks: Iterator[str]) -> bool:
    """Read an answer, and return whether it is one. No error but the expected ones is raised."""
    answer = Answer("m", "key")
    try:
        events: list[Event] = [event for chunk in chunks for event in answer.feed(chunk)]
        events += answer.end()
    except (ModelError, ValueError):
        for lost in answer.lost():
            assert isinstance(lost, Lost)
        return False
    for event in events:
        if isinstance(event, Text):
            assert is_storable(event.text)
        if isinstance(event, ToolCall):
            assert all(map(is_storable, (event.id, event.name, event.arguments)))
    return True


@pytest.mark.slow
def test_a_spoilt_answer_is_read_or_fails_as_one() -> None:
    spoiler = Spoiler(17)
    whole = 0
    for _ in range(400):
        chunks = spoiler.spoil({"chunks": STREAM}).get("chunks")
        if isinstance(chunks, list):
            whole += check(map(json.dumps, chunks))
        whole += check(iter([json.dumps(spoiler.spoil(BODY))]))
    assert whole > 100


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_an_answer_of_a_wrong_shape_fails(body: bytes) -> None:
    for framed in (b"data: " + body + b"\n\n", body):

        def chunks(framed: bytes) -> Iterator[str]:
            reader = Reader()
            for piece in (framed, b""):
                yield from reader.feed(piece)

        assert not check(chunks(framed))


def test_tool_calls_have_a_bound() -> None:
    many = [
        {"index": number, "id": f"{number}", "function": {"name": "f"}} for number in range(999)
    ]
    answer = Answer("m", "key")
    list(answer.feed(json.dumps(delta("tool_calls", tool_calls=many))))
    assert sum(isinstance(event, ToolCall) for event in answer.end()) == MOST_TOOL_CALLS
    few = [{**each, "id": "\0\ud800" + "x" * 999} for each in many[:MOST_TOOL_CALLS]]
    assert check(iter([json.dumps(delta("tool_calls", tool_calls=few))]))
