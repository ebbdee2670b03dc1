"""The Procfile, under a runner that reads it and .env as a platform does."""

import re
import shlex
import sys
from contextlib import AsyncExitStack
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


HONCHO = "from honcho import command, manager; manager.KILL_WAIT = 60; command.main()"
"""Honcho as a platform: it waits as long for a process to stop, not five seconds."""


@pytest.mark.slow
async def test_honcho_releases_starts_and_stops_what_the_procfile_has(
    model: ModelServer, telegram_server: TelegramServer, postgres_server: URL, tmp_path: Path
) -> None:
    place = Place(tmp_path / "log", tmp_path, {"PYTHONPATH": str(ROOT)})
    values = {"HOST": "127.0.0.1", "SYSTEM_PROMPT": "Be brief and kind."}
    honcho = [
        sys.executable,
        "-c",
        HONCHO,
        "start",
        "--app-root",
        str(tmp_path),
        "--procfile",
        str(ROOT / "Procfile"),
    ]
    async with AsyncExitStack() as stack:
        url = stack.enter_context(postgres.database(postgres_server))
        stage = TelegramStage(World(model, url, tmp_path), telegram_server)
        (tmp_path / ".env").write_text(dotenv(stage.values(**values)))
        assert await place.carry_out(*honcho, "release") == 0
        running = []
        for kind in ("worker", "web"):
            port = free_port()
            started = place.program(*honcho, "--port", str(port), kind)
            running.append(await stack.enter_async_context(started))
            probe = await stack.enter_async_context(Probe.of(port))
            await probe.until("/readyz", 200)
        assert "Hello" in await ask(stage, "Hello")
        with model.hold():
            await stage.say("count to 40")
            await model.seen(2)
            for each in running:
                each.terminate()
            await telegram_server.wait(lambda: not telegram_server.polling)
        assert [await each.wait() for each in running] == [128 + 15] * 2
    assert telegram_server.answers(stage.chat)[-1].text.endswith("40")
    assert "Be brief and kind." in str(model.requests[0].messages[0])
    assert "release.1 stopped (rc=0)" in place.said()
    assert place.said().count("stopping: answers in hand") == 2
    assert "SIGKILL" not in place.said()


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
