"""Words behind a command that are a question."""

from dataclasses import replace

import pytest

from bots.telegram.payloads import is_payload
from core.adapter import Attachment, InboundMessage
from core.speech import command_in, question_in
from tests.core import rows
from tests.dialogs.stages import DiscordStage, Stage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.memory.test_files import photo

PICTURE = Attachment("1", "a.png", "image/png", 9)


def asked(model: ModelServer, request: int = -1) -> str:
    """Return the question of a request to the model."""
    content = model.requests[request].messages[-1]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


async def test_new_with_a_question_begins_anew_and_answers(stage: Stage, world: World) -> None:
    async with stage.running():
        await ask(stage, "/persona You are a pirate.")
        await ask(stage, "say my cat is Biscuit")
        assert (await ask(stage, "/new how many messages are there?")).strip("> \n") == "1"
        await ask(stage, "say more")
    [first, last] = world.model.requests[-2:]
    assert len(first.messages) == 2, "the system message and the question"
    assert "Biscuit" not in str(last.messages)
    assert "You are a pirate." in str(last.messages)
    assert stage.records.drift() == []


@pytest.mark.parametrize("stage", ["telegram", "console"], indirect=True)
async def test_words_behind_a_strange_command_are_not_lost(stage: Stage, world: World) -> None:
    """Discord offers only commands that there are."""
    async with stage.running():
        assert "I do not know /dance" in await ask(stage, "/dance")
        assert "fine" in await ask(stage, "/start say fine")
        assert "/tell what is a monad?" in await ask(stage, "/tell what is a monad?")
    assert asked(world.model).endswith("/tell what is a monad?")


async def test_a_text_that_begins_with_a_command_is_one_on_discord(
    world: World, discord_server: DiscordServer
) -> None:
    stage = DiscordStage(world, discord_server)
    guild = discord_server.guild("Friends", members=[stage.ada])
    channel = discord_server.channel(guild, "talk")
    async with stage.running():
        for number, text in enumerate(
            ("say one", "/new\nhow many messages?", "/usage", "/tell say two", "/start hello")
        ):
            await discord_server.say(channel, stage.ada, f"{discord_server.mention} {text}")
            await stage.records.idle(number + 1)
    one, many, usage, two, hello = [each.content for each in discord_server.answers(channel)]
    assert (one, many) == ("one", "1")
    assert "of 10 answers a minute" in usage
    assert "/tell say two" in two
    assert "Hello" in hello
    assert len(world.model.requests) == 4


@pytest.mark.slow
async def test_commands_that_are_questions_on_telegram(
    world: World, telegram_server: TelegramServer
) -> None:
    """With a picture, behind the bot's name, for this bot and for another one, after an edit."""
    stage, server = TelegramStage(world, telegram_server), telegram_server
    group = stage.group()
    async with stage.running():
        await server.say(group, stage.ada, f"@{server.username} /new\nsay one")
        await stage.records.idle(1)
        await server.say(group, stage.ada, f"/new@{server.username} say two")
        await stage.records.idle(2)
        await server.say(group, stage.ada, f"/tell@{server.username} for three")
        await stage.records.idle(3)
        await server.say(group, stage.ada, "/new@other_bot say four")
        await server.photo(stage.chat, stage.ada, photo("red"), caption="/new what is that?")
        await stage.records.idle(4)
        message = await server.say(stage.chat, stage.ada, "/new say five")
        await stage.records.idle(5)
        await server.edit_by_person(message, "/new say six")
        await server.wait(lambda: server.answers(stage.chat)[-1].text == "six")
        await server.say(stage.chat, stage.ada, "/start ref_42")
        await stage.records.idle(7)
    one, two, three = [each.text for each in server.answers(group)]
    assert (one, two) == ("one", "two")
    assert "/tell for three" in three
    assert "image_url" in str(world.model.requests[3].messages[-1])
    assert asked(world.model, 3).endswith("what is that?")
    assert "I am Parley" in server.answers(stage.chat)[-1].text


@pytest.mark.parametrize(
    "text",
    ["hello", "Hi", "HELP", "twenty-one", "What is 2+2?", "привет", "你好", "a b", "to-do", ""],
)
def test_speech_is_no_payload(text: str) -> None:
    assert not is_payload(text)


@pytest.mark.parametrize(
    "text", ["42", "ref_42", "aGVsbG8", "utm-x1", "x" * 64, "-", "campaign_summer", "iPhone-15"]
)
def test_the_payload_of_a_link_is_no_speech(text: str) -> None:
    assert is_payload(text)


def said(command: str | None, text: str = "", files: tuple[Attachment, ...] = ()) -> InboundMessage:
    return replace(rows.message("1"), command=command, text=text, attachments=files)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (said(None, "hello"), "hello"),
        (said("new", "hello"), "hello"),
        (said("new", files=(PICTURE,)), ""),
        (said("start", "hello"), "hello"),
        (said("tell", "hello"), "/tell hello"),
        (said("tell", files=(PICTURE,)), "/tell"),
        (said("new"), None),
        (said("tell"), None),
        (said("ask", "hello"), "hello"),
        (said("ask"), ""),
        (said("usage", "please"), None),
        (said("persona", "a pirate"), None),
    ],
)
def test_the_question_in_a_message(message: InboundMessage, text: str | None) -> None:
    question = question_in(message)
    assert (question and question.text) == text
    assert question is None or question.command is None


@pytest.mark.parametrize(
    ("text", "command", "rest"),
    [
        ("/new", "new", ""),
        ("/NEW  What?", "new", "What?"),
        ("/new\nWhat?\nNow", "new", "What?\nNow"),
        ("/news today", None, "/news today"),
        ("new What?", None, "new What?"),
        ("/ new", None, "/ new"),
        ("//new", None, "//new"),
        ("/", None, "/"),
        ("", None, ""),
    ],
)
def test_the_command_in_a_text(text: str, command: str | None, rest: str) -> None:
    assert command_in(text) == (command, rest)


async def test_ask_takes_a_question_on_every_platform(stage: Stage, world: World) -> None:
    async with stage.running():
        assert "What is a monad?" in await ask(stage, "/ask What is a monad?")
    assert asked(world.model).endswith("What is a monad?")
    assert "/ask" not in asked(world.model)
