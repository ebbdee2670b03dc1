"""People who wait for a model are told so, and what has no use to wait for is told at once."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from core import words
from core.adapter import ChangeKind
from core.errors import ModelBusy, ModelError
from core.text import plain_moments
from core.words import MODEL_AWAY, MODEL_WAITS, STILL_THINKING, _sentences
from tests.core.streams import sse
from tests.core.test_faults import KINDS
from tests.fakes.model import MODEL, Answer, Fault, ModelServer, Raw, Reply
from tests.memory.desk import ADA, BOB, Desk, desk
from tests.memory.test_files import photo
from tests.records import PATIENCE, Records, eventually

OTHER = "other/model"
SOON = 0.05
"""The seconds after which these people are told why they wait."""
SIZES = [(9001, 8192), (900, 800), (210000, 200000)]
ALL = {
    value
    for name, value in vars(_sentences).items()
    if name.isupper() and isinstance(value, str) and "{" not in value
}
"""Every sentence of the bot's own."""


@pytest.fixture
async def two_models() -> Any:
    async with ModelServer(models=(MODEL, OTHER)) as server:
        yield server


async def stands(here: Desk, sentence: str) -> str:
    """Wait until a sentence stands somewhere; return the id of its message."""
    found: list[str] = []

    def look() -> bool:
        posts = here.paper.posts.items()
        found[:] = [post for post, (_, text) in posts if plain_moments(text) == sentence]
        return bool(found)

    await eventually(look)
    return found[0]


def texts(here: Desk) -> list[str]:
    return [text for _, text in here.paper.posts.values()]


# Waiting


@pytest.mark.parametrize(
    "fault",
    [Fault(429), Fault(503), Fault(504), Fault(drop=True), Fault(stall=True), Answer("")],
    ids=["429", "503", "504", "dropped", "silent", "empty"],
)
async def test_the_sentence_stands_until_the_answer_replaces_it(
    sqlite_url: str, model: ModelServer, fault: Reply
) -> None:
    model.respond = lambda request: fault
    settings = {"notice_after": SOON, "first_token_seconds": 0.2}
    async with desk(sqlite_url, model, **settings) as ada:
        await ada.say("hi")
        message_id = await stands(ada, MODEL_WAITS)
        assert [each.label for each in ada.paper.buttons[message_id]] == [words.STOP]
        model.respond = lambda request: "Here I am."
        await ada.settled()
        assert texts(ada) == ["Here I am."]
        assert list(ada.paper.posts) == [message_id]
    assert Records(sqlite_url).drift() == []


async def test_a_server_that_is_not_there_is_waited_for(sqlite_url: str) -> None:
    async with ModelServer() as closed:
        pass
    port = int(closed.url.rpartition(":")[2].partition("/")[0])
    async with desk(sqlite_url, closed, notice_after=SOON) as ada:
        await ada.say("hi")
        message_id = await stands(ada, MODEL_WAITS)
        async with ModelServer(port=port) as model:
            model.respond = lambda request: "Here I am."
            await ada.settled()
        assert list(ada.paper.posts) == [message_id]
        assert texts(ada) == ["Here I am."]


