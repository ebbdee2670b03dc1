"""The model server keeps the promises that the other tests build on, seen through httpx."""

import asyncio
import base64
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from bots.trust import trust
from tests.fakes.model import MODEL, Answer, Fault, ModelServer

PATH = "/chat/completions"
PNG = "data:image/png;base64," + base64.b64encode(b"a picture").decode()
PDF = base64.b64encode(b"%PDF-1.7 a paper").decode()
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def client(model: ModelServer) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer test-key"}
    async with httpx.AsyncClient(
        base_url=model.url, headers=headers, verify=trust(), timeout=10
    ) as client:
        yield client


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def asking(*said: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [user(each) if isinstance(each, str) else each for each in said]
    return {"model": MODEL, "messages": messages, **more}


async def ask(client: httpx.AsyncClient, *said: str | dict[str, Any], **more: Any) -> str:
    answer = await client.post(PATH, json=asking(*said, **more))
    content: str = answer.raise_for_status().json()["choices"][0]["message"]["content"]
    return content


async def stream(client: httpx.AsyncClient, said: str = "Go", **more: Any) -> list[Any]:
    """Return the chunks of a streamed answer; one that is not JSON stays a string."""
    body = asking(said, stream=True, **more)
    async with aconnect_sse(client, "POST", PATH, json=body) as source:
        return [decoded(event) async for event in source.aiter_sse()]


def decoded(event: ServerSentEvent) -> Any:
    try:
        return event.json()
    except json.JSONDecodeError:
        return event.data


def text(chunks: list[Any]) -> str:
    choices = [choice for chunk in chunks if isinstance(chunk, dict) for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices)


async def until_broken(client: httpx.AsyncClient, read: float = 10.0) -> bytes:
    """Return the part of a stream that arrives before it fails, as it must."""
    got = b""
    body = asking("Go", stream=True)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):  # noqa: PT012 - at any piece
        async with client.stream("POST", PATH, json=body, timeout=read) as response:
            async for piece in response.aiter_raw():
                got += piece
    return got


# Answers


async def test_whole_answer(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue("Good day")
    answer = await client.post(PATH, json=asking("Hi"), headers={"X-Client-Request-Id": "turn:7.1"})
    body = answer.json()
    assert (body["object"], body["model"]) == ("chat.completion", "grok-4-fast-non-reasoning")
    assert body["choices"] == [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Good day", "refusal": None},
        }
    ]
    assert body["usage"]["total_tokens"] == 5 + 2
    assert answer.headers["x-client-request-id"] == "turn:7.1"
    assert answer.headers["x-inference-id"]
    assert answer.headers["x-aimlapi-usd-spent"] == "0.00000200"
    assert answer.headers["x-aimlapi-credits-used"] == "4"
    [call] = model.requests
    assert (call.request_id, call.status, call.finished) == ("turn:7.1", 200, True)


async def test_streamed_answer(model: ModelServer, client: httpx.AsyncClient) -> None:
    said = "Grüße 👋🏽 from a model, token by token.\n\n  Indented."
    model.enqueue(said)
    *chunks, last, done = await stream(client, stream_options={"include_usage": True})
    assert text(chunks) == said
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert "meta" not in chunks[-1]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == len(chunks) - 2
    assert last["meta"]["usage"]["usd_spent"] == float(model.requests[0].usd_spent) > 0
    assert done == "[DONE]"


async def test_stream_without_usage_tells_the_cost_at_its_end(client: httpx.AsyncClient) -> None:
    *_, last, _done = await stream(client)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in last
    assert last["meta"]["usage"]["usd_spent"] > 0


async def test_usage_and_cost_can_be_scripted(
    model: ModelServer, client: httpx.AsyncClient
) -> None:
    details = {"cached_tokens": 129}
    odd = {"prompt_tokens": 55, "completion_tokens": 0, "prompt_tokens_details": details}
    model.enqueue(Answer("x", usage=False, cost=False), Answer("x", usage=odd, cost=0.25))
    bare = await client.post(PATH, json=asking("Go"))
    assert "usage" not in bare.json()
    assert "x-aimlapi-usd-spent" not in bare.headers
    scripted = await client.post(PATH, json=asking("Go"))
    assert scripted.json()["usage"] == odd
    assert scripted.headers["x-aimlapi-usd-spent"] == "0.25"


async def test_length_is_limited_in_tokens(client: httpx.AsyncClient) -> None:
    body = asking("say one two three four", max_completion_tokens=2)
    choice = (await client.post(PATH, json=body)).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two", "length")


