"""The first message of an answer, which a phone's notification shows; times; references."""

import re
from datetime import UTC, datetime

import pytest

from tests.dialogs.stages import ButtonStage, TelegramStage, World, ask
from tests.fakes.model import Answer, Fault
from tests.records import eventually

SENTENCE = "Every good answer begins with a sentence that one can read at a glance. "
PIECES = re.findall(r"\S+ ", SENTENCE * 3)


def first_text(stage: ButtonStage) -> str:
    """Return the text with which the newest message was posted."""
    if isinstance(stage, TelegramStage):
        return stage.server.answers(stage.chat)[-1].history[0][1]
    return stage.server.answers(stage.channel)[-1].history[0][1]


@pytest.fixture
def gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no text be shown because the machine stood still between two pieces of it."""
    monkeypatch.setattr("core.reply._reply.GATHER", 60.0)


@pytest.mark.usefixtures("gathering")
async def test_a_notification_holds_a_sentence(buttons: ButtonStage, world: World) -> None:
    world.model.enqueue(Answer("".join(PIECES), pieces=PIECES, pace=0.01))
    async with buttons.running():
        await ask(buttons, "Hello")
    assert len(first_text(buttons)) >= 40


async def test_a_slow_model_is_not_waited_for(buttons: ButtonStage, world: World) -> None:
    async with buttons.running():
        with world.model.hold():
            await buttons.say("count to 60")
            await eventually(lambda: bool(buttons.stands()))
            [(text, labels)] = buttons.stands()
            assert (0 < len(text) < 40, labels) == (True, ["Stop"])
        await buttons.records.idle(1)


@pytest.mark.usefixtures("gathering")
async def test_a_short_answer_is_posted_whole(buttons: ButtonStage, world: World) -> None:
    world.model.enqueue(Answer("One two three.", pieces=["One ", "two ", "three."], pace=0.01))
    async with buttons.running():
        await ask(buttons, "Hello")
    assert first_text(buttons) == "One two three."


async def test_a_refusal_tells_its_end_in_the_readers_own_time(buttons: ButtonStage) -> None:
    async with buttons.running(quota="1 turn/day"):
        await ask(buttons, "say hello")
        told = await ask(buttons, "say hello again")
        usage = await ask(buttons, "/usage")
    now = datetime.now(UTC)
    midnight = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) + 86400
    assert "when:" not in told + usage
    if isinstance(buttons, TelegramStage):
        texts = [each for each in buttons.server.answers(buttons.chat) if each.text in told + usage]
        assert len(texts) >= 2
        for message in (each for each in texts if each.text):
            [entity] = [each for each in message.entities if each["type"] == "date_time"]
            assert (entity["unix_time"], entity["date_time_format"]) == (midnight, "r")
        assert re.search(r"You can go on in \d+ \w+\.$", told), "older clients show this"
    else:
        assert f"You can go on <t:{midnight}:R>." in told
        assert f"<t:{midnight}:R>." in usage


async def test_every_apology_has_a_reference_that_the_log_knows(
    buttons: ButtonStage, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [Answer("Half", cut_after=1)] * 3
    world.model.enqueue(Fault(401), *broken, Fault(402), Fault(404))
    caplog.set_level("INFO")
    async with buttons.running():
        for number in range(1, 5):
            told = await ask(buttons, f"Question {number}")
            [reference] = re.findall(r"\(Reference (\d+-\d+)\)", told)
            assert f"turn {reference}: " in caplog.text
