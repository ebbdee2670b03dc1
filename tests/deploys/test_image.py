"""The Dockerfile: what it says, and the bot as it runs after its steps."""

import json
import os
from pathlib import Path

import pytest
from dotenv import dotenv_values
from sqlalchemy import URL, make_url

from tests import postgres
from tests.bot import ROOT
from tests.deploys.composition import services
from tests.deploys.dockerfile import Image, Stage, context, stages
from tests.deploys.programs import TOOLS, Place, dotenv, said
from tests.dialogs.stages import TelegramStage, World, ask, env
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.web.ports import Probe, free_port

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root may start it as another user")
BY_POSTGRESQL = "@postgres/parley"


def owner(url: str) -> int | None:
    """Return the user who may open the socket of a server; None if everybody may reach it."""
    socket = make_url(url).query.get("host")
    return None if socket is None else Path(str(socket)).stat().st_uid


def user_of(pid: int) -> int:
    """Return the user of a process."""
    return Path(f"/proc/{pid}").stat().st_uid


def test_a_linter_finds_nothing() -> None:
    assert said(f"{TOOLS}/hadolint", "Dockerfile") == (0, "")


def test_the_image_has_the_python_of_the_pins_and_no_secret() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    assert {stage.image for stage in stages()} == {f"python:{version}-slim"}
    sent = {path.relative_to(ROOT).parts[0] for path in context()}
    told = {name for rest in stages()[0].all("COPY") for name in rest.split()[:-1]}
    assert sent == told


def test_a_signal_reaches_the_bot_itself(runtime: Stage) -> None:
    assert json.loads(runtime.last("ENTRYPOINT")) == ["parley"]
    assert runtime.last("STOPSIGNAL") == "SIGTERM"
    assert not runtime.all("CMD")
    assert runtime.last("USER").partition(":")[0].isdecimal()


@AS_ROOT
@pytest.mark.install
async def test_the_image_answers_as_a_user_of_its_own_and_stops_gently(
    image: Image,
    runtime: Stage,
    model: ModelServer,
    telegram_server: TelegramServer,
    tmp_path: Path,
) -> None:
    port, user = free_port(), int(runtime.last("USER").partition(":")[0])
    folder = Path(image.here(runtime.last("WORKDIR")))
    database = f"sqlite:///{folder}/parley.db"
    stage = TelegramStage(World(model, database, tmp_path), telegram_server)
    settings = env(stage.values(port=port, host="127.0.0.1"))
    del settings["DATABASE_URL"]  # the image's own
    place = Place(tmp_path / "log", folder, {**image.environment(runtime), **settings}, user)
    health = runtime.argv("HEALTHCHECK")
    started = place.program(*runtime.argv("ENTRYPOINT"))
    async with started as running, Probe.of(port) as probe:
        await probe.until("/readyz", 200)
        assert user_of(running.process.pid) == user
        assert "Hello" in await ask(stage, "Hello")
        assert await place.carry_out(*health) == 0
        with model.hold():
            await stage.say("count to 40")
            await model.seen(2)
            running.terminate()
            await telegram_server.wait(lambda: not telegram_server.polling)
        assert await running.wait() == 0
    assert telegram_server.answers(stage.chat)[-1].text.endswith("40")
    assert await place.carry_out(*health) == 1
    assert "does not answer" in place.said().splitlines()[-1]
    assert {path.name for path in image.folder.iterdir()} == {"opt", "data"}
    [libraries] = image.folder.glob("opt/parley/lib/*/site-packages")
    assert not {"pytest", "pip", "tests"} & {path.name for path in libraries.iterdir()}
    ours = [path.relative_to(ROOT) for path in context() if path.parent != ROOT]
    assert [path for path in ours if not (libraries / path).exists()] == []


@AS_ROOT
@pytest.mark.install
async def test_compose_makes_the_tables_and_then_answers(
    image: Image,
    runtime: Stage,
    model: ModelServer,
    telegram_server: TelegramServer,
    postgres_server: URL,
    tmp_path: Path,
) -> None:
    with postgres.database(postgres_server) as url:
        stage = TelegramStage(World(model, url, tmp_path), telegram_server)
        values = stage.values(postgres_password="letters1")
        del values["database_url"]
        (tmp_path / ".env").write_text((ROOT / ".env.example").read_text() + dotenv(values))
        read = {name: value or "" for name, value in dotenv_values(tmp_path / ".env").items()}
        port, all_of_them = free_port(), services(read)

        def place(name: str) -> Place:
            settings = read | all_of_them[name].settings
            assert settings["DATABASE_URL"].endswith(BY_POSTGRESQL)
            settings |= {"DATABASE_URL": url, "PORT": str(port), "HOST": "127.0.0.1"}
            environment = {**image.environment(runtime), **settings}
            return Place(tmp_path / name, image.folder / "data", environment, owner(url))

        def command(name: str) -> list[str]:
            return [*runtime.argv("ENTRYPOINT"), *all_of_them[name].command]

        migrating = place("migrate")
        assert await migrating.carry_out(*command("migrate")) == 0, migrating.said()
        started = place("bot").program(*command("bot"))
        async with started as running, Probe.of(port) as probe:
            await probe.until("/readyz", 200)
            assert "Hello" in await ask(stage, "Hello")
            running.terminate()
            assert await running.wait() == 0
