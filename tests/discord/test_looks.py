"""Whatever people look at on Discord reaches the model: what they reply to, forward, or sit in."""

import zlib
from typing import Any

import pytest

from tests.dialogs.stages import DiscordStage, World
from tests.fakes.discord import Channel, DiscordServer
from tests.fakes.discord.records import FORUM


def png() -> bytes:
    """Return the smallest image there is: one grey dot."""
    parts = [(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0"), (b"IDAT", zlib.compress(b"\0\x80"))]
    chunks = [(kind, data) for kind, data in (*parts, (b"IEND", b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )


PICTURE = ("cat.png", png(), "image/png")
NOTES = ("notes.txt", b"The meeting is at noon.", "text/plain")
EMBED = {
    "author": {"name": "Weather service"},
    "title": "Storm warning",
    "description": "Wind from the west.",
    "fields": [{"name": "Gusts", "value": "110 km/h"}],
    "footer": {"text": "Valid until six"},
}


@pytest.fixture
def stage(world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(world, discord_server)


@pytest.fixture
def channel(stage: DiscordStage) -> Channel:
    guild = stage.server.guild("Friends", members=[stage.ada])
    return stage.server.channel(guild, "general")


async def asked(
    stage: DiscordStage, channel: Channel, text: str = "what is this?", **more: Any
) -> str:
    """Mention the bot, wait for the answer, and return the question as the model read it."""
    turns = stage.records.turns()
    await stage.server.say(channel, stage.ada, f"{stage.server.mention} {text}", **more)
    await stage.records.idle(turns + 1)
    assert stage.server.violations == []
    return str(stage.world.model.requests[-1].messages[-1])


async def test_a_mention_in_a_reply_to_files_brings_the_files(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    async with stage.running():
        picture = await server.say(channel, stage.ada, "", attachments=[PICTURE, NOTES])
        question = await asked(stage, channel, "", reply_to=picture)
    assert "data:image/png" in question
    assert "The meeting is at noon." in question


@pytest.mark.parametrize("kind", ["reply", "reply to a forward", "forward"])
async def test_an_embed_a_poll_and_a_sticker_are_read(
    stage: DiscordStage, channel: Channel, kind: str
) -> None:
    server = stage.server
    async with stage.running():
        shown = await server.post_by_webhook(channel, "Weather", "", embeds=[EMBED])
        if kind == "reply":
            question = await asked(stage, channel, reply_to=shown)
        elif kind == "reply to a forward":
            passed_on = await server.forward(shown, channel, stage.ada)
            question = await asked(stage, channel, reply_to=passed_on)
        else:
            await server.forward(shown, stage.channel, stage.ada)
            await stage.records.idle(1)
            question = str(stage.world.model.requests[-1].messages[-1])
        if kind == "reply":
            poll = await server.say(channel, stage.ada, "", poll=["Lunch?", "Soup", "Rice"])
            votes = await asked(stage, channel, reply_to=poll)
            sticker = await server.say(channel, stage.ada, "", stickers=["Waving cat"])
            waved = await asked(stage, channel, reply_to=sticker)
            assert all(each in votes for each in ("Lunch?", "Soup", "Rice"))
            assert "Waving cat" in waved
    for words in (
        "Weather service",
        "Storm warning",
        "Wind from the west.",
        "110 km/h",
        "until six",
    ):
        assert words in question


async def test_a_forwarded_picture_is_looked_at(stage: DiscordStage, channel: Channel) -> None:
    server = stage.server
    async with stage.running():
        shown = await server.say(channel, stage.ada, "my cat", attachments=[PICTURE])
        passed_on = await server.forward(shown, channel, stage.ada)
        question = await asked(stage, channel, reply_to=passed_on)
    assert "my cat" in question
    assert "data:image/png" in question


@pytest.mark.slow
async def test_a_thread_is_about_the_message_that_it_was_made_from(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    async with stage.running():
        starter = await server.say(channel, stage.ada, "All cats are grey.", attachments=[PICTURE])
        thread = server.thread(channel, "At night", starter=starter)
        first = await asked(stage, thread, "is that so?")
        second = await asked(stage, thread, "really?")
        await server.slash(thread, stage.ada, "new")
        await stage.records.idle(3)
        anew = await asked(stage, thread, "and now?")
    for question in (first, anew):
        assert "At night" in question
        assert "Ada: All cats are grey." in question
        assert "data:image/png" in question
    assert "All cats" not in second
    fetched = f"/channels/{channel.id}/messages/{starter.id}"
    assert len([call for call in server.calls if call.path == fetched]) == 3  # two for the file


async def test_a_forum_post_is_known_by_its_title_and_its_first_message(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    assert channel.guild
    forum = server.channel(channel.guild, "help", kind=FORUM)
    async with stage.running():
        post = await server.post_in_forum(
            forum, stage.ada, "My oven", "It smokes.", attachments=[NOTES]
        )
        later = await asked(stage, post, "what now?")
        await server.post_in_forum(forum, stage.ada, "My fridge", f"{server.mention} It hums.")
        await stage.records.idle(2)
        at_once = str(stage.world.model.requests[-1].messages[-1])
    assert all(each in later for each in ("My oven", "Ada: It smokes.", "The meeting is at noon."))
    assert "My fridge" in at_once
    assert at_once.count("It hums.") == 1


@pytest.mark.parametrize("way", ["ask", "new", "edit"])
async def test_a_thread_is_looked_at_whichever_way_it_is_asked_about(
    stage: DiscordStage, channel: Channel, way: str
) -> None:
    server, ada = stage.server, stage.ada
    assert channel.guild
    forum = server.channel(channel.guild, "help", kind=FORUM)
    async with stage.running():
        await asked(stage, channel, "say that you listen")
        post = await server.post_in_forum(forum, ada, "My oven", "It smokes.")
        if way == "edit":
            message = await server.say(post, ada, "what now?")
            await server.edit_by_person(message, f"{server.mention} what now?")
        else:
            option = {"ask": "question", "new": "text"}[way]
            await server.slash(post, ada, way, **{option: "what now?"})
        await stage.records.idle(2)
    question = str(stage.world.model.requests[-1].messages[-1])
    assert all(each in question for each in ("My oven", "Ada: It smokes.", "what now?"))


async def test_a_thread_without_a_first_message_has_its_title(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    async with stage.running():
        question = await asked(stage, server.thread(channel, "Odds and ends"))
    assert "Odds and ends" in question


async def test_a_voice_message_in_reply_to_the_bot_gets_a_sentence(
    stage: DiscordStage, channel: Channel
) -> None:
    server = stage.server
    async with stage.running():
        await asked(stage, channel, "say hello")
        [answer] = server.answers(channel)
        await server.say(channel, stage.ada, "", reply_to=answer, stickers=["Waving cat"])
        await stage.records.idle(2)
    assert server.answers(channel)[-1].content.startswith("I cannot read stickers yet")
    assert len(stage.world.model.requests) == 1
