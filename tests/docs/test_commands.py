"""Every command in a document does what the document says, in a copy of the repository."""

import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot import ROOT
from tests.dialogs.stages import TelegramStage, World
from tests.docs.commands import NOT_RUN, of, quoted
from tests.docs.pages import read
from tests.docs.sandbox import Sandbox, build
from tests.fakes.discord import DiscordServer
from tests.fakes.model import Fault, ModelServer
from tests.fakes.model.server import MODEL
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

COMMANDS = sorted({each.command for each in quoted()} - NOT_RUN.keys())
SERVING = ("make run", ".venv/bin/parley telegram")
TALKING = ("make demo", ".venv/bin/parley console")
WITH_FINDINGS = ("make doctor", ".venv/bin/parley doctor", ".venv/bin/parley doctor --json")
"""Commands with status 1 where something is to be said, as of a stand-in that has no HTTPS."""
AFTER = {".venv/bin/parley restore": ".venv/bin/parley backup parley.backup"}
"""The command that has to go before another one."""
PRICES = {"prompt": "0.0000002", "input_cache_read": "0.00000005", "completion": "0.0000005"}


@pytest.fixture
def stage(
    model: ModelServer, telegram_server: TelegramServer, sqlite_url: str, tmp_path: Path
) -> TelegramStage:
    return TelegramStage(World(model, sqlite_url, tmp_path), telegram_server)


@pytest.fixture
async def sandbox(
    stage: TelegramStage, discord_server: DiscordServer, tmp_path: Path
) -> AsyncIterator[Sandbox]:
    """The copy, for a bot whose first question failed."""
    model = stage.world.model
    names = (MODEL, "x-ai/grok-4")
    model.catalogue["/models"] = {"data": [{"id": name, "pricing": PRICES} for name in names]}
    model.enqueue(Fault(400))
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    made = build(tmp_path / "parley")
    made.write_settings(
        DATABASE_URL=stage.world.database_url,
        MODEL_API_KEY="test-key",
        MODEL_API_URL=model.url,
        TELEGRAM_TOKEN=stage.server.token,
        TELEGRAM_API_URL=stage.server.url,
        DISCORD_TOKEN=discord_server.token,
        DISCORD_API_URL=discord_server.url,
    )
    yield made


def test_what_is_not_run_is_in_a_document_and_has_a_reason() -> None:
    assert NOT_RUN.keys() <= {each.command for each in quoted()}
    for reason in NOT_RUN.values():
        assert all((ROOT / path).exists() for path in re.findall(r"tests/[\w/]+\.py", reason))


def test_a_block_without_prompts_is_found(tmp_path: Path) -> None:
    path = ROOT / "docs" / "none.md"
    assert not path.exists()
    (tmp_path / "page.md").write_text("# A\n\n```sh\nmake demo\n```\n")
    page = read(tmp_path / "page.md")
    page.path = path
    with pytest.raises(ValueError, match="none.md:4: write commands as"):
        of(page)


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in SERVING + TALKING])
async def test_a_command_does_its_work(sandbox: Sandbox, command: str) -> None:
    for later, before in AFTER.items():
        if later in command:
            assert (await sandbox.run(before)).status == 0
    ended = await sandbox.run(command)
    assert "Traceback" not in ended.said
    assert ended.status in ((0, 1) if command in WITH_FINDINGS else (0,)), ended.said
    assert ended.said


@pytest.mark.parametrize("command", [each for each in COMMANDS if each in SERVING])
async def test_a_command_runs_the_bot(
    stage: TelegramStage, sandbox: Sandbox, command: str
) -> None:
    place = stage.place()
    async with sandbox.start(command) as started:
        await stage.say("Hello again")
        await stage.records.idle(2)
        await eventually(lambda: stage.place() > place)
        os.killpg(started.pid, signal.SIGTERM)
        await started.wait()


@pytest.mark.parametrize("command", [each for each in COMMANDS if each in TALKING])
async def test_a_command_talks_in_the_terminal(sandbox: Sandbox, command: str) -> None:
    ended = await sandbox.run(command, "Hello\n")
    assert ended.status == 0, ended.said
    assert "Traceback" not in ended.said
    assert len(ended.said.split()) > 3
