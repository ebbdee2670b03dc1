"""The model client speaks the dialect of every known service, and learns it from refusals."""

import json
import math
from collections.abc import AsyncIterator
from contextlib import aclosing, nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ModelBroke, ModelGone, ModelRejected
from core.llm import LLM, Event, Unsaid
from core.llm._thoughts import Thinking
from core.messages import (
    ChatMessage,
    Finish,
    Text,
    Thought,
    ToolCall,
    Usage,
    assistant,
    user,
)
from tests.core.streams import (
    Step,
    asking,
    chunk,
    delta,
    head,
    hear,
    heard_from,
    raw,
    receiving,
    sse,
    text_of,
)
from tests.fakes.model import SERVICES, Answer, Fault, ModelServer, Raw

TOOL = {
    "type": "function",
    "function": {
        "name": "search",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    },
}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PDF = {"type": "file", "file": {"file_data": "JVBERi0xLjc=", "filename": "a.pdf"}}


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
async def model(request: pytest.FixtureRequest) -> AsyncIterator[ModelServer]:
    async with ModelServer(service=request.param) as server:
        yield server


async def ask(llm: LLM, *messages: ChatMessage, **more: Any) -> list[Event]:
    heard: list[Event] = []
    async with aclosing(llm.stream(list(messages), request_id="test", **more)) as events:
        async for event in events:
            heard.append(event)  # noqa: PERF401 - as it comes
    return heard


def said(call: ToolCall, thoughts: str = "") -> ChatMessage:
    function = {"name": call.name, "arguments": call.arguments}
    message: ChatMessage = {
        "role": "assistant",
        "tool_calls": [{"id": call.id, "type": "function", "function": function}],
    }
    return {**message, "reasoning_content": thoughts} if thoughts else message


def result(call: ToolCall, text: str) -> ChatMessage:
    return {"role": "tool", "tool_call_id": call.id, "content": text}


def only(kind: type[Any], events: list[Event]) -> Any:
    [found] = [event for event in events if isinstance(event, kind)]
    return found


# The services, one after the other


async def test_every_service_answers_questions_with_tools_and_pictures(model: ModelServer) -> None:
    async with asking(model.url, temperature=0.5) as llm:
        model.enqueue("Zürich is a town.", Answer("", tool_calls=[("search", {"query": "Bern"})]))
        first = await ask(llm, user("What is Zürich?"))
        assert text_of(first) == "Zürich is a town."
        assert isinstance(first[-1], Finish)

        question = user("What did I say of Bern?")
        called = await ask(llm, question, tools=[TOOL])
        if any(isinstance(event, ToolCall) for event in called):
            call = only(ToolCall, called)
            assert json.loads(call.arguments) == {"query": "Bern"}
            thoughts = "".join(each.text for each in called if isinstance(each, Thought))
            told = [question, said(call, thoughts), result(call, "It is a town.")]
            model.enqueue("That it is a town.")
            last = await ask(llm, *told, tools=[TOOL], may_call=False)
            assert text_of(last) == "That it is a town."
            # A later turn: nothing of the thoughts is sent.
            later = [question, said(call), result(call, "It is a town."), assistant("Yes.")]
            model.enqueue("You are welcome.")
            assert (
                text_of(await ask(llm, *later, user("Thanks!"), tools=[TOOL])) == "You are welcome."
            )

        model.enqueue("A picture.")
        shown: ChatMessage = {"role": "user", "content": [{"type": "text", "text": "See"}, PICTURE]}
        assert text_of(await ask(llm, shown)) == "A picture."


async def test_every_service_is_refused_nothing_twice(model: ModelServer) -> None:
    async with asking(model.url, temperature=0.5) as llm:
        await ask(llm, user("One"), tools=[TOOL])
        before = len(model.requests)
        await ask(llm, user("Two"), tools=[TOOL])
    assert len(model.requests) == before + 1


COSTS = {"AI/ML API", "xAI", "OpenRouter"}


