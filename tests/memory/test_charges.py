"""Every charge of the service is a row of the ledger, and shown text stays."""

from typing import Any

import pytest
from sqlalchemy import text

from core.memory import estimate
from core.messages import assistant
from core.words import BROKE_OFF, FAILED, MODEL_AWAY, NO_ACCESS
from tests.core import rows
from tests.core.streams import chunk, delta, head, raw, sse
from tests.fakes.model import Answer, Fault, ModelServer
from tests.memory.desk import desk
from tests.records import Records

SIX = ("calculate", {"expression": "2*3"})
HALF = [{"index": 0, "id": "1", "function": {"name": "calculate", "arguments": '{"expr'}}]


def calls(records: Records) -> list[Any]:
    return records.all("SELECT * FROM calls ORDER BY id")


# What is charged


async def test_an_empty_answer_is_paid_though_it_is_asked_for_again(
    database_url: str, model: ModelServer
) -> None:
    model.enqueue(Answer("", cost=0.000042), "Six.")
    async with desk(database_url, model) as ada:
        assert await ada.ask("What is 2*3?") == "Six."
    records = Records(database_url)
    assert [call.charged for call in calls(records)] == [42, calls(records)[1].charged]
    assert [call.prompt_tokens for call in calls(records)] == [
        request.prompt_tokens for request in model.requests
    ]
    assert [call.turns for call in calls(records)] == [1, 0]
    assert not any(call.estimated for call in calls(records))
    assert records.drift() == []


async def test_answers_that_are_all_empty_are_all_paid(sqlite_url: str, model: ModelServer) -> None:
    """The turn is put back, and answered by the next attempt."""
    model.enqueue(Answer("", cost=0.000042), Answer("", cost=0.000043), "Six.")
    async with desk(sqlite_url, model) as ada:
        assert await ada.ask("What is 2*3?") == "Six."
    records = Records(sqlite_url)
    assert [call.charged for call in calls(records)][:2] == [42, 43]
    assert sum(call.turns for call in calls(records)) == 1
    assert records.drift() == []


async def test_half_a_tool_call_is_paid_as_it_is_estimated(
    sqlite_url: str, model: ModelServer
) -> None:
    half = head() + chunk(sse(delta(tool_calls=HALF), done=False))
    whole = head() + chunk(sse(delta("stop", content="Six."))) + chunk(b"")
    async with (
        raw([half, None], [whole]) as server,
        desk(sqlite_url, model, model_api_url=server.url) as ada,
    ):
        assert await ada.ask("What is 2*3?") == "Six."
    broken, answered = calls(Records(sqlite_url))
    assert broken.completion_tokens == estimate(assistant('calculate{"expr'))
    assert broken.prompt_tokens == answered.prompt_tokens > 0
    assert broken.estimated
    assert broken.charged > 0
    assert Records(sqlite_url).drift() == []


async def test_a_tool_call_counts_where_the_api_tells_no_usage(
    sqlite_url: str, model: ModelServer
) -> None:
    long = ("calculate", {"expression": "+".join(["1"] * 500)})
    model.enqueue(Answer("", tool_calls=[long], usage=False, cost=False), "500.")
    async with desk(sqlite_url, model) as ada:
        assert await ada.ask("How much is it?") == "500."
    assert calls(Records(sqlite_url))[0].completion_tokens > 300


async def test_an_answer_that_a_fault_of_ours_loses_is_no_answer_for_nothing(
    sqlite_url: str, model: ModelServer
) -> None:
    """The database refuses the first answer, and the turn is answered again."""
    refuse = """
    CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN (SELECT max(attempt) FROM turns) = 1
    BEGIN SELECT RAISE(ABORT, 'no'); END
    """
    model.enqueue(Answer("Five.", cost=0.000042), Answer("Six.", cost=0.000043))
    async with desk(sqlite_url, model) as ada:
        await rows.commit(ada.sessions, lambda session: session.execute(text(refuse)))
        assert await ada.ask("What is 2*3?") == "Six."
    records = Records(sqlite_url)
    assert [(call.charged, call.cost, call.turns) for call in calls(records)] == [
        (42, 42, 1),
        (43, 43, 0),
    ]
    assert records.drift() == []


# What stays before people


@pytest.mark.parametrize(
    ("fault", "sentence"), [(Fault(401), NO_ACCESS), (Fault(400), FAILED)], ids=["401", "400"]
)
async def test_the_shown_text_stays_when_a_later_call_is_refused(
    sqlite_url: str, model: ModelServer, fault: Fault, sentence: str
) -> None:
    model.enqueue(Answer("Let me see.", tool_calls=[SIX]), fault)
    async with desk(sqlite_url, model) as ada:
        heard = await ada.ask("What is 2*3?")
    assert heard == f"Let me see.\n\n{sentence} (Reference 1-1)"
    records = Records(sqlite_url)
    assert records.one("SELECT outcome FROM turns") == "failed", "it can be tried again"
    assert records.memory() == []
    assert records.drift() == []


async def test_the_shown_text_stays_when_the_model_is_too_busy_to_go_on(
    sqlite_url: str, model: ModelServer
) -> None:
    model.enqueue(Answer("Let me see.", tool_calls=[SIX]))
    model.respond = lambda request: Fault(504)
    async with desk(sqlite_url, model, model_patience_seconds=0.3) as ada:
        heard = await ada.ask("What is 2*3?")
    assert heard == f"Let me see.\n\n{MODEL_AWAY} (Reference 1-1)"


async def test_the_shown_text_stays_when_the_quota_ends_in_a_later_attempt(
    sqlite_url: str, model: ModelServer
) -> None:
    dear = Answer("", cost=0.9999)
    model.enqueue(Answer("Let me see.", tool_calls=[SIX]), Answer("", cost=0.00001), dear)
    async with desk(sqlite_url, model, quota="1 usd/month") as ada:
        heard = await ada.ask("What is 2*3?")
    assert heard.startswith("Let me see.\n\nThat was all for now")


async def test_a_broken_off_answer_stays(sqlite_url: str, model: ModelServer) -> None:
    model.respond = lambda request: Answer("It is six", cut_after=5)
    async with desk(sqlite_url, model) as ada:
        assert await ada.ask("What is 2*3?") == f"It is\n\n{BROKE_OFF} (Reference 1-1)"
    assert len(calls(Records(sqlite_url))) == 3


# What is said at a limit


async def test_a_budget_is_not_told_as_somebody_s_own_limit(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model, budget="1 turns/month") as ada:
        await ada.ask("hi")
        heard = await ada.ask("hi")
    assert heard.startswith("That was all for now: there is a limit for everybody together.")
    assert "your limit" not in heard


async def test_a_question_that_can_never_fit_is_told_so(
    sqlite_url: str, model: ModelServer
) -> None:
    async with desk(sqlite_url, model, quota="0.01 usd/month") as ada:
        heard = await ada.ask("word " * 70_000)
    assert heard == (
        "This is too much at once: your limit is $0.01 a month. Send less, or begin anew with /new."
    )


async def test_a_rest_that_is_too_small_is_told(sqlite_url: str, model: ModelServer) -> None:
    model.enqueue(Answer("Hello", cost=0.004))
    async with desk(sqlite_url, model, quota="0.005 usd/month") as ada:
        await ada.ask("hi")
        assert "is $0.005 a month, and too little of it is left for this." in await ada.ask("hi")
