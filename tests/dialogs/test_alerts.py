"""Alerts as an operator sees them, through the whole bot on each platform."""

from pathlib import Path

import pytest

from core.words import ALERTS_OVER
from tests.dialogs.stages import ButtonStage, DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually


@pytest.fixture(params=["telegram", "discord"])
def stage(
    request: pytest.FixtureRequest,
    model: ModelServer,
    telegram_server: TelegramServer,
    discord_server: DiscordServer,
    sqlite_url: str,
    tmp_path: Path,
) -> ButtonStage:
    """Ada's private chat with the bot; she is the operator."""
    world = World(model, sqlite_url, tmp_path)
    if request.param == "telegram":
        return TelegramStage(world, telegram_server)
    return DiscordStage(world, discord_server)


@pytest.mark.slow
async def test_the_operator_is_told_that_the_key_is_refused_and_when_that_is_over(
    stage: ButtonStage, model: ModelServer
) -> None:
    admin = f"{stage.platform}:{stage.ada.id}"
    async with stage.running(admins=admin, watch_every=0.1):
        await ask(stage, "Hello")
        model.enqueue(Fault(401))
        await stage.say("And now?")
        await eventually(lambda: "the model API refuses my key" in stage.heard())
        assert "MODEL_API_KEY" in stage.heard()
        await stage.say("say again")
        await eventually(lambda: ALERTS_OVER["key"] in stage.heard())
        await stage.records.idle(5)
    assert stage.heard().count("refuses my key") == 1
    assert stage.server.violations == []


async def test_nobody_else_is_told(stage: ButtonStage, model: ModelServer) -> None:
    async with stage.running(admins=f"{stage.platform}:77", watch_every=0.1):
        await ask(stage, "Hello")
        model.enqueue(Fault(402))
        await ask(stage, "And now?")
        alert = "SELECT count(*) FROM alerts WHERE matter = 'credit'"
        await eventually(lambda: stage.records.one(alert) == 1)
        await stage.records.idle(2)
    assert "credit left" not in stage.heard()
    assert stage.records.turns() == 2


@pytest.mark.slow
async def test_the_operator_is_told_of_the_budget(stage: ButtonStage) -> None:
    admin = f"{stage.platform}:{stage.ada.id}"
    async with stage.running(admins=admin, watch_every=0.1, budget="5 turns/day"):
        for number in range(4):
            await ask(stage, f"say {number}")
        await eventually(lambda: "Most of the budget is used up: 5 turns/day." in stage.heard())
        await stage.say("say 5")
        await stage.say("say 6")
        await eventually(lambda: "The budget is used up: 5 turns/day." in stage.heard())
        await stage.records.idle(8)
    assert stage.heard().count("is used up: 5 turns/day") == 2