async def test_a_long_wait_is_told_with_its_length_and_can_be_stopped(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = lambda request: Fault(429, retry_after=3 * 3600)
    async with desk(sqlite_url, model, notice_after=SOON) as ada:
        await ada.say("hi")
        message_id = await stands(ada, words.MODEL_WAITS_UNTIL.format(when="in 3 hours"))
        await ada.say("/stop")
        await ada.settled()
        assert message_id not in ada.paper.posts or "model" not in ada.paper.posts[message_id][1]
    assert len(model.requests) == 1
    assert Records(sqlite_url).drift() == []


async def test_patience_ends_with_a_sentence_and_a_button(
    sqlite_url: str, model: ModelServer
) -> None:
    model.respond = lambda request: Fault(503)
    async with desk(sqlite_url, model, notice_after=SOON, model_patience_seconds=0.5) as ada:
        assert await ada.ask("hi") == f"{MODEL_AWAY} (Reference 1-1)"
        [message_id] = ada.paper.posts
        assert [each.label for each in ada.paper.buttons[message_id]] == [words.TRY_AGAIN]
        model.respond = lambda request: "Here I am."
        await ada.change(ChangeKind.REGENERATE, message_id)
        await ada.settled()
        assert texts(ada) == ["Here I am."]


@pytest.mark.slow
async def test_only_who_needs_the_model_waits_for_it(
    database_url: str, two_models: ModelServer
) -> None:
    """CONCURRENCY is 2; ten wait, and commands and those with another model go on."""
    model = two_models
    model.respond = lambda request: (
        Fault(503) if request.body["model"] == MODEL else f"Of {request.text[-1]}."
    )
    settings = {"models": OTHER, "notice_after": SOON, "concurrency": 2, "model_prices": "1, 1, 1"}
    async with desk(database_url, model, **settings) as here:
        await here.say(f"/model {OTHER}", who=BOB)
        await eventually(lambda: len(here.paper.posts) == 1)
        for number in range(9):
            await here.say("hi", chat=f"room{number}", admin=True)
        await here.say("1")
        await here.say("2")
        await eventually(lambda: texts(here).count(MODEL_WAITS) == 10)
        await here.say("3", who=BOB)
        await here.say("/usage")
        await eventually(lambda: "Of 3." in texts(here) and "This month" in str(texts(here)))
        assert texts(here).count(MODEL_WAITS) == 10, "the second question waits behind the first"
        model.respond = lambda request: f"Of {request.text[-1]}."
        await here.settled()
        mine = [text for where, text in here.paper.posts.values() if where.chat == ADA.account_id]
    assert [text for text in mine if text.startswith("Of ")] == ["Of 1.", "Of 2."]
    assert texts(here).count("Of i.") == 9
    assert Records(database_url).drift() == []


async def test_a_deploy_goes_on_waiting_in_the_same_message(
    database_url: str, model: ModelServer
) -> None:
    model.respond = lambda request: Fault(503)
    async with desk(database_url, model, notice_after=SOON) as ada:
        await ada.say("hi")
        message_id = await stands(ada, MODEL_WAITS)
        async with asyncio.timeout(PATIENCE):
            await ada.drain(60)
    async with desk(database_url, model, notice_after=SOON) as ada:
        assert await stands(ada, MODEL_WAITS) == message_id
        model.respond = lambda request: "Here I am."
        await ada.settled()
        assert texts(ada) == ["Here I am."]
        assert list(ada.paper.posts) == [message_id]
    assert Records(database_url).drift() == []


async def test_a_long_thought_is_told_and_not_begun_anew(
    sqlite_url: str, model: ModelServer
) -> None:
    thought = ["<think>", *["Hm. "] * 24, "</think>", "It is six."]
    model.respond = lambda request: Answer("", pieces=thought, pace=0.25)
    settings = {"notice_after": SOON, "first_token_seconds": 5, "stall_seconds": 5}
    async with desk(sqlite_url, model, **settings) as ada:
        await ada.say("What is 2*3?")
        await stands(ada, STILL_THINKING)
        await ada.settled()
        assert texts(ada) == ["It is six."]
    assert len(model.requests) == 1


# Definite faults


def bodies() -> list[Any]:
    """All errors that are known, with their status, and one of each kind inside a 200."""
    inside = {kind: (200, body, kind) for _, body, kind in KINDS if isinstance(body, dict)}
    return [*KINDS, *inside.values()]


@pytest.mark.parametrize(("status", "body", "kind"), bodies(), ids=lambda each: str(each)[:40])
async def test_nobody_reads_a_status_or_a_server_s_words(
    sqlite_url: str, model: ModelServer, status: int, body: Any, kind: type[ModelError]
) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    told = body if isinstance(body, dict) and "error" in body else {"error": body}
    model.respond = lambda request: Raw(sse(told)) if status == 200 else Fault(status, body=data)
    async with desk(sqlite_url, model, model_patience_seconds=0.05) as ada:
        async with asyncio.timeout(PATIENCE):
            heard = await ada.ask("hi")
    sized = {words.PROMPT_HAS.format(size, most=words.number(most)) for size, most in SIZES}
    assert heard.partition(" (Reference 1-1)")[0] in ALL | sized
    if not issubclass(kind, ModelBusy) and status != 200:
        assert len(model.requests) == 1, "it is definite"


# Models that go, and what they cannot take


async def test_a_chosen_model_that_is_gone_is_told_of_once(
    sqlite_url: str, two_models: ModelServer
) -> None:
    model = two_models
    model.respond = lambda request: (
        Fault(404, message="The model does not exist")
        if request.body["model"] == OTHER
        else "Well."
    )
    async with desk(sqlite_url, model, models=OTHER, model_prices="1, 1, 1") as ada:
        await ada.ask(f"/model {OTHER}")
        first, second = await ada.ask("hi"), await ada.ask("hi")
    replaced = words.MODEL_REPLACED.format(gone=OTHER, model=MODEL)
    assert (first, second) == (f"Well.\n\n{replaced}", "Well.")
    assert [request.body["model"] for request in model.requests] == [OTHER, MODEL, MODEL]
    assert Records(sqlite_url).drift() == []


async def test_a_picture_in_the_history_of_a_blind_model_is_told_of_once(
    sqlite_url: str, two_models: ModelServer
) -> None:
    model = two_models
    model.respond = lambda request: "Well."
    settings = {"models": OTHER, "model_prices": "1, 1, 1", "vision": MODEL}
    async with desk(sqlite_url, model, **settings) as ada:
        assert await ada.ask("What is this?", files={"a.jpg": photo("red")}) == "Well."
        await ada.ask(f"/model {OTHER}")
        first, second = await ada.ask("hi"), await ada.ask("hi")
    note = words.unseen(OTHER, images=True, files=False)
    assert (first, second) == (f"Well.\n\n{note}", "Well.")
    assert "image_url" in str(model.requests[0].messages)
    assert not any("image_url" in str(request.messages) for request in model.requests[1:])


async def test_a_prompt_that_is_too_long_is_shortened_and_asked_once_more(
    sqlite_url: str, model: ModelServer
) -> None:
    too_long = json.dumps({"error": {"message": "x", "code": "context_length_exceeded"}}).encode()
    short: Callable[[Any], bool] = lambda request: len(request.messages) <= 6  # noqa: E731
    model.respond = lambda request: "Well." if short(request) else Fault(400, body=too_long)
    async with desk(sqlite_url, model, memory_high_tokens=3000, memory_low_tokens=100) as ada:
        for number in range(4):
            assert (await ada.ask(f"{number} " + "word " * 60)).startswith("Well.")
        before = len(model.requests)
        model.respond = lambda request: Fault(400, body=too_long)
        assert words.PROMPT_TOO_LONG in await ada.ask("hi")
        assert len(model.requests) - before <= 2
    assert [short(request) for request in model.requests[:before]].count(False) >= 1
    assert Records(sqlite_url).drift() == []


async def test_a_prompt_that_proves_too_long_in_mid_answer_is_paid_and_asked_anew(
    sqlite_url: str, model: ModelServer
) -> None:
    chunk = json.dumps({"choices": [{"index": 0, "delta": {"content": "Half of an answer, "}}]})
    error = json.dumps({"error": {"message": "x", "code": "context_length_exceeded"}})
    half = Raw(f"data: {chunk}\n\ndata: {error}\n\n".encode())
    async with desk(sqlite_url, model, memory_high_tokens=3000, memory_low_tokens=100) as ada:
        for number in range(4):
            await ada.ask(f"{number} " + "word " * 60)
        longest = len(model.requests[-1].messages)
        model.respond = lambda request: half if len(request.messages) > longest else "Well."
        assert await ada.ask("And now?") == "Well."
        model.respond = lambda request: "Yes."
        [request] = await ada.asking("Sure?")
    answers = [said["content"] for said in request.messages if said["role"] == "assistant"]
    assert answers[-1] == "Well."
    records = Records(sqlite_url)
    lost = records.all("SELECT * FROM calls ORDER BY id")[-3]
    assert lost.estimated
    assert lost.charged > 0
    assert records.drift() == []


@pytest.mark.slow
async def test_a_conversation_keeps_to_what_the_endpoint_says_its_model_takes(
    sqlite_url: str, model: ModelServer
) -> None:
    """No request is refused first: the catalogue has told how long one may be."""
    model.catalogue["/models"] = {"data": [{"id": MODEL, "context_length": 4000}]}
    async with desk(sqlite_url, model, tools="off", max_completion_tokens=100) as ada:
        await ada.asked.look_up()
        for number in range(20):
            await ada.ask(f"{number} " + "word " * 300)
    sizes = [request.prompt_tokens for request in model.requests]
    assert max(sizes) < 3900
    assert sum(size > 3000 for size in sizes) < len(sizes)
    assert "19 word" in model.requests[-1].text


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            "maximum context length is 8192 tokens, yours has 9001 tokens",
            words.FILE_HAS.format(9001, name="a.txt", most=words.number(8192)),
        ),
        ("maximum context length", words.FILE_TOO_LONG.format(name="a.txt")),
    ],
)
async def test_a_file_that_is_too_long_alone_is_told_by_its_name(
    sqlite_url: str, model: ModelServer, told: str, sentence: str
) -> None:
    model.respond = lambda request: Fault(400, message=told)
    async with desk(sqlite_url, model) as ada:
        heard = await ada.ask("What is this?", files={"a.txt": b"a text"})
    assert heard == sentence
    assert len(model.requests) == 1


async def test_an_empty_answer_is_repeated_as_long_as_patience_lasts(
    sqlite_url: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.llm._client.COSTLY_PAUSES", (0.01,))
    empty = 9
    model.enqueue(*[Answer("")] * empty, Answer("Well."))
    async with desk(sqlite_url, model) as ada:
        assert await ada.ask("hi") == "Well."
    assert len(model.requests) == empty + 1
    assert Records(sqlite_url).drift() == []
