"""A model that names the time is not asked before it, and its turn waits without a fault."""

from itertools import pairwise

import pytest

from core.words import MODEL_AWAY
from core.worker import FAULTS
from tests.fakes.model import Fault, ModelServer
from tests.memory.desk import desk
from tests.records import Records


@pytest.fixture
def records(sqlite_url: str) -> Records:
    return Records(sqlite_url)


async def test_a_told_wait_is_kept_and_is_no_fault(
    sqlite_url: str, model: ModelServer, records: Records
) -> None:
    model.enqueue(*[Fault(429, retry_after=0.4)] * (FAULTS + 1), "At last.")
    async with desk(sqlite_url, model, retry_seconds=0.1) as ada:
        assert await ada.ask("hi") == "At last."
    began = [request.started for request in model.requests]
    assert len(began) == FAULTS + 2
    assert all(later - earlier >= 0.4 for earlier, later in pairwise(began))
    assert records.one("SELECT faults FROM turns") == 0


@pytest.mark.parametrize("told", [10.0**6, 10.0**300])
async def test_a_wait_without_measure_ends_when_patience_does(
    sqlite_url: str, model: ModelServer, records: Records, told: float
) -> None:
    model.respond = lambda request: Fault(503, retry_after=told)
    async with desk(sqlite_url, model, model_patience_seconds=0.3) as ada:
        heard = await ada.ask("hi")
    assert heard == f"{MODEL_AWAY} (Reference 1-1)"
    assert len(model.requests) == 1
    assert records.all("SELECT outcome, faults FROM turns") == [("failed", 0)]
    assert records.drift() == []
