"""A matter of one person in a group is shown to that person alone, where the platform can."""

from collections.abc import AsyncIterator

import pytest

from core import words
from tests.dialogs.stages import DiscordStage, TelegramStage, World
from tests.fakes.discord import DiscordServer
from tests.fakes.discord.records import EPHEMERAL
from tests.fakes.telegram import Chat, TelegramServer
from tests.records import eventually

ONE, MORE = {"quota": "1 turn/month"}, {"quota": "100 turns/month"}


@pytest.fixture
def world(either_world: World) -> World:
    """The surroundings of all stages here, once on each engine."""
    return either_world


# Telegram


class Group(TelegramStage):
    """A group in which Ada asks the bot, which may be an admin."""

    def __init__(self, world: World, server: TelegramServer) -> None:
        super().__init__(world, server)
        self.chat = server.supergroup(-1_000_000_000_500, "Friends", admins=[self.ada])

    async def say(self, text: str) -> None:
        await self.server.say(self.chat, self.ada, f"@{self.server.username} {text}")

    async def ask_all(self, *questions: str) -> None:
        for number, question in enumerate(questions, 1):
            await self.say(question)
            await self.records.idle(number)


@pytest.fixture
async def group(world: World) -> AsyncIterator[Group]:
    async with TelegramServer() as server:
        yield Group(world, server)
        assert server.violations == []


def said(group: Group, chat: Chat) -> list[str]:
    return [answer.text for answer in group.server.answers(chat)]


@pytest.mark.slow
async def test_a_refusal_is_shown_to_one_person_and_the_answers_to_all(group: Group) -> None:
    server = group.server
    server.promote(group.chat)
    async with group.running(**ONE):
        await group.ask_all("say hello", "say one", "say two")
        assert [text.split("\n")[0] for text in said(group, group.chat)] == ["hello"]
        [notice] = server.whispers(group.chat, group.ada)
        assert "your limit is" in notice.text
        assert notice.buttons == [words.TRY_AGAIN]
        press = await server.press(notice, words.TRY_AGAIN, group.ada)
        assert "Press it again then" in await group.told(press)
    async with group.running(**MORE):
        await server.press(notice, words.TRY_AGAIN, group.ada)
        await group.records.idle(4)
        await server.wait(lambda: len(server.answers(group.chat)) == 3)
        await eventually(lambda: notice.buttons == [])
    assert said(group, group.chat)[1:] == ["one", "two"]
    asked = {each.message_id: each.text for each in server.messages(group.chat)}
    replies = [asked[each.reply_to or 0].split()[-1] for each in server.answers(group.chat)]
    assert replies == ["hello", "one", "two"], "each answers its own question"
    assert "your limit is" in notice.text
    assert group.records.drift() == []


@pytest.mark.slow
async def test_a_warning_of_an_own_limit_is_shown_to_one_person(group: Group) -> None:
    group.server.promote(group.chat)
    async with group.running(quota="5 turns/month"):
        await group.ask_all("say 1", "say 2", "say 3")
        await group.say("say 4")
        await group.records.idle(5)  # the warning is a turn of its own
        await group.server.wait(lambda: bool(group.server.whispers(group.chat, group.ada)))
    [warning] = group.server.whispers(group.chat, group.ada)
    assert "Most of your limit is used. Left: 1 of 5 answers a month" in warning.text
    assert said(group, group.chat) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("why", ["no admin", "old server"])
async def test_a_group_that_hides_nothing_shows_the_refusal_to_all(group: Group, why: str) -> None:
    server = group.server
    if why == "old server":
        server.forget_ephemeral()
    async with group.running(**ONE):
        await group.ask_all("say hello", "say one")
        assert len(said(group, group.chat)) == 2
    async with group.running(**MORE):
        await group.press(words.TRY_AGAIN)
        await eventually(lambda: said(group, group.chat)[-1] == "one")
        await group.records.idle(2)
    assert len(said(group, group.chat)) == 2


