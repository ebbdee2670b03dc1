"""Messages whose fate is not known, that fail alone, or that the bot may not write at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from telegram.error import BadRequest, Forbidden

from bots.telegram.failures import translated
from bots.telegram.request import reduced
from bots.telegram.suspects import MOST, suspects
from core.delivery import EXCUSED
from core.errors import Muted, Undeliverable
from core.worker import FAULTS
from tests.bot import hasty_bot
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.model import Answer, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

SOON = {"retry_seconds": 0.1}
GIVEN_UP = "SELECT count(*) FROM turns WHERE outcome = 'undeliverable'"
PAUSED = "SELECT count(*) FROM mutes WHERE until > :now"
USED = "SELECT used FROM allowances WHERE unit = 'turns'"
PAID = "SELECT used FROM allowances WHERE owner_id > 0"
TOLD = "I could not show my answer here, or not all of it. Please ask me again. (Reference 1-5)"


def utc() -> str:
    """Return the time as SQLite stores it."""
    return str(datetime.now(UTC).replace(tzinfo=None))


class HastyStage(TelegramStage):
    """A private chat where nothing has to be slow."""

    @asynccontextmanager
    async def running(self, **values: object) -> AsyncIterator[None]:
        await self.world.begin()
        async with hasty_bot(self.platform, **self.values(**values)):
            yield


@pytest.fixture
async def stage(
    model: ModelServer, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[TelegramStage]:
    """A private chat with Ada."""
    async with TelegramServer(flood=False) as server:
        yield HastyStage(World(model, sqlite_url, tmp_path), server)


# A create with an unknown outcome


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        (8, {"drop": "after"}),
        (2, {"drop": "within", "keep": 0}),
        (2, {"drop": "within", "keep": 30}),
    ],
)
async def test_lost_answers_to_creates_leave_one_message(
    stage: TelegramStage, model: ModelServer, times: int, fault: dict[str, object]
) -> None:
    server = stage.server
    model.enqueue(Answer("One two three four five six seven.", pace=0.01))
    server.fail("sendMessage", times=times, chat=stage.chat, **fault)  # type: ignore[arg-type]  # as above
    async with stage.running(**SOON):
        await stage.say("Hello")
        await stage.records.idle(1)
    made = [call for call in server.calls if call.method == "sendMessage"]
    assert len(made) == times + 1
    assert [answer.text for answer in server.answers(stage.chat)] == [
        "One two three four five six seven."
    ]
    [(doubtful,)] = stage.records.all("SELECT doubtful FROM posts WHERE part = 0")
    assert not doubtful


async def test_a_cut_answer_that_tells_the_id_needs_no_repeat(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    server.fail("sendMessage", times=20, drop="within", keep=60)
    server.fail("editMessageText", times=20, drop="within", keep=30)
    async with stage.running(**SOON):
        await stage.say("count to 40")
        await stage.records.idle(1)
    assert len([call for call in server.calls if call.method == "sendMessage"]) == 1
    [answer] = server.answers(stage.chat)
    assert answer.text.endswith("40")
    assert "Stop" not in answer.buttons


async def test_the_messages_of_others_and_of_other_turns_are_not_touched(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    bob = server.person(1002, "Bob")
    group = stage.group(bob)
    server.fail("sendMessage", drop="after", chat=group, times=2)
    async with stage.running(**SOON):
        with model.hold():
            await server.say(group, stage.ada, f"@{server.username} count to 30")
            await server.say(group, bob, "not for the bot")
            await server.say(group, bob, f"@{server.username} count to 31")
            await server.say(group, bob, f"/help@{server.username}")
            await server.say(group, bob, "nor this")
            await model.seen(2)
        await stage.records.idle(3)
    said = [answer.text for answer in server.answers(group)]
    assert len(said) == 3
    assert sorted(text.split()[-1] for text in said if "/new" not in text) == ["30", "31"]
    assert [each.text for each in server.messages(group) if each.sender == bob][0::3] == [
        "not for the bot",
        "nor this",
    ]


async def test_a_killed_process_may_have_made_a_message(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    server.fail("sendMessage", delay=30)
    async with stage.process() as process:
        with model.hold():
            await stage.say("count to 100")
            await server.wait(lambda: server.answers(stage.chat))
            process.kill()
            await process.wait()
    async with stage.running(**SOON):
        await stage.records.idle(1)
    [answer] = server.answers(stage.chat)
    assert answer.text.endswith("100")


async def test_a_file_whose_upload_was_not_heard_of_stands_once(stage: TelegramStage) -> None:
    server = stage.server
    server.fail("sendDocument", drop="after", times=2)
    async with stage.running(**SOON):
        await stage.say("/export")
        await stage.records.idle(1)
    said, file = server.answers(stage.chat)
    assert "all that is stored about you" in said.text
    assert "document" in file.content
    assert len([call for call in server.calls if call.method == "sendDocument"]) == 3


async def test_a_double_that_is_too_old_to_delete_is_emptied(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    server.fail("sendMessage", drop="after")
    server.fail("deleteMessage", status=400, description="Bad Request: message can't be deleted")
    async with stage.running(**SOON):
        await stage.say("Hello")
        await stage.records.idle(1)
    assert server.answers(stage.chat)[0].text == "…"


# A call that always fails


@pytest.mark.slow
async def test_a_file_that_never_goes_through_holds_nothing_up_and_is_told(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    server.fail("sendDocument", status=500, times=1000)
    async with stage.running(**SOON):
        await stage.say("/export")
        await server.wait(lambda: any(call.status == 500 for call in server.calls))
        await stage.say("say it")
        await server.wait(lambda: any(each.text == "it" for each in server.answers(stage.chat)))
        await stage.records.idle(2)
    said, _ = server.answers(stage.chat)
    assert "cannot be sent here" in said.text
    assert "Reference 1-" in said.text
    assert stage.records.one("SELECT faults FROM turns WHERE id = 1") == FAULTS - 1


@pytest.mark.parametrize(
    ("method", "status"),
    [("sendMessage", 500), ("editMessageText", 502), ("editMessageText", 418)],
)
@pytest.mark.slow
async def test_an_answer_that_alone_fails_is_given_up_and_told(
    stage: TelegramStage, model: ModelServer, method: str, status: int
) -> None:
    """A part of an answer can be made or changed no more, but everything else works."""
    server = stage.server
    model.enqueue(Answer("word " * 20, pace=0.02), "Here.")
    async with stage.running(quota="5 turns/day", **SOON):
        with model.hold():
            await stage.say("Hello")
            if method == "editMessageText":
                await stage.records.posted()
            server.fail(method, status=status, times=1000)
        await eventually(lambda: stage.records.one(GIVEN_UP) == 1)
        server.relent()
        await stage.say("And now?")
        await stage.records.idle(3)
    said = [answer.text for answer in server.answers(stage.chat)]
    assert said[-2:] in ([TOLD, "Here."], ["Here.", TOLD])
    assert stage.records.one(USED) == 1, "only the second one counts"
    assert stage.records.drift() == []


async def test_an_answer_stands_although_a_message_cannot_be_deleted(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    model.enqueue("word " * 1000, "short")
    async with stage.running(**SOON):
        question = await server.say(stage.chat, stage.ada, "Hello")
        await stage.records.idle(1)
        server.fail("deleteMessage", status=500, times=1000)
        await server.edit_by_person(question, "Be brief")
        await stage.records.idle(2)
    assert server.answers(stage.chat)[0].text == "short"
    assert stage.records.one("SELECT outcome FROM turns WHERE id = 2") == "ok"


async def test_while_the_whole_platform_is_away_nothing_is_given_up(
    stage: TelegramStage, model: ModelServer
) -> None:
    server = stage.server
    async with stage.running(**SOON):
        with model.hold():
            await stage.say("count to 30")
            await stage.records.posted()
            server.fail("*", status=502, times=FAULTS * 5 + 1, chat=stage.chat)
        await stage.records.idle(1)
    [answer] = server.answers(stage.chat)
    assert answer.text.endswith("30")
    assert stage.records.all("SELECT faults, outcome FROM turns") == [(0, "ok")]


# A chat where the bot may not write

MUTED = [
    (403, "Forbidden: bot was blocked by the user"),
    (403, "Forbidden: user is deactivated"),
    (403, "Forbidden: bot was kicked from the supergroup chat"),
    (403, "Forbidden: the group chat was deleted"),
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: TOPIC_CLOSED"),
    (400, "Bad Request: message thread not found"),
    (400, "Bad Request: not enough rights to send text messages to the chat"),
    (400, "Bad Request: have no write access to the chat"),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN"),
]


@pytest.mark.parametrize(("status", "description"), MUTED)
def test_every_refusal_to_let_the_bot_write_is_known(status: int, description: str) -> None:
    kind = Forbidden if status == 403 else BadRequest
    assert isinstance(translated(kind(description)), Muted)


@pytest.mark.parametrize(
    "description",
    [
        "message is too long",
        "Button_data_invalid",
        "not enough rights to send documents to the chat",
    ],
)
def test_other_refusals_are_about_one_message(description: str) -> None:
    refusal = translated(BadRequest(description))
    assert isinstance(refusal, Undeliverable)
    assert not isinstance(refusal, Muted)


@pytest.mark.parametrize("method", ["sendMessage", "sendChatAction"])
async def test_where_the_bot_may_not_write_nothing_is_asked_and_nothing_charged(
    stage: TelegramStage, model: ModelServer, method: str
) -> None:
    server, records = stage.server, stage.records
    server.fail(method, status=400, description="Bad Request: CHAT_WRITE_FORBIDDEN", times=1000)
    is_silent = method == "sendChatAction"
    model.enqueue(Answer("word " * 200, pace=0.02, first_token=5 if is_silent else 0))
    async with stage.running(quota="5 turns/day, 1 usd/month", budget="20 usd/month"):
        await stage.say("Hello")
        await records.idle(1)
        await model.wait(lambda: model.requests[0].cut)  # the call ends early
        for text in ("Hello?", "/help", "Anybody?"):
            await stage.say(text)
        await records.idle(4)
        assert len(model.requests) == 1
        assert [row.used for row in records.all(PAID)] == [0, 0]
        [(cost, charged, turns)] = records.all("SELECT cost, charged, turns FROM calls")
        assert cost > 0
        assert (charged, turns) == (0, 0)
        assert records.memory() == []
        server.relent()
        server.block(stage.ada, blocked=False)
        await eventually(lambda: records.one(PAUSED, now=utc()) == 0)
        await stage.say("say it")
        await records.idle(5)
    assert records.one("SELECT count(*) FROM mutes") == 0
    assert [answer.text for answer in server.answers(stage.chat)] == ["it"]
    assert records.all("SELECT DISTINCT outcome FROM turns WHERE id < 5") == [("undeliverable",)]
    assert records.drift() == []


async def test_after_the_pause_a_small_call_is_tried_before_the_model(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, records = stage.server, stage.records
    ago = (datetime.now(UTC) - timedelta(hours=1)).replace(tzinfo=None)
    past = f"UPDATE mutes SET until = '{ago}'"  # noqa: S608 - a time of our own
    server.block(stage.ada)
    async with stage.running():
        await stage.say("Hello")
        await records.idle(1)
        asked = len(model.requests)
        first = records.one("SELECT until FROM mutes")
        await records.write(past)
        await stage.say("Hello?")
        await records.idle(2)
        assert len(model.requests) == asked
        assert records.one("SELECT times FROM mutes") == 2
        assert records.one("SELECT until FROM mutes") > first
        stage.chat.blocked = False
        await records.write(past)
        await stage.say("say it")
        await records.idle(3)
    assert [answer.text for answer in server.answers(stage.chat)] == ["it"]
    assert records.one("SELECT count(*) FROM mutes") == 0, "an answer that works ends it"


async def test_who_locks_the_bot_out_of_an_answer_pays_for_what_was_read(
    stage: TelegramStage, model: ModelServer
) -> None:
    server, records = stage.server, stage.records
    model.enqueue(Answer("word " * 40, pace=0.01))
    async with stage.running(quota="5 turns/day"):
        with model.hold():
            await stage.say("Hello")
            await records.posted()
            server.block(stage.ada)
        await records.idle(1)
    assert records.one("SELECT outcome FROM turns") == "undeliverable"
    assert records.one(USED) == 1
    assert records.drift() == []


async def test_who_locks_the_bot_out_again_and_again_pays(
    stage: TelegramStage, model: ModelServer
) -> None:
    """A group's admin lets the bot write until it asks the model, and then no more."""
    server, records = stage.server, stage.records
    model.enqueue(*[Answer("word " * 200, pace=0.02)] * 5)
    server.fail("sendMessage", status=400, description="Bad Request: CHAT_RESTRICTED", times=1000)
    async with stage.running(quota="9 turns/day"):
        for number in range(1, 6):
            await stage.say("Hello")
            await records.idle(number)
            server.block(stage.ada, blocked=False)
            await eventually(lambda: records.one(PAUSED, now=utc()) == 0)
    assert len(model.requests) == 5
    assert records.one(USED) == 5 - EXCUSED
    assert records.drift() == []


