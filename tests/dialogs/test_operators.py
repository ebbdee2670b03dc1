"""An operator's private chat on each platform."""

import pytest

from tests.dialogs.stages import ButtonStage, DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually


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


UNKNOWN = "I do not know /users. /help lists what I can do."


@pytest.mark.slow
async def test_an_operator_sees_people_figures_and_turns(place: ButtonStage) -> None:
    async with place.running(admins=admins(place)):
        await ask(place, "say hello")
        assert "Ada" in await order(place, "/users")
        for who in ("1", "ada", f"{place.platform}:{place.ada.id}", str(place.ada.id), "1-1"):
            told = await order(place, f"/user {who}")
            assert f"{place.platform}:{place.ada.id}" in told
            assert "199 of 200 answers a day" in told
        assert "1 answer" in await order(place, "/top")
        assert "Answers: 1" in await order(place, "/stats 3")
        assert await order(place, "/turns") == "No turn is in trouble."
        assert "answered" in await order(place, "/turns show 1")
        assert "WHO" in await order(place, "/user")


async def test_a_tap_on_a_person_in_a_list_shows_them(place: ButtonStage) -> None:
    async with place.running(admins=admins(place)):
        assert "/user_1" in await order(place, "/users")
        assert "number 1" in await order(place, "/user_1")


async def test_to_anybody_else_it_is_a_command_that_nobody_knows(
    place: ButtonStage, model: ModelServer
) -> None:
    async with place.running(admins=f"{place.platform}:77"):
        if isinstance(place, TelegramStage):
            assert await order(place, "/users") == UNKNOWN
        await order(place, "/user 1")
    assert "/user 1" in model.requests[-1].messages[-1]["content"], "it is a wish to the model"


async def test_no_order_is_given_in_a_group(world: World, telegram_server: TelegramServer) -> None:
    stage = TelegramStage(world, telegram_server)
    group = stage.group()
    async with stage.running(admins=admins(stage)):
        await stage.server.say(group, stage.ada, f"/users@{stage.server.username}")
        await stage.records.idle(1)
        [answer] = stage.server.answers(group)
    assert answer.text == UNKNOWN


async def test_an_order_that_cannot_be_undone_asks_first(
    place: ButtonStage, model: ModelServer
) -> None:
    async with place.running(admins=admins(place)):
        with model.hold():
            await place.say("count to 9")
            await model.seen(1)
            if isinstance(place, DiscordStage):
                await place.server.say(place.channel, place.ada, "/turns discard 1")
            else:
                await place.say("/turns discard 1")
            await eventually(lambda: "Yes, do it" in str(place.stands()))
            await place.press("Yes, do it")
            await eventually(lambda: "1: ended" in str(place.stands()))
        assert "turns discard 1" in await order(place, "/audit")
    assert place.records.all("SELECT operator, verb, subject FROM audits") == [
        (admins(place), "turns discard", "1")
    ]
    assert place.records.drift() == []