async def test_tool_calls_come_in_pieces(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("", tool_calls=[("clock", {"zone": "Europe/Vienna"}), CALL]))
    chunks = await stream(client, tools=[TOOL])
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    parts = [part for delta in deltas for part in delta.get("tool_calls", [])]
    first = [part for part in parts if part["index"] == 0]
    assert first[0]["function"]["name"] == "clock"
    assert len(first) > 3
    arguments = "".join(part["function"]["arguments"] for part in first)
    assert json.loads(arguments) == {"zone": "Europe/Vienna"}
    assert [part["id"] for part in parts if "id" in part] == ["call_1_0", "call_1"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


async def test_refusal_and_finish_reason(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("", refusal="No", finish_reason="content_filter"))
    *_, refusal, end, _done = await stream(client)
    assert refusal["choices"][0]["delta"]["refusal"] == "No"
    assert end["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("chunk", [1, 3, 7, 10_000])
async def test_any_split_of_the_bytes(
    model: ModelServer, client: httpx.AsyncClient, chunk: int
) -> None:
    said = "Grüße 👋🏽 \N{LINE SEPARATOR} there"
    model.enqueue(Answer(said, chunk=chunk, crlf=True, comments=True))
    async with client.stream("POST", PATH, json=asking("Go", stream=True)) as response:
        pieces = [piece async for piece in response.aiter_raw()]
    assert max(map(len, pieces)) <= chunk
    raw = b"".join(pieces)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b": keep-alive\r\n\r\n" in raw
    lines = raw.decode().split("\r\n")
    data = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert text(data) == said


# Faults


async def test_cut_stream(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("Once upon a time", pieces=["Once upon", " a time"], cut_after=7))
    raw = await until_broken(client)
    chunks = [json.loads(line[6:]) for line in raw.decode().splitlines() if line]
    assert text(chunks) == "Once up"
    await model.wait(lambda: model.requests[0].cut)
    assert model.requests[0].usd_spent == 0


async def test_silent_stream(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("Once upon", stall_after=4))
    raw = await until_broken(client, read=0.2)
    assert b'"Once"' in raw
    assert b"upon" not in raw
    await model.wait(lambda: model.requests[0].cut)


async def test_error_in_mid_stream(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("Once upon", error_after=4))
    *chunks, error = await stream(client)
    assert text(chunks) == "Once"
    assert error["error"]["message"]


async def test_malformed_event(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("Once upon", malformed_after=4))
    chunks = await stream(client)
    assert '{"id": "chatcmpl-' in chunks
    assert text(chunks) == "Once upon"


async def test_stream_without_done(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("Once", done=False))
    assert (await stream(client))[-1] != "[DONE]"


async def test_whole_answers_break_too(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Answer("x", error_after=0), Answer("x", malformed_after=0))
    assert "error" in (await client.post(PATH, json=asking("Go"))).json()
    with pytest.raises(json.JSONDecodeError):
        (await client.post(PATH, json=asking("Go"))).json()
    model.enqueue(Answer("x", cut_after=0), Answer("x", stall_after=0))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(PATH, json=asking("Go"))
    with pytest.raises(httpx.ReadTimeout):
        await client.post(PATH, json=asking("Go"), timeout=httpx.Timeout(60, read=0.2))


async def test_faults(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Fault(429, retry_after=1), Fault(503, html=True), Fault(429, retry_after_date=5))
    limited = await client.post(PATH, json=asking("Go"))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
    assert sorted(limited.json()) == ["message", "path", "requestId", "statusCode", "timestamp"]
    assert limited.json()["path"] == "/v1/chat/completions"
    page = await client.post(PATH, json=asking("Go"))
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    asked = datetime.now(UTC)
    dated = await client.post(PATH, json=asking("Go"))
    early = parsedate_to_datetime(dated.headers["retry-after"]) - timedelta(seconds=5)
    assert asked <= early <= datetime.now(UTC) + timedelta(seconds=1)
    assert model.requests[0].finished


async def test_no_response_at_all(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Fault(drop=True), Fault(stall=True), "and then one")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(PATH, json=asking("Go"))
    with pytest.raises(httpx.ReadTimeout):
        await client.post(PATH, json=asking("Go"), timeout=httpx.Timeout(60, read=0.2))
    await model.wait(lambda: all(call.cut for call in model.requests))
    assert await ask(client, "Go") == "and then one"


# Refusals

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({"messages": []}, "messages: Expected at least 1 item(s), received 0"),
    "unknown key": ({"user": "7"}, "received 'user'"),
    "stop": ({"stop": "x"}, "received 'stop'"),
    "no text": ({"messages": [user(3)]}, "messages.0.content: Expected array, received number"),
    "role": ({"messages": [{"role": "bot", "content": ""}]}, "messages.0.role: Expected 'system'"),
    "key of a message": ({"messages": [user("x") | {"id": 1}]}, "received 'id'"),
    "null content": (
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        "messages.0.content: Expected array, received null",
    ),
    "nothing said": (
        {"messages": [{"role": "assistant"}]},
        "messages.0.content: Expected content or tool_calls, received undefined",
    ),
    "half a character": ({"messages": [user("\ud83d")]}, "received a lone surrogate"),
    "svg": (
        {"messages": [user([{"type": "image_url", "image_url": {"url": "data:image/svg+xml,"}}])]},
        "messages.0.content.0.image_url.url: Expected",
    ),
    "image that is no base64": (
        {"messages": [user([{"type": "image_url", "image_url": {"url": PNG + "!"}}])]},
        "Expected base64, received",
    ),
    "file that is no PDF": (
        {"messages": [user([{"type": "file", "file": {"file_data": "aGVsbG8="}}])]},
        "Expected a base64 PDF, received",
    ),
    "tool answer to nothing": (
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "call_1"}]},
        "messages.0.tool_call_id: Expected the id of a preceding tool call, received 'call_1'",
    ),
    "tool answer to nobody": (
        {"messages": [{"role": "tool", "content": "x"}]},
        "messages.0.tool_call_id: Expected a value, received undefined",
    ),
    "unanswered call": (
        {"messages": [{"role": "assistant", "tool_calls": [CALL]}, user("x")]},
        "messages.1: Expected a tool message for call_1, received none",
    ),
    "hot": ({"temperature": 2.1}, "temperature: Expected number less than or equal to 2"),
    "seed": ({"seed": 0}, "seed: Expected number greater than or equal to 1, received 0"),
    "fraction": ({"max_completion_tokens": 1.5}, "Expected integer, received float"),
    "true": ({"max_tokens": True}, "max_tokens: Expected number, received boolean"),
    "stream": ({"stream": "yes"}, "stream: Expected boolean, received string"),
    "options": ({"stream_options": {"include_usage": True}}, "Expected stream to be true"),
    "logprobs": ({"top_logprobs": 3}, "top_logprobs: Expected logprobs to be true"),
    "too many tools": ({"tools": [TOOL] * 129}, "tools: Expected at most 128 items, received 129"),
    "tool name": (
        {"tools": [{"type": "function", "function": {"name": "a b", "parameters": {}}}]},
        "tools.0.function.name: Expected a-z",
    ),
    "tool schema": (
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": 1}}}]},
        "tools.0.function.parameters.type: Expected 'object', received number",
    ),
    "choice": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "b"}}},
        "tool_choice.function.name: Expected 'clock', received 'b'",
    ),
    "choice of none": ({"tool_choice": "auto"}, "tool_choice: Expected tools beside it"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_body(model: ModelServer, client: httpx.AsyncClient, case: str) -> None:
    change, words = REFUSED[case]
    model.enqueue("not for a refused one")
    answer = await client.post(PATH, content=json.dumps(asking("Go") | change))
    assert (answer.status_code, answer.json()["statusCode"]) == (400, 400)
    assert words in answer.json()["message"]
    assert await ask(client, "Go") == "not for a refused one"


@pytest.mark.parametrize("content", ["{", "[]", '{"model": NaN}'])
async def test_body_that_is_no_json_object(client: httpx.AsyncClient, content: str) -> None:
    assert (await client.post(PATH, content=content)).status_code == 400


async def test_the_whole_vocabulary_is_accepted(client: httpx.AsyncClient) -> None:
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}},
        {"type": "file", "file": {"file_data": PDF, "filename": "paper.pdf"}},
    ]
    said: list[dict[str, Any]] = [
        {"role": "system", "content": "Be kind", "name": "parley"},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief"}]},
        user(parts) | {"name": "Ada"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
    ]
    more = {
        "max_completion_tokens": 100,
        "max_tokens": 100,
        "stream": False,
        "temperature": 0.5,
        "top_p": 1,
        "seed": 1,
        "top_k": 4,
        "repetition_penalty": None,
        "top_a": 0,
        "prediction": {"type": "content", "content": "noon"},
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "clock"}},
        "parallel_tool_calls": True,
        "logprobs": True,
        "top_logprobs": 20,
        "provider": "xai",
    }
    assert await ask(client, *said, **more) == "The tool says: noon"


