"""The systemd unit: systemd takes it, it is hardened, and what it starts answers."""

import os
import shutil
from pathlib import Path

import pytest

from core.settings import Settings
from tests.deploys import unit
from tests.deploys.dockerfile import Image
from tests.deploys.programs import Place, said
from tests.dialogs.stages import TelegramStage, World, ask
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer

ANALYZE = shutil.which("systemd-analyze")
BY_SYSTEMD = pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
WORST = "15"
"""The worst exposure that is accepted, of 100: the one of a service without hardening is 96."""
STATE = "/var/lib"
DYNAMIC = 61184
"""The first user that systemd takes for a DynamicUser."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a machine on which the unit and the bot are installed."""
    for path in ("etc/systemd/system/parley.service", "opt/parley/bin/parley"):
        (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / "opt/parley/bin/parley").touch(0o755)
    shutil.copy(unit.PATH, tmp_path / "etc/systemd/system")
    for target in ("multi-user", "network-online", "sysinit", "basic", "shutdown"):
        (tmp_path / f"etc/systemd/system/{target}.target").write_text("[Unit]\n")
    return tmp_path


@BY_SYSTEMD
def test_systemd_takes_it_without_a_warning(root: Path) -> None:
    assert said(str(ANALYZE), "verify", f"--root={root}", "parley.service") == (0, "")


@BY_SYSTEMD
def test_it_is_hardened_by_the_measure_of_systemd(root: Path) -> None:
    command = [str(ANALYZE), "security", "--offline=true", "--no-pager", f"--root={root}"]
    status, told = said(*command, f"--threshold={WORST}", "parley.service")
    assert status == 0, told
    assert "Overall exposure" in told


def test_it_may_write_only_to_its_own_folder_and_keeps_its_settings_apart() -> None:
    assert unit.one("DynamicUser") == "yes"
    assert unit.one("ProtectSystem") == "strict"
    assert unit.one("NoNewPrivileges") == "yes"
    assert unit.one("WorkingDirectory") == f"{STATE}/{unit.one('StateDirectory')}"
    assert "ReadWritePaths" not in unit.directives()
    assert unit.one("EnvironmentFile").startswith("/etc/")
    assert "Environment" not in unit.directives()


def test_it_allows_a_file_for_each_answer() -> None:
    answers = Settings.model_fields["concurrency"].default
    assert int(unit.one("LimitNOFILE")) > 10 * answers


@pytest.mark.install
@pytest.mark.skipif(os.getuid() != 0, reason="only root may start it as another user")
async def test_what_it_starts_makes_the_tables_and_answers(
    image: Image,
    model: ModelServer,
    telegram_server: TelegramServer,
    tmp_path: Path,
) -> None:
    folder = image.folder / "data" / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, DYNAMIC, DYNAMIC)
    stage = TelegramStage(World(model, f"sqlite:///{folder}/parley.db", tmp_path), telegram_server)
    values = {name.upper(): str(value) for name, value in stage.values().items()}
    del values["DATABASE_URL"]  # SQLite in the folder of the service
    place = Place(tmp_path / "log", folder, {"PATH": "/usr/bin:/bin", **values}, DYNAMIC)
    assert await place.carry_out(*image.here(unit.one("ExecStartPre")).split()) == 0
    async with place.program(*image.here(unit.one("ExecStart")).split()) as running:
        assert "Hello" in await ask(stage, "Hello")
        running.terminate()
        assert await running.wait() == 0
    assert (folder / "parley.db").stat().st_mode & 0o077 == 0
    assert not [line for line in running.lines() if " ERROR " in line]
