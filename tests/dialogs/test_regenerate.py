"""Another answer to the same question, on the platforms that have buttons."""

import pytest

from core import words
from core.adapter import ChangeKind
from tests.dialogs.stages import ButtonStage, TelegramStage, World, ask
from tests.fakes.model import Answer, Fault
from tests.records import eventually

REGENERATE = ["Regenerate"]
UNBUTTON = {
    "telegram": "editMessageReplyMarkup",
    "discord": "PATCH /channels/{id}/messages/{id}",
}
"""The call that takes the buttons off a message."""


async def shows(buttons: ButtonStage, *messages: tuple[str, list[str]]) -> None:
    """Wait until the bot's messages show this."""
    await eventually(lambda: buttons.stands() == list(messages) and not buttons.records.busy())


def remembered(buttons: ButtonStage) -> list[str]:
    return [said for role, said in buttons.records.memory() if role == "assistant"]


async def test_another_answer_takes_the_place_of_the_first_after_a_restart(
    buttons: ButtonStage, world: World
) -> None:
    world.model.enqueue("Tea.")
    async with buttons.running():
        await ask(buttons, "What shall I drink?")
        await shows(buttons, ("Tea.", REGENERATE))
    world.model.enqueue("Coffee.", "Yes, with milk.")
    async with buttons.running():
        await buttons.press("Regenerate")
        await shows(buttons, ("Coffee.", REGENERATE))
        first, second = world.model.requests
        assert first.messages == second.messages, "it is asked the same once more"
        await ask(buttons, "With milk?")
        await shows(buttons, ("Coffee.", []), ("Yes, with milk.", REGENERATE))
    assert remembered(buttons) == ["Coffee.", "Yes, with milk."]
    assert "Tea." not in str(world.model.requests[2].messages)
    assert buttons.records.one("SELECT sum(turns) FROM calls") == 3, "each answer is paid for"
    assert buttons.records.drift() == []


@pytest.mark.slow
async def test_a_shorter_answer_deletes_the_parts_that_it_does_not_need(
    buttons: ButtonStage, world: World
) -> None:
    async with buttons.running():
        await ask(buttons, "write 9000 characters")
        await buttons.records.idle(1)
        *above, last = [buttons for _, buttons in buttons.stands()]
        assert (len(above) >= 2, any(above), last) == (True, False, REGENERATE)
        world.model.enqueue("Short.")
        await buttons.press("Regenerate")
        await shows(buttons, ("Short.", REGENERATE))


async def test_it_can_be_stopped_and_pressed_twice(buttons: ButtonStage, world: World) -> None:
    async with buttons.running():
        await ask(buttons, "say hello")
        await shows(buttons, ("hello", REGENERATE))
        with world.model.hold():
            await buttons.press("Regenerate")
            await world.model.seen(2)
            assert await buttons.told_by_press_gone(ChangeKind.REGENERATE) == words.STILL_ANSWERING
            await buttons.say("/stop")
            await shows(buttons, ("hello", REGENERATE), ("Stopped.", []))
    assert len(world.model.requests) == 2
    assert remembered(buttons) == ["hello"]
    assert buttons.records.drift() == []


async def test_the_old_answer_stays_where_no_other_comes(
    buttons: ButtonStage, world: World
) -> None:
    world.model.enqueue("Tea.", *[Answer("Cof", cut_after=1)] * 3)
    async with buttons.running(quota="2 turns/month"):
        await ask(buttons, "What shall I drink?")
        await buttons.press("Regenerate")
        await eventually(lambda: len(buttons.stands()) == 2)
        await buttons.records.idle(3)
        assert buttons.stands()[0] == ("Tea.", REGENERATE)
        assert "(Reference " in buttons.stands()[1][0]
        await buttons.press("Regenerate", 0)
        await eventually(lambda: len(buttons.stands()) == 3)
        await buttons.records.idle(5)
        assert buttons.stands()[0] == ("Tea.", REGENERATE)
        assert "That was all for now" in buttons.stands()[2][0]
    assert remembered(buttons) == ["Tea."]
    assert buttons.records.drift() == []


async def test_an_older_answer_is_not_replaced(buttons: ButtonStage) -> None:
    async with buttons.running():
        for word in ("one", "two"):
            await ask(buttons, f"say {word}")
        await shows(buttons, ("one", []), ("two", REGENERATE))
        assert await buttons.told_by_press_gone(ChangeKind.REGENERATE, 0) == words.MOVED_ON
        await ask(buttons, "/new")
        assert await buttons.told_by_press("Regenerate", 1) == words.MOVED_ON
        await ask(buttons, "/forget yes")
        assert await buttons.told_by_press("Regenerate", 1) == words.FORGOTTEN
        await buttons.records.idle(4)
    assert buttons.records.turns() == 4, "what is pressed in vain leaves nothing"


async def test_buttons_go_when_another_conversation_has_an_answer(buttons: ButtonStage) -> None:
    async with buttons.running():
        await ask(buttons, "say one")
        await ask(buttons, "/new")
        await ask(buttons, "say two")
        await ask(buttons, "/forget yes")
        await ask(buttons, "say three")
        await buttons.records.idle(5)
        shown = [under for text, under in buttons.stands() if text in ("one", "two", "three")]
    assert shown == [[], [], REGENERATE]


async def test_buttons_of_older_answers_go_after_a_crash_too(buttons: ButtonStage) -> None:
    halfway = "SELECT count(*) FROM turns WHERE answered_at IS NOT NULL AND delivered_at IS NULL"
    async with buttons.running():
        await ask(buttons, "say one")
        await shows(buttons, ("one", REGENERATE))
        buttons.server.fail(UNBUTTON[buttons.platform], status=502, delay=8)
        await buttons.say("say two")
        await eventually(lambda: len(buttons.stands()) == 2 and buttons.records.one(halfway) == 1)
    assert buttons.stands() == [("one", REGENERATE), ("two", REGENERATE)], "it ended in between"
    async with buttons.running():
        await shows(buttons, ("one", []), ("two", REGENERATE))


async def test_a_question_that_was_edited_has_one_button(
    buttons: ButtonStage, world: World
) -> None:
    world.model.enqueue("Tea.", "Cake.", "Bread.")
    async with buttons.running():
        if isinstance(buttons, TelegramStage):
            asked = await buttons.server.say(buttons.chat, buttons.ada, "What shall I drink?")
            await shows(buttons, ("Tea.", REGENERATE))
            await buttons.server.edit_by_person(asked, "What shall I eat?")
        else:
            post = await buttons.server.say(buttons.channel, buttons.ada, "What shall I drink?")
            await shows(buttons, ("Tea.", REGENERATE))
            await buttons.server.edit_by_person(post, "What shall I eat?")
        await shows(buttons, ("Cake.", REGENERATE))
        await buttons.press("Regenerate")
        await shows(buttons, ("Bread.", REGENERATE))
    assert "drink" not in str(world.model.requests[2].messages)
    assert remembered(buttons) == ["Bread."]


async def test_a_fault_that_passes_is_waited_out(buttons: ButtonStage, world: World) -> None:
    world.model.enqueue("Tea.", Fault(503), "Coffee.")
    async with buttons.running(retry_seconds=1):
        await ask(buttons, "What shall I drink?")
        await buttons.press("Regenerate")
        await shows(buttons, ("Coffee.", REGENERATE))
