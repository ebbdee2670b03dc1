"""Topics that are closed or deleted before an answer stands in them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.words import NOT_WRITTEN
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import Answer, ModelServer
from tests.fakes.telegram import Chat, TelegramServer
from tests.telegram.test_sends import PAID, HastyStage

FORUM = -1_002_000_000_700
HELLO = "say it all"


@pytest.fixture
async def stage(
    model: ModelServer, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[TelegramStage]:
    """A private chat with Ada, who is in a forum too."""
    async with TelegramServer(flood=False) as server:
        yield HastyStage(World(model, sqlite_url, tmp_path), server)


@pytest.fixture
def forum(stage: TelegramStage) -> Chat:
    """A forum in which the bot is no admin."""
    return stage.server.supergroup(FORUM, "Friends", forum=True, admins=[stage.ada])


async def ask(stage: TelegramStage, forum: Chat, thread: int, text: str = HELLO) -> int:
    """Ask in a topic; return the id of the question."""
    named = f"@{stage.server.username} {text}"
    return (await stage.server.say(forum, stage.ada, named, thread=thread)).message_id


async def test_the_answer_for_a_topic_that_is_deleted_goes_to_the_chat(
    stage: TelegramStage, forum: Chat, model: ModelServer
) -> None:
    """Its second message too, and the question is asked once."""
    server, topic = stage.server, stage.server.topic(forum, "Weather", stage.ada)
    model.enqueue(Answer("word " * 1000, first_token=0.3))
    async with stage.running():
        await ask(stage, forum, topic)
        await server.wait(lambda: model.requests)
        server.delete_topic(forum, topic)
        await stage.records.idle(1)
    answers = server.answers(forum)
    assert len(answers) == 2
    assert "".join(each.text for each in answers).count("word") == 1000
    assert [each.thread for each in answers] == [None, None]
    assert len(model.requests) == 1
    assert stage.records.one("SELECT count(*) FROM mutes") == 0


async def test_an_answer_that_is_deleted_with_its_topic_stands_in_the_chat(
    stage: TelegramStage, forum: Chat, model: ModelServer
) -> None:
    server, topic = stage.server, stage.server.topic(forum, "Weather", stage.ada)
    async with stage.running():
        with model.hold():
            await ask(stage, forum, topic, "count to 60")
            await stage.records.posted()
            server.delete_topic(forum, topic)
        await stage.records.idle(1)
    [answer] = server.answers(forum)
    assert (answer.text.endswith("60"), answer.thread) == (True, None)


@pytest.mark.parametrize(
    "reason", ["message thread not found", "TOPIC_CLOSED", "TOPIC_DELETED", "TOPIC_ID_INVALID"]
)
@pytest.mark.parametrize("method", ["sendMessage", "sendChatAction"])
async def test_a_topic_that_refuses_once_loses_no_answer(
    stage: TelegramStage, forum: Chat, model: ModelServer, method: str, reason: str
) -> None:
    """The answer is a reply, by which it comes into the topic after all."""
    server, topic = stage.server, stage.server.topic(forum, "Weather", stage.ada)
    model.enqueue(Answer("it all", first_token=0.2))
    server.fail(method, status=400, description=f"Bad Request: {reason}")
    async with stage.running():
        question = await ask(stage, forum, topic)
        await stage.records.idle(1)
    [answer] = server.answers(forum)
    assert (answer.text, answer.reply_to, answer.thread) == ("it all", question, topic)
    tries = [call for call in server.calls if call.method == method and call.chat == FORUM]
    assert [call.params.get("message_thread_id") for call in tries][:2] == [topic, None]


async def test_a_command_in_a_closed_topic_is_told_too(stage: TelegramStage, forum: Chat) -> None:
    server, topic = stage.server, stage.server.topic(forum, "Weather", stage.ada)
    server.close_topic(forum, topic)
    async with stage.running():
        await server.say(forum, stage.ada, "/usage", thread=topic)
        await stage.records.idle(2)
        await ask(stage, forum, topic)
        await stage.records.idle(3)
    [told] = server.answers(forum)
    assert (told.text, told.thread) == (NOT_WRITTEN.format(name="Ada"), None)


async def test_a_topic_that_is_closed_is_told_once_and_costs_nothing(
    stage: TelegramStage, forum: Chat, model: ModelServer
) -> None:
    server, topic = stage.server, stage.server.topic(forum, "Weather", stage.ada)
    server.close_topic(forum, topic)
    async with stage.running(quota="5 turns/day, 1 usd/month"):
        await ask(stage, forum, topic)
        await stage.records.idle(2)
        await ask(stage, forum, topic)
        await stage.records.idle(3)
    [told] = server.answers(forum)
    assert (told.text, told.thread) == (NOT_WRITTEN.format(name="Ada"), None)
    assert len(model.requests) == 1, "nothing is asked while the topic stays closed"
    assert [row.used for row in stage.records.all(PAID)] == [0, 0]
    assert stage.records.drift() == []
