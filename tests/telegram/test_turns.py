"""Whole turns on Telegram, in private chats and in groups."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.reply import TRIES
from core.words import MODEL_SILENT, MODEL_WAITS, MOVED_ON
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import Answer, Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.memory.test_files import photo
from tests.records import eventually


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    """A private chat with Ada, on either database."""
    return TelegramStage(either_world, telegram_server)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a question wait for its next piece even if the machine stands still between them."""
    monkeypatch.setattr("core.pieces.GATHER", timedelta(seconds=4))


@pytest.fixture
async def discreet(
    model: ModelServer, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[TelegramStage]:
    """A stage with privacy mode, Telegram's default: of a group, the bot gets only its messages."""
    async with TelegramServer(privacy=True) as server:
        yield TelegramStage(World(model, sqlite_url, tmp_path), server)


async def test_in_a_group_nobody_waits_for_somebody_else(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    bob = server.person(1002, "Bob")
    group = stage.group(bob)
    async with stage.running():
        with model.hold():
            await server.say(group, stage.ada, f"@{server.username} count to 50")
            await server.say(group, bob, f"@{server.username} count to 60")
            await server.wait(lambda: len(server.answers(group)) == 2)
            assert all(not request.finished for request in model.requests)
        await stage.records.idle(2)
    ada, bob_ = server.answers(group)
    assert [ada.text.split()[-1], bob_.text.split()[-1]] in (["50", "60"], ["60", "50"])
    assert {ada.reply_to, bob_.reply_to} == {1, 2}, "each answers its own question"
    [asked, _] = [said for role, said in stage.records.memory() if role == "user"]
    assert "Ada: " in asked or "Bob: " in asked, "the model is told who speaks"


@pytest.mark.slow
async def test_a_noisy_neighbour_in_a_group_holds_up_nobody(
    stage: TelegramStage, model: ModelServer
) -> None:
    """Ada has twenty commands and twenty refusals on their way; Bob asks one question."""
    server = stage.server
    bob = server.person(1002, "Bob")
    group = stage.group(bob)
    many = {"requests_per_minute": 100, "pending_turns": 100}
    async with stage.running(quota="1 turn/hour", concurrency=10, **many):
        await server.say(group, stage.ada, f"@{server.username} say hello")
        await stage.records.idle(1)
        for number in range(20):
            await server.say(group, stage.ada, f"@{server.username} say {number}")
            await server.say(group, stage.ada, "/usage")
        await eventually(lambda: stage.records.turns() == 41)
        before = len(server.answers(group))
        await server.say(group, bob, f"@{server.username} say from Bob")
        await server.wait(lambda: "from Bob" in [answer.text for answer in server.answers(group)])
        assert len(server.answers(group)) <= before + 4, "of the forty that wait"


async def test_a_killed_answer_is_finished_in_its_message(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.process() as process:
        with model.hold():
            await server.say(stage.chat, stage.ada, "count to 100")
            await stage.records.posted()
            shown = server.answers(stage.chat)[0].message_id
            process.kill()
            await process.wait()
    async with stage.running():
        await stage.records.idle(1)
    [answer] = server.answers(stage.chat)
    assert answer.message_id == shown
    assert answer.text.endswith("100")
    assert stage.records.one("SELECT count(*) FROM messages") == 2
    assert stage.records.drift() == []


async def test_an_update_delivered_twice_is_answered_once(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running():
        message = await stage.server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
        assert message.update_id is not None
        stage.server.push_again(message.update_id)
        await stage.server.say(stage.chat, stage.ada, "say bye")
        await stage.records.idle(2)
    assert stage.records.turns() == 2
    assert len(model.requests) == 2


async def test_messages_sent_while_the_bot_was_down_are_answered(
    stage: TelegramStage,
) -> None:
    await stage.server.say(stage.chat, stage.ada, "Hello")
    async with stage.running():
        await stage.records.idle(1)
    assert len(stage.server.answers(stage.chat)) == 1


async def test_a_pasted_text_is_one_question(stage: TelegramStage, model: ModelServer) -> None:
    async with stage.running():
        await stage.server.paste(stage.chat, stage.ada, "word " * 2000)
        await stage.records.idle(1)
    assert stage.records.turns() == 1
    asked = model.requests[-1].messages[-1]["content"]
    assert "".join(asked.split()).count("word") == 2000


async def test_a_text_pasted_in_a_group_is_one_question(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        await server.paste(group, stage.ada, f"@{server.username} " + "word " * 2000)
        await stage.records.idle(1)
    asked = model.requests[-1].messages[-1]["content"]
    assert "".join(asked.split()).count("word") == 2000
    assert stage.records.turns() == 1


async def test_all_photos_of_an_album_in_a_group_are_seen(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    call = f"@{server.username} compare"
    async with stage.running():
        for colour, caption in (("red", ""), ("green", call), ("blue", "")):
            await server.photo(group, stage.ada, photo(colour), caption, album="77")
        await stage.records.idle(1)
        parts = model.requests[-1].messages[-1]["content"]
        await server.photo(group, stage.ada, photo("white"))
        await server.say(group, stage.ada, f"@{server.username} Thanks")
        await stage.records.idle(2)
    assert [part["type"] for part in parts] == ["text", *["image_url"] * 3]
    assert stage.records.turns() == 2


async def test_a_comment_and_the_forwards_after_it_are_one_question(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            comment = await server.say(stage.chat, stage.ada, "Summarise this")
            await model.seen(1)
            for text in ("All cats are grey.", "All dogs bark."):
                await server.forward(stage.chat, stage.ada, text, beside=comment)
            await model.seen(2)
        await stage.records.idle(1)
    asked = model.requests[-1].messages[-1]["content"]
    said = "> Somebody wrote:\n> All cats are grey.\n> \n> Somebody wrote:\n> All dogs bark."
    assert asked.endswith(f"{said}\n\nSummarise this")
    assert (len(model.requests), stage.records.turns()) == (2, 1)
    assert len(server.answers(stage.chat)) == 1
    assert stage.records.drift() == []


async def test_a_forward_follows_its_comment_in_a_group_too(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        with model.hold():  # an answer that stands is not begun again
            comment = await server.say(group, stage.ada, f"@{server.username} Summarise this")
            await server.forward(group, stage.ada, "All cats are grey.", beside=comment)
            await eventually(lambda: "grey" in str([each.messages for each in model.requests]))
        await stage.records.idle(1)
    assert len(server.answers(group)) == stage.records.turns() == 1


async def test_a_photo_that_comes_late_starts_its_album_again(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            await server.photo(stage.chat, stage.ada, photo("red"), "compare", album="77")
            await model.seen(1)
            await server.photo(stage.chat, stage.ada, photo("blue"), album="77")
            await model.seen(2)
        await stage.records.idle(1)
    kinds = [part["type"] for part in model.requests[1].messages[-1]["content"]]
    assert kinds == ["text", "image_url", "image_url"]
    assert len(server.answers(stage.chat)) == stage.records.turns() == 1
    assert stage.records.drift() == []


async def test_a_photo_of_an_answered_album_is_a_question_that_knows_of_it(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        call = f"@{server.username} compare"
        await server.photo(group, stage.ada, photo("red"), call, album="77")
        await stage.records.idle(1)
        await server.photo(group, stage.ada, photo("blue"), album="77")
        await stage.records.idle(2)
    assert "compare" in str(model.requests[1].messages)
    assert len(server.answers(group)) == stage.records.turns() == 2


async def test_a_photo_outlives_a_fault_of_telegram(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    server.fail("getFile", status=502)
    async with stage.running(retry_seconds=1):
        await server.photo(stage.chat, stage.ada, photo("red"), "What is it?")
        await stage.records.idle(1)
    [request] = model.requests
    assert [part["type"] for part in request.messages[-1]["content"]] == ["text", "image_url"]


@pytest.mark.usefixtures("patient")
async def test_an_album_that_cannot_be_read_is_refused_once(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        for _ in range(3):
            await server.video(stage.chat, stage.ada, album="77")
        await stage.records.idle(1)
    [answer] = server.answers(stage.chat)
    assert answer.text == "I cannot read videos yet. Please write it to me."
    assert (answer.buttons, model.requests) == ([], [])


@pytest.mark.usefixtures("patient")
async def test_the_readable_pieces_of_an_album_are_answered(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        await server.video(stage.chat, stage.ada, album="77")
        await server.photo(stage.chat, stage.ada, photo("red"), album="77")
        await stage.records.idle(1)
    assert len(server.answers(stage.chat)) == 1
    [text, image] = model.requests[-1].messages[-1]["content"]
    assert ("cannot read it: videos" in text["text"], image["type"]) == (True, "image_url")


async def test_the_bot_answers_only_messages_to_it_in_a_group_and_each_once(
    discreet: TelegramStage, model: ModelServer
) -> None:
    server, group = discreet.server, discreet.group()
    ada, records = discreet.ada, discreet.records
    async with discreet.running():
        await server.say(group, ada, "not for the bot")
        asked = await server.say(group, ada, f"@{server.username} say one")
        await records.idle(1)
        reply = await server.say(group, ada, "say two", reply_to=server.answers(group)[0])
        await records.idle(2)
        command = await server.say(group, ada, "/help")
        await records.idle(3)
    one, two, told = server.answers(group)
    assert (one.text, two.text) == ("one", "two")
    assert "/new" in told.text
    answered = [answer.reply_to for answer in (one, two, told)]
    assert answered == [message.message_id for message in (asked, reply, command)]
    assert (records.turns(), len(model.requests)) == (3, 2)


async def test_the_one_photo_of_an_album_that_names_the_bot_is_answered(
    discreet: TelegramStage, model: ModelServer
) -> None:
    server, group = discreet.server, discreet.group()
    async with discreet.running():
        for colour, caption in (("red", ""), ("green", f"@{server.username} say it"), ("blue", "")):
            await server.photo(group, discreet.ada, photo(colour), caption, album="77")
        await discreet.records.idle(1)
    parts = model.requests[0].messages[-1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert len(server.answers(group)) == discreet.records.turns() == 1


async def test_a_bare_mention_in_a_group_is_greeted(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        await server.say(group, stage.ada, f"@{server.username}")
        await stage.records.idle(1)
    assert "Hello!" in server.answers(group)[0].text
    assert model.requests == []


async def test_stop_ends_the_answer_where_it_is(stage: TelegramStage, model: ModelServer) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            await server.say(stage.chat, stage.ada, "count to 500")
            await stage.records.posted()
            await server.press(server.answers(stage.chat)[0], "Stop", stage.ada)
            await stage.records.idle(1)
        await server.wait(lambda: "Stop" not in server.answers(stage.chat)[0].buttons)
        await model.wait(lambda: model.requests[0].cut)
    assert "500" not in server.answers(stage.chat)[0].text
    assert stage.records.one("SELECT outcome FROM turns") == "stopped"
    assert stage.records.drift() == []


async def test_somebody_else_cannot_stop_an_answer(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    bob = server.person(1002, "Bob")
    group = stage.group(bob)
    async with stage.running():
        with model.hold():
            await server.say(group, stage.ada, f"@{server.username} count to 50")
            await stage.records.posted()
            press = await server.press(server.answers(group)[0], "Stop", bob)
            await server.wait(lambda: press.answered_at)
        await stage.records.idle(1)
    assert server.answers(group)[0].text.endswith("50")


async def test_who_waits_for_the_model_is_told_and_then_gets_the_answer_in_that_message(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    model.respond = lambda request: Fault(503)
    async with stage.running(notice_after=0.1):
        await server.say(stage.chat, stage.ada, "Hello")
        await server.wait(
            lambda: [each.text for each in server.answers(stage.chat)] == [MODEL_WAITS]
        )
        [answer] = server.answers(stage.chat)
        assert answer.buttons == ["Stop"]
        model.respond = lambda request: "Here I am."
        await server.wait(lambda: answer.text == "Here I am.")
        await stage.records.idle(1)
    assert server.answers(stage.chat) == [answer]
    assert answer.buttons == ["Regenerate"]
    assert stage.records.drift() == []


async def test_who_waits_for_a_silent_model_is_told_before_it_is_given_up(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue(Answer("", pieces=["", "Here I am."]))
    async with stage.running(notice_after=0.1):
        with model.hold():
            await server.say(stage.chat, stage.ada, "Hello")
            await server.wait(
                lambda: [each.text for each in server.answers(stage.chat)] == [MODEL_SILENT]
            )
        [answer] = server.answers(stage.chat)
        await server.wait(lambda: answer.text == "Here I am.")
        await stage.records.idle(1)
    assert server.answers(stage.chat) == [answer]
    assert len(model.requests) == 1


async def test_who_waits_for_the_model_can_stop(stage: TelegramStage, model: ModelServer) -> None:
    server = stage.server
    model.respond = lambda request: Fault(429, retry_after=3600)
    async with stage.running(notice_after=0.1):
        await server.say(stage.chat, stage.ada, "Hello")
        await stage.records.posted()
        [answer] = server.answers(stage.chat)
        await server.press(answer, "Stop", stage.ada)
        await stage.records.idle(1)
    assert stage.records.one("SELECT outcome FROM turns") == "stopped"
    assert not any(MODEL_WAITS[:20] in each.text for each in server.answers(stage.chat))
    assert stage.records.drift() == []


async def test_a_failed_answer_can_be_tried_again_in_place(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue(Fault(403), "Now it works.")
    async with stage.running():
        await server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
        [answer] = server.answers(stage.chat)
        assert answer.buttons == ["Try again"]
        await server.press(answer, "Try again", stage.ada)
        await server.wait(lambda: answer.text == "Now it works.")
        await stage.records.idle(1)
    assert [message.buttons for message in server.answers(stage.chat)] == [["Regenerate"]]


async def test_a_broken_stream_begins_again_in_the_same_message(
    stage: TelegramStage, model: ModelServer
) -> None:
    model.enqueue(Answer("One two three four five", cut_after=12), "One two three, and all of it.")
    async with stage.running():
        await stage.server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
    [answer] = stage.server.answers(stage.chat)
    assert answer.text == "One two three, and all of it."
    assert stage.records.one("SELECT count(*) FROM calls") == 2, "a broken stream is paid too"
    assert stage.records.drift() == []


async def test_a_stream_that_keeps_breaking_ends_with_a_sentence(
    stage: TelegramStage, model: ModelServer
) -> None:
    model.enqueue(*[Answer("One two three four five", cut_after=12)] * 3)
    async with stage.running():
        await stage.server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
    [answer] = stage.server.answers(stage.chat)
    assert answer.text.startswith("One two")
    assert "My answer broke off here" in answer.text
    assert answer.buttons == ["Try again"]
    assert stage.records.memory() == []


async def test_an_edited_question_is_answered_anew(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        question = await server.say(stage.chat, stage.ada, "say one")
        await stage.records.idle(1)
        await server.edit_by_person(question, "say two")
        await stage.records.idle(2)
    assert [answer.text for answer in server.answers(stage.chat)] == ["two"]
    assert [said for role, said in stage.records.memory() if role == "assistant"] == ["two"]


async def test_an_edit_while_it_is_answered_starts_again(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running():
        with model.hold():
            question = await server.say(stage.chat, stage.ada, "count to 90")
            await server.wait(lambda: server.answers(stage.chat))
            await server.edit_by_person(question, "say two")
            await model.seen(2)
        await stage.records.idle(1)
    assert [answer.text for answer in server.answers(stage.chat)] == ["two"]
    assert stage.records.drift() == []


@pytest.mark.slow
async def test_a_reply_in_a_group_branches(stage: TelegramStage, model: ModelServer) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        await server.say(group, stage.ada, f"@{server.username} say one")
        await stage.records.idle(1)
        await server.say(group, stage.ada, f"@{server.username} say two")
        await stage.records.idle(2)
        await server.say(
            group, stage.ada, "What did I say before?", reply_to=server.answers(group)[0]
        )
        await stage.records.idle(3)
        await server.say(group, stage.ada, f"@{server.username} How many messages?")
        await stage.records.idle(4)
    seen = [str(request.messages) for request in model.requests]
    assert "say one" in seen[2]
    assert "say two" not in seen[2]
    assert "say two" in seen[3]
    assert "What did I say before" not in seen[3], "the branch left the head alone"


async def test_topics_of_a_forum_are_conversations_of_their_own(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    forum = server.supergroup(-1001, "Forum", forum=True, admins=[stage.ada])
    cats, dogs = server.topic(forum, "Cats", stage.ada), server.topic(forum, "Dogs", stage.ada)
    async with stage.running():
        await server.say(forum, stage.ada, f"@{server.username} say meow", thread=cats)
        await stage.records.idle(1)
        await server.say(forum, stage.ada, f"@{server.username} Hello", thread=dogs)
        await stage.records.idle(2)
    assert "meow" not in str(model.requests[1].messages)
    assert [message.thread for message in server.answers(forum)] == [cats, dogs]


async def test_unreadable_content_is_told_in_private_and_ignored_in_groups(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        await server.voice(group, stage.ada)
        for send in (server.voice, server.sticker, server.location):
            await send(stage.chat, stage.ada)
        await stage.records.idle(3)
    assert server.answers(group) == []
    assert all("I cannot read" in answer.text for answer in server.answers(stage.chat))
    assert model.requests == []


@pytest.mark.slow
async def test_a_group_that_becomes_a_supergroup_keeps_its_memory(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        await server.say(group, stage.ada, f"@{server.username} say Biscuit")
        await stage.records.idle(1)
        supergroup = server.upgrade(group)
        await server.say(supergroup, stage.ada, f"@{server.username} What did you say?")
        await stage.records.idle(2)
        # Ids are counted from 1 again: one that was there before is a new message.
        for turns in range(3, 6):
            await server.say(supergroup, stage.ada, f"@{server.username} say {turns}")
            await stage.records.idle(turns)
    assert "say Biscuit" in str(model.requests[1].messages)
    assert len(server.answers(supergroup)) == 4
    assert stage.records.one("SELECT count(*) FROM conversations") == 1


async def test_an_answer_begun_in_a_group_ends_in_its_supergroup(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        with model.hold():
            await server.say(group, stage.ada, f"@{server.username} count to 50")
            await stage.records.posted()
            supergroup = server.upgrade(group)
            moved = "SELECT count(*) FROM turns WHERE chat = :chat"
            await eventually(lambda: stage.records.one(moved, chat=str(supergroup.id)) == 1)
        await stage.records.idle(1)
    [answer] = server.answers(supergroup)
    assert answer.text.endswith("50")
    assert answer.buttons == ["Regenerate"]


async def test_a_flood_limit_delays_an_answer_but_loses_nothing(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    server.fail("editMessageText", status=429, retry_after=3)
    model.enqueue(Answer("Some words that come in pieces, and then the end."))
    async with stage.running():
        with model.hold():
            await server.say(stage.chat, stage.ada, "Hello")
            await stage.records.posted()  # what follows is an edit
        await stage.records.idle(1)
    assert [call.method for call in server.calls if call.status == 429] == ["editMessageText"]
    [answer] = server.answers(stage.chat)
    assert answer.text.endswith("the end.")
    assert server.violations == []


@pytest.mark.slow
async def test_an_answer_outlasts_any_number_of_faults_of_the_platform(
    stage: TelegramStage,
) -> None:
    server = stage.server
    server.fail("*", status=502, times=TRIES + 3, chat=stage.chat)
    async with stage.running(retry_seconds=1):
        await server.say(stage.chat, stage.ada, "Hello")
        whole = "SELECT count(*) FROM turns WHERE answered_at IS NOT NULL"
        await eventually(lambda: stage.records.one(whole) == 1)
        await stage.records.write("UPDATE turns SET faults = 4")
        await stage.records.idle(1)
    assert len(server.answers(stage.chat)) == 1
    assert stage.records.all("SELECT attempt, outcome FROM turns") == [(2, "ok")]


async def test_an_edit_while_the_first_text_is_on_its_way_holds_nobody_up(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    bob = server.person(1002, "Bob")
    home = server.private(bob)
    server.fail("sendMessage", delay=600, chat=stage.chat)
    async with stage.running():
        with model.hold():
            question = await server.say(stage.chat, stage.ada, "count to 50")
            await model.seen(1)
            await server.wait(lambda: bool(server.answers(stage.chat)))
            await server.edit_by_person(question, "Hello")
        await server.say(home, bob, "Hello")
        await server.wait(lambda: bool(server.answers(home)))
        assert [call.status for call in server.calls if call.chat == stage.chat.id][-1] == 0
        server.relent()
        await stage.records.idle(2)
    [answer] = server.answers(stage.chat)
    assert "1, 2" not in answer.text
    assert answer.buttons == ["Regenerate"]


@pytest.mark.slow
async def test_stop_between_two_starts_keeps_the_shown_text(
    stage: TelegramStage, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Answer("It is six and nothing else.", cut_after=3)
    model.enqueue(broken, broken)
    monkeypatch.setattr("core.chat._attempt.PAUSES", (0.5, 6.0))
    async with stage.running():
        await stage.say("What is 2*3?")
        await model.seen(2)
        await eventually(lambda: model.requests[1].cut)
        await stage.say("/stop")
        await stage.records.idle(2)
    assert len(model.requests) == 2
    assert stage.server.answers(stage.chat)[0].text.startswith("It")
    assert stage.records.one("SELECT outcome FROM turns WHERE id = 1") == "stopped"
    assert stage.records.drift() == []


@pytest.mark.slow
async def test_a_flood_limit_met_when_deleting_holds_the_chat(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue("word " * 1000, "short")
    async with stage.running():
        question = await server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
        assert len(server.answers(stage.chat)) == 2
        server.fail("deleteMessage", status=429, retry_after=1)
        await server.edit_by_person(question, "Be brief")
        await stage.records.idle(2)
    assert [answer.text for answer in server.answers(stage.chat)] == ["short"]
    assert stage.records.one("SELECT count(*) FROM pauses") == 1, "no other turn knows of it"
    assert stage.records.one("SELECT max(attempt) FROM turns") == 1
    assert server.violations == []


@pytest.mark.slow
async def test_a_message_that_cannot_be_deleted_any_more_is_emptied(
    stage: TelegramStage, model: ModelServer
) -> None:
    """The answer was long two days ago; the new one is short, and is delivered nevertheless."""
    model.enqueue("word " * 1500, "short")
    async with stage.running():
        question = await stage.server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
        for message in stage.server.answers(stage.chat):
            message.sent_at -= 49 * 3600
        await stage.server.edit_by_person(question, "Be brief")
        await stage.records.idle(2)
    assert stage.records.one("SELECT outcome FROM turns WHERE id = 2") == "ok"
    [answer, emptied] = stage.server.answers(stage.chat)
    assert (answer.text, emptied.text) == ("short", "…")


async def test_a_flood_limit_met_when_uploading_holds_the_chat(stage: TelegramStage) -> None:
    stage.server.fail("sendDocument", status=429, retry_after=1)
    async with stage.running():
        await stage.say("/export")
        await stage.records.idle(1)
    assert stage.records.one("SELECT count(*) FROM pauses") == 1, "no other turn knows of it"
    assert stage.records.one("SELECT max(attempt) FROM turns") == 1
    assert stage.server.violations == []


async def test_a_file_is_not_sent_again_because_the_sentence_failed(stage: TelegramStage) -> None:
    stage.server.fail("sendMessage", status=500, times=TRIES)
    async with stage.running(retry_seconds=0.1):
        await stage.say("/export")
        await stage.records.idle(1)
    assert stage.records.one("SELECT attempt FROM turns") == 2
    said, file = stage.server.answers(stage.chat)
    assert "all that is stored about you" in said.text
    assert "document" in file.content


async def test_a_person_who_blocked_the_bot_does_not_stop_it(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    bob = server.person(1002, "Bob")
    async with stage.running():
        await server.say(server.private(bob), bob, "Hello")
        server.block(bob)
        await server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(2)
    assert len(server.answers(stage.chat)) == 1
    assert stage.records.one("SELECT count(*) FROM turns WHERE outcome = 'undeliverable'") == 1


async def test_a_button_in_the_group_that_became_a_supergroup_leads_nowhere(
    stage: TelegramStage,
) -> None:
    server, group = stage.server, stage.group()
    async with stage.running():
        await server.say(group, stage.ada, f"@{server.username} say hello")
        await stage.records.idle(1)
        await server.say(group, stage.ada, "/forget")
        await stage.records.idle(2)
        supergroup = server.upgrade(group)
        for message, label in zip(server.answers(group), ("Regenerate", "Cancel"), strict=True):
            assert await stage.told(await server.press(message, label, stage.ada)) == MOVED_ON
        await server.say(supergroup, stage.ada, f"@{server.username} say bye")
        await stage.records.idle(3)
    assert [answer.text for answer in server.answers(supergroup)] == ["bye"]


@pytest.mark.slow
async def test_fourteen_questions_that_waited_for_the_bot_are_all_answered(
    stage: TelegramStage,
) -> None:
    """They were asked in an hour, and are answered in a minute that takes two."""
    for number in range(14):
        ago = 3600 - 240 * number
        await stage.server.say(stage.chat, stage.ada, f"say number {number}", ago=ago)
    async with stage.running(quota="2 turns/minute, 200 turns/day, 1 usd/month"):
        await stage.records.idle(14)
        await stage.say("/usage")
        await stage.records.idle(15)
    *answers, usage = [answer.text for answer in stage.server.answers(stage.chat)][:15]
    assert answers == [f"number {number}" for number in range(14)]
    assert "Left: 2 of 2 answers a minute" in usage
    assert stage.records.drift() == []