async def test_every_service_tells_its_usage_and_perhaps_its_cost(
    model: ModelServer, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["model"].name
    async with asking(model.url) as llm:
        model.enqueue("One two three")
        heard = await ask(llm, user("Count"))
    told = [event for event in heard if isinstance(event, Usage)]
    if name == "llama.cpp":  # it was asked for none
        assert not told
        return
    [usage] = told
    sent = model.requests[-1]
    assert usage.prompt_tokens == sent.prompt_tokens
    thoughts = 100 if name == "xAI" else 0
    assert usage.completion_tokens == len(["One", "two", "three"]) + thoughts
    spent = math.ceil(sent.usd_spent * 10**6)
    assert usage.cost == (spent if name in COSTS else None)


async def test_every_service_tells_an_unknown_model_in_its_words(model: ModelServer) -> None:
    message = "The model `nobody/nothing` does not exist or you do not have access to it"
    for status in (400, 404):
        model.enqueue(Fault(status, message=message))
        async with asking(model.url) as llm:
            with pytest.raises(ModelGone, match="MODEL is wrong"):
                await ask(llm, user("Hello"))
    assert len(model.requests) <= 4  # a form may be refused first


# Streams


ODD: dict[str, bytes] = {
    "a byte order mark": b"\xef\xbb\xbf" + sse(delta("stop", content="Hello")),
    "one line end between events": b"".join(
        sse(each, done=False).replace(b"\n\n", b"\n")
        for each in (delta(content="Hel"), delta(content="lo"), delta("stop"))
    ),
    "data on the next line": sse(delta("stop", content="Hello")).replace(b"data: {", b"data:\n{"),
    "parts": sse(delta(content=[{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]),
        delta("stop")),
    "capitals": sse(delta("STOP", content="Hello")),
    "a clean end without a word": sse(
        *({"choices": [{"delta": {"content": text}}]} for text in ("Hel", "lo")), done=False
    ),
    "thoughts between tags": sse(
        delta(content="<think>Hm.</think>\n\nHel"), delta("stop", content="lo")
    ),
    "thoughts of another name": sse(delta("stop", content=" <reasoning>Hm.</reasoning>Hello")),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", "application/json", ""])
async def test_odd_streams_of_any_type_are_understood(odd: str, kind: str) -> None:
    for size in (1, 7, 10_000):
        data = ODD[odd]
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        heard = await heard_from(*pieces, headers={"Content-Type": kind})
        assert text_of(heard) == "Hello"
        assert heard[-1] == Finish("stop")


async def test_a_model_that_says_why_it_ends_has_broken_off_if_it_does_not() -> None:
    ended, broken = sse(delta("stop", content="Whole")), sse(delta(content="Ha"), done=False)
    async with ModelServer() as model, asking(model.url, patience_seconds=0.0) as llm:
        model.enqueue(*map(Raw, (broken, broken, ended, broken, broken)))
        for each in ("one", "another"):
            with pytest.raises(ModelBroke):
                await hear(llm, request_id=each)
        assert text_of(await hear(llm, request_id="one")) == "Whole"
        for _ in range(2):
            with pytest.raises(ModelBroke):
                await hear(llm, request_id="another")


async def test_a_model_that_has_room_for_a_reason_but_tells_none_is_asked_once_more() -> None:
    silent, ended = sse(delta(content="Hello"), done=False), sse(delta("stop", content="Hello"))
    async with ModelServer() as model, asking(model.url, patience_seconds=0.0) as llm:
        model.enqueue(*map(Raw, (silent, silent, silent, ended, silent)))
        for broke in (True, False, False, False, True):
            with pytest.raises(ModelBroke) if broke else nullcontext():
                assert text_of(await hear(llm)) == "Hello"


async def test_a_sum_alone_at_the_end_says_that_nothing_is_missing() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    data = sse(delta(content="Hello"), {"choices": [], "usage": usage}, done=False)
    assert text_of(await heard_from(data)) == "Hello"


async def test_an_answer_does_not_undo_what_a_later_one_has_taught() -> None:
    silent, ended = sse(delta(content="Hello"), done=False), sse(delta("stop", content="Hello"))
    async with ModelServer() as model, asking(model.url, patience_seconds=0.0) as llm:
        model.enqueue(*map(Raw, (silent, ended, silent)))
        async with aclosing(llm.stream([user("Go")], request_id="test")) as early:
            await anext(early)
            assert text_of(await hear(llm)) == "Hello"
            with pytest.raises(ModelBroke):
                async for _ in early:
                    pass
        with pytest.raises(ModelBroke):
            await hear(llm)


# Thoughts


@given(
    thought=st.text("ab<>/think\n` ", max_size=30),
    answer=st.text("ab<>/think\n ", min_size=1, max_size=30),
    size=st.integers(1, 9),
)
def test_thoughts_are_told_apart_however_they_are_cut(thought: str, answer: str, size: int) -> None:
    thought = thought.replace("</think>", "")
    text = f"<think>{thought}</think>{answer}"
    thinking = Thinking()
    heard: list[Text | Thought | Unsaid] = []
    for at in range(0, len(text), size):
        heard += thinking.feed(text[at : at + size])
    heard += thinking.end()
    if "</think" in thought + answer or "<think" in answer or "<tho" in answer:
        return  # a text of tags has no one meaning
    assert "".join(each.text for each in heard if isinstance(each, Thought)) == thought
    shown = "".join(each.text for each in heard if isinstance(each, Text))
    assert shown == answer.lstrip()


async def test_thoughts_without_an_opening_tag_are_taken_back_once() -> None:
    stream = sse(delta(content="Let me see.\n</think>\n"), delta("stop", content="Hello"))
    async with receiving(stream) as llm:
        first, second = await hear(llm), await hear(llm)
    assert [type(event) for event in first if isinstance(event, Text | Unsaid)] == [
        Text,
        Unsaid,
        Text,
    ]
    assert text_of(second) == "Hello"
    assert not any(isinstance(event, Unsaid) for event in second)


@pytest.mark.parametrize(
    "text",
    [
        "The tag `<think>` opens, `</think>` closes.",
        "```\n</think>\n```\n",
        "Use <think> and </think> in one line.",
        "a <think>b",
    ],
)
async def test_tags_that_people_talk_about_stay(text: str) -> None:
    assert text_of(await heard_from(sse(delta("stop", content=text)))) == text


@pytest.mark.parametrize("reason", ["stop", "length"])
@pytest.mark.parametrize(
    "thought", [delta(content="<think>Hm"), delta(reasoning_content="Hm"), delta(reasoning="Hm")]
)
async def test_an_answer_of_thoughts_alone_ends_as_one(thought: Any, reason: str) -> None:
    heard = await heard_from(sse(thought, delta(reason)))
    assert heard[-1] == Finish("thoughts")
    assert text_of(heard) == ""


async def test_thoughts_keep_an_answer_alive() -> None:
    script: list[Step] = [head()]
    for number in range(10):
        script += [chunk(sse(delta(reasoning_content=f"{number} "), done=False)), 0.1]
    script += [chunk(sse(delta("stop", content="At last."))), chunk(b"")]
    async with raw(script) as server, asking(server.url, first_token_seconds=0.4) as llm:
        assert text_of(await hear(llm)) == "At last."
    assert len(server.requests) == 1


# Tool calls that are written as text


WRITTEN = {
    "hermes": '<tool_call>\n{"name": "search", "arguments": {"query": "Bern"}}\n</tool_call>',
    "llama": '<function=search>{"query": "Bern"}</function>',
    "xai": '<xai:function_call name="search"><parameter name="query">Bern</parameter>'
    "</xai:function_call>",
    "qwen coder": "<tool_call>\n<function=search>\n<parameter=query>\nBern\n</parameter>\n"
    "</function>\n</tool_call>",
    "mistral": '[TOOL_CALLS] [{"name": "search", "arguments": {"query": "Bern"}}]',
    "bare": '{"name": "search", "parameters": {"query": "Bern"}}',
    "a list": '[{"name": "search", "arguments": "{\\"query\\": \\"Bern\\"}"}]',
    "in code": '```json\n{"tool_calls": [{"function": {"name": "search",'
    ' "arguments": {"query": "Bern"}}}]}\n```',
    "openai": '<function_call>{"name": "search", "arguments": {"query": "Bern"}}</function_call>',
}


@pytest.mark.parametrize("form", WRITTEN)
@pytest.mark.parametrize("before", ["", "I will look.\n"])
async def test_a_written_call_is_carried_out_and_not_shown(form: str, before: str) -> None:
    if before and form in ("bare", "a list", "in code"):
        return
    text = before + WRITTEN[form]
    chunks = [delta(content=text[at : at + 3]) for at in range(0, len(text), 3)]
    async with receiving(sse(*chunks, delta("stop"))) as llm:
        heard = await hear(llm, tools=[TOOL])
    call = only(ToolCall, heard)
    assert (call.name, json.loads(call.arguments)) == ("search", {"query": "Bern"})
    assert text_of(heard) == before.rstrip()
    assert heard[-1] == Finish("tool_calls")


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "age": 36}',
        '[{"id": 1}, {"id": 2}]',
        '```json\n{"type": "cat"}\n```',
        "{curly}",
        "[a link](https://example.org)",
        "`<tool_call>` is a tag.",
        "```\n<tool_call>\n```",
        "1 < 2\n<b>bold</b>",
        '{"tool_calls": ' * 100 + '{"name": "search", "parameters": {"query": "Bern"}}' + "}" * 100,
    ],
)
async def test_an_answer_that_only_looks_like_a_call_is_shown(text: str) -> None:
    chunks = [delta(content=each) for each in text]
    async with receiving(sse(*chunks, delta("stop"))) as llm:
        heard = await hear(llm, tools=[TOOL])
    assert text_of(heard) == text
    assert heard[-1] == Finish("stop")


