"""The Procfile, under a runner that reads it and .env as a platform does."""

import re
import shlex
import socket
from pathlib import Path

import pytest
from dotenv import dotenv_values
from sqlalchemy import URL

from bots.loading import load
from tests import postgres
from tests.bot import ROOT
from tests.deploys.procfile import processes, settings
from tests.deploys.programs import Place, dotenv
from tests.dialogs.stages import TelegramStage, World, ask
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.web.ports import Probe, free_port

APART = 100
"""The distance between the ports that honcho gives to two kinds of processes."""

NOT_QUOTED = {
    "QUOTA": "10 turns/minute, 200 turns/day, 1 usd/month",
    "QUOTA_VIP": "20 turns/minute, 200k tokens/day",
    "BUDGET": "20 usd/month",
    "MODEL": "x-ai/grok-4-fast-non-reasoning, another/model",
    "MODELS": "another/model, a/third",
    "MODEL_PRICES": "another/model=1.25/0.20/2.50, a/third=1/0.5/2",
    "VISION": "another/model, a/third",
    "ADMINS": "telegram:123, discord:456",
    "ACCESS": "list",
    "ALLOWED_PEOPLE": "telegram:123, discord:456",
    "ALLOWED_GROUPS": "telegram:-100123, discord:789",
}
"""Settings that are lists, with blanks and without quotes."""


def ports() -> tuple[int, int]:
    """Return two free ports as honcho gives them."""
    while True:
        first = free_port()
        if first + APART <= 65535 and is_free(first + APART):
            return first, first + APART


def is_free(port: int) -> bool:
    """Return whether nobody uses a port."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


async def test_honcho_releases_starts_and_stops_what_the_procfile_has(
    model: ModelServer, telegram_server: TelegramServer, postgres_server: URL, tmp_path: Path
) -> None:
    worker, web = ports()
    place = Place(tmp_path / "log", tmp_path, {"PYTHONPATH": str(ROOT)})
    values = {"HOST": "127.0.0.1", "SYSTEM_PROMPT": "Be brief and kind."}
    honcho = ["honcho", "start", "--app-root", str(tmp_path), "--procfile", str(ROOT / "Procfile")]
    with postgres.database(postgres_server) as url:
        stage = TelegramStage(World(model, url, tmp_path), telegram_server)
        (tmp_path / ".env").write_text(dotenv(stage.values(**values)))
        assert await place.carry_out(*honcho, "release") == 0
        async with place.program(*honcho, "--port", str(worker), "worker", "web") as running:
            for port in (worker, web):
                async with Probe.of(port) as probe:
                    await probe.until("/readyz", 200)
            assert "Hello" in await ask(stage, "Hello")
            with model.hold():
                await stage.say("count to 40")
                await model.seen(2)
                running.terminate()
                await telegram_server.wait(lambda: not telegram_server.polling)
            assert await running.wait() == 128 + 15
        said = [message.text[-2:] for message in telegram_server.answers(stage.chat)]
        assert said[-1] == "40"
    assert "Be brief and kind." in str(model.requests[0].messages[0])
    log = place.said()
    assert "release.1 stopped (rc=0)" in log
    assert log.count("stopping: answers in hand") == 2
    assert "SIGKILL" not in log


def test_every_line_of_the_procfile_is_a_command_of_ours() -> None:
    assert [*processes()] == ["release", "worker", "web", "telegram", "discord"]
    for command in processes().values():
        assert shlex.split(command)[:3] == ["python", "-m", "bots"]


def test_the_example_of_settings_is_read_alike_by_honcho_and_by_us(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (?=[A-Z_]+=)", "", (ROOT / ".env.example").read_text())
    (tmp_path / ".env").write_text(text)
    ours = {name: value for name, value in dotenv_values(tmp_path / ".env").items() if value}
    assert len(ours) > 30
    assert settings(text) == ours


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_lists_with_blanks_mean_the_same_to_honcho_and_to_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quote: str
) -> None:
    text = "".join(f"{name}={quote}{value}{quote}\n" for name, value in NOT_QUOTED.items())
    (tmp_path / ".env").write_text(text)
    ours = load(str(tmp_path / ".env"))
    for name, value in settings(text).items():
        monkeypatch.setenv(name, value)
    assert load(str(tmp_path / ".env")) == ours
    assert len(ours[0].quota) == 3