async def test_key_model_and_path(model: ModelServer, client: httpx.AsyncClient) -> None:
    for key in ("", "Bearer", "Bearer other", "test-key"):
        answer = await client.post(PATH, json=asking("Go"), headers={"Authorization": key})
        assert answer.status_code == 401
    assert (await client.post(PATH, json=asking("Go") | {"model": "x"})).status_code == 404
    for method, path in (("GET", PATH), ("POST", "/completions")):
        missing = await client.request(method, path)
        assert missing.status_code == 404
        assert missing.json()["message"] == f"Cannot {method} /v1{path}"
        assert missing.headers["x-inference-id"]


async def test_malformed_request_id_is_dropped(
    model: ModelServer, client: httpx.AsyncClient
) -> None:
    for sent in ("", "a b", "a" * 129):
        headers = {"X-Client-Request-Id": sent}
        answer = await client.post(PATH, json=asking("Go"), headers=headers)
        assert "x-client-request-id" not in answer.headers
        assert model.requests[-1].request_id is None


async def test_the_balance_shrinks_by_the_cost(
    model: ModelServer, client: httpx.AsyncClient
) -> None:
    url = model.url.removesuffix("/v1") + "/v2/billing"
    before = (await client.get(url)).json()["balance"]
    await ask(client, "say something worth a few credits")
    assert (await client.get(url)).json()["balance"] < before
    assert (await client.get(url, headers={"Authorization": "Bearer no"})).status_code == 401


