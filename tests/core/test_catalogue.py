"""The catalogue of models is read in every shape, and what it tells is acted upon."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from core.llm import Answering
from tests.core.streams import asking, hear
from tests.fakes.model import MODEL, ModelServer

OTHER = "other/model"


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer(models=(MODEL, OTHER)) as server:
        yield server


def withdrawn(status: str, **more: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": MODEL, "aliases": ["old"], "status": status, **more}]}


async def test_an_endpoint_that_tells_nothing_is_left_alone(model: ModelServer) -> None:
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        catalogue = await llm.look_up()
        assert [catalogue.complaint(name) for name in llm.names] == [None, None]
        assert (await hear(llm))[0] == Answering(MODEL)


async def test_a_model_that_is_withdrawn_is_not_asked_and_its_successor_named(
    model: ModelServer,
) -> None:
    model.catalogue["/models/deprecations"] = withdrawn(
        "withdrawn", shutdown_at="2026-05-15T12:00:00Z", replaced_by="x-ai/grok-4-3"
    )
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        told = (await llm.look_up()).complaint(MODEL)
        assert (await hear(llm))[0] == Answering(OTHER)
    assert told == f"MODEL: {MODEL} is withdrawn on 2026-05-15; set x-ai/grok-4-3 instead"
    assert len(model.requests) == 1


async def test_a_model_that_will_be_withdrawn_is_asked_until_then(model: ModelServer) -> None:
    model.catalogue["/models/deprecations"] = withdrawn("deprecated", shutdown_at="2027-01-01")
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        told = (await llm.look_up()).complaint(MODEL)
        assert (await hear(llm))[0] == Answering(MODEL)
    assert told == f"MODEL: {MODEL} will be withdrawn on 2027-01-01"


@pytest.mark.parametrize(
    "listed",
    [
        {"data": [{"id": OTHER}]},
        [{"id": OTHER, "info": {"contextLength": 100}}],
    ],
    ids=repr,
)
async def test_an_unknown_model_is_told_of(model: ModelServer, listed: Any) -> None:
    model.catalogue["/models"] = listed
    async with asking(model.url, fallbacks=(OTHER,)) as llm:
        catalogue = await llm.look_up()
    assert catalogue.complaint(MODEL) == f"MODEL: {MODEL} is not among the 1 models on offer"
    assert catalogue.complaint(OTHER) is None


@pytest.mark.parametrize("name", [MODEL, "grok-4-fast-non-reasoning", f"{MODEL}:latest", "alias"])
async def test_a_model_is_known_by_any_of_its_names(model: ModelServer, name: str) -> None:
    model.catalogue["/models"] = {"data": [{"id": name, "aliases": ["alias"]}]}
    async with asking(model.url) as llm:
        catalogue = await llm.look_up()
    assert catalogue.complaint(MODEL if name != "alias" else "alias") is None


async def test_prices_senses_and_context_are_read(model: ModelServer) -> None:
    model.catalogue["/models"] = {
        "data": [
            {
                "id": MODEL,
                "context_length": 128_000,
                "architecture": {"input_modalities": ["text", "image"]},
                "pricing": {
                    "prompt": "0.0000002",
                    "completion": "0.0000005",
                    "input_cache_read": "0.00000005",
                },
            }
        ]
    }
    async with asking(model.url) as llm:
        offer = (await llm.look_up()).offer(MODEL)
    assert offer is not None
    assert offer.prices == (Decimal("0.2"), Decimal("0.05"), Decimal("0.5"))
    assert (offer.images, offer.files, offer.context) == (True, False, 128_000)


@pytest.mark.parametrize(
    "rubbish",
    [{}, [], "x", {"data": {}}, {"data": [1, {"id": 7}, {"id": "a", "pricing": 5, "info": []}]}],
    ids=repr,
)
async def test_rubbish_is_no_catalogue(model: ModelServer, rubbish: Any) -> None:
    model.catalogue = {"/models": rubbish, "/models/deprecations": rubbish}
    async with asking(model.url) as llm:
        catalogue = await llm.look_up()
    assert not catalogue.withdrawals
    assert [offer.model for offer in catalogue.offers] in ([], ["a"])
