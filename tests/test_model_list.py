"""`python -m bots models`: an operator sees what the model API tells of models."""

from pathlib import Path
from typing import Any

import pytest

from tests.bot import process
from tests.fakes.model import MODEL, ModelServer

OTHER = "other/a-model-with-a-name-that-is-longer-than-most-columns-of-a-table"
LISTED = {
    "/models": {
        "data": [
            {
                "id": MODEL,
                "context_length": 2_000_000,
                "architecture": {"input_modalities": ["text", "image"]},
                "pricing": {"prompt": "0.0000002", "completion": "0.0000005"},
            },
            {"id": OTHER},
        ]
    },
    "/models/deprecations": {
        "data": [{"id": MODEL, "status": "deprecated", "replaced_by": "x-ai/another"}]
    },
}


async def models(
    model: ModelServer, directory: Path, *names: str, **values: str
) -> tuple[int, str]:
    """The exit status and the words of `python -m bots models …`."""
    log = directory / "models"
    log.unlink(missing_ok=True)
    settings = {"MODEL_API_URL": model.url, "MODEL_API_KEY": "test-key", "COLUMNS": "200"}
    settings |= values
    async with process("models", *names, log=log, environment=settings) as started:
        status = await started.process.wait()
    return status, log.read_text()


async def test_the_models_in_use_are_told_with_a_line_to_paste(
    model: ModelServer, tmp_path: Path
) -> None:
    model.catalogue = dict[str, Any](LISTED)
    status, told = await models(model, tmp_path)
    assert status == 0
    assert f"MODEL: {MODEL} will be withdrawn; set x-ai/another instead" in told
    assert "2,000,000" in told
    assert f'MODEL_PRICES="{MODEL}=0.2/0.2/0.5"' in told
    assert OTHER not in told


@pytest.mark.parametrize("name", ["OTHER", "a-model"])
async def test_other_models_are_found_by_a_part_of_their_name(
    model: ModelServer, tmp_path: Path, name: str
) -> None:
    model.catalogue = dict[str, Any](LISTED)
    status, told = await models(model, tmp_path, name)
    assert status == 0
    assert OTHER in told
    assert "MODEL_PRICES" not in told, "none are told"


async def test_a_service_that_tells_nothing_is_named(model: ModelServer, tmp_path: Path) -> None:
    status, told = await models(model, tmp_path)
    assert status == 1
    assert told == f"{model.url} tells nothing of its models.\n"


async def test_a_proxy_of_no_use_is_one_line(model: ModelServer, tmp_path: Path) -> None:
    status, told = await models(model, tmp_path, HTTP_PROXY="ftp://proxy", NO_PROXY="")
    assert status == 2
    assert told.startswith("HTTP_PROXY: not of the form")
    assert len(told.splitlines()) == 1
