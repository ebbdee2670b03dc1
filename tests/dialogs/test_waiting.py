"""Questions that a limit refused: they wait under one notice, and a press asks them again."""

import pytest

from core import words
from core.adapter import ChangeKind
from tests.dialogs.stages import ButtonStage, DiscordStage, World, ask
from tests.fakes.model import ModelServer
from tests.records import eventually

ONE, MORE = {"quota": "1 turn/month"}, {"quota": "100 turns/month"}


@pytest.fixture
def world(either_world: World) -> World:
    """The surroundings of all stages here, once on each engine."""
    return either_world


async def ask_all(stage: ButtonStage, *questions: str) -> None:
    """Ask one question that is answered, and others of which the first one is told to be late."""
    await ask(stage, "say hello")
    for number, question in enumerate(questions, 2):
        await stage.say(question)
        await stage.records.idle(number)


def replies(stage: ButtonStage) -> list[tuple[str, str]]:
    """The first lines of the bot's messages, each with the text that it replies to."""
    if isinstance(stage, DiscordStage):
        return [
            ("", answer.content.split("\n")[0]) for answer in stage.server.answers(stage.channel)
        ]
    said = {each.message_id: each.text for each in stage.server.messages(stage.chat)}
    answers = stage.server.answers(stage.chat)
    return [(said.get(answer.reply_to or 0, ""), answer.text.split("\n")[0]) for answer in answers]


@pytest.mark.slow
async def test_one_notice_tells_the_limit_and_what_was_asked_waits_under_it(
    buttons: ButtonStage,
) -> None:
    async with buttons.running(**ONE):
        await ask_all(buttons, "say one", "say two", "say three")
        assert buttons.place() == 2, "later refusals say nothing"
        [(_, _), (notice, [label])] = buttons.stands()
        assert "your limit is 1 answer a month" in notice
        assert label == words.TRY_AGAIN
        told = await buttons.told_by_press(words.TRY_AGAIN)
        assert "Press it again then" in told
        assert buttons.place() == 2
    async with buttons.running(**MORE):
        await buttons.press(words.TRY_AGAIN)
        await eventually(lambda: buttons.place() == 4)
        await buttons.records.idle(4)
    assert [text for _, text in replies(buttons)] == ["hello", "one", "two", "three"]
    assert buttons.records.one("SELECT count(*) FROM waiting") == 0
    assert buttons.records.drift() == []


@pytest.mark.slow
async def test_a_press_that_is_too_early_by_another_limit_tells_it_anew(
    buttons: ButtonStage, model: ModelServer
) -> None:
    async with buttons.running(**ONE):
        await ask_all(buttons, "say one", "say two")
    async with buttons.running(quota="2 turns/month"):
        await buttons.press(words.TRY_AGAIN)
        refusal = "That was all for now: your limit is 2 answers a month"
        await eventually(
            lambda: (
                [text.split(".")[0] for _, text in replies(buttons)] == ["hello", "one", refusal]
            )
        )
        # A press is understood once the message with the button is known.
        await eventually(lambda: not buttons.records.busy())
        assert "Press it again then" in await buttons.told_by_press(words.TRY_AGAIN)
    async with buttons.running(**MORE):
        await buttons.press(words.TRY_AGAIN)
        await eventually(lambda: replies(buttons)[-1][1] == "two")
        await buttons.records.idle(3)
    assert len(model.requests) == 3
    assert buttons.records.drift() == []


@pytest.mark.slow
async def test_the_latest_five_are_asked_and_the_notice_loses_its_button(
    buttons: ButtonStage, model: ModelServer
) -> None:
    async with buttons.running(**ONE, pending_turns=50):
        await ask_all(buttons, *(f"say {number}" for number in range(7)))
    async with buttons.running(**MORE):
        await buttons.press(words.TRY_AGAIN)
        await buttons.records.idle(9)  # the notice is a turn of its own now
        await eventually(lambda: buttons.place() == 7)
        texts = [text for _, text in replies(buttons)]
        assert texts[0] == "hello"
        assert "your limit is" in texts[1]
        assert texts[2:] == ["2", "3", "4", "5", "6"]
        assert buttons.stands()[1][1] == []
    assert len(model.requests) == 6


@pytest.mark.slow
async def test_a_press_by_a_client_that_missed_the_first_one_asks_nothing_again(
    buttons: ButtonStage, model: ModelServer
) -> None:
    async with buttons.running(**ONE):
        await ask_all(buttons, "say one", "say two")
    async with buttons.running(**MORE):
        with model.hold():
            await buttons.press(words.TRY_AGAIN, at=1)
            await model.seen(2)
            await buttons.press_gone(ChangeKind.REGENERATE, at=1)
            await buttons.press_gone(ChangeKind.REGENERATE, at=1)
        await eventually(lambda: replies(buttons)[-1][1] == "two")
        await buttons.records.idle(3)
    assert [text for _, text in replies(buttons)] == ["hello", "one", "two"]
    assert len(model.requests) == 3


@pytest.mark.slow
async def test_stopped_and_forgotten_questions_do_not_wait(buttons: ButtonStage) -> None:
    async with buttons.running(**ONE):
        await ask_all(buttons, "say one", "say two")
        assert words.STOPPED in await ask(buttons, "/stop")
    async with buttons.running(**MORE):
        assert await buttons.told_by_press(words.TRY_AGAIN, at=1) == words.NOTHING_WAITS
        await buttons.records.idle(4)
        await eventually(lambda: buttons.stands()[1][1] == [])
    assert buttons.place() == 3, "hello, the notice, and that it is stopped"


@pytest.mark.slow
async def test_a_kill_right_after_the_press_answers_each_question_once(
    buttons: ButtonStage, model: ModelServer
) -> None:
    async with buttons.running(**ONE):
        await ask_all(buttons, "say one", "say two")
    with model.hold():
        async with buttons.process(**MORE) as process:
            await buttons.press(words.TRY_AGAIN)
            await model.seen(2)
            process.kill()
            await process.wait()
    async with buttons.running(**MORE):
        await buttons.records.idle(3)
    assert [text for _, text in replies(buttons)] == ["hello", "one", "two"]
    assert buttons.records.drift() == []
