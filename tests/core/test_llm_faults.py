"""The model client repeats a failed request, gives up, or passes the fault on."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from core.errors import ModelBroke, ModelBusy, ModelError, ModelRejected, ModelUnavailable
from core.llm import LLM, Answering, Event
from core.messages import Finish, Text, user
from tests.core.conftest import Ahead
from tests.core.streams import (
    KEY,
    Step,
    asking,
    chunk,
    delta,
    head,
    hear,
    heard_from,
    listen,
    raw,
    sse,
    text_of,
)
from tests.core.test_db import reserved_port
from tests.fakes.model import MODEL, Answer, Fault, ModelServer
from tests.records import eventually

HELLO = chunk(sse(delta(content="Hello"), done=False))
STOP = chunk(sse(delta("stop"))) + chunk(b"")
COMMENT = chunk(b": still here\n\n")
SLOW_COMMENTS: list[Step] = [COMMENT, 0.08] * 1000
OTHER = "other/model"
PATIENCE = 30
"""The seconds for a test's answer, less than any wait that the test says it does not wait for."""


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer(models=(MODEL, OTHER)) as server:
        yield server


@pytest.fixture
async def llm(model: ModelServer) -> AsyncIterator[LLM]:
    async with asking(model.url) as llm:
        yield llm


async def fault(llm: LLM) -> tuple[ModelError, str]:
    """Return the error of an answer, and its text until then."""
    heard: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ModelError) as caught:
            await listen(llm, heard)
    return caught.value, text_of(heard)


def page(status: str, body: bytes = b"", **headers: str) -> bytes:
    """A whole response."""
    return head(status, Content_Type="text/html", **headers) + chunk(body) * bool(body) + chunk(b"")


# Repeated until it answers


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
@pytest.mark.parametrize("html", [False, True])
async def test_a_passing_fault_is_repeated(
    model: ModelServer, llm: LLM, status: int, html: bool
) -> None:
    model.enqueue(*[Fault(status, html=html)] * 3, "At last.")
    assert text_of(await hear(llm)) == "At last."
    assert len(model.requests) == 4


async def test_it_is_repeated_until_patience_ends(model: ModelServer) -> None:
    model.respond = lambda request: Fault(503)

    def clock() -> float:
        """Each request takes twenty seconds."""
        return 20.0 * len(model.requests)

    async with asking(model.url, patience_seconds=60, clock=clock) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)
    assert len(model.requests) == 3


@pytest.mark.parametrize("last", [Fault(504), Answer("")])
async def test_an_expensive_fault_is_repeated_seldom(
    model: ModelServer, last: Fault | Answer
) -> None:
    model.respond = lambda request: last
    async with asking(model.url, patience_seconds=4, clock=lambda: 0.0) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)
    assert len(model.requests) == 2


async def test_retry_after_is_waited_for(model: ModelServer, llm: LLM) -> None:
    model.enqueue(Fault(429, retry_after=0.4), Fault(503, retry_after_date=1), "Now.")
    assert text_of(await hear(llm)) == "Now."
    first, second, third = (request.started for request in model.requests)
    assert second - first >= 0.4
    assert third - second >= 0.9


@pytest.mark.parametrize("told", [Fault(429, retry_after=3600), Fault(429, retry_after_date=3600)])
async def test_a_wait_beyond_patience_is_passed_on_at_once(model: ModelServer, told: Fault) -> None:
    model.enqueue(told)
    async with asking(model.url, patience_seconds=50) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)
    assert error.retry_after == pytest.approx(3600, abs=5)
    assert len(model.requests) == 1


@pytest.mark.parametrize("told", ["soon", "-5", "nan", "inf", "Mon, 99 Foo 2026 25:00:00 GMT", ""])
async def test_a_retry_after_without_sense_is_as_good_as_none(told: str) -> None:
    busy = page("429 Too Many Requests", Retry_After=told)
    async with raw([busy], [head() + HELLO + STOP]) as server, asking(server.url) as llm:
        async with asyncio.timeout(PATIENCE):
            assert text_of(await hear(llm)) == "Hello"


async def test_a_connection_that_went_away_is_replaced_without_a_word(
    model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core")
    model.enqueue("First.", Fault(drop=True), "Second.")
    async with asking(model.url, pause_seconds=60) as llm, asyncio.timeout(PATIENCE):
        assert text_of(await hear(llm)) == "First."
        assert text_of(await hear(llm)) == "Second."
    assert len(model.requests) == 3
    assert not caplog.records


async def test_a_server_that_only_hangs_up_is_given_up(model: ModelServer) -> None:
    model.respond = lambda request: Fault(drop=True)
    async with asking(model.url, patience_seconds=0.0) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)
    assert len(model.requests) == 2


