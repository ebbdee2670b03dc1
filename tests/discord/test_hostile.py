"""No event of the gateway can end listening, hold up another one, or come back for ever."""

import logging
from pathlib import Path
from typing import Any

import pytest

from bots.discord.inbound import parse_edit, parse_message
from bots.discord.interactions import parse_interaction
from core.adapter import Change, InboundMessage
from core.events import LONGEST_ID, cleaned
from tests.dialogs.stages import DiscordStage, World
from tests.discord import payloads
from tests.discord.payloads import (
    ADA,
    BOB,
    GENERAL,
    GUILD,
    MESSAGE,
    SENT_AT,
    Json,
    attachment,
    interaction,
    member,
    mention,
    message,
    private,
    reply,
    role,
    text_channel,
    user,
)
from tests.fakes.discord import Channel, DiscordServer, Person
from tests.fakes.model import ModelServer
from tests.hostile import Spoiler, is_storable, texts
from tests.records import eventually

SNAPSHOT = {"message": {**message("then"), "attachments": [attachment("a.txt", "text/plain")]}}
POLL = {
    "question": {"text": "Which?"},
    "answers": [{"answer_id": 1, "poll_media": {"text": "this"}}],
    "expiry": SENT_AT,
    "allow_multiselect": False,
    "layout_type": 1,
}
STICKER = {"id": "1", "name": "wave", "format_type": 1}
COMMAND = {
    "id": "1",
    "name": "persona",
    "type": 1,
    "options": [{"name": "text", "type": 3, "value": "x"}],
}
PRESS = {"custom_id": "stop", "component_type": 2}
EMOJI = {"id": None, "name": "👍"}
TALK = {"channel_id": GENERAL, "guild_id": GUILD, "message_id": MESSAGE, "user_id": ADA}
METADATA = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": SENT_AT}
PRESENCE = {"user": {"id": ADA}, "guild_id": GUILD, "status": "idle", "activities": []}
THREAD = {
    **text_channel("5", "talk"),
    "type": 11,
    "parent_id": GENERAL,
    "owner_id": ADA,
    "message_count": 1,
    "member_count": 1,
    "thread_metadata": {
        "archived": False,
        "auto_archive_duration": 60,
        "archive_timestamp": SENT_AT,
    },
}
EVENTS: list[tuple[str, Json]] = [
    ("MESSAGE_CREATE", message("Hello <@110000000000001201>", mentions=[mention()])),
    ("MESSAGE_CREATE", private("Hello")),
    ("MESSAGE_CREATE", private("look", attachments=[attachment("a.png", "image/png")])),
    ("MESSAGE_CREATE", private("", poll=POLL, sticker_items=[STICKER])),
    ("MESSAGE_CREATE", private("", message_snapshots=[SNAPSHOT], message_reference={"type": 1})),
    ("MESSAGE_CREATE", reply("and?", message("It is so.", author=payloads.BOT))),
    ("MESSAGE_UPDATE", private("Hello again", edited_timestamp=SENT_AT)),
    ("MESSAGE_DELETE", {"id": MESSAGE, "channel_id": GENERAL, "guild_id": GUILD}),
    ("MESSAGE_DELETE_BULK", {"ids": [MESSAGE, "1"], "channel_id": GENERAL, "guild_id": GUILD}),
    (
        "MESSAGE_REACTION_ADD",
        {**TALK, "emoji": EMOJI, "member": {**member(), "user": user(ADA, "Ada")}},
    ),
    ("MESSAGE_POLL_VOTE_ADD", {**TALK, "answer_id": 1}),
    ("INTERACTION_CREATE", interaction(2, COMMAND)),
    ("INTERACTION_CREATE", interaction(3, PRESS, message=message("x", author=payloads.BOT))),
    ("INTERACTION_CREATE", interaction(5, {"custom_id": "x", "components": []})),
    ("GUILD_CREATE", payloads.guild()),
    ("GUILD_UPDATE", payloads.guild()),
    ("GUILD_DELETE", {"id": GUILD, "unavailable": True}),
    ("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": role("1", "new")}),
    ("GUILD_MEMBER_UPDATE", {**member(), "guild_id": GUILD, "user": user(BOB, "Bob")}),
    ("CHANNEL_CREATE", text_channel("7", "new")),
    ("CHANNEL_UPDATE", text_channel(GENERAL, "renamed")),
    ("CHANNEL_DELETE", text_channel("7", "new")),
    ("CHANNEL_PINS_UPDATE", {"channel_id": GENERAL, "guild_id": GUILD}),
    ("THREAD_CREATE", THREAD),
    ("THREAD_UPDATE", THREAD),
    ("THREAD_DELETE", THREAD),
    ("THREAD_LIST_SYNC", {"guild_id": GUILD, "threads": [THREAD], "members": []}),
    ("TYPING_START", {**TALK, "timestamp": 1}),
    (
        "PRESENCE_UPDATE",
        {"user": {"id": ADA}, "guild_id": GUILD, "status": "idle", "activities": []},
    ),
    ("VOICE_STATE_UPDATE", {"guild_id": GUILD, "user_id": ADA, "channel_id": None}),
    ("USER_UPDATE", user(payloads.BOT, "Parley", bot=True)),
    ("RESUMED", {}),
    ("A_KIND_OF_NEXT_YEAR", {"id": "1"}),
]


