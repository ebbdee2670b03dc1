"""No update can end the process, hold up another one, or come back at the next start."""

import logging

import pytest

from core.adapter import Event
from core.events import LONGEST_ID, cleaned
from tests.dialogs.stages import TelegramStage, World
from tests.fakes.telegram import Chat, TelegramServer, User
from tests.hostile import Json, Spoiler, is_storable, texts
from tests.records import eventually
from tests.telegram.test_inbound import PAYLOADS, payload, read

WHO = {"id": 1001, "is_bot": False, "first_name": "Ada"}
CHAT = {"id": -4001, "type": "group", "title": "Friends"}
POLL = {
    "id": "1",
    "question": "Which?",
    "options": [{"text": "this", "voter_count": 1, "persistent_id": "0"}],
    "total_voter_count": 1,
    "is_closed": False,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
}
OTHERS: list[Json] = [
    {"poll": POLL},
    {"poll_answer": {"poll_id": "1", "user": WHO, "option_ids": [0]}},
    {"inline_query": {"id": "1", "from": WHO, "query": "what", "offset": ""}},
    {"chosen_inline_result": {"result_id": "1", "from": WHO, "query": "what"}},
    {"chat_join_request": {"chat": CHAT, "from": WHO, "user_chat_id": 1001, "date": 1}},
    {"message_reaction": {"chat": CHAT, "message_id": 1, "date": 1, "user": WHO}},
    {"edited_channel_post": {"chat": CHAT, "message_id": 1, "date": 1, "text": "x"}},
    {"business_message": {"chat": CHAT, "message_id": 1, "date": 1, "text": "x"}},
    {"shipping_query": {"id": "1", "from": WHO, "invoice_payload": "x"}},
    {"a_kind_of_next_year": {"id": "1"}},
]
"""Kinds that are not asked for, and come all the same."""
KINDS = [payload(path.stem) for path in sorted(PAYLOADS.glob("*.json"))]
KINDS += [{"update_id": 1, **other} for other in OTHERS]


def outcome(update: Json) -> Event | None:
    """Return the event that is stored; None for an update that is passed over."""
    try:
        event = read(update)
        return None if event is None else cleaned(event)
    except Exception:  # noqa: BLE001 - so does the adapter
        return None


@pytest.mark.slow
def test_no_spoilt_update_becomes_an_event_that_cannot_be_stored() -> None:
    spoiler = Spoiler(13)
    stored = 0
    for sound in spoiler.some(KINDS, 5_200):
        event = outcome(spoiler.spoil(sound))
        if event is None:
            continue
        stored += 1
        assert all(map(is_storable, texts(event)))
        assert len(event.event_id) <= LONGEST_ID
        for number in (event.address.chat, event.address.thread or "0"):
            assert int(number) in range(-(2**63), 2**63)
    assert stored > 400, "most spoilt fields concern nobody"


@pytest.fixture
def stage(either_world: World, telegram_server: TelegramServer) -> TelegramStage:
    return TelegramStage(either_world, telegram_server)


async def answered(stage: TelegramStage, chat: Chat, who: User, word: str) -> None:
    """Let somebody ask for a word, and wait until it stands there."""
    await stage.server.say(chat, who, f"say {word}")
    await stage.server.wait(lambda: word in [each.text for each in stage.server.answers(chat)])


@pytest.mark.slow
async def test_a_process_outlives_hostile_updates_and_starts_without_them(
    stage: TelegramStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bob = stage.server.person(7007, "Bob")
    chat = stage.server.private(bob)
    spoiler = Spoiler(14)
    async with stage.running():
        for sound in spoiler.some(KINDS, 150):
            stage.server.push(spoiler.spoil(sound))
        await answered(stage, chat, bob, "well")
        await eventually(lambda: not stage.server.unacknowledged)
    async with stage.running():
        await answered(stage, chat, bob, "again")
    for record in caplog.records:
        told = record.getMessage()
        assert is_storable(told)
        assert "xxxxxxxx" not in told
        assert record.exc_info is None, told


NAME = "Ada\0\ud800\x1b[31m\n"
FILE = {"file_id": "x", "file_unique_id": "x", "file_name": NAME, "mime_type": NAME}
SAID: list[Json] = [
    {"text": "say well", "from": {"first_name": NAME, "last_name": "\udfff"}},
    {"text": "\0say well\ud800"},
    {"text": "say well", "quote": {"text": NAME, "position": 0}},
    {"caption": NAME, "document": FILE},
]


async def test_what_cannot_be_stored_as_it_is_is_cleaned_and_answered(
    stage: TelegramStage,
) -> None:
    people = [stage.server.person(2000 + number, "Eve") for number, _ in enumerate(SAID)]
    chats = [stage.server.private(person) for person in people]
    async with stage.running():
        for chat, said in zip(chats, SAID, strict=True):
            author = {"id": chat.id, "is_bot": False, "first_name": "Eve", **said.get("from", {})}
            place = {"id": chat.id, "type": "private", "first_name": NAME}
            known = {"message_id": 900, "date": 1_760_000_000, "chat": place}
            stage.server.push({"message": {**known, **said, "from": author}})
        await stage.records.idle(len(SAID))
    heard = [[message.text for message in stage.server.answers(chat)] for chat in chats]
    assert [text.rstrip("\ufffd") for [text] in heard[:3]] == ["well"] * 3
    assert len(heard[3]) == 1, "the file cannot be loaded, and that is said"


async def test_a_press_without_an_id_stops_nobody(stage: TelegramStage) -> None:
    async with stage.running():
        for query in ({}, None, "x", {"id": None}, {"id": 5, "from": WHO}, {"from": WHO}):
            stage.server.push({"callback_query": query})
        await answered(stage, stage.chat, stage.ada, "well")
        await eventually(lambda: not stage.server.unacknowledged)