async def test_a_refused_connection_is_repeated() -> None:
    with reserved_port() as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        async with asking(url, patience_seconds=0.1) as llm:
            error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)
    assert "ConnectError" in str(error)


async def test_a_page_in_place_of_an_answer_is_repeated() -> None:
    script = [page("200 OK", b"<h1>Welcome</h1>")], [head() + HELLO + STOP]
    async with raw(*script) as server, asking(server.url) as llm:
        assert text_of(await hear(llm)) == "Hello"


BEFORE: dict[str, Answer] = {
    "cut": Answer("Hello", cut_after=0),
    "error": Answer("Hello", error_after=0),
    "malformed": Answer("Hello", malformed_after=0),
    "tool call cut": Answer("", tool_calls=[("clock", {})], cut_after=0),
}


@pytest.mark.parametrize("kind", BEFORE)
async def test_a_stream_that_breaks_before_its_first_token_is_repeated(
    model: ModelServer, llm: LLM, kind: str
) -> None:
    model.enqueue(BEFORE[kind], "Well.")
    assert text_of(await hear(llm)) == "Well."
    assert len(model.requests) == 2


# Broken after the first token

AFTER: dict[str, Answer] = {
    "cut": Answer("Hello, world", cut_after=5),
    "stall": Answer("Hello, world", stall_after=5),
    "error": Answer("Hello, world", error_after=5),
    "malformed": Answer("Hello, world", malformed_after=5),
}


@pytest.mark.parametrize("kind", AFTER)
async def test_nothing_is_repeated_after_the_first_token(model: ModelServer, kind: str) -> None:
    model.enqueue(AFTER[kind], "Never asked for.")
    async with asking(model.url, stall_seconds=0.2 if kind == "stall" else 60) as llm:
        error, said = await fault(llm)
    assert isinstance(error, ModelBroke)
    assert said == "Hello"
    assert len(model.requests) == 1


async def test_an_error_in_a_stream_is_told_short_and_without_the_key() -> None:
    told = {"error": {"message": f"Overloaded:\n{KEY} {'x' * 1000}"}}
    with pytest.raises(ModelBusy, match=r"^the server reports: Overloaded: \*\*\* x{180,200}…$"):
        await heard_from(sse(told))


@pytest.mark.parametrize("ending", [[60.0], [None], [chunk(b"data: {\n\n"), None]])
async def test_an_answer_stands_once_the_model_has_said_why_it_stopped(
    ending: list[Step],
) -> None:
    said = head() + HELLO + chunk(sse(delta("stop"), done=False))
    async with raw([said, *ending]) as server, asking(server.url, stall_seconds=0.2) as llm:
        async with asyncio.timeout(PATIENCE):
            events = await hear(llm)
    assert events == [Answering(MODEL), Text("Hello"), Finish("stop")]


# Silence


async def test_a_model_that_never_begins_is_left(model: ModelServer) -> None:
    model.enqueue(Fault(stall=True))
    async with asking(model.url, first_token_seconds=0.2, patience_seconds=0.0) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)
    await model.wait(lambda: model.requests[0].cut)


async def test_the_first_token_may_take_longer_than_a_later_one() -> None:
    script: list[Step] = [head(), 0.8, HELLO + STOP]
    async with (
        raw(script) as server,
        asking(server.url, first_token_seconds=60, stall_seconds=0.5) as llm,
    ):
        assert text_of(await hear(llm)) == "Hello"


async def test_comments_do_not_stand_for_the_first_token() -> None:
    script: list[Step] = [head(), *SLOW_COMMENTS]
    async with (
        raw(script) as server,
        asking(server.url, first_token_seconds=0.3, patience_seconds=0.0) as llm,
    ):
        error, _ = await fault(llm)
    assert isinstance(error, ModelBusy)


async def test_comments_keep_an_answer_alive(ahead: Ahead) -> None:
    script: list[Step] = [head() + HELLO, *SLOW_COMMENTS[:36], HELLO + STOP]
    async with (
        raw(script) as server,
        asking(server.url, first_token_seconds=3600, stall_seconds=60) as llm,
    ):
        began = asyncio.get_running_loop().time()
        hearing = asyncio.create_task(hear(llm))
        await ahead.until(hearing.done, step=5)
        assert text_of(await hearing) == "HelloHello"
        assert asyncio.get_running_loop().time() - began > 60


