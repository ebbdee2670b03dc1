"""While a model is away, a few requests probe it; when one succeeds, all go on."""

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from core.errors import ModelBusy, ModelGone
from core.llm import Answering, Event, Waiting
from core.llm._faults import Costly
from core.llm._lookout import APART, FAILURES, LONGEST_PAUSE, Lookout
from tests.core.streams import asking, hear, listen, text_of
from tests.fakes.model import MODEL, Answer, Fault, ModelServer
from tests.records import eventually

OTHER = "other/model"
BUSY = ModelBusy("status 503")


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def lookout(watch: Watch) -> Lookout:
    return Lookout((MODEL,), watch)


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer(models=(MODEL, OTHER)) as server:
        yield server


def go_away(lookout: Lookout, error: ModelBusy = BUSY) -> None:
    for _ in range(FAILURES):
        lookout.failed(MODEL, error)


# The look-out itself


async def test_one_probe_asks_while_the_others_wait(lookout: Lookout, watch: Watch) -> None:
    assert lookout.take(MODEL, first=False) == 0
    go_away(lookout)
    assert lookout.is_away(MODEL)
    wait = lookout.take(MODEL, first=False)
    watch.now += wait
    assert lookout.take(MODEL, first=False) == 0
    assert lookout.take(MODEL, first=False) > 0


async def test_the_pauses_between_probes_grow_up_to_a_minute(
    lookout: Lookout, watch: Watch
) -> None:
    go_away(lookout)
    pauses = []
    for _ in range(20):
        pauses.append(lookout.take(MODEL, first=False))
        watch.now += pauses[-1]
        assert lookout.take(MODEL, first=False) == 0
        lookout.failed(MODEL, BUSY)
    assert all(before <= after for before, after in pairwise(pauses))
    assert pauses[0] <= 2
    assert pauses[-1] == LONGEST_PAUSE
    # Within 40 seconds of being away, nobody waits longer than half of that for the next probe.
    assert all(
        pause <= 20 for pause, spent in zip(pauses, spans(pauses), strict=True) if spent < 40
    )


def spans(pauses: list[float]) -> list[float]:
    return [sum(pauses[:at]) for at in range(len(pauses))]


async def test_a_crowd_that_failed_together_lengthens_the_pause_once(
    lookout: Lookout, watch: Watch
) -> None:
    go_away(lookout)
    before = lookout.take(MODEL, first=False)
    for _ in range(500):
        lookout.failed(MODEL, BUSY)
    assert lookout.take(MODEL, first=False) == before


async def test_newcomers_ask_once_at_a_distance(lookout: Lookout, watch: Watch) -> None:
    go_away(lookout)
    asked = 0
    for _ in range(100):
        watch.now += 0.1
        asked += lookout.take(MODEL, first=True) == 0
    assert asked <= 10 / APART + 1
    assert asked >= 10, "failures may be the fault of other people's questions"


async def test_questions_that_are_at_fault_themselves_do_not_count(lookout: Lookout) -> None:
    go_away(lookout, Costly("an empty answer"))
    assert not lookout.is_away(MODEL)


async def test_a_told_wait_is_kept_but_probed_once_a_minute(lookout: Lookout, watch: Watch) -> None:
    lookout.failed(MODEL, ModelBusy("status 429", 3600.0))
    assert lookout.is_away(MODEL)
    assert lookout.told(MODEL) == 3600
    assert lookout.take(MODEL, first=True) == LONGEST_PAUSE
    watch.now += LONGEST_PAUSE
    assert lookout.take(MODEL, first=False) == 0


# The client with it


def wait(answer: list[Event]) -> bool:
    """Return whether an answer waits for a model that is away."""
    return any(isinstance(event, Waiting) for event in answer)


async def test_many_answers_wait_for_one_model(
    model: ModelServer, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.llm")
    is_away = True
    model.respond = lambda request: Fault(503) if is_away else "Here I am."
    answers: list[list[Event]] = [[] for _ in range(10)]
    patient = asking(model.url, clock=watch, patience_seconds=1e9)
    async with patient as llm, asyncio.TaskGroup() as tasks:
        for answer in answers:
            tasks.create_task(listen(llm, answer))
        await eventually(lambda: all(wait(answer) for answer in answers))
        before = len(model.requests)
        watch.now += LONGEST_PAUSE
        await model.wait(lambda: len(model.requests) > before and model.requests[-1].finished)
        assert len(model.requests) == before + 1, "one asks, and the others wait"
        is_away = False
        while not all(text_of(answer) for answer in answers):
            watch.now += LONGEST_PAUSE  # a client may have heard of the fault after the last step
            await asyncio.sleep(0.02)
    assert {text_of(answer) for answer in answers} == {"Here I am."}
    assert len(model.requests) == before + 1 + len(answers)
    told = [message for message in caplog.messages if message.startswith("model ")]
    assert len(told) == 3  # failed, away, back


async def test_another_model_does_not_wait(model: ModelServer) -> None:
    model.respond = lambda request: Fault(503) if request.body["model"] == MODEL else "Hello"
    async with asking(model.url) as llm:
        waiting = asyncio.create_task(hear(llm))
        await model.seen(FAILURES)
        async with asyncio.timeout(30):
            assert (await hear(llm, model=OTHER))[0] == Answering(OTHER)
        waiting.cancel()


async def test_somebody_elses_bad_question_does_not_keep_an_answer(model: ModelServer) -> None:
    def respond(request: Any) -> Any:
        return Fault(500) if request.text == "Bad" else "Good."

    model.respond = respond
    async with asking(model.url) as llm:
        bad = asyncio.create_task(hear(llm, "Bad"))
        await model.seen(FAILURES + 1)
        async with asyncio.timeout(30):
            assert text_of(await hear(llm, "Good")) == "Good."
        bad.cancel()


async def test_empty_answers_are_asked_for_a_few_times_only(model: ModelServer) -> None:
    model.respond = lambda request: Answer("")
    async with asking(model.url, patience_seconds=3, clock=lambda: 0.0) as llm:
        with pytest.raises(ModelBusy):
            await hear(llm)
    assert len(model.requests) == 2


async def test_a_model_that_is_gone_is_not_asked_again(model: ModelServer) -> None:
    message = f"The model {MODEL} does not exist"
    model.respond = lambda request: (
        Fault(404, message=message) if request.body["model"] == MODEL else "Hello"
    )
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        for _ in range(3):
            assert (await hear(llm))[0] == Answering(OTHER)
    assert [request.body["model"] for request in model.requests] == [MODEL, OTHER, OTHER, OTHER]


async def test_a_model_that_is_gone_is_logged_once_by_all_who_asked_it(
    model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    model.respond = lambda request: Fault(410, message="Retired")
    async with asking(model.url) as llm:
        heard = (hear(llm) for _ in range(5))
        told = await asyncio.gather(*heard, return_exceptions=True)
    assert [type(each) for each in told] == [ModelGone] * 5
    assert len(model.requests) == 5
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1


async def test_without_any_model_left_everybody_is_told_at_once(model: ModelServer) -> None:
    model.respond = lambda request: Fault(410, message="Retired")
    async with asking(model.url) as llm:
        for _ in range(3):
            with pytest.raises(ModelGone):
                await hear(llm)
    assert len(model.requests) == 1
