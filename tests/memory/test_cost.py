"""What a conversation costs, and that what was paid for once can still be asked for."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from core.settings import Settings
from tests.fakes.model import ModelServer
from tests.memory import talk
from tests.memory.desk import Desk, desk
from tests.records import Records

QUESTIONS = 120


@pytest.fixture
async def ada(sqlite_url: str, model: ModelServer) -> AsyncIterator[Desk]:
    """Ada's desk, with the default settings."""
    model.respond = talk.respond
    async with desk(sqlite_url, model) as ada:
        yield ada


async def test_a_long_conversation_costs_little_and_nothing_of_it_is_lost(
    ada: Desk, model: ModelServer, sqlite_url: str
) -> None:
    for number in range(1, QUESTIONS + 1):
        await ada.ask(talk.question(number))
    spent = sum((request.usd_spent for request in model.requests), Decimal())
    records = Records(sqlite_url)

    assert len(talk.question(1).split()) == 60
    assert len(model.requests) > QUESTIONS, "summaries are part of the price"
    assert spent <= Decimal("0.065")
    # The ledger rounds every call up to a micro-dollar.
    booked = Decimal(records.one("SELECT sum(cost) FROM calls")) / 1_000_000
    assert spent <= booked <= spent + Decimal("0.0002")
    assert records.drift() == []
    for number in (1, 60):
        looked_up = await ada.asking(f"What did I say of {talk.topic(number)}?")
        assert talk.question(number) not in str(looked_up[0].messages), "no longer word for word"
        result = looked_up[1].messages[-1]
        assert result["role"] == "tool"
        assert talk.question(number)[:100] in result["content"]


async def test_hi_is_a_short_prompt(ada: Desk) -> None:
    [request] = await ada.asking("hi")
    assert {tool["function"]["name"] for tool in request.body["tools"]} == {
        "calculate",
        "search_history",
    }
    assert request.prompt_tokens <= 300


def test_the_marks_keep_a_prompt_cheap_by_default() -> None:
    fields = Settings.model_fields
    assert fields["memory_high_tokens"].default == 12_000
    assert fields["memory_low_tokens"].default == 4_000
