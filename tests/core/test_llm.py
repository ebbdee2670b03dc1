"""The model client sends the right request and understands every form of an answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.characters import clean
from core.errors import ModelBroke, ModelBusy, ModelError
from core.llm import LLM, Answering, Event, Lost
from core.messages import Finish, Text, ToolCall, Usage
from tests.core.streams import (
    Step,
    asking,
    chunk,
    delta,
    head,
    hear,
    heard_from,
    listen,
    raw,
    receiving,
    sse,
    text_of,
)
from tests.fakes.model import MODEL, Answer, ModelServer

TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
HELLO = delta(content="Hello")
STOP = delta("stop")
HEARD = [Answering(MODEL), Text("Hello"), Finish("stop")]


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def llm(model: ModelServer) -> AsyncIterator[LLM]:
    async with asking(model.url) as llm:
        yield llm


def calling(*pieces: Any) -> dict[str, Any]:
    return delta(tool_calls=list(pieces))


def call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


def using(**more: Any) -> dict[str, Any]:
    """A last chunk with usage and nothing else, as the API sends it."""
    return {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}, **more}


# What is sent


async def test_an_answer_comes_in_pieces_with_its_usage_and_its_end(
    model: ModelServer, llm: LLM
) -> None:
    model.enqueue(Answer("Hello, world!", usage=True, cost=0.0000123))
    answering, *texts, usage, finish = await hear(llm)

    assert answering == Answering(MODEL)
    assert len(texts) > 1
    assert text_of(texts) == "Hello, world!"
    assert usage == Usage(model.requests[0].prompt_tokens, len(texts), 0, cost=13)
    assert finish == Finish("stop")


async def test_a_request_holds_nothing_that_nobody_set(model: ModelServer, llm: LLM) -> None:
    await hear(llm)
    assert model.requests[0].body == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Go"}],
        "max_completion_tokens": 1000,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_a_request_holds_the_operators_settings(model: ModelServer) -> None:
    async with asking(model.url, temperature=0.0, top_p=0.5) as llm:
        await hear(llm, tools=[TOOL])
    body = model.requests[0].body
    assert (body["temperature"], body["top_p"], body["tools"]) == (0.0, 0.5, [TOOL])


@pytest.mark.parametrize(
    ("request_id", "arrives"),
    [("turn-7", "turn-7"), ("turn 7/ü", "turn-7--"), ("x" * 200, "x" * 128), ("", None)],
)
async def test_a_request_id_arrives_in_the_alphabet_that_is_kept(
    model: ModelServer, llm: LLM, request_id: str, arrives: str | None
) -> None:
    await hear(llm, request_id=request_id)
    assert model.requests[0].request_id == arrives


async def test_half_a_surrogate_pair_can_be_asked_about(model: ModelServer, llm: LLM) -> None:
    await hear(llm, "What is \ud83d?")
    assert model.requests[0].text == "What is ??"


async def test_an_endpoint_without_a_key_gets_none() -> None:
    response = head() + chunk(sse(HELLO, STOP)) + chunk(b"")
    async with raw([response]) as server, asking(server.url, key="") as llm:
        assert await hear(llm) == HEARD
    assert b"authorization" not in server.requests[0].lower()


async def test_a_name_and_a_password_in_the_url_are_a_login() -> None:
    response = head() + chunk(sse(HELLO, STOP)) + chunk(b"")
    login = "://ada:p%40ss@"
    async with raw([response]) as server, asking(server.url.replace("://", login)) as llm:
        assert await hear(llm) == HEARD
    assert b"\r\nauthorization: basic ywrhonbac3m=\r\n" in server.requests[0].lower()


async def test_tool_calls_come_whole_before_the_end(model: ModelServer, llm: LLM) -> None:
    calls = [("clock", {"city": "Zürich", "why": "because"}), ("clock", {})]
    model.enqueue(Answer("Let me see.", tool_calls=calls))
    events = await hear(llm, tools=[TOOL])

    assert text_of(events) == "Let me see."
    told = [event for event in events if isinstance(event, ToolCall)]
    assert [json.loads(each.arguments) for each in told] == [calls[0][1], {}]
    assert len({each.id for each in told}) == 2
    assert events[-1] == Finish("tool_calls")


async def test_a_connection_is_kept_for_the_next_request() -> None:
    response: list[Step] = [head() + chunk(sse(HELLO, STOP)), 0.01, chunk(b"")]
    async with raw(response, response) as server, asking(server.url) as llm:
        assert await hear(llm) == await hear(llm) == HEARD
    assert (len(server.requests), server.connections) == (2, 1)


async def test_a_response_that_never_ends_does_not_hold_up_its_answer() -> None:
    async with raw([head() + chunk(sse(HELLO, STOP)), 60.0]) as server, asking(server.url) as llm:
        async with asyncio.timeout(30):
            assert await hear(llm) == HEARD


# Bytes cut anywhere

SHOWPIECE = sse(
    delta(role="assistant", content=""),
    delta(content="Zürich \u2028\u2029 \U0001f468\u200d\U0001f469"),
    json.dumps(delta(content="\ud83d")),
    json.dumps(delta(content="\ude00!")),
    calling(call("clock", '{"city"', index=0, id="a")),
    json.dumps(calling(call("", ':"Bern"}', index=0)), indent=1),
    delta("tool_calls"),
    using(meta={"usage": {"usd_spent": 0.5}}),
)
SHOWN = [
    Answering(MODEL),
    Text("Zürich \u2028\u2029 \U0001f468\u200d\U0001f469"),
    Text("\U0001f600!"),
    ToolCall("a", "clock", '{"city":"Bern"}'),
    Usage(10, 5, 0, cost=500_000),
    Finish("tool_calls"),
]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(each % len(data) for each in at), len(data)]
    return [data[start:end] for start, end in pairwise(places) if start < end]


def disturbed(data: bytes, newline: bytes) -> bytes:
    """The same events among comments, blank lines and fields that are of no use."""
    noise = b": keep-alive\n\n\n\nevent: message\nid: 7\nretry: 9\nunknown\n"
    events = data.removesuffix(b"\n\n").split(b"\n\n")
    return b"".join(noise + event + b"\n\n" for event in events).replace(b"\n", newline)


@example(at=[*range(5000)], noisy=True, newline=b"\r\n")
@example(at=[*range(5000)], noisy=True, newline=b"\r")
@example(at=[*range(5000)], noisy=True, newline=b"\n")
@given(
    at=st.lists(st.integers(0, 5000), max_size=60),
    noisy=st.booleans(),
    newline=st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
@pytest.mark.slow
def test_an_answer_is_the_same_however_its_bytes_are_cut(
    at: list[int], noisy: bool, newline: bytes
) -> None:
    data = disturbed(SHOWPIECE, newline) if noisy else SHOWPIECE.replace(b"\n", newline)
    assert asyncio.run(heard_from(*cut(data, at))) == SHOWN


@given(text=st.text(min_size=1), size=st.integers(1, 9))
@pytest.mark.slow
def test_any_text_arrives_as_it_was_sent(text: str, size: int) -> None:
    data = sse(delta(content=text), delta(content="."), STOP)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert text_of(asyncio.run(heard_from(*pieces))) == clean(text) + "."


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_a_real_connection_may_cut_anywhere(model: ModelServer, llm: LLM, size: int) -> None:
    text = "Grüße aus Zürich \U0001f600 \u2028 und zurück"
    model.enqueue(Answer(text, chunk=size, crlf=True, comments=True))
    assert text_of(await hear(llm)) == text


# What servers do


ODD_STREAMS: dict[str, bytes] = {
    "no [DONE]": sse(HELLO, STOP, done=False),
    "no end of the last event": sse(HELLO, STOP, done=False)[:-2],
    "[DONE] without a reason": sse(HELLO),
    "something after [DONE]": sse(HELLO, STOP) + sse(HELLO),
    "empty data": sse("", HELLO, "", STOP),
    "nulls": sse(
        delta(content=None, refusal=None, tool_calls=None, role=None),
        {"choices": None, "usage": None, "meta": None, "error": None},
        {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
        HELLO,
        STOP,
    ),
    "unknown fields": sse({**HELLO, "x": [1], "system_fingerprint": "?"}, {"x": {}}, STOP),
    "a raw control character": sse('{"choices": [{"delta": {"content": "Hel\0lo"}}]}', STOP),
    "a reason nobody knows": sse(HELLO, delta("end_turn")),
    "bytes that are no UTF-8": sse('{"x": "?"}', HELLO, STOP).replace(b"?", b"\xff"),
    "usage without sense": sse(HELLO, STOP, {"usage": {"prompt_tokens": -1}}),
    "usage of a wrong type": sse(HELLO, STOP, {"usage": "much", "meta": [1]}),
    "usage in part": sse(HELLO, STOP, {"usage": {"completion_tokens": 3}}),
}


@pytest.mark.parametrize("odd", ODD_STREAMS)
async def test_odd_streams_are_understood(odd: str) -> None:
    assert await heard_from(ODD_STREAMS[odd]) == HEARD


USAGES: dict[str, tuple[list[dict[str, Any]], Usage]] = {
    "in a chunk of its own": ([using()], Usage(10, 5)),
    "with its cost": ([using(meta={"usage": {"usd_spent": 0.5}})], Usage(10, 5, 0, 500_000)),
    "before its cost": ([using(), {"meta": {"usage": {"usd_spent": 1}}}], Usage(10, 5, 0, 10**6)),
    "after its cost": ([{"meta": {"usage": {"usd_spent": 1}}}, using()], Usage(10, 5, 0, 10**6)),
    "in every chunk": ([using(), {"usage": {"prompt_tokens": 10, "completion_tokens": 6.0}}],
        Usage(10, 6)),
    "once with sense": ([using(), {"usage": {"prompt_tokens": None}}], Usage(10, 5)),
    "with more cached than sent": (
        [{"usage": {"prompt_tokens": 55, "completion_tokens": 1,
                    "prompt_tokens_details": {"cached_tokens": 129}}}],
        Usage(55, 1, 129),
    ),
    "with cached tokens of no sense": (
        [{"usage": {"prompt_tokens": 55, "completion_tokens": 1,
                    "prompt_tokens_details": {"cached_tokens": "all"}}}],
        Usage(55, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", USAGES)
async def test_usage_is_found_wherever_it_comes(place: str) -> None:
    chunks, usage = USAGES[place]
    assert await heard_from(sse(HELLO, STOP, *chunks)) == [*HEARD[:-1], usage, HEARD[-1]]


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        (0, 0),
        ("0.25", 250_000),
        (0.0000001, 1),
        ("0.0000010001", 2),
        (1e-300, 1),
        (-1, None),
        ("-0.5", None),
        (float("nan"), None),
        ("NaN", None),
        ("sNaN", None),
        (float("inf"), None),
        ("1e999999", None),
        ("much", None),
        ([1], None),
        (None, None),
    ],
)
async def test_a_cost_is_rounded_up_to_micro_dollars_or_ignored(
    told: object, cost: int | None
) -> None:
    events = await heard_from(sse(HELLO, STOP, using(meta={"usage": {"usd_spent": told}})))
    assert events[-2] == Usage(10, 5, 0, cost)


CALLS: dict[str, tuple[list[dict[str, Any]], list[ToolCall]]] = {
    "whole, without index": (
        [calling(call("f", "{}", id="a"), call("g", "[]", id="b"))],
        [ToolCall("a", "f", "{}"), ToolCall("b", "g", "[]")],
    ),
    "whole, all of index 0": (
        [calling(call("f", "1", id="a", index=0)), calling(call("g", "2", id="b", index=0))],
        [ToolCall("a", "f", "1"), ToolCall("b", "g", "2")],
    ),
    "in pieces that alternate": (
        [
            calling(call("f", "", id="a", index=0), call("g", "", id="b", index=1)),
            calling(call("", "[1", index=0), call("", "[2", index=1)),
            calling({"index": 1, "function": {"arguments": "]"}}),
            calling({"index": 0, "function": {"arguments": "]"}}),
        ],
        [ToolCall("a", "f", "[1]"), ToolCall("b", "g", "[2]")],
    ),
    "in pieces without index": (
        [calling(call("f", "[", id="a")), calling(call("", "1]"))],
        [ToolCall("a", "f", "[1]")],
    ),
    "with id and name in every piece": (
        [calling(call("f", "[", id="a", index=0)), calling(call("f", "]", id="a", index=0))],
        [ToolCall("a", "f", "[]")],
    ),
    "without arguments": ([calling(call("f", None, id="a"))], [ToolCall("a", "f", "{}")]),
    "with arguments as an object": (
        [calling(call("f", {"x": 1}, id="a"))],
        [ToolCall("a", "f", '{"x": 1}')],
    ),
    "without id": ([calling(call("f", "{}"))], [ToolCall("call00000", "f", "{}")]),
}


@pytest.mark.parametrize("kind", CALLS)
async def test_tool_calls_are_put_together(kind: str) -> None:
    chunks, calls = CALLS[kind]
    heard = [Answering(MODEL), *calls, Finish("tool_calls")]
    assert await heard_from(sse(*chunks, delta("tool_calls"))) == heard
    assert await heard_from(sse(*chunks, STOP)) == heard


@pytest.mark.parametrize("name", [None, "", "rm -rf", "x" * 65])
async def test_a_tool_call_without_a_proper_name_is_a_fault(name: str | None) -> None:
    chunks = [calling({"id": "a", "function": {"name": name}}), delta("tool_calls")]
    with pytest.raises(ModelBusy):
        await heard_from(sse(*chunks))
    with pytest.raises(ModelBroke):
        await heard_from(sse(HELLO, *chunks))


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_why_an_answer_ended_early_is_told_even_if_nothing_was_said(reason: str) -> None:
    assert (await heard_from(sse(HELLO, delta(reason))))[-1] == Finish(reason)
    assert await heard_from(sse(delta(reason))) == [Answering(MODEL), Finish(reason)]


async def test_a_refusal_is_text_that_ends_as_one(model: ModelServer, llm: LLM) -> None:
    model.enqueue(Answer("", refusal="I would rather not."))
    events = await hear(llm)
    assert text_of(events) == "I would rather not."
    assert events[-1] == Finish("refusal")


# A server that does not stream


def whole(**message: Any) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return {"object": "chat.completion", "choices": [choice], "usage": using()["usage"]}


async def json_from(body: Any, **headers: str) -> list[Event]:
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    given = {"Content-Type": "application/json", **headers}
    return await heard_from(data[:9], data[9:], headers=given)


async def test_a_whole_answer_is_understood_with_the_cost_in_its_headers() -> None:
    body = whole(content="Hello", tool_calls=[call("f", "{}", id="a")])
    assert await json_from(body, **{"x-aimlapi-usd-spent": "0.0000021"}) == [
        Answering(MODEL),
        Text("Hello"),
        ToolCall("a", "f", "{}"),
        Usage(10, 5, 0, cost=3),
        Finish("tool_calls"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "overloaded"}},
        {},
        [],
        "",
        '{"choices": [',
        whole(content=""),
        whole(content=[7]),
    ],
    ids=repr,
)
async def test_a_body_that_is_no_answer_is_a_fault(body: Any) -> None:
    with pytest.raises(ModelBusy):
        await json_from(body)


# What no server should do

MALFORMED: list[Any] = [
    "{",
    "nonsense",
    '"text"',
    "[" * 100_000,
    "1" * 5000,
    {"choices": "x"},
    {"choices": {"0": {}}},
    {"choices": [1]},
    {"choices": [{"delta": "x"}]},
    delta(content=7),
    delta(content=[7]),
    delta(tool_calls={"0": {}}),
    delta(tool_calls=["x"]),
    calling({"function": "f"}),
    calling(call("f", 7, id="a")),
    calling({"id": 7, "function": {"name": "f"}}),
    {"choices": [{"finish_reason": 7}]},
    {"choices": [{"finish_reason": "error"}]},
    {"error": "overloaded"},
    {"error": {"error": {"error": [1]}}},
]


@pytest.mark.parametrize("chunk", MALFORMED, ids=lambda each: repr(each)[:40])
async def test_a_malformed_chunk_is_a_fault_before_and_after_the_first_token(chunk: Any) -> None:
    with pytest.raises(ModelBusy):
        await heard_from(sse(chunk, STOP))
    heard: list[Event] = []
    async with receiving(sse(HELLO, chunk, STOP)) as llm:
        with pytest.raises(ModelBroke):
            await listen(llm, heard)
    assert heard == [*HEARD[:2], Lost(MODEL, None, "Hello")]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["one line", "many lines"])
async def test_an_event_without_end_is_a_fault_before_it_fills_the_memory(end: bytes) -> None:
    with pytest.raises(ModelBusy, match="without end"):
        await heard_from(*[b"data: " + b"x" * 2**20 + end] * 9, sse(HELLO, STOP))


async def test_events_that_end_may_have_any_length_together() -> None:
    comment = sse({"choices": [], "padding": "x" * 2**20}, done=False)
    assert text_of(await heard_from(*[comment] * 6, sse(HELLO, STOP))) == "Hello"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "message", "content", "refusal", "tool_calls", "function", "name",
             "arguments", "index", "id", "finish_reason", "usage", "prompt_tokens", "meta",
             "completion_tokens", "prompt_tokens_details", "usd_spent", "error"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.slow
@given(chunks=st.lists(ANY_JSON, max_size=3), data=st.binary(max_size=20))
@settings(max_examples=300)
def test_nothing_a_server_sends_raises_anything_but_a_model_error(
    chunks: list[Any], data: bytes
) -> None:
    deltas = [{"choices": [{"delta": each, "finish_reason": each}]} for each in chunks]
    for told in (chunks, deltas, [{"choices": chunks}, {"usage": chunks, "meta": chunks}]):
        with suppress(ModelError):
            asyncio.run(heard_from(sse(*told) + data))
