"""The commands of `docs/deploy.md`, as somebody types them who follows the page."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dotenv import dotenv_values
from sqlalchemy import URL

from tests import postgres
from tests.bot import ROOT
from tests.deploys.pages import blocks, commands
from tests.deploys.programs import TOOLS, Place, dotenv
from tests.dialogs.stages import TelegramStage, World, ask, env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.pgbouncer import BINARY, pooling
from tests.telegram.hooks import front
from tests.tree import files
from tests.web.ports import Probe, free_port

LAPTOP = "A laptop"
DOCKER = "Docker"
SERVER = "A small server with systemd"
SEVERAL = "Several processes with PostgreSQL"

NOTES = ("Not run by the tests: ", "Run by tests/")

PATH = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
"""The folders of the programs of a person's shell, in which no virtual environment is active."""


def test_each_command_is_run_here_or_tells_why_not() -> None:
    found = blocks()
    assert len({block.section for block in found}) == 5
    assert {block.section for block in found if not block.note} == {LAPTOP, DOCKER, SERVER, SEVERAL}
    for block in found:
        assert not block.note or block.note.startswith(NOTES)
        for path in re.findall(r"tests/[\w/]+\.py", block.note):
            assert (ROOT / path).exists()


@pytest.fixture
def tree() -> Iterator[Path]:
    """A fresh copy of the repository, as a clone has it."""
    with TemporaryDirectory(prefix="parley-clone-") as name:
        folder = Path(name)
        for path in files(ROOT):
            if path.is_file() and path.relative_to(ROOT).parts[0] != "tests":
                (folder / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / path.relative_to(ROOT))
        yield folder


async def test_the_example_of_settings_with_a_password_is_what_compose_reads(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    [setup] = commands(DOCKER)
    await Place(tmp_path / "log", tmp_path, {"PATH": PATH}).type_in(*setup)
    password = dotenv_values(tmp_path / ".env")["POSTGRES_PASSWORD"] or ""
    assert re.fullmatch(r"[a-z0-9]{32}", password)


@pytest.mark.install
@pytest.mark.timeout(900)
async def test_who_follows_the_page_on_a_laptop_and_on_a_server_gets_answers(
    tree: Path,
    shell: Mapping[str, str],
    model: ModelServer,
    telegram_server: TelegramServer,
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "log", tree, {**shell, "PATH": PATH})
    stage = TelegramStage(World(model, f"sqlite:///{tree}/parley.db", tmp_path), telegram_server)
    values = stage.values()
    del values["database_url"]  # the page leaves it as it is
    setup, [start] = commands(LAPTOP)
    await place.type_in(*setup)
    with (tree / ".env").open("a") as settings:
        settings.write(dotenv(values))
    async with place.program("bash", "-c", start) as running:
        await telegram_server.wait(lambda: telegram_server.polling)
        assert "Hello" in await ask(stage, "Hello")
        running.terminate()
        assert await running.wait() == 0
    assert " WARNING bots" not in place.said()

    def here(line: str) -> str:
        """Put a folder before /etc and /var; what /opt gets is installed already."""
        line = line.replace("/opt/parley", str(tree / ".venv"))
        return re.sub(r"(?<![\w./])/(?=(etc|var)/)", f"{tmp_path}/", line)

    install, [operate] = commands(SERVER)
    await place.type_in(*map(here, install))
    assert (tmp_path / "etc/parley/env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc/systemd/system/parley.service").exists()
    with (tmp_path / "etc/parley/env").open("a") as settings:
        settings.write(dotenv(values))
    (tmp_path / "var/lib/parley").mkdir(parents=True)
    shutil.move(tree / "parley.db", tmp_path / "var/lib/parley/parley.db")
    await place.type_in(here(operate))
    assert "People on the busiest day: 1" in place.said()


@pytest.mark.slow
@pytest.mark.skipif(BINARY is None, reason="PgBouncer is not installed")
async def test_several_processes_share_the_work_as_the_page_tells(
    model: ModelServer, postgres_server: URL, tmp_path: Path
) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/parley").symlink_to(f"{TOOLS}/parley")
    ports = [free_port(), free_port()]
    async with AsyncExitStack() as stack:
        direct = stack.enter_context(postgres.database(postgres_server))
        pooled = await stack.enter_async_context(pooling(direct, size=6))
        server = await stack.enter_async_context(TelegramServer(flood=False))
        url = await stack.enter_async_context(front(*ports))
        server.take_any_webhook()
        stage = TelegramStage(World(model, direct, tmp_path), server)
        values = env(stage.values(host="127.0.0.1")) | {"PYTHONPATH": str(ROOT)}
        del values["DATABASE_URL"]  # the page sets it
        meant = {
            "DATABASE_URL": pooled,
            "DATABASE_DIRECT_URL": direct,
            "TELEGRAM_WEBHOOK_URL": url,
        }
        place = Place(tmp_path / "log", tmp_path, values)
        free, running = [*ports], []
        for line in (line for block in commands(SEVERAL) for line in block):
            if line.startswith("export "):
                name = line.removeprefix("export ").partition("=")[0]
                values[name] = meant.pop(name)
            elif line.startswith("PORT="):
                started = place.program(
                    "bash", "-c", re.sub(r"\d+", str(free.pop()), line, count=1)
                )
                running.append(await stack.enter_async_context(started))
            else:
                await place.type_in(line)
        assert (meant, free) == ({}, [])
        for port in ports:
            probe = await stack.enter_async_context(Probe.of(port))
            await probe.until("/readyz", 200)
        await server.wait(lambda: server.webhook == url)
        assert "Hello" in await ask(stage, "Hello")
        for each in running:
            each.terminate()
            assert await each.wait() == 0
            if each is not running[-1]:
                assert "Hello" in await ask(stage, "Hello again")
    assert " ERROR " not in place.said()
