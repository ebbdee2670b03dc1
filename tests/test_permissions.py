"""The permissions of files: what the bot makes is for its owner alone."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bots import permissions
from core import db
from tests.bot import ROOT
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    """The mask of most machines, which lets everybody read a new file."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of the database's files."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.glob("new.db*")}


async def test_nobody_else_can_read_a_new_database(
    model: ModelServer, telegram_server: TelegramServer, tmp_path: Path
) -> None:
    stage = TelegramStage(World(model, f"sqlite:///{tmp_path}/new.db", tmp_path), telegram_server)
    async with stage.process() as process:
        await stage.say("say it")
        await eventually(lambda: stage.heard() == "it")
        found = modes(tmp_path)
        assert not any("can read" in line for line in process.lines())
    assert set(found) == {"new.db", "new.db-wal", "new.db-shm", "new.db.lock"}
    assert set(found.values()) == {0o600}


@pytest.mark.slow
async def test_nobody_else_can_read_a_database_that_alembic_makes(tmp_path: Path) -> None:
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path}/new.db"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await command.wait() == 0
    assert modes(tmp_path) == {"new.db": 0o600}


@pytest.mark.parametrize("name", ["my bot.db", "my bot.db-wal", "my bot.db.lock", "my bot.env"])
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o600])
def test_a_file_that_others_can_read_is_told_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, mode: int
) -> None:
    path = tmp_path / name
    path.touch()
    path.chmod(mode)
    url = f"sqlite:///{tmp_path}/my bot.db"
    permissions.warn(*db.files(url), str(tmp_path / "my bot.env"))
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    if mode == 0o600:
        assert told == []
    else:
        assert len(told) == 1
        assert told[0].endswith(f"run: chmod 600 '{path}'")


def test_a_database_elsewhere_has_no_files() -> None:
    assert db.files("postgres://parley@localhost/parley") == []
    assert db.files("sqlite://") == []