async def test_comments_do_not_keep_an_answer_alive_for_ever(ahead: Ahead) -> None:
    script: list[Step] = [head() + HELLO, *SLOW_COMMENTS]
    heard: list[Event] = []
    async with (
        raw(script) as server,
        asking(server.url, first_token_seconds=120, stall_seconds=60) as llm,
    ):
        hearing = asyncio.create_task(listen(llm, heard))
        await eventually(lambda: text_of(heard) == "Hello")
        await ahead.until(hearing.done, step=5)
        with pytest.raises(ModelBroke):
            await hearing
    assert text_of(heard) == "Hello"


async def test_the_time_that_the_listener_takes_is_not_silence(
    model: ModelServer, ahead: Ahead
) -> None:
    model.enqueue(Answer("", pieces=["one ", "two"], pace=0.01))
    said = ""
    async with asking(model.url, first_token_seconds=60, stall_seconds=60) as llm:
        stream = llm.stream([user("Go")], request_id="test")
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Text):
                    said += event.text
                    ahead.seconds += 90
    assert said == "one two"


# Refused for good


async def test_a_refused_request_is_not_repeated(model: ModelServer, llm: LLM) -> None:
    with pytest.raises(ModelRejected, match=r"^status 400: messages: Expected at least 1 item"):
        async with aclosing(llm.stream([], request_id="test")) as events:
            await anext(events)
    assert len(model.requests) == 1


REFUSALS: dict[str, tuple[bytes, str]] = {
    "an object": (b'{"error": {"message": "No\\n  such\\tfield"}}', "No such field"),
    "a text": (b'{"error": "No such field"}', "No such field"),
    "the key": (b'{"message": "%b is no good"}' % KEY.encode(), "*** is no good"),
    "a page": (b"<h1>Bad\r\nRequest</h1>", "<h1>Bad Request</h1>"),
    "very much": (b'{"message": "%b"}' % (b"x" * 9999), "x" * 200 + "…"),
    "nothing": (b"", "no message"),
    "no UTF-8": (b"\xff", "\ufffd"),
    "a list": (b"[[1]]", "no message"),
    "depths": (b"[" * 9999, "[" * 200 + "…"),
}


@pytest.mark.parametrize("body", REFUSALS)
async def test_the_message_of_a_refusal_is_short_and_without_the_key(body: str) -> None:
    told, kept = REFUSALS[body]
    script = [page("422 Unprocessable", told)]
    async with raw(script) as server, asking(server.url) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelRejected)
    assert str(error) == f"status 422: {kept}"


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_error_quotes_nothing_of_the_request(streamed: bool) -> None:
    """A server may quote them with marks and without."""
    said = "my bank's PIN is 4711"
    message = f"Invalid content: {said}; see 'param_1', not '{said}'"
    error = {"error": {"message": message, "type": "bad_request", "code": said}}
    script: list[Step] = [page("400 Bad Request", json.dumps(error).encode())]
    if streamed:
        script = [head() + chunk(sse(delta(content="Hello"), error, done=False)), None]
    async with raw(script) as server, asking(server.url) as llm:
        with pytest.raises(ModelError) as caught:
            await hear(llm, f"Hello,\n{said}.")
    told = str(caught.value)
    assert "bad_request: Invalid content: …; see 'param_1', not '…'" in told
    assert "4711" not in told


async def test_a_refusal_that_breaks_off_is_a_refusal() -> None:
    script = [head("400 Bad Request") + chunk(b"Wrong"), None]
    async with raw(script) as server, asking(server.url) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelRejected)
    assert str(error) == "status 400: Wrong"


async def test_a_refusal_that_does_not_end_is_a_refusal() -> None:
    script: list[Step] = [head("400 Bad Request") + chunk(b"x" * 2**16), 60.0]
    async with raw(script) as server, asking(server.url) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelRejected)


@pytest.mark.parametrize(
    ("status", "setting"),
    [
        (301, "MODEL_API_URL"),
        (401, "MODEL_API_KEY"),
        (402, "MODEL_API_KEY"),
        (403, "MODEL_API_KEY"),
        (404, "MODEL_API_URL or MODEL"),
        (405, "MODEL_API_URL"),
    ],
)
async def test_a_fault_for_the_operator_names_the_setting(
    model: ModelServer, llm: LLM, status: int, setting: str
) -> None:
    model.enqueue(Fault(status))
    error, _ = await fault(llm)
    assert isinstance(error, ModelUnavailable)
    assert setting in str(error)
    assert "\n" not in str(error)
    assert len(model.requests) == 1


