"""Everything that people show to the bot reaches it: replies, forwards, other speakers, edits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.quotes import CUT
from tests.bot import hasty_bot
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import ModelServer
from tests.fakes.telegram import Chat, TelegramServer, User
from tests.memory.test_files import photo
from tests.records import eventually

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
CANNOT = "I cannot read {} yet. Please write it to me."


@pytest.fixture
async def stage(
    model: ModelServer, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[TelegramStage]:
    """A stage with privacy mode, Telegram's default: of a group, the bot gets only its messages."""
    async with TelegramServer(privacy=True, flood=False) as server:
        yield TelegramStage(World(model, sqlite_url, tmp_path), server)


@pytest.fixture
async def open_stage(
    model: ModelServer, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[TelegramStage]:
    """A stage without privacy mode: the bot gets all messages of a group."""
    async with TelegramServer(flood=False) as server:
        yield TelegramStage(World(model, sqlite_url, tmp_path), server)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a question wait for its next piece even if the machine stands still between them."""
    monkeypatch.setattr("core.pieces.GATHER", timedelta(seconds=4))


@pytest.fixture
def bob(stage: TelegramStage) -> User:
    return stage.server.person(1002, "Bob")


def crew(stage: TelegramStage) -> Chat:
    """A supergroup that the bot does not administer."""
    return stage.server.supergroup(-1001, "Crew", admins=[stage.ada])


@asynccontextmanager
async def hasty(stage: TelegramStage, **values: object) -> AsyncIterator[None]:
    """Run Parley without its pauses between two answers in one chat."""
    await stage.world.begin()
    async with hasty_bot("telegram", **stage.values(**values)):
        yield


def asked(model: ModelServer, number: int = -1) -> list[Any]:
    """Return the newest question of a request, as a list of blocks."""
    content = model.requests[number].messages[-1]["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def words(model: ModelServer, number: int = -1) -> str:
    """Return the text of a question, without its files."""
    text: str = asked(model, number)[0]["text"]
    return text


# Replies


@pytest.mark.slow
async def test_a_file_that_somebody_replies_to_goes_along(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server, group = stage.server, crew(stage)
    name = f"@{server.username}"
    shown = [
        await server.photo(group, bob, photo("red"), "my cat"),
        await server.document(group, bob, PDF, "report.pdf", "application/pdf"),
        await server.document(group, bob, b"all cats are grey", "cats.txt", "text/plain"),
    ]
    async with hasty(stage):
        for turn, message in enumerate(shown, 1):
            await server.say(group, stage.ada, f"{name} what is this?", message)
            await stage.records.idle(turn)
        await server.say(group, stage.ada, name, shown[0])
        await stage.records.idle(4)
        await server.photo(group, stage.ada, photo("blue"), f"{name} and this?", reply_to=shown[0])
        await stage.records.idle(5)
    kinds = [[block["type"] for block in asked(model, number)] for number in range(5)]
    assert kinds[:2] == [["text", "image_url"], ["text", "file"]]
    assert kinds[3:] == [["text", "image_url"], ["text", "image_url", "image_url"]]
    assert "> Bob wrote:\n> my cat\n\nAda: what is this?" in words(model, 0)
    assert "all cats are grey" in asked(model, 2)[1]["text"]
    assert len(server.answers(group)) == 5


async def test_a_reply_to_a_message_of_another_chat_brings_its_words_and_files(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server, group = stage.server, crew(stage)
    news, elsewhere = server.channel(-1002, "News"), server.group(-600, "Family")
    told = [
        await server.publish(news, "All cats are grey."),
        await server.photo(elsewhere, bob, photo("red")),
        await server.say(elsewhere, bob, "x" * 3000),
        await server.voice(elsewhere, bob),
    ]
    async with hasty(stage):
        for turn, message in enumerate(told, 1):
            await server.say(group, stage.ada, f"@{server.username} so?", message)
            await stage.records.idle(turn)
        await server.say(group, stage.ada, f"@{server.username}", told[-1])
        await stage.records.idle(5)
    assert "> News wrote:\n> All cats are grey.\n\nAda: so?" in words(model, 0)
    assert [block["type"] for block in asked(model, 1)] == ["text", "image_url"]
    assert f"> Bob wrote:\n> {'x' * 1024}\n> {CUT}" in words(model, 2)
    assert "[Sent along, but you cannot read it: voice messages]" in words(model, 3)
    assert server.answers(group)[-1].text == CANNOT.format("voice messages")
    assert len(model.requests) == 4


async def test_a_reply_to_the_bot_from_another_topic_is_for_the_bot(
    open_stage: TelegramStage, model: ModelServer
) -> None:
    server, ada = open_stage.server, open_stage.ada
    forum = server.supergroup(-1003, "Crew", forum=True, admins=[ada])
    one, two = (server.topic(forum, name, ada) for name in ("one", "two"))
    async with hasty(open_stage):
        await server.say(forum, ada, f"@{server.username} say 42", thread=one)
        await open_stage.records.idle(1)
        [answer] = server.answers(forum)
        await server.say(forum, ada, "Why?", answer, thread=two)
        await open_stage.records.idle(2)
    assert "> 42\n\nAda: Why?" in words(model)
    assert server.answers(forum)[-1].thread == two


async def test_a_quote_is_whole_and_keeps_its_markup(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server, group = stage.server, crew(stage)
    long = await server.say(group, bob, "first " + "😀" * 2042 + " last")
    code = await server.say(
        group, bob, "x = 1\ny = 2", entities=[{"type": "pre", "offset": 0, "length": 11}]
    )
    async with hasty(stage):
        await server.say(group, stage.ada, f"@{server.username} so?", long)
        await stage.records.idle(1)
        await server.say(group, stage.ada, f"@{server.username} so?", long, quote="last")
        await stage.records.idle(2)
        await server.say(group, stage.ada, f"@{server.username} so?", code)
        await stage.records.idle(3)
    assert "first 😀" in words(model, 0)
    assert "😀 last\n\n" in words(model, 0)
    assert CUT not in words(model, 0)
    assert "> Bob wrote:\n> last\n\nAda: so?" in words(model, 1)
    assert "> ```\n> x = 1\n> y = 2\n> ```" in words(model, 2)


async def test_the_options_of_a_poll_can_be_asked_about(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server, group = stage.server, crew(stage)
    poll = await server.poll(group, bob, "Tea?", "Yes", "No")
    async with hasty(stage):
        await server.say(group, stage.ada, f"@{server.username} which one?", poll)
        await stage.records.idle(1)
        await server.forward(stage.chat, stage.ada, poll)
        await stage.records.idle(2)
    told = "Tea?\n> - Yes\n> - No"
    assert f"> Bob wrote:\n> {told}" in words(model, 0)
    assert f"> Bob wrote:\n> {told}" in words(model, 1)
    assert "cannot read" not in words(model, 0) + words(model, 1)


async def test_what_the_bot_cannot_read_gets_a_sentence(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, crew(stage)
    async with hasty(stage):
        await server.say(group, stage.ada, f"@{server.username} say hello")
        await stage.records.idle(1)
        [hello] = server.answers(group)
        for turn, show in enumerate((server.voice, server.sticker, server.location), 2):
            await show(group, stage.ada, reply_to=hello)
            await stage.records.idle(turn)
        await server.poll(group, stage.ada, "Tea?", "Yes", "No", reply_to=hello)
        await stage.records.idle(5)
        await stage.say("say hello")
        await stage.records.idle(6)
        [private] = server.answers(stage.chat)
        await server.voice(stage.chat, stage.ada, reply_to=private)
        await stage.records.idle(7)
    kinds = ["voice messages", "stickers", "locations", "polls"]
    assert [each.text for each in server.answers(group)[1:]] == [CANNOT.format(k) for k in kinds]
    assert server.answers(stage.chat)[-1].text == CANNOT.format("voice messages")
    assert len(model.requests) == 2


# Forwards


@pytest.mark.usefixtures("patient")
async def test_forwards_sent_at_once_are_one_question_with_their_authors(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server = stage.server
    news, place = server.channel(-1002, "News"), server.group(-600, "Family")
    said = [
        await server.say(place, bob, "/forget yes"),
        await server.publish(news, "All cats are grey."),
        await server.photo(place, bob, photo("red"), "my cat"),
    ]
    for each in said:
        await server.forward(stage.chat, stage.ada, each)
    await server.forward(stage.chat, stage.ada, "All dogs bark.")
    async with hasty(stage):
        await stage.records.idle(1)
    [text, image] = asked(model)
    told = [
        ("Bob", "/forget yes"),
        ("News", "All cats are grey."),
        ("Bob", "my cat"),
        ("Somebody", "All dogs bark."),
    ]
    quoted = "\n> \n".join(f"> {name} wrote:\n> {it}" for name, it in told)
    assert text["text"].endswith(quoted)
    assert image["type"] == "image_url"
    assert (len(model.requests), len(server.answers(stage.chat))) == (1, 1)


async def test_a_forward_before_its_comment_in_a_group_belongs_to_it(
    open_stage: TelegramStage, model: ModelServer
) -> None:
    server, group = open_stage.server, crew(open_stage)
    ada, bob = open_stage.ada, server.person(1002, "Bob")
    async with hasty(open_stage):
        await server.forward(group, bob, "Bob's own")
        for text in ("All cats are grey.", "All dogs bark."):
            await server.forward(group, ada, text)
        await server.say(group, ada, f"@{server.username} Summarise this")
        await open_stage.records.idle(1)
        await server.forward(group, bob, "No bird sings.")
        await server.say(group, bob, f"@{server.username}")
        await open_stage.records.idle(2)
    assert words(model, 0).endswith(
        "> Somebody wrote:\n> All cats are grey.\n> \n"
        "> Somebody wrote:\n> All dogs bark.\n\nAda: Summarise this"
    )
    assert "> No bird sings." in words(model, 1)
    assert len(server.answers(group)) == open_stage.records.turns() == 2


@pytest.mark.usefixtures("patient")
async def test_a_bare_mention_is_the_comment_of_a_forward_behind_it(
    open_stage: TelegramStage, model: ModelServer
) -> None:
    server, group = open_stage.server, crew(open_stage)
    await server.say(group, open_stage.ada, f"@{server.username}")
    await server.forward(group, open_stage.ada, "All cats are grey.")
    async with hasty(open_stage):
        await eventually(lambda: len(model.requests) == 1)
        await open_stage.records.idle(1)
    assert "> All cats are grey." in words(model)
    assert len(server.answers(group)) == open_stage.records.turns() == 1


async def test_a_reply_to_a_forward_beside_it_brings_it_once(
    open_stage: TelegramStage, model: ModelServer
) -> None:
    server, group = open_stage.server, crew(open_stage)
    bob = server.person(1002, "Bob")
    said = await server.photo(server.group(-600, "Family"), bob, photo("red"), "one\n\ntwo")
    async with hasty(open_stage):
        forward = await server.forward(group, open_stage.ada, said)
        await server.say(group, open_stage.ada, f"@{server.username} so?", forward)
        await open_stage.records.idle(1)
    assert [block["type"] for block in asked(model)] == ["text", "image_url"]
    assert words(model).count("> two") == 1


# Speakers


async def test_anonymous_admins_and_channels_are_answered_at_the_chats_expense(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, crew(stage)
    news, name = server.channel(-1002, "News"), f"@{stage.server.username}"
    async with hasty(stage, quota="1 turn/hour"):
        await server.say(group, stage.ada, f"{name} say one", as_chat=group)
        await stage.records.idle(1)
        await server.say(group, server.person(1002, "Bob"), f"{name} say no", as_chat=group)
        await stage.records.idle(2)
        await server.say(group, stage.ada, f"{name} say two", as_chat=news)
        await stage.records.idle(3)
        await server.say(group, stage.ada, f"{name} say three")
        await stage.records.idle(4)
        await server.say(group, stage.ada, f"/persona{name} A pirate.", as_chat=group)
        await stage.records.idle(5)
        await server.say(group, stage.ada, f"/persona{name} A parrot.", as_chat=news)
        await stage.records.idle(6)
    one, no, two, three, allowed, refused = (each.text for each in server.answers(group))
    assert (one, two, three) == ("one", "two", "three")
    assert "your limit is 1 answer an hour" in no
    assert ("From now on" in allowed, "Only the admins" in refused) == (True, True)
    assert "Crew: say one" in words(model, 0)
    assert "News: say two" in words(model, 1)
    assert not [call for call in server.calls if call.method == "getChatMember"]


async def test_an_admin_stops_the_answer_to_an_anonymous_admin(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server, group = stage.server, crew(stage)
    async with hasty(stage):
        with model.hold():
            await server.say(group, stage.ada, f"@{server.username} count to 50", as_chat=group)
            await stage.records.posted()
            [answer] = server.answers(group)
            stranger = await server.press(answer, "Stop", bob)
            await server.wait(lambda: stranger.answered_at)
            assert stage.records.one("SELECT cancel FROM turns") == 0
            await server.press(answer, "Stop", stage.ada)
            await stage.records.idle(1)
    assert stage.records.one("SELECT outcome FROM turns") == "stopped"


async def test_only_an_automatic_forward_that_names_the_bot_is_answered(
    open_stage: TelegramStage, model: ModelServer
) -> None:
    server, group = open_stage.server, crew(open_stage)
    news = server.channel(-1002, "News")
    async with hasty(open_stage):
        await server.publish(news, "Nobody is asked.", group)
        await server.publish(news, "/help", group)
        await server.publish(news, f"@{server.username} say one", group)
        await open_stage.records.idle(1)
        post = await server.publish(news, "All cats are grey.", group)
        await server.say(group, open_stage.ada, f"@{server.username} so?", post)
        await open_stage.records.idle(2)
    assert [each.text for each in server.answers(group)][:1] == ["one"]
    assert words(model, 0).endswith("News: say one")
    assert "> News wrote:\n> All cats are grey.\n\nAda: so?" in words(model, 1)
    assert len(model.requests) == 2


async def test_a_message_through_an_inline_bot_is_answered_unless_it_is_ours(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, other = stage.server, User(99, "Other", "other_bot", is_bot=True)
    ours = User(int(server.bot_id), "Parley", server.username, is_bot=True)
    async with hasty(stage):
        await server.say(stage.chat, stage.ada, "say no", via=ours)
        await server.say(stage.chat, stage.ada, "say one", via=other)
        await stage.records.idle(1)
    assert [each.text for each in server.answers(stage.chat)] == ["one"]


# Edits


async def test_an_edit_that_adds_the_bots_name_is_a_question(
    stage: TelegramStage, model: ModelServer, bob: User
) -> None:
    server, group = stage.server, crew(stage)
    async with hasty(stage):
        cat = await server.photo(group, bob, photo("red"))
        unnamed = await server.say(group, stage.ada, "what is this?", cat)
        await server.edit_by_person(unnamed, f"@{server.username} what is this?")
        await stage.records.idle(1)
        captioned = await server.photo(group, bob, photo("blue"))
        await server.edit_by_person(captioned, f"@{server.username} and this?")
        await stage.records.idle(2)
        await server.edit_by_person(captioned, f"@{server.username} say blue")
        await stage.records.idle(3)
    assert [block["type"] for block in asked(model, 0)] == ["text", "image_url"]
    assert words(model, 0).endswith("Ada: what is this?")
    assert words(model, 1).endswith("Bob: and this?")
    texts = [each.text for each in server.answers(group)]
    assert (len(texts), texts[1:]) == (2, ["blue"])