async def test_a_group_that_refused_once_is_not_asked_each_time(group: Group) -> None:
    server = group.server
    async with group.running(quota="1 turn/minute, 1 turn/month"):
        for number in range(1, 4):
            await server.say(group.chat, group.ada, f"/usage@{server.username}")
            await group.records.idle(number)
    tried = [call for call in server.calls if "ephemeral_message_parameters" in call.params]
    assert len(tried) == 1
    assert len(said(group, group.chat)) == 3


# Discord


@pytest.fixture
async def server(world: World) -> AsyncIterator[DiscordStage]:
    async with DiscordServer() as discord:
        stage = DiscordStage(world, discord)
        stage.channel = discord.channel(discord.guild("Home", members=[stage.ada]), "general")
        yield stage
        assert discord.violations == []


async def test_usage_by_a_slash_command_is_shown_to_one_person(server: DiscordStage) -> None:
    async with server.running(quota="10 turns/month"):
        asked = await server.server.slash(server.channel, server.ada, "usage")
        await server.records.idle(1)
    assert server.stands() == []
    answer = asked.original
    assert answer is not None
    assert answer.flags & EPHEMERAL
    assert "This month" in answer.content
    assert "Left: 10 of" in answer.content
    assert [each.name for each in answer.attachments] == ["usage.png"]


@pytest.mark.slow
async def test_a_refused_slash_command_is_told_one_person_and_answered_to_all(
    server: DiscordStage,
) -> None:
    fake = server.server
    async with server.running(**ONE):
        await fake.slash(server.channel, server.ada, "ask", question="say hello")
        await server.records.idle(1)
        asked = await fake.slash(server.channel, server.ada, "ask", question="say one")
        await server.records.idle(2)
        assert server.place() == 1
        [notice] = asked.followups
        assert notice.flags & EPHEMERAL
        assert "your limit is" in notice.content
    async with server.running(**MORE):
        press = await fake.press(notice, words.TRY_AGAIN, server.ada)
        await server.records.idle(3)
        await eventually(lambda: server.place() == 2)
        await eventually(lambda: not notice.buttons)
        await server.records.idle(3)
    assert press.followups == []
    assert [text.split("\n")[0] for text, _ in server.stands()] == ["hello", "one"]
    assert server.records.drift() == []


async def test_a_refusal_is_told_once_though_what_everybody_sees_cannot_be_deleted(
    server: DiscordStage,
) -> None:
    fake = server.server
    async with server.running(**ONE):
        await fake.slash(server.channel, server.ada, "ask", question="say hello")
        await server.records.idle(1)
        fake.fail("DELETE /webhooks/{id}/{token}/messages/{id}", status=401)
        asked = await fake.slash(server.channel, server.ada, "ask", question="say one")
        await server.records.idle(2)
    [notice] = asked.followups
    assert "your limit is" in notice.content


@pytest.mark.slow
async def test_a_warning_after_a_slash_command_is_told_one_person(server: DiscordStage) -> None:
    fake = server.server
    async with server.running(quota="5 turns/month"):
        for number in range(1, 4):
            await fake.slash(server.channel, server.ada, "ask", question=f"say {number}")
            await server.records.idle(number)
        asked = await fake.slash(server.channel, server.ada, "ask", question="say 4")
        await server.records.idle(5)
        await eventually(lambda: bool(asked.followups))
    [warning] = asked.followups
    assert warning.flags & EPHEMERAL
    assert "Most of your limit is used" in warning.content
    assert [text for text, _ in server.stands()] == ["1", "2", "3", "4"]


async def test_a_refused_mention_is_told_in_an_ordinary_message(server: DiscordStage) -> None:
    fake = server.server
    async with server.running(**ONE):
        for number, text in enumerate(("say hello", "say one"), 1):
            await fake.say(server.channel, server.ada, f"{fake.mention} {text}")
            await server.records.idle(number)
        assert server.place() == 2