# Usage


async def usage(client: httpx.AsyncClient, *said: str | dict[str, Any], **more: Any) -> Any:
    return (await client.post(PATH, json=asking(*said, **more))).json()["usage"]


async def test_prompt_is_weighed(client: httpx.AsyncClient) -> None:
    image = {"type": "image_url", "image_url": {"url": PNG}}
    counted = await usage(client, "four", user([image, {"type": "text", "text": "ééé"}]))
    assert counted["prompt_tokens"] == (1 + 4) + (256 + 2 + 4)
    assert counted["prompt_tokens_details"]["image_tokens"] == 256


async def test_prefix_of_whole_messages_is_cached(
    model: ModelServer, client: httpx.AsyncClient
) -> None:
    async def cached(*said: str, **more: Any) -> int:
        counted = await usage(client, *said, **more)
        return int(counted["prompt_tokens_details"]["cached_tokens"])

    assert await cached("a" * 40, "b" * 40) == 0
    assert await cached("a" * 40, "b" * 40, "c") == 28
    assert await cached("a" * 40, "b" * 39 + "x") == 14
    assert await cached("b" * 40, "a" * 40) == 0
    assert await cached("a" * 40, tools=[TOOL]) == 0
    assert await cached("a" * 40, "d", tools=[TOOL]) == 14 + -(-len(json.dumps([TOOL])) // 4)
    assert model.requests[1].cached_tokens == 28


async def test_failed_request_warms_no_cache(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.enqueue(Fault(503))
    await client.post(PATH, json=asking("a"))
    assert (await usage(client, "a"))["prompt_tokens_details"]["cached_tokens"] == 0


async def test_cost_is_exact(model: ModelServer, client: httpx.AsyncClient) -> None:
    await ask(client, "a" * 396)
    model.enqueue("one")
    await ask(client, "a" * 396, "b")
    assert f"{model.requests[1].usd_spent:f}" == "0.00000665"  # 103 * 0.05 + 5 * 0.20 + 0.50
    model.enqueue("one", "one")
    await ask(client, "c" * 511_980)
    await ask(client, "d" * 511_984)
    below, above = model.requests[2:]
    assert (below.prompt_tokens, above.prompt_tokens) == (127_999, 128_000)
    assert f"{below.usd_spent:f}" == "0.02560030"
    assert f"{above.usd_spent:f}" == "0.05120100"


# Time


async def test_hold_stops_after_the_next_delta(
    model: ModelServer, client: httpx.AsyncClient
) -> None:
    with model.hold():
        task = asyncio.create_task(stream(client, "count to 50"))
        await model.wait(
            lambda: bool(model.requests) and model.requests[0].first_token_at is not None
        )
        held = model.requests[0].last_token_at
        other = asyncio.create_task(ask(client, "say whole"))
        await model.seen(2)
        await client.get("/nowhere")  # long enough for a whole answer, too
        assert not model.requests[1].finished
        assert not task.done()
        assert model.requests[0].last_token_at == held
    assert text(await task).endswith("49, 50")
    assert await other == "whole"
    assert model.requests[0].last_token_at != held


async def test_client_that_leaves_is_noticed(model: ModelServer, client: httpx.AsyncClient) -> None:
    with model.hold():
        task = asyncio.create_task(stream(client, "count to 50"))
        await model.seen(1)
        task.cancel()
        await model.wait(lambda: model.requests[0].cut)
    assert not model.requests[0].finished


async def test_pace_and_first_token(client: httpx.AsyncClient, model: ModelServer) -> None:
    model.enqueue(Answer("", pieces=["a", "b", "c"], pace=0.05, first_token=0.1))
    await stream(client)
    [call] = model.requests
    assert call.first_token_at is not None
    assert call.last_token_at is not None
    assert call.first_token_at - call.started >= 0.1
    assert call.last_token_at - call.first_token_at >= 0.1


@pytest.mark.slow
async def test_a_thousand_streams_at_once() -> None:
    async def one(client: aiohttp.ClientSession, url: str) -> int:
        async with client.post(url, json=asking("count to 20", stream=True)) as answer:
            return (await answer.read()).count(b"data: ")

    headers = {"Authorization": "Bearer test-key"}
    async with (
        ModelServer() as model,
        aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        with model.hold():
            tasks = [asyncio.create_task(one(client, model.url + PATH)) for _ in range(1000)]
            await model.seen(1000)
        assert len(set(await asyncio.gather(*tasks))) == 1
        assert all(call.finished for call in model.requests)


# The brain


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("Hi!", "Hello! How can I help you?"),
        ("say  Two\nlines ", " Two\nlines "),
        ("Ada: say hi", "hi"),
        ("please count to 5", "1, 2, 3, 4, 5"),
        ("Why is the sky blue?", "You said: Why is the sky blue?"),
        ("x" * 300, "You said: " + "x" * 200),
        (
            "write 2 lines of code",
            "```python\nvalue_1 = 1 * 2  # line 1\nvalue_2 = 2 * 3  # line 2\n```",
        ),
        ("How many messages?", "1"),
        ("What did I say before?", "Nothing yet."),
    ],
)
async def test_rules(client: httpx.AsyncClient, asked: str, answer: str) -> None:
    assert await ask(client, asked) == answer


async def test_the_fake_remembers_only_the_request(client: httpx.AsyncClient) -> None:
    said = ["I am Ada", "remember my cat is Ben", "and 1 more"]
    assert await ask(client, *said, "What did I say first?") == "I am Ada"
    assert await ask(client, *said, "what did I say before?") == "and 1 more"
    assert await ask(client, *said, "How many messages?") == "4"
    assert await ask(client, *said, "what should you remember?") == "my cat is Ben"
    order: dict[str, Any] = {"role": "system", "content": "Write a summary."}
    listed = "Summary:\n- I am Ada\n- remember my cat is Ben\n- and 1 more"
    assert await ask(client, *said, order) == listed
    assert await ask(client, *said, "Summarise this") == listed


@pytest.mark.parametrize("length", [1, 2, 17, 4096, 30_000])
async def test_text_of_exact_length(client: httpx.AsyncClient, length: int) -> None:
    written = await ask(client, f"write {length} characters")
    assert len(written) == len(written.strip()) == length
    if length > 4000:
        assert "\n\n## Part 2\n\n" in written
        assert "\n- Sentence" in written
    sentences = written.split("Sentence ")[1:]
    assert len(set(sentences)) == len(sentences)


async def test_showpiece_fault_and_slowness(model: ModelServer, client: httpx.AsyncClient) -> None:
    shown = await ask(client, "show markdown")
    assert all(
        part in shown for part in ("# A", "**bold**", "  - one", "|--", "> A", "<div>", "a < b")
    )
    assert (await client.post(PATH, json=asking("fail 503"))).status_code == 503
    chunks = await stream(client, "be slow and say so")
    assert text(chunks) == "so"
    slow = model.respond(model.requests[-1])
    assert isinstance(slow, Answer)
    assert slow.pace


async def test_respond_can_be_replaced(model: ModelServer, client: httpx.AsyncClient) -> None:
    model.respond = lambda request: Fault(500) if request.text == "no" else request.text.upper()
    assert await ask(client, "yes") == "YES"
    assert (await client.post(PATH, json=asking("no"))).status_code == 500


# The program


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
async def test_program(ended_by: signal.Signals) -> None:
    command = (sys.executable, "-m", "tests.fakes.model", "--port", "0", "--first-token", "0")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        headers = {"Authorization": "Bearer whatever"}
        async with httpx.AsyncClient(base_url=url, headers=headers, verify=trust()) as client:
            assert "local stand-in" in await ask(client, "Hello")
            process.send_signal(ended_by)
            output, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, output, errors) == (0, b"", b"")
