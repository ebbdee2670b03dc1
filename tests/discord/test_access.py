"""Access to the bot on Discord, through the whole bot."""

from datetime import timedelta

import pytest

from core import access, db, words
from core.clock import Clock
from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import DiscordServer
from tests.fakes.model import ModelServer
from tests.records import eventually


@pytest.fixture
def stage(either_world: World, discord_server: DiscordServer) -> DiscordStage:
    """A direct message with Ada, on either database."""
    return DiscordStage(either_world, discord_server)


@pytest.fixture
def here(world: World, discord_server: DiscordServer) -> DiscordStage:
    """The same on SQLite."""
    return DiscordStage(world, discord_server)


async def operate(stage: DiscordStage, work: db.Work[object]) -> object:
    """Do what an operator's command does, beside the running bot."""
    sessions = db.connect(stage.world.database_url, connections=1)
    try:
        return await db.transact(sessions, work)
    finally:
        sessions.close()


async def heard(stage: DiscordStage, number: int) -> list[str]:
    """Wait until Ada has so many messages of the bot; return them."""
    await stage.server.wait(lambda: len([text for text, _ in stage.stands() if text]) >= number)
    return [text for text, _ in stage.stands()]


async def test_a_code_lets_a_stranger_in(stage: DiscordStage, model: ModelServer) -> None:
    async with stage.running(access="invite"):
        now = Clock().now
        code = str(await operate(stage, lambda s: access.invite(s, now=now())))
        await stage.say("/ask Hello?")  # told in place of "is thinking…"
        [told] = await heard(stage, 1)
        assert told == words.INVITE_ONLY.format(account=f"discord:{stage.ada.id}")
        await stage.say("/start AAAA-AAAA-AAA2")
        assert (await heard(stage, 2))[1] == words.INVITE_INVALID
        assert stage.records.one("SELECT count(*) FROM conversations") == 0
        await stage.say(code.lower())
        assert (await heard(stage, 3))[2].startswith("Welcome!")
        await stage.say("say hello")
        await stage.records.idle(2)
        await stage.say(f"/start {code}")
        await stage.records.idle(3)
        assert (await heard(stage, 5))[4].startswith("Welcome!")
    assert len(model.requests) == 1
    assert stage.server.violations == []


async def test_a_blocked_person_sees_no_answer_on_its_way(
    here: DiscordStage, model: ModelServer
) -> None:
    server = here.server
    channel = server.channel(server.guild("Friends", members=[here.ada]), "general")
    async with here.running():
        await here.say("say hello")
        await here.records.idle(1)
        now = Clock().now
        await operate(here, lambda s: access.block(s, 1, now=now()))
        command = await server.slash(here.channel, here.ada, "ask", question="Hello?")
        await server.wait(lambda: command.acknowledged)
        await eventually(lambda: len(server.answers(here.channel)) == 1)
        there = await server.slash(channel, here.ada, "usage")
        await server.wait(lambda: there.acknowledged)
        await eventually(lambda: server.answers(channel) == [])
        press = await here.press("Regenerate", 0)
        await here.say("Hello?")
        bob = server.person("Bob")
        await server.say(server.dm(bob), bob, "say hi")
        await here.records.idle(2)
        assert here.records.turns() == 2, "Bob's is the only one"
        assert press.followups == []
        assert [each.content for each in server.answers(here.channel)] == ["hello"]
    assert len(model.requests) == 2
    # What was said meanwhile is no question later, although it is read from the history.
    unblocked_at = now() + access.MARGIN + timedelta(seconds=0.2)
    await operate(here, lambda s: access.unblock(s, 1, now=unblocked_at))
    await eventually(lambda: now() > unblocked_at)
    async with here.running():
        await here.say("say again")
        await here.records.idle(3)
    assert [each.content for each in server.answers(here.channel)] == ["hello", "again"]


async def test_the_bot_leaves_servers_that_are_not_on_the_list(
    here: DiscordStage, model: ModelServer
) -> None:
    server = here.server
    mine = server.guild("Mine", members=[here.ada])
    partly = server.guild("Partly", members=[here.ada])
    old, later = server.guild("Old"), server.guild("Later", has_bot=False)
    general = server.channel(mine, "general")
    allowed, denied = server.channel(partly, "allowed"), server.channel(partly, "denied")
    old_channel = server.channel(old, "general")
    later_channel = server.channel(later, "general")
    groups = f"discord:{mine.id}, discord:{allowed.id}"
    async with here.running(allowed_groups=groups, leave_other_groups="true"):
        await server.wait(lambda: not old.has_bot)
        server.add_bot(later)
        await server.wait(lambda: not later.has_bot)
        thread = server.thread(allowed, "talk")
        for place in (general, allowed, denied, thread):
            await server.say(place, here.ada, f"{server.mention} say hello")
        refused = await server.slash(denied, here.ada, "ask", question="Hello?")
        await here.records.idle(3)
    assert [server.answers(place) != [] for place in (general, allowed, denied, thread)] == [
        *(True, True, False, True)
    ]
    for place in (old_channel, later_channel):
        assert [each.content for each in server.answers(place)] == [words.LEAVING]
    assert (mine.has_bot, partly.has_bot, refused.acknowledged) == (True, True, False)
    assert len(model.requests) == 3
    assert server.violations == []


async def test_missed_messages_of_other_servers_are_not_read(
    here: DiscordStage, model: ModelServer
) -> None:
    server = here.server
    mine, other = (server.guild(name, members=[here.ada]) for name in ("Mine", "Other"))
    general, elsewhere = server.channel(mine, "general"), server.channel(other, "general")
    groups = f"discord:{mine.id}"
    async with here.running(allowed_groups=groups):
        await server.say(general, here.ada, f"{server.mention} say hello")
        await here.records.idle(1)
    for place in (elsewhere, general):
        await server.say(place, here.ada, f"{server.mention} say missed")
    calls = len(server.calls)
    async with here.running(allowed_groups=groups):
        await here.records.idle(2)
    assert server.answers(elsewhere) == []
    assert not [call for call in server.calls[calls:] if elsewhere.id in call.path]
    assert len(model.requests) == 2


async def test_where_a_person_took_the_bot_their_own_access_counts(
    here: DiscordStage, model: ModelServer
) -> None:
    server = here.server
    bob = server.person("Bob")
    for who in (here.ada, bob):
        server.install(who)
    abroad = server.channel(server.guild("Abroad", members=[here.ada, bob], has_bot=False), "any")
    values = {
        "access": "list",
        "allowed_people": f"discord:{here.ada.id}",
        "allowed_groups": "none",
    }
    async with here.running(**values):
        await server.slash(abroad, bob, "ask", question="say no")
        await server.wait(lambda: len(server.answers(abroad)) == 1)
        await server.slash(abroad, here.ada, "ask", question="say yes")
        await here.records.idle(1)
    shown = [each.content for each in server.answers(abroad)]
    assert shown == [words.LIST_ONLY.format(account=f"discord:{bob.id}"), "yes"]
    assert len(model.requests) == 1
