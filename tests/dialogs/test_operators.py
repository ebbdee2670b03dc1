"""An operator's private chat on each platform."""

import pytest

from tests.dialogs.stages import ButtonStage, DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer


@pytest.fixture(params=["telegram", "discord"])
def place(
    request: pytest.FixtureRequest,
    world: World,
    telegram_server: TelegramServer,
    discord_server: DiscordServer,
) -> ButtonStage:
    """Both platforms in turn."""
    if request.param == "telegram":
        return TelegramStage(world, telegram_server)
    return DiscordStage(world, discord_server)


def admins(place: ButtonStage) -> str:
    return f"{place.platform}:{place.ada.id}"


async def order(place: ButtonStage, text: str) -> str:
    """Write a command that is on no menu."""
    turns, at = place.records.turns(), place.place()
    if isinstance(place, DiscordStage):
        await place.server.say(place.channel, place.ada, text)
    else:
        await place.say(text)
    await place.records.idle(turns + 1)
    return place.heard(at)


async def test_an_operator_asks(place: ButtonStage, model: ModelServer) -> None:
    async with place.running(admins=admins(place)):
        await ask(place, "say hello")
        for text in (
            "/users",
            "/user ada",
            "/user 1",
            "/user 99",
            "/user",
            "/top",
            "/stats",
            "/turns",
            "/turns show 1",
            "/audit",
            "/turns discard 1",
        ):
            print("=====", text)
            print(await order(place, text))
        print(place.stands()[-1])
        print(await place.press("Yes, do it"))
        await place.records.idle(1)
        print(place.stands()[-1])
    assert 0