@pytest.mark.parametrize("key", ["two\nlines", "ключ", "end "])
async def test_a_key_that_cannot_be_sent_is_named_but_not_told(
    model: ModelServer, key: str
) -> None:
    async with asking(model.url, key=key) as llm:
        error, _ = await fault(llm)
        assert key not in (await llm.check() or "")
    told: BaseException | None = error
    while told is not None:
        assert key not in repr(told)
        told = told.__cause__
    assert isinstance(error, ModelUnavailable)
    assert "MODEL_API_KEY" in str(error)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1", "http://a:b/"])
async def test_a_url_that_is_none_is_named(url: str) -> None:
    async with asking(url) as llm:
        error, _ = await fault(llm)
        assert "MODEL_API_URL" in (await llm.check() or "")
    assert isinstance(error, ModelUnavailable)
    assert "MODEL_API_URL" in str(error)


# Leaving


async def test_the_body_of_a_fault_is_not_waited_for() -> None:
    busy: list[Step] = [head("503 Busy") + chunk(b"Busy"), 60.0]
    async with raw(busy, [head() + HELLO + STOP]) as server, asking(server.url) as llm:
        async with asyncio.timeout(PATIENCE):
            assert text_of(await hear(llm)) == "Hello"
            await server.left.wait()


async def test_a_cancelled_answer_closes_its_connection(model: ModelServer, llm: LLM) -> None:
    heard: list[Event] = []
    with model.hold():
        listening = asyncio.create_task(listen(llm, heard, "count to 100"))
        await model.seen(1)
        await model.wait(lambda: model.requests[0].first_token_at is not None)
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        await model.wait(lambda: model.requests[0].cut)


async def test_an_answer_that_nobody_listens_to_any_more_closes_its_connection(
    model: ModelServer, llm: LLM
) -> None:
    with model.hold():
        async with aclosing(llm.stream([user("count to 100")], request_id="test")) as events:
            async for event in events:
                if isinstance(event, Text):
                    break
        await model.wait(lambda: model.requests[0].cut)


async def test_a_pause_can_be_cancelled(model: ModelServer) -> None:
    model.respond = lambda request: Fault(503)
    async with asking(model.url, pause_seconds=30) as llm:
        waiting = asyncio.create_task(hear(llm))
        await model.wait(lambda: len(model.requests) == 1 and model.requests[0].finished)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


# The models in their order


def models_down(*down: str) -> Any:
    """Some models fail, the others say who they are."""

    def respond(request: Any) -> Any:
        name = request.body["model"]
        return Fault(503) if name in down else f"I am {name}."

    return respond


def asked(model: ModelServer) -> list[str]:
    return [request.body["model"] for request in model.requests]