def test_the_suspects_are_the_unknown_ids_between_two_messages() -> None:
    home, other, supergroup = "1001", "-500", "-1002000000001"
    known = [(home, "11"), (other, "12"), (supergroup, "13")]
    assert suspects(home, "10", "15", known) == ["13", "14"], "private chats share their ids"
    assert suspects(supergroup, "10", "15", known) == ["11", "12", "14"]
    assert suspects(home, "10", "11", known) == []
    assert suspects(home, "10", None, [])[0::MOST] == ["11"], "the repeat is not made yet"
    assert suspects(home, None, "14", known) == ["13"], "from the last known message on"
    assert suspects(home, None, "5", known) == [], "older ones may be ours and forgotten"
    earlier = [(other, "21"), (other, "23"), (supergroup, "1"), (home, "22"), (other, "29")]
    assert suspects(home, None, "25", known, earlier) == ["23", "24"], "shortly before it"


def test_the_number_of_suspects_has_a_bound() -> None:
    found = suspects("1001", "0", "1000000000", [])
    assert len(found) == MOST
    assert (found[0], found[-1]) == ("1", "999999999"), "from both ends"


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (b'{"ok":true,"result":{"message_id":7,"from":{', b"7"),
        (b'{"ok":true,"result":{"message_id":7}}', b"7"),
        (b' { "ok" : true , "result" : { "message_id" : 7 , \xff\xfe', b"7"),
        (b'{"ok":true,"result":{"message_id":7', None),  # perhaps 71
        (b'{"ok":true,"result":{"from":{"message_id":7,', None),
        (b'{"ok":true,"result":null}', None),
        (b'{"ok":false,"result":{"message_id":7}}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_of_an_answer_to_a_create_only_the_id_is_read(body: bytes, needed: bytes | None) -> None:
    found = reduced("sendMessage", body)
    assert (found is None) == (needed is None)
    assert needed is None or b'"message_id":%s,' % needed in (found or b"")
