"""The commands for the style of answers and for stored data."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dialogs.stages import DiscordStage, Stage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import MODEL, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

OTHER = "x-ai/other"
TEXTS = "SELECT input, answer, draft FROM turns"


@pytest.fixture
def telegram(world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(world, telegram_server)


@pytest.fixture
def discord(world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(world, discord_server)


def file_of(stage: TelegramStage | DiscordStage) -> tuple[str, dict[str, Any]]:
    """Name and content of the one file that the bot has sent."""
    if isinstance(stage, TelegramStage):
        [posted] = [each for each in stage.server.answers(stage.chat) if each.content]
        name, data = stage.server.document_of(posted)
        return name, json.loads(data)
    [file] = [file for each in stage.server.answers(stage.channel) for file in each.attachments]
    return file.name, json.loads(file.data)


# For everybody


async def test_start_and_privacy_tell_about_stored_data_in_three_lines(stage: Stage) -> None:
    async with stage.running(retention_days=30):
        # Discord has no /start: people find the commands by themselves.
        hello = "" if stage.platform == "discord" else await ask(stage, "/start")
        privacy = await ask(stage, "/privacy")
    assert len(privacy.strip().splitlines()) == 3
    for word in ("30 days", MODEL.rpartition("/")[2], "/export", "/forget"):
        assert word in privacy
        assert not hello or word in hello


async def test_forget_asks_first_and_then_deletes_everything(stage: Stage, world: World) -> None:
    async with stage.running():
        await ask(stage, "say my secret is Biscuit")
        await ask(stage, "/persona You know of Biscuit.")
        assert "/forget yes" in await ask(stage, "/forget")
        assert len(stage.records.memory()) == 3, "nothing is deleted without a confirmation"
        assert "is deleted" in await ask(stage, "/forget yes")
        await ask(stage, "Hello")
        await eventually(lambda: len(stage.records.memory(2)) == 2)
        await eventually(lambda: "Biscuit" not in str(stage.records.all(TEXTS)))
    assert "Biscuit" not in str(world.model.requests[-1].messages)
    assert "Biscuit" not in str(stage.records.all(TEXTS))
    assert stage.records.one("SELECT count(*) FROM search WHERE search MATCH 'Biscuit'") == 0
    assert stage.records.one("SELECT count(*) FROM calls") == 2, "the ledger stays"
    assert stage.records.drift() == []


async def test_instructions_are_shown_set_and_reset(
    stage: Stage, world: World, tmp_path: Path
) -> None:
    personas = tmp_path / "personas.toml"
    personas.write_text('Pirate = "You are a pirate."\ncat = "You are a cat."\n')
    async with stage.running(personas_file=str(personas)):
        shown = await ask(stage, "/persona")
        assert "pirate, cat" in shown
        await ask(stage, "/persona pirate")
        assert "You are a pirate." in await ask(stage, "/persona")
        await ask(stage, "Hello")
        await ask(stage, "/persona You are a teacher.")
        await ask(stage, "Hello")
        await ask(stage, "/persona reset")
        await ask(stage, "Hello")
    told = [
        [each["content"] for each in request.messages if each["role"] == "system"]
        for request in world.model.requests
    ]
    assert [each.rpartition("conversation: ")[2] for [each] in told] == [
        "You are a pirate.",
        "You are a teacher.",
        "From now on, follow only your first instructions again.",
    ]


# Files arrive on platforms


@pytest.fixture(params=["telegram", "discord"])
def place(request: pytest.FixtureRequest) -> TelegramStage | DiscordStage:
    """Both platforms in turn."""
    found: TelegramStage | DiscordStage = request.getfixturevalue(request.param)
    return found


async def test_an_export_is_one_file_with_all_messages(
    place: TelegramStage | DiscordStage,
) -> None:
    async with place.running():
        await ask(place, "say I like “tea” 🍵")
        assert "all that is stored about you" in await ask(place, "/export")
    name, stored = file_of(place)
    assert name == "parley.json"
    assert [account["name"] for account in stored["accounts"]] == ["Ada"]
    assert [message["body"]["role"] for message in stored["messages"]] == ["user", "assistant"]
    assert stored["messages"][0]["body"]["content"].endswith("say I like “tea” 🍵")
    assert stored["turns"][0]["input"]["text"] == "say I like “tea” 🍵"
    assert [call["model"] for call in stored["calls"]] == [MODEL]


async def test_an_export_that_a_platform_does_not_take_is_told(
    place: TelegramStage | DiscordStage,
) -> None:
    async with place.running():
        await ask(place, "say well")
        if isinstance(place, TelegramStage):
            place.server.fail("sendDocument", status=413, description="Request Entity Too Large")
        else:
            place.server.fail("POST /channels/{id}/messages", status=413, code=40005)
        assert "cannot be sent here; it may be too large" in await ask(place, "/export")


async def test_forget_takes_back_an_answer_in_progress(
    place: TelegramStage | DiscordStage, world: World
) -> None:
    quota = "5 turns/month, 1 usd/month"
    async with place.running(quota=quota):
        with world.model.hold():
            await place.say("count to 500")
            await place.records.posted()
            await place.say("/forget yes")
            await eventually(lambda: "is deleted" in place.heard())
        await place.records.idle(2)
        assert "1, 2, 3" not in place.heard()
        await eventually(lambda: world.model.requests[0].cut)
    assert place.records.one("SELECT count(*) FROM messages") == 0
    assert "count to" not in str(place.records.all(TEXTS))
    assert place.records.one("SELECT count(*) FROM calls WHERE settled_at IS NULL") == 0
    assert place.records.one("SELECT sum(turns) FROM calls") == 1, "it was asked for, and counts"
    assert place.records.drift() == []


async def test_forget_deletes_the_bytes_of_files(telegram: TelegramStage) -> None:
    server = telegram.server
    async with telegram.running():
        await server.document(
            telegram.chat, telegram.ada, b"%PDF-1.7 secret", "a.pdf", "application/pdf", "Read."
        )
        await telegram.records.idle(1)
        assert telegram.records.one("SELECT count(*) FROM attachments") == 1
        await ask(telegram, "/forget yes")
        await eventually(lambda: telegram.records.one("SELECT count(*) FROM attachments") == 0)
    assert telegram.records.one("SELECT count(*) FROM attachment_uses") == 0


async def test_messages_older_than_the_retention_are_deleted(
    telegram: TelegramStage, world: World
) -> None:
    old = (datetime.now(UTC) - timedelta(days=31)).replace(tzinfo=None)
    async with telegram.running():
        await ask(telegram, "say my secret is Biscuit")
    for table in ("messages", "turns"):
        await telegram.records.write(f"UPDATE {table} SET created_at = :old", old=str(old))  # noqa: S608 - of two names
    async with telegram.running():
        await ask(telegram, "say that it stays")
        assert "Biscuit" in str(world.model.requests[-1].messages)
    async with telegram.running(retention_days=30):
        await eventually(lambda: "Biscuit" not in str(telegram.records.all(TEXTS)))
        await ask(telegram, "Hello")
    assert "Biscuit" not in str(world.model.requests[-1].messages)
    assert "it stays" in str(world.model.requests[-1].messages)


# The model of a conversation


@pytest.fixture
async def models(world: World) -> Any:
    """A model API that has two models."""
    async with ModelServer(api_key="test-key", models=(MODEL, OTHER)) as server:
        world.model = server
        yield server


@pytest.mark.slow
async def test_a_conversation_chooses_its_model(
    telegram: TelegramStage, models: ModelServer
) -> None:
    offered = {"models": f"{MODEL}, {OTHER}", "model_prices": "0.2, 0.05, 0.5"}
    bob = telegram.server.person(1002, "Bob")
    async with telegram.running(**offered):
        assert "/model other" in await ask(telegram, "/model")
        assert OTHER in await ask(telegram, "/model other")
        await ask(telegram, "Hello")
        assert f"{OTHER} answers here" in await ask(telegram, "/model nonsense")
        await telegram.server.say(telegram.server.private(bob), bob, "Hello")
        await telegram.records.idle(5)
    async with telegram.running():
        await ask(telegram, "Hello")  # a model that is no longer on offer is not asked
        assert "there is no other to choose" in await ask(telegram, "/model")
    assert [request.body["model"] for request in models.requests] == [OTHER, MODEL, MODEL]
    stored = telegram.records.all("SELECT model FROM calls ORDER BY id")
    assert [row.model for row in stored] == [OTHER, MODEL, MODEL]


# In groups


ADMINS_ONLY = "Only the admins"


async def test_in_a_telegram_group_only_admins_change_its_settings(
    telegram: TelegramStage, world: World
) -> None:
    server = telegram.server
    bob = server.person(1002, "Bob")
    group = telegram.group()
    group.people[bob.id] = bob
    turns = 0

    async def command(who: Any, text: str) -> str:
        nonlocal turns
        turns += 1
        await server.say(group, who, text)
        await telegram.records.idle(turns)
        return server.answers(group)[-1].text

    async with telegram.running():
        for text in ("/persona You are a cat.", "/forget yes"):
            assert ADMINS_ONLY in await command(bob, f"{text}")
        assert "I will do so" in await command(telegram.ada, "/persona You are a dog.")
        assert "You are a dog." in await command(bob, "/persona"), "everybody may look"
        assert "is deleted" in await command(telegram.ada, "/forget yes")
        assert "A new conversation" in await command(bob, "/new")
    asked = [call.params["user_id"] for call in server.calls if call.method == "getChatMember"]
    assert sorted(map(int, asked)) == [telegram.ada.id, bob.id], "known for a minute"


async def test_a_person_of_unknown_rights_is_told_so_and_refused(
    telegram: TelegramStage,
) -> None:
    server, group = telegram.server, telegram.group()
    server.fail("getChatMember", status=500)
    async with telegram.running():
        await server.say(group, telegram.ada, "/forget yes")
        await telegram.records.idle(1)
        told = server.answers(group)[-1].text
        assert "could not find out" in told
        assert ADMINS_ONLY not in told
        await server.say(group, telegram.ada, "/forget yes")
        await telegram.records.idle(2)
        assert "is deleted" in server.answers(group)[-1].text, "a failure is not remembered"


async def test_commands_for_everybody_ask_telegram_nothing(telegram: TelegramStage) -> None:
    server, group = telegram.server, telegram.group()
    async with telegram.running():
        await server.say(group, telegram.ada, f"@{server.username} Hello")
        for command in ("/usage", "/new", "/help"):
            await server.say(group, telegram.ada, command)
        await telegram.records.idle(4)
        await ask(telegram, "/persona")
    assert "getChatMember" not in {call.method for call in server.calls}


async def test_on_a_discord_server_only_admins_change_its_settings(
    discord: DiscordStage,
) -> None:
    server = discord.server
    bob = server.person("Bob")
    guild = server.guild("Friends", members=[bob], admins=[discord.ada])
    channel = server.channel(guild, "general")
    turns = 0

    async def command(who: Any, name: str, text: str = "") -> str:
        nonlocal turns
        turns += 1
        await server.slash(channel, who, name, **({"text": text} if text else {}))
        await discord.records.idle(turns)
        return server.answers(channel)[-1].content

    async with discord.running():
        assert ADMINS_ONLY in await command(bob, "persona", "You are a cat.")
        assert ADMINS_ONLY in await command(bob, "forget", "yes")
        assert "I will do so" in await command(discord.ada, "persona", "You are a dog.")
        assert "You are a dog." in await command(bob, "persona")
        assert "only in a private chat" in await command(discord.ada, "export")
        assert "is deleted" in await command(discord.ada, "forget", "yes")
