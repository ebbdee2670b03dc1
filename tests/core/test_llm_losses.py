"""The client reports the received part of a failed request, because it is charged."""

from typing import Any

import pytest

from core.errors import ModelBroke, ModelBusy
from core.llm import Again, Answering, Event, Lost, Waiting
from core.messages import Finish, Text, Thought, ToolCall, Unseen, Usage, user
from tests.core.streams import asking, chunk, delta, head, hear, listen, raw, receiving, sse
from tests.fakes.model import MODEL, Answer, Fault, ModelServer

USED = {"prompt_tokens": 11, "completion_tokens": 3}
NAMED = [{"index": 0, "id": "1", "function": {"name": "clock", "arguments": '{"zone":'}}]
NAMELESS = [{"index": 1, "id": "2", "function": {"arguments": "{}"}}]


async def lost(*pieces: bytes, error: type[Exception] = ModelBusy) -> list[Event]:
    """Return the events of an answer that always fails, without its text."""
    heard: list[Event] = []
    async with receiving(*pieces) as llm:
        with pytest.raises(error):
            await listen(llm, heard)
    return [event for event in heard if not isinstance(event, Text | Answering)]


async def test_an_empty_answer_is_told_with_its_usage_and_cost(model: ModelServer) -> None:
    model.enqueue(Answer("", cost=0.000042), "Well.")
    async with asking(model.url) as llm:
        first, again, waiting, *rest = await hear(llm)
    assert isinstance(first, Lost)
    assert first.model == MODEL
    assert first.usage is not None
    assert first.usage.cost == 42
    assert first.usage.prompt_tokens == model.requests[0].prompt_tokens
    assert (again, waiting) == (Again(), Waiting(0.0))
    assert (rest[0], rest[-1]) == (Answering(MODEL), Finish("stop"))


async def test_half_a_tool_call_is_told_as_it_came() -> None:
    half = head() + chunk(sse(delta(tool_calls=NAMED), done=False))
    whole = head() + chunk(sse(delta("stop", content="Noon."))) + chunk(b"")
    async with raw([half, None], [whole]) as server, asking(server.url) as llm:
        heard = await hear(llm)
    assert heard == [
        Lost(MODEL, None, 'clock{"zone":'),
        Again(),
        Waiting(0.0),
        Answering(MODEL),
        Text("Noon."),
        Finish("stop"),
    ]


async def test_after_the_last_try_nobody_is_asked_again() -> None:
    usage = {"choices": [], "usage": USED, "meta": {"usage": {"usd_spent": 0.000009}}}
    assert await lost(sse(delta("stop"), usage)) == [Lost(MODEL, Usage(11, 3, cost=9), "")]


async def test_a_text_that_breaks_is_told_too() -> None:
    heard = await lost(sse(delta(content="Half an "), "{"), error=ModelBroke)
    assert heard == [Lost(MODEL, None, "Half an ")]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_thoughts_are_charged_though_nobody_sees_them(key: str) -> None:
    assert await lost(sse(delta(**{key: "Hm."}), done=False)) == [Lost(MODEL, None, "Hm.")]
    odd: Any = {"text": "Hm."}
    assert await lost(sse(delta(**{key: odd}), done=False)) == []


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_unseen_pieces_are_told_at_once_because_somebody_may_stop_the_answer(
    key: str,
) -> None:
    pieces = [
        chunk(sse(each, done=False)) for each in (delta(**{key: "Hm."}), delta(tool_calls=NAMED))
    ]
    async with raw([head(), *pieces, 60.0]) as server, asking(server.url) as llm:
        events = llm.stream([user("Go")], request_id="test")
        assert [await anext(events), await anext(events)] == [
            Thought("Hm."),
            Unseen('clock{"zone":'),
        ]
        await events.aclose()


async def test_no_call_of_an_answer_that_went_wrong_is_carried_out() -> None:
    heard = await lost(sse(delta("tool_calls", tool_calls=[*NAMED, *NAMELESS])))
    assert not any(isinstance(event, ToolCall) for event in heard)
    assert heard == [Lost(MODEL, None, 'clock{"zone":{}')]


@pytest.mark.parametrize("fault", [Fault(503), Fault(drop=True), Answer("Hi", error_after=0)])
async def test_an_empty_answer_is_no_loss(model: ModelServer, fault: Fault | Answer) -> None:
    model.enqueue(fault, "Well.")
    async with asking(model.url) as llm:
        assert not any(isinstance(event, Lost | Again) for event in await hear(llm))
