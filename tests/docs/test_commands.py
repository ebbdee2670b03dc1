"""Every command in a document does what the document says, in a copy of the repository."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.bot import ROOT
from tests.dialogs.stages import TelegramStage, World
from tests.docs.commands import NOT_RUN, Session, of, sessions
from tests.docs.pages import read
from tests.docs.sandbox import Sandbox, build
from tests.fakes.discord import DiscordServer
from tests.fakes.model import Fault
from tests.fakes.model.server import MODEL
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

SESSIONS = sessions()
SERVING = ("make run", ".venv/bin/parley telegram")
TALKING = ("make demo", ".venv/bin/parley console")
WRITING = ("make docs", "make words")
PRICES = {"prompt": "0.0000002", "input_cache_read": "0.00000005", "completion": "0.0000005"}


@pytest.fixture
def stage(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.fixture
async def settings(stage: TelegramStage, discord_server: DiscordServer) -> dict[str, str]:
    """The settings of a bot whose first question failed."""
    model = stage.world.model
    names = (MODEL, "x-ai/grok-4")
    model.catalogue["/models"] = {"data": [{"id": name, "pricing": PRICES} for name in names]}
    model.enqueue(Fault(400))
    discord_server.guild("Friends")
    async with stage.running():
        await stage.say("Hello")
        await stage.records.idle(1)
    for path in stage.world.directory.glob("parley.db*"):
        path.chmod(0o600)
    return {
        "DATABASE_URL": stage.world.database_url,
        "MODEL_API_KEY": "test-key",
        "MODEL_API_URL": model.url,
        "TELEGRAM_TOKEN": stage.server.token,
        "TELEGRAM_API_URL": stage.server.url,
        "DISCORD_TOKEN": discord_server.token,
        "DISCORD_API_URL": discord_server.url,
    }


@pytest.mark.slow
@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.place)
async def test_the_commands_of_a_document_do_their_work(
    session: Session, stage: TelegramStage, settings: dict[str, str], tmp_path: Path
) -> None:
    copied = any(command.startswith(WRITING) for command in session.commands)
    sandbox = build(tmp_path / "parley", copied=copied)
    sandbox.write_settings(**settings)
    for command in session.commands:
        if command in SERVING:
            await serve(sandbox, command, stage)
        elif command not in NOT_RUN:
            ended = await sandbox.run(command, "Hello\n" if command in TALKING else "")
            assert ended.status == 0, f"{command}: {ended.said}"
            assert "Traceback" not in ended.said
            assert command not in TALKING or len(ended.said.split()) > 3


async def serve(sandbox: Sandbox, command: str, stage: TelegramStage) -> None:
    """Let a command run the bot until it has answered a question."""
    place, turns = stage.place(), stage.records.turns()
    async with sandbox.start(command) as started:
        await stage.say("Hello again")
        await stage.records.idle(turns + 1)
        await eventually(lambda: stage.place() > place)
        os.killpg(started.pid, signal.SIGTERM)
        await started.wait()


def test_what_is_not_run_is_in_a_document_and_has_a_reason() -> None:
    assert NOT_RUN.keys() <= {command for each in SESSIONS for command in each.commands}
    for reason in NOT_RUN.values():
        assert all((ROOT / path).exists() for path in re.findall(r"tests/[\w/]+\.py", reason))


@pytest.mark.parametrize("block", ["```sh\nmake demo\n```", "```console\nmake demo\n```"])
def test_a_block_without_prompts_is_found(tmp_path: Path, block: str) -> None:
    (tmp_path / "page.md").write_text(f"# A\n\n{block}\n")
    page = read(tmp_path / "page.md")
    page.path = ROOT / "docs" / "page.md"
    with pytest.raises(ValueError, match=r"docs/page\.md:3: write commands"):
        of(page)