async def test_a_call_that_fits_no_tool_is_left_out_after_one_more_try() -> None:
    nonsense = Raw(sse(delta("stop", content='<tool_call>{"name": "rm"}</tool_call>')))
    async with ModelServer() as model, asking(model.url) as llm:
        model.enqueue(nonsense, nonsense)
        heard = await hear(llm, tools=[TOOL])
        assert len(model.requests) == 2
    assert text_of(heard) == ""
    assert heard[-1] == Finish("stop")


# Pictures and files for a model that takes none


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (PICTURE, "This model does not support image input."),
        (PICTURE, "image_url is only supported by certain models"),
        (PDF, "Invalid content type: file is not supported"),
    ],
)
async def test_what_a_model_cannot_take_becomes_a_short_text(block: Any, message: str) -> None:
    content = [{"type": "text", "text": "See"}, block]
    async with ModelServer() as model, asking(model.url) as llm:
        model.enqueue(Fault(400, message=message), "I see nothing.")
        heard = await ask(llm, {"role": "user", "content": content})
        told = model.requests[-1].messages[0]["content"]
    assert text_of(heard) == "I see nothing."
    assert [part["type"] for part in told] == ["text", "text"]


@pytest.mark.parametrize("said", ["Which tools and functions have you?", "Draw me an image of it"])
async def test_what_a_refusal_quotes_takes_nothing_from_others(said: str) -> None:
    content: Any = [{"type": "text", "text": said}, PICTURE]
    async with ModelServer() as model, asking(model.url) as llm:
        model.enqueue(Fault(400, message=f"Invalid input: {said}"), "I see.")
        with pytest.raises(ModelRejected):
            await ask(llm, {"role": "user", "content": content}, tools=[TOOL])
        await ask(llm, {"role": "user", "content": content}, tools=[TOOL])
        refused, answered = (request.body for request in model.requests)
    assert refused == answered


async def test_a_refusal_that_names_nothing_known_is_one() -> None:
    async with ModelServer() as model, asking(model.url) as llm:
        model.enqueue(Fault(400, message="seed must be positive"))
        with pytest.raises(ModelRejected):
            await hear(llm)
    assert len(model.requests) == 1
