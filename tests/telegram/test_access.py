"""Access to the bot on Telegram, through the whole bot."""

import pytest

from core import access, db, words
from core.adapter import ChangeKind
from core.clock import Clock
from core.db import Sessions
from tests.dialogs.stages import TelegramStage, World, ask
from tests.fakes.model import ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    """A private chat with Ada, on either database."""
    return TelegramStage(either_world, telegram_server)


@pytest.fixture
def here(world: World, telegram_server: TelegramServer) -> TelegramStage:
    """The same on SQLite."""
    return TelegramStage(world, telegram_server)


async def operate(stage: TelegramStage, work: db.Work[object]) -> object:
    """Do what an operator's command does, beside the running bot."""
    sessions: Sessions = db.connect(stage.world.database_url, connections=1)
    try:
        clock = Clock()
        await db.transact(sessions, clock.read)
        return await db.transact(sessions, work)
    finally:
        sessions.close()


async def heard(stage: TelegramStage, number: int) -> list[str]:
    """Wait until Ada has so many messages of the bot; return them."""
    await stage.server.wait(lambda: stage.place() >= number)
    return [text for text, _ in stage.stands()]


def methods(stage: TelegramStage, since: int = 0) -> list[str]:
    """The calls of the bot since an index, but for polls."""
    return [call.method for call in stage.server.calls[since:] if call.method != "getUpdates"]


async def test_an_invite_lets_a_stranger_in(stage: TelegramStage, model: ModelServer) -> None:
    async with stage.running(access="invite"):
        now = Clock().now
        code = await operate(stage, lambda s: access.invite(s, now=now()))
        await stage.say("Hello?")
        [told] = await heard(stage, 1)
        assert told == words.INVITE_ONLY.format(account="telegram:1001")
        await stage.say("/start AAAA-AAAA-AAA2")
        assert (await heard(stage, 2))[1] == words.INVITE_INVALID
        await stage.say("Hello???")
        assert (model.requests, stage.records.turns()) == ([], 0)
        assert stage.records.one("SELECT count(*) FROM conversations") == 0
        await stage.say(f"/start {code}")  # as the client sends it for a link
        welcome = (await heard(stage, 3))[2]
        assert welcome.startswith("Welcome!")
        assert await ask(stage, "say hello") == "hello"
    assert "sendChatAction" not in methods(stage)[: methods(stage).index("sendMessage")]
    assert len(model.requests) == 1


async def test_whoever_an_operator_lets_in_is_told(stage: TelegramStage) -> None:
    async with stage.running(access="list"):
        await stage.say("Hello?")
        await heard(stage, 1)
        now = Clock().now
        await eventually(
            lambda: bool(stage.records.all("SELECT 1 FROM standings WHERE told_at IS NOT NULL"))
        )
        await operate(stage, lambda s: access.let_in(s, 1, now=now()))
        assert (await heard(stage, 2))[1] == words.LET_IN
        assert await ask(stage, "say hello") == "hello"


@pytest.mark.slow
async def test_a_block_stops_the_answer_and_silences_the_person(
    stage: TelegramStage, model: ModelServer
) -> None:
    async with stage.running(lease_seconds=5):
        await ask(stage, "say hello")
        with model.hold():
            await stage.say("count to 100")
            await stage.say("count to 200")
            await stage.server.wait(lambda: stage.place() == 2)
            now = Clock().now
            await operate(stage, lambda s: access.block(s, 1, now=now()))
            await stage.records.idle(3)
        assert stage.place() == 2, "of the second question nothing is seen"
        assert len(model.requests) == 2
        assert stage.stands()[1][1] != ["Stop"]
        assert stage.records.drift() == []
        calls = len(stage.server.calls)
        await stage.say("Hello?")
        await stage.say("/usage")
        assert await stage.told_by_press_gone(ChangeKind.REGENERATE, 0) == ""
        await stage.server.edit_by_person(next(iter(stage.chat.messages.values())), "Hey!")
        group = stage.group()
        await stage.server.say(group, stage.ada, f"@{stage.server.username} Hello?")
        bob = stage.server.person(1002, "Bob")
        await stage.server.say(stage.server.private(bob), bob, "say hi")
        await stage.records.idle(4)
        assert stage.records.turns() == 4, "Bob's is the only one"
        there = [call for call in stage.server.calls[calls:] if call.chat in (1001, -500)]
        assert there == []
        await operate(stage, lambda s: access.unblock(s, 1, now=now()))
        assert await ask(stage, "say again") == "again"


async def test_the_bot_leaves_groups_that_are_not_on_the_list(
    here: TelegramStage, model: ModelServer
) -> None:
    server = here.server
    mine, other, quiet = here.group(), server.group(-501, "Other"), server.group(-502, "Quiet")
    values = {"allowed_groups": "telegram:-500", "leave_other_groups": "true"}
    old = server.group(-503, "Old")
    await server.say(old, here.ada, f"@{server.username} Hello?")
    async with here.running(**values):
        await server.wait(lambda: old.left)
        server.add_bot(mine, here.ada)
        server.add_bot(other, here.ada)
        server.add_bot(quiet, here.ada, quiet=True)
        await server.wait(lambda: other.left and quiet.left)
        assert not mine.left
        await server.say(mine, here.ada, f"@{server.username} say hello")
        await here.records.idle(1)
    goodbye = [[answer.text for answer in server.answers(chat)] for chat in (other, quiet, old)]
    assert goodbye == [[words.LEAVING], [], [words.LEAVING]]
    assert [answer.text for answer in server.answers(mine)] == ["hello"]
    assert len(model.requests) == 1
    assert here.records.one("SELECT count(*) FROM conversations") == 1
    assert server.violations == []


async def test_other_groups_are_ignored_and_a_supergroup_stays_allowed(
    here: TelegramStage, model: ModelServer
) -> None:
    server = here.server
    mine, other = here.group(), server.group(-501, "Other", admins=[here.ada])
    async with here.running(access="list", allowed_groups="telegram:-500"):
        await server.say(other, here.ada, f"@{server.username} Hello?")
        await server.say(mine, here.ada, f"@{server.username} say hello")
        await here.records.idle(1)
        new = server.upgrade(mine)
        await server.say(new, here.ada, f"@{server.username} say bye")
        await here.records.idle(2)
    async with here.running(access="list", allowed_groups="telegram:-500"):
        await server.say(new, here.ada, f"@{server.username} say again")
        await here.records.idle(3)
    assert [answer.text for answer in server.answers(new)] == ["bye", "again"]
    assert (server.answers(other), other.left) == ([], False)
    assert len(model.requests) == 3
