"""Another answer to the same question, on the platforms that have buttons."""

import pytest

from core import words
from core.adapter import ChangeKind
from tests.dialogs.stages import DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import Answer, Fault
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

ButtonStage = TelegramStage | DiscordStage
REGENERATE = ["Regenerate"]
UNBUTTON = {
    "telegram": "editMessageReplyMarkup",
    "discord": "PATCH /channels/{id}/messages/{id}",
}
"""The call that takes the buttons off a message."""


@pytest.fixture(params=["telegram", "discord"])
def stage(request: pytest.FixtureRequest, world: World) -> ButtonStage:
    """Each platform with buttons in turn."""
    if request.param == "telegram":
        server: TelegramServer = request.getfixturevalue("telegram_server")
        return TelegramStage(world, server)
    other: DiscordServer = request.getfixturevalue("discord_server")
    return DiscordStage(world, other)


async def shows(stage: ButtonStage, *messages: tuple[str, list[str]]) -> None:
    """Wait until the bot's messages show this."""
    await eventually(lambda: stage.shown() == list(messages) and not stage.records.busy())


def remembered(stage: ButtonStage) -> list[str]:
    return [said for role, said in stage.records.memory() if role == "assistant"]


async def test_another_answer_takes_the_place_of_the_first_after_a_restart(
    stage: ButtonStage, world: World
) -> None:
    world.model.enqueue("Tea.")
    async with stage.running():
        await ask(stage, "What shall I drink?")
        await shows(stage, ("Tea.", REGENERATE))
    world.model.enqueue("Coffee.", "Yes, with milk.")
    async with stage.running():
        await stage.press("Regenerate")
        await shows(stage, ("Coffee.", REGENERATE))
        first, second = world.model.requests
        assert first.messages == second.messages, "it is asked the same once more"
        await ask(stage, "With milk?")
        await shows(stage, ("Coffee.", []), ("Yes, with milk.", REGENERATE))
    assert remembered(stage) == ["Coffee.", "Yes, with milk."]
    assert "Tea." not in str(world.model.requests[2].messages)
    assert stage.records.one("SELECT sum(turns) FROM calls") == 3, "each answer is paid for"
    assert stage.records.drift() == []


async def test_a_shorter_answer_deletes_the_parts_that_it_does_not_need(
    stage: ButtonStage, world: World
) -> None:
    async with stage.running():
        await ask(stage, "write 9000 characters")
        await stage.records.idle(1)
        *above, last = [buttons for _, buttons in stage.shown()]
        assert (len(above) >= 2, any(above), last) == (True, False, REGENERATE)
        world.model.enqueue("Short.")
        await stage.press("Regenerate")
        await shows(stage, ("Short.", REGENERATE))


async def test_it_can_be_stopped_and_pressed_twice(stage: ButtonStage, world: World) -> None:
    async with stage.running():
        await ask(stage, "say hello")
        await shows(stage, ("hello", REGENERATE))
        with world.model.hold():
            await stage.press("Regenerate")
            await world.model.seen(2)
            assert await stage.press_gone(ChangeKind.REGENERATE) == words.STILL_ANSWERING
            await stage.say("/stop")
            await shows(stage, ("hello", REGENERATE), ("Stopped.", []))
    assert len(world.model.requests) == 2
    assert remembered(stage) == ["hello"]
    assert stage.records.drift() == []


async def test_the_old_answer_stays_where_no_other_comes(stage: ButtonStage, world: World) -> None:
    world.model.enqueue("Tea.", *[Answer("Cof", cut_after=1)] * 3)
    async with stage.running(quota="2 turns/day"):
        await ask(stage, "What shall I drink?")
        await stage.press("Regenerate")
        await eventually(lambda: len(stage.shown()) == 2)
        assert stage.shown()[0] == ("Tea.", REGENERATE)
        assert "(Reference " in stage.shown()[1][0]
        await stage.records.idle(3)
        await stage.press("Regenerate", 0)
        await eventually(lambda: len(stage.shown()) == 3)
        await stage.records.idle(5)
        assert stage.shown()[0] == ("Tea.", REGENERATE)
        assert "That was all for now" in stage.shown()[2][0]
    assert remembered(stage) == ["Tea."]
    assert stage.records.drift() == []


async def test_an_older_answer_is_not_replaced(stage: ButtonStage) -> None:
    async with stage.running():
        for word in ("one", "two"):
            await ask(stage, f"say {word}")
        await shows(stage, ("one", []), ("two", REGENERATE))
        assert await stage.press_gone(ChangeKind.REGENERATE, 0) == words.MOVED_ON
        await ask(stage, "/new")
        assert await stage.press("Regenerate", 1) == words.MOVED_ON
        await ask(stage, "/forget yes")
        assert await stage.press("Regenerate", 1) == words.FORGOTTEN
        await stage.records.idle(4)
    assert stage.records.turns() == 4, "what is pressed in vain leaves nothing"


async def test_buttons_of_older_answers_go_after_a_crash_too(stage: ButtonStage) -> None:
    halfway = "SELECT count(*) FROM turns WHERE answered_at IS NOT NULL AND delivered_at IS NULL"
    async with stage.running():
        await ask(stage, "say one")
        await shows(stage, ("one", REGENERATE))
        stage.server.fail(UNBUTTON[stage.platform], status=502, delay=2)
        await stage.say("say two")
        await eventually(lambda: len(stage.shown()) == 2 and stage.records.one(halfway) == 1)
    assert stage.shown() == [("one", REGENERATE), ("two", REGENERATE)], "it ended in between"
    async with stage.running():
        await shows(stage, ("one", []), ("two", REGENERATE))


async def test_a_question_that_was_edited_has_one_button(stage: ButtonStage, world: World) -> None:
    world.model.enqueue("Tea.", "Cake.", "Bread.")
    async with stage.running():
        if isinstance(stage, TelegramStage):
            asked = await stage.server.say(stage.chat, stage.ada, "What shall I drink?")
            await shows(stage, ("Tea.", REGENERATE))
            await stage.server.edit_by_person(asked, "What shall I eat?")
        else:
            post = await stage.server.say(stage.channel, stage.ada, "What shall I drink?")
            await shows(stage, ("Tea.", REGENERATE))
            await stage.server.edit_by_person(post, "What shall I eat?")
        await shows(stage, ("Cake.", REGENERATE))
        await stage.press("Regenerate")
        await shows(stage, ("Bread.", REGENERATE))
    assert "drink" not in str(world.model.requests[2].messages)
    assert remembered(stage) == ["Bread."]


async def test_a_fault_that_passes_is_waited_out(stage: ButtonStage, world: World) -> None:
    world.model.enqueue("Tea.", Fault(503), "Coffee.")
    async with stage.running(retry_seconds=1):
        await ask(stage, "What shall I drink?")
        await stage.press("Regenerate")
        await shows(stage, ("Coffee.", REGENERATE))
