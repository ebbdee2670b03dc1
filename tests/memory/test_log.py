"""One line tells the operator of each turn, however it ended."""

import logging
from typing import Any

import pytest

from tests.fakes.model import Answer, Fault, ModelServer
from tests.memory.desk import desk
from tests.records import Records, eventually

SIX = ("calculate", {"expression": "2*3"})
SUMS = "SELECT sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(cost) FROM calls"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The fields of each turn's line."""
    return [each.__dict__ for each in caplog.records if each.name == "core.turns"]


async def test_a_line_tells_what_all_calls_together_used_and_cost(
    sqlite_url: str, model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.turns")
    slow = Answer("Let me see.", tool_calls=[SIX], cost=False, first_token=0.3)
    model.enqueue(slow, Answer("", cost=0.000042), Answer("Six.", cost=False))
    async with desk(sqlite_url, model) as ada:
        await ada.ask("What is 2*3?")
        await eventually(lambda: bool(lines(caplog)))  # it is written after the delivery
    [line] = lines(caplog)
    [sums] = Records(sqlite_url).all(SUMS)
    told = [line[name] for name in ("prompt", "cached", "completion", "cost")]
    assert told == list(sums)
    assert told[-1] > 42, "the price list knows what the API does not tell"
    assert line["seconds"] >= 0.3
    assert line["outcome"] == "ok"


@pytest.mark.parametrize(
    ("said", "quota", "outcome"),
    [
        (Fault(401), "9 turns/month", "failed"),
        (Fault(400), "9 turns/month", "failed"),
        (Answer("Hello", cut_after=3), "9 turns/month", "failed"),
        (Answer("Hello"), "0.005 usd/month", "refused"),
    ],
)
async def test_a_turn_that_went_wrong_has_a_line_too(
    sqlite_url: str,
    model: ModelServer,
    caplog: pytest.LogCaptureFixture,
    said: Answer | Fault,
    quota: str,
    outcome: str,
) -> None:
    caplog.set_level(logging.INFO, "core.turns")
    model.respond = lambda request: said
    async with desk(sqlite_url, model, quota=quota) as ada:
        await ada.ask("word " * (5000 if outcome == "refused" else 1))
        await eventually(lambda: bool(lines(caplog)))
    [line] = lines(caplog)
    assert line["outcome"] == outcome
    [sums] = Records(sqlite_url).all(SUMS)
    assert line.get("cost", 0) == (sums[-1] or 0)
