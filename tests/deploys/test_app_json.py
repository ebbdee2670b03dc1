"""`app.json`: the app that a platform makes in one step has settings that the bot knows."""

import json
import shlex
from typing import Any

import pytest

from bots.loading import load
from bots.registry import PLATFORMS
from tests.bot import ROOT
from tests.deploys.names import fields, known
from tests.deploys.procfile import processes

APP: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
ENV: dict[str, dict[str, Any]] = APP["env"]


@pytest.mark.parametrize("name", ENV)
def test_a_setting_is_one_of_ours_and_tells_what_it_is(name: str) -> None:
    assert name in known()
    assert ENV[name]["description"].strip()
    assert set(ENV[name]) <= {"description", "required", "value"}


def test_the_key_is_required_and_one_token_of_any_platform_is_enough() -> None:
    assert [name for name, told in ENV.items() if told["required"]] == ["MODEL_API_KEY"]
    tokens = {f"{kind.name.upper()}_TOKEN" for kind in PLATFORMS if kind.needs}
    assert tokens <= set(ENV)


def test_the_values_are_the_defaults_of_the_bot() -> None:
    told = {name.lower(): each["value"] for name, each in ENV.items() if "value" in each}
    plain, filled = load(None), load(None, **told)
    compared = [name for name, _, _ in fields() if name.lower() in told]
    assert sorted(compared) == sorted(name.upper() for name in told)
    assert filled[0].model_copy(update={"set_budget": None}) == plain[0]
    assert filled[0].budget == plain[0].budget
    assert filled[1] == plain[1]


def test_it_makes_a_database_and_one_bot() -> None:
    assert [each["plan"].partition(":")[0] for each in APP["addons"]] == ["heroku-postgresql"]
    assert "DATABASE_URL" in known()
    assert set(APP["formation"]) <= set(processes())
    assert sum(each["quantity"] for each in APP["formation"].values()) == 1
    assert APP["buildpacks"] == [{"url": "heroku/python"}]
    assert (ROOT / ".python-version").exists()
    assert (ROOT / "requirements.txt").exists()


def test_its_scripts_are_lines_of_the_procfile() -> None:
    lines = [shlex.split(command) for command in processes().values()]
    for script in APP["scripts"].values():
        assert shlex.split(script) in lines
