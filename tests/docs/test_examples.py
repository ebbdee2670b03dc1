"""The examples of the documents work: a platform, a tool and a command are added to a copy."""

import re
from pathlib import Path
from typing import Any

import pytest

from core.adapter import Adapter
from tests.bot import ROOT
from tests.docs.pages import read
from tests.docs.sandbox import Sandbox, build
from tests.fakes.model import Answer, ModelServer

PAGE = read(ROOT / "docs" / "contributing.md")
WEEKDAY = ("weekday", {"date": "2026-11-29"})


@pytest.fixture
def sandbox(model: ModelServer, sqlite_url: str, tmp_path: Path) -> Sandbox:
    """The copy with everything that the page adds."""
    made = build(tmp_path / "parley", copied=True)
    made.write_settings(DATABASE_URL=sqlite_url, MODEL_API_KEY="test-key", MODEL_API_URL=model.url)
    for block in PAGE.blocks:
        language, _, name = block.language.partition(" ")
        path = made.folder / name
        if language == "python":
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
        elif language == "diff":
            path.write_text(changed(path.read_text(), block.text))
    return made


def changed(text: str, difference: str) -> str:
    """Return a text with the hunks of a difference applied; each fits in one place alone."""
    for hunk in difference.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"the page is not as the code is: {old}"
        text = text.replace(old, new)
    return text


async def test_a_platform_a_tool_and_a_command_are_added(
    sandbox: Sandbox, model: ModelServer
) -> None:
    model.enqueue(Answer("", tool_calls=[WEEKDAY]), Answer("A **Sunday**."))
    ended = await sandbox.run(".venv/bin/python -m bots pipe", "/shout hello\nWhich day is it?\n")
    assert ended.status == 0, ended.said
    assert "HELLO" in ended.said
    assert "A **Sunday**." in ended.said
    [result] = [each for each in model.requests[-1].messages if each["role"] == "tool"]
    assert result["content"] == "Sunday"


async def test_the_linter_likes_the_examples(sandbox: Sandbox) -> None:
    added = [
        block.language.partition(" ")[2] for block in PAGE.blocks if "python " in block.language
    ]
    assert len(added) == 3
    for check in ("check", "format --check"):
        ended = await sandbox.run(f".venv/bin/ruff {check} {' '.join(added)}")
        assert ended.status == 0, ended.said


def test_the_platform_has_everything_that_an_adapter_has(tmp_path: Path) -> None:
    [code] = [block.text for block in PAGE.blocks if "bots/pipe/" in block.language]
    made: dict[str, Any] = {"__name__": "pipe"}
    exec(code, made)  # noqa: S102 - it is ours
    wanted = {name for name in vars(Adapter) if not name.startswith("_")}
    assert wanted - set(dir(made["PipeAdapter"])) == set()


def test_the_page_adds_a_platform_without_a_change_of_core() -> None:
    section = PAGE.path.read_text().split("## Add a platform")[1].split("\n## ")[0]
    files = re.findall(r"^```(?:python|diff) (\S+)$", section, re.MULTILINE)
    assert files == ["bots/pipe/__init__.py", "bots/registry.py"]