async def test_the_next_model_is_asked_while_the_first_one_fails(
    model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    model.respond = models_down(MODEL)
    async with asking(model.url, fallbacks=(OTHER,), clock=lambda: now) as llm:
        assert _answering(await hear(llm)) == Answering(OTHER)
        assert _answering(await hear(llm)) == Answering(OTHER)
        assert asked(model) == [MODEL] * 3 + [OTHER] * 2
        assert caplog.messages == [
            f"model {MODEL} failed: status 503: The service cannot answer",
            f"model {MODEL} is away: asking {OTHER}",
        ]

        now = 1000.0
        assert _answering(await hear(llm)) == Answering(OTHER)
        assert asked(model)[5:] == [MODEL, OTHER]

        now = 2000.0
        model.respond = models_down()
        assert _answering(await hear(llm)) == Answering(MODEL)


async def test_failures_count_only_in_a_row(model: ModelServer) -> None:
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        for _ in range(3):
            model.enqueue(Fault(503), Fault(503))
            assert _answering(await hear(llm)) == Answering(MODEL)


async def test_failures_of_many_answers_count_together(
    model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    model.respond = models_down(MODEL)
    async with asking(model.url, fallbacks=(OTHER,), patience_seconds=0.0) as llm:
        answers = await asyncio.gather(*(hear(llm) for _ in range(20)))
    assert {answer[0] for answer in answers} == {Answering(OTHER)}
    assert [message.split(":")[0] for message in caplog.messages] == [
        f"model {MODEL} failed",
        f"model {MODEL} is away",
    ]


@pytest.mark.parametrize("told", [Fault(404), Fault(429, retry_after=3600)])
async def test_the_next_model_is_asked_at_once_where_waiting_is_of_no_use(
    model: ModelServer, told: Fault
) -> None:
    model.enqueue(told)
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        assert _answering(await hear(llm)) == Answering(OTHER)
    assert asked(model) == [MODEL, OTHER]


@pytest.mark.parametrize(
    ("told", "kind"), [(Fault(404), ModelUnavailable), (Fault(503), ModelBusy)]
)
async def test_models_that_all_fail_are_given_up(
    model: ModelServer, told: Fault, kind: type[ModelError]
) -> None:
    model.respond = lambda request: told
    async with asking(model.url, fallbacks=(OTHER,), patience_seconds=0.2) as llm:
        error, _ = await fault(llm)
        assert isinstance(error, kind)
        assert set(asked(model)) == {MODEL, OTHER}
        assert len(model.requests) < 30


async def test_a_refused_request_is_refused_by_all(model: ModelServer) -> None:
    model.enqueue(Fault(400))
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelRejected)
    assert asked(model) == [MODEL]


async def test_a_chosen_model_is_asked_first_and_replaced_by_the_others(
    model: ModelServer,
) -> None:
    async with asking(model.url) as llm:
        assert _answering(await hear(llm, model=OTHER)) == Answering(OTHER)
        model.respond = models_down(OTHER)
        assert _answering(await hear(llm, model=OTHER)) == Answering(MODEL)
        assert _answering(await hear(llm)) == Answering(MODEL)


# The key, before anybody asks


async def test_a_good_key_is_nothing_to_speak_of(model: ModelServer, llm: LLM) -> None:
    assert await llm.check() is None
    assert not model.requests


async def test_a_wrong_key_is_found_at_the_start(model: ModelServer) -> None:
    async with asking(model.url, key="wrong-key") as llm:
        told = await llm.check()
    assert told is not None
    assert told.startswith("MODEL_API_KEY")
    assert "wrong-key" not in told


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Error", "302 Found"])
async def test_an_endpoint_without_billing_is_none_the_worse(status: str) -> None:
    async with raw([page(status)], [page(status)]) as server, asking(server.url) as llm:
        assert await llm.check() is None
    assert server.requests[0].startswith(b"GET /v2/billing ")


async def test_an_endpoint_without_billing_that_lists_no_models_refuses_the_key() -> None:
    async with (
        raw([page("404 Not Found")], [page("401 Unauthorized")]) as server,
        asking(server.url) as llm,
    ):
        assert (await llm.check() or "").startswith("MODEL_API_KEY")
    assert server.requests[1].startswith(b"GET /v1/models ")


async def test_the_credit_that_an_endpoint_tells_is_known(model: ModelServer, llm: LLM) -> None:
    model.balance = Decimal("12.5")
    state = await llm.account()
    assert (state.is_told, state.balance) == (True, 12_500_000)


async def test_a_server_that_hangs_up_at_the_start_may_be_well_later() -> None:
    async with raw([None]) as server, asking(server.url) as llm:
        assert await llm.check() is None


async def test_a_server_that_is_not_there_is_found_at_the_start() -> None:
    with reserved_port() as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        async with asking(url) as llm:
            assert "MODEL_API_URL" in (await llm.check() or "")


async def test_a_server_that_does_not_answer_holds_nobody_up() -> None:
    async with raw([60.0]) as server, asking(server.url) as llm:
        async with asyncio.timeout(PATIENCE):
            assert await llm.check(seconds=0.2) is None


# Compressed, although none was asked for


async def test_a_compressed_answer_is_not_unpacked() -> None:
    packed = gzip.compress(sse(delta("stop", content="0" * 1_000_000)))
    zipped = head(Content_Encoding="gzip") + chunk(packed) + chunk(b"")
    async with raw([zipped], [head() + HELLO + STOP]) as server, asking(server.url) as llm:
        assert text_of(await hear(llm)) == "Hello"


async def test_a_compressed_refusal_is_not_unpacked() -> None:
    told = gzip.compress(b'{"message": "the prompt is too long"}' + b" " * 1_000_000)
    refusal = page("400 Bad Request", told, Content_Encoding="gzip")
    async with raw([refusal]) as server, asking(server.url) as llm:
        error, _ = await fault(llm)
    assert isinstance(error, ModelRejected)
    assert str(error) == "status 400: no message"


def _answering(events: Sequence[Event]) -> Answering:
    """Return the first word on who answers; before it, the tries may have had to wait."""
    return next(event for event in events if isinstance(event, Answering))