@pytest.fixture
async def library() -> payloads.Library:
    return payloads.Library()


def outcome(library: payloads.Library, name: str, body: Any) -> InboundMessage | Change | None:
    """Return the event that is stored; None for one that is passed over."""
    event: InboundMessage | Change | None = None
    try:
        if name == "MESSAGE_CREATE":
            event = parse_message(library.message(body), library.me)
        elif name == "MESSAGE_UPDATE":
            event = parse_edit(library.message(body), library.me)
        elif name == "INTERACTION_CREATE":
            event = parse_interaction(library.interaction(body), library.me, is_member=True)
        return None if event is None else cleaned(event)  # type: ignore[return-value]  # as it was
    except Exception:  # noqa: BLE001 - so does the gateway
        return None


@pytest.mark.slow
async def test_no_spoilt_event_becomes_one_that_cannot_be_stored(
    library: payloads.Library,
) -> None:
    spoiler = Spoiler(15)
    stored = 0
    heard = [event for event in EVENTS if event[0].startswith(("MESSAGE_C", "MESSAGE_U", "INTER"))]
    for name, sound in spoiler.some(heard, 4_400):
        event = outcome(library, name, spoiler.spoil(sound))
        if event is not None:
            stored += 1
            assert all(map(is_storable, texts(event)))
            assert len(event.event_id) <= LONGEST_ID
            assert int(event.address.chat) < 2**256
    assert stored > 1_000


@pytest.fixture
def stage(either_world: World, discord_server: DiscordServer) -> DiscordStage:
    return DiscordStage(either_world, discord_server)


async def answered(stage: DiscordStage, channel: Channel, who: Person, word: str) -> None:
    """Let somebody ask for a word, and wait until it stands there."""
    await stage.server.say(channel, who, f"say {word}")
    await stage.server.wait(lambda: word in [m.content for m in stage.server.answers(channel)])


@pytest.mark.slow
async def test_a_process_outlives_hostile_events_and_starts_without_them(
    stage: DiscordStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bob = stage.server.person("Bob")
    channel = stage.server.dm(bob)
    spoiler = Spoiler(16)
    async with stage.running():
        await answered(stage, channel, bob, "first")
        for name, sound in spoiler.some(EVENTS, 150):
            stage.server.push(name, spoiler.spoil(sound))
        await answered(stage, channel, bob, "well")
        assert len(stage.server.gateway.sessions) == 1, "the session outlived them too"
    async with stage.running():
        await answered(stage, channel, bob, "again")
    for record in caplog.records:
        told = record.getMessage()
        assert is_storable(told)
        assert "xxxxxxxx" not in told
        assert record.exc_info is None, told


FRAMES: list[object] = [
    "{",
    "[" * 100_000,
    {"op": 0, "d": {}, "s": 1, "t": []},
    {"op": 10, "d": None, "s": None, "t": None},
    {"op": 0, "d": user("7", "Somebody", bot=True), "s": 1, "t": "USER_UPDATE"},
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(frame)[:60])
async def test_a_frame_that_cannot_be_read_ends_no_listening(
    model: ModelServer,
    discord_server: DiscordServer,
    sqlite_url: str,
    tmp_path: Path,
    frame: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = DiscordStage(World(model, sqlite_url, tmp_path), discord_server)
    async with stage.running():
        await answered(stage, stage.channel, stage.ada, "first")
        stage.server.push_frame(frame)
        await answered(stage, stage.channel, stage.ada, "well")
    assert not [record for record in caplog.records if record.exc_info]


GREETINGS: list[tuple[str, object]] = [
    ("READY", {}),
    ("READY", {"session_id": "x", "resume_gateway_url": "ws://127.0.0.1:1", "guilds": []}),
]


@pytest.mark.parametrize(("name", "garbled"), GREETINGS)
async def test_a_session_that_begins_wrong_is_begun_again(
    model: ModelServer,
    discord_server: DiscordServer,
    sqlite_url: str,
    tmp_path: Path,
    name: str,
    garbled: object,
) -> None:
    stage = DiscordStage(World(model, sqlite_url, tmp_path), discord_server)
    discord_server.gateway.garbled[name].append(garbled)
    async with stage.running():
        await eventually(lambda: not discord_server.gateway.garbled[name])
        wrong = set(discord_server.gateway.sessions)
        await eventually(lambda: not wrong >= set(discord_server.gateway.sessions))
        await answered(stage, stage.channel, stage.ada, "well")
