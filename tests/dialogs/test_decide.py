"""A command that destroys something asks by buttons, on the platforms that have them."""

from core import words
from core.adapter import ChangeKind
from tests.dialogs.stages import ButtonStage, Stage, TelegramStage, World, ask
from tests.records import eventually

DECIDE = ["Forget everything", "Cancel"]


async def shows(stage: ButtonStage, *messages: tuple[str, list[str]]) -> None:
    """Wait until the bot's messages show this at last."""
    last = len(messages)
    await eventually(lambda: stage.stands()[-last:] == [*messages] and not stage.records.busy())


async def test_a_conversation_is_forgotten_by_a_button_after_a_restart(
    buttons: ButtonStage, world: World
) -> None:
    async with buttons.running():
        await ask(buttons, "say secret")
        await ask(buttons, "/forget")
        await shows(buttons, (words.SURE, DECIDE))
    async with buttons.running():
        await buttons.press("Forget everything")
        await shows(buttons, (words.ALL_FORGOTTEN, []))
        assert await buttons.told_by_press_gone(ChangeKind.CONFIRM) == words.DECIDED
        await ask(buttons, "What did I say?")
        await eventually(lambda: "secret" not in str(buttons.records.all("SELECT * FROM messages")))
    assert "secret" not in str(world.model.requests[-1].messages)


async def test_it_can_be_cancelled_and_asked_again(buttons: ButtonStage, world: World) -> None:
    async with buttons.running():
        await ask(buttons, "say secret")
        await ask(buttons, "/forget")
        await buttons.press("Cancel")
        await shows(buttons, (words.NOT_DONE, []))
        assert await buttons.told_by_press_gone(ChangeKind.CONFIRM) == words.DECIDED
        await ask(buttons, "What did I say?")
        assert "secret" in str(world.model.requests[-1].messages)
        await ask(buttons, "/forget")
        await buttons.press("Forget everything")
        await shows(buttons, (words.ALL_FORGOTTEN, []))


async def test_its_buttons_end_after_some_minutes(buttons: ButtonStage) -> None:
    async with buttons.running():
        await ask(buttons, "say secret")
        await ask(buttons, "/forget")
        await shows(buttons, (words.SURE, DECIDE))
        await buttons.records.write("UPDATE turns SET created_at = '2026-01-01' WHERE id = 2")
        await buttons.press("Forget everything")
        await shows(buttons, (words.UNDECIDED.format(name="forget"), []))
    assert len(buttons.records.memory()) == 2


async def test_what_was_forgotten_by_typing_is_not_decided_again(buttons: ButtonStage) -> None:
    async with buttons.running():
        await ask(buttons, "say secret")
        await ask(buttons, "/forget")
        await ask(buttons, "/forget yes")
        await ask(buttons, "say something new")
        place = len(buttons.stands()) - 3
        assert buttons.stands()[place][1] == DECIDE
        await buttons.press("Forget everything", place)
        await eventually(lambda: buttons.stands()[place] == (words.FORGOTTEN_SINCE, []))
    assert "something new" in str(buttons.records.memory(2))


async def test_only_who_asked_may_press(telegram: TelegramStage) -> None:
    server = telegram.server
    bob = server.person(1002, "Bob")
    group = telegram.group(bob)
    async with telegram.running():
        await server.say(group, telegram.ada, f"@{server.username} say hello")
        await telegram.records.idle(1)
        await server.say(group, telegram.ada, "/forget")
        await telegram.records.idle(2)
        hello, sure = server.answers(group)
        for message, label in ((hello, "Regenerate"), (sure, "Cancel"), (sure, DECIDE[0])):
            told = await telegram.told(await server.press(message, label, bob))
            assert told == words.NOT_YOURS
        assert sure.buttons == DECIDE
        await telegram.told(await server.press(sure, DECIDE[0], telegram.ada))
        await eventually(lambda: sure.text == words.ALL_FORGOTTEN)
        await telegram.records.idle(3)
    assert telegram.records.turns() == 3


async def test_in_a_group_each_branch_has_one_newest_answer(telegram: TelegramStage) -> None:
    server, group = telegram.server, telegram.group()
    async with telegram.running():
        for number, word in enumerate(("one", "two"), 1):
            await server.say(group, telegram.ada, f"@{server.username} say {word}")
            await telegram.records.idle(number)
        one, two = server.answers(group)
        await server.say(group, telegram.ada, "say branch", reply_to=one)
        await telegram.records.idle(3)
        branch = server.answers(group)[2]
        assert [each.buttons for each in (one, two, branch)] == [[], ["Regenerate"], ["Regenerate"]]
        await server.press(branch, "Regenerate", telegram.ada)
        await telegram.records.idle(4)
        assert [each.buttons for each in (one, two, branch)] == [[], ["Regenerate"], ["Regenerate"]]
    said = [text for role, text in telegram.records.memory() if role == "assistant"]
    assert said == ["one", "two"], "a branch does not move the head"


async def test_in_a_group_a_refusal_answers_who_pressed_and_is_told_once(
    telegram: TelegramStage,
) -> None:
    server, group = telegram.server, telegram.group()
    async with telegram.running(quota="1 turn/month"):
        asked = await server.say(group, telegram.ada, f"@{server.username} say one")
        await telegram.records.idle(1)
        one = server.answers(group)[0]
        await telegram.told(await server.press(one, "Regenerate", telegram.ada))
        await telegram.records.idle(3)
        await telegram.told(await server.press(one, "Regenerate", telegram.ada))
        await telegram.records.idle(4)
        [_, refusal] = server.answers(group)
    assert (one.text, one.buttons) == ("one", ["Regenerate"])
    assert "That was all for now" in refusal.text
    assert refusal.reply_to == asked.message_id


async def test_a_new_conversation_of_a_group_ends_the_button_of_somebody_else(
    telegram: TelegramStage,
) -> None:
    server = telegram.server
    bob = server.person(1002, "Bob")
    group = telegram.group(bob)
    async with telegram.running():
        await server.say(group, bob, f"@{server.username} say one")
        await telegram.records.idle(1)
        await server.say(group, telegram.ada, "/new say two")
        await telegram.records.idle(2)
        assert [each.buttons for each in server.answers(group)] == [[], ["Regenerate"]]


async def test_typing_the_confirmation_still_works(stage: Stage) -> None:
    async with stage.running():
        await ask(stage, "say secret")
        assert "/forget yes" in await ask(stage, "/forget")
        assert words.ALL_FORGOTTEN in await ask(stage, "/forget yes")
