"""Each kind of event is understood, from payloads as the gateway sends them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bots.discord.content import LONGEST_QUOTE
from bots.discord.inbound import parse_deletion, parse_edit, parse_message, read
from bots.discord.interactions import parse_interaction
from bots.discord.tickets import Ticket
from bots.discord.tickets import read as read_ticket
from bots.pieces import Pieces
from bots.quotes import CUT
from core.adapter import Address, Attachment, Author, Change, ChangeKind, InboundMessage
from tests.discord import payloads
from tests.discord.payloads import (
    ADMINS,
    BOB,
    BOT,
    BOT_ROLE,
    GENERAL,
    MESSAGE,
    PLAYERS,
    PRIVATE,
    Json,
    attachment,
    interaction,
    mention,
    message,
    private,
    reply,
)

PLACE = Address("discord", BOT, GENERAL)
ALONE = Address("discord", BOT, PRIVATE)
ADA = Author("discord", payloads.ADA, "Ada")
NAMED: Json = {"mentions": [mention()]}


@pytest.fixture
async def library() -> payloads.Library:
    return payloads.Library()


def said(library: payloads.Library, body: Json) -> InboundMessage:
    event = heard(library, body)
    assert event is not None
    return event


def heard(library: payloads.Library, body: Json) -> InboundMessage | None:
    return parse_message(library.message(body), library.me)


async def test_the_rest_of_a_split_text_may_be_for_the_bot_too(library: payloads.Library) -> None:
    pieces = Pieces()
    read(
        pieces, library.message(message("before", id=str(int(MESSAGE) - (9_000 << 22)))), library.me
    )
    long, rest = message(f"<@{BOT}> " + "word " * 398, **NAMED), message("and the rest")
    spoken = [read(pieces, library.message(body), library.me) for body in (rest, long, rest, rest)]
    assert [said and (said.text[-8:], said.addressed) for said in spoken] == [
        None,
        ("ord word", True),
        ("the rest", False),
        None,
    ]


async def test_a_private_message_is_read_whole(library: payloads.Library) -> None:
    assert said(library, private("What is a **monad**?")) == InboundMessage(
        event_id=MESSAGE,
        address=ALONE,
        author=ADA,
        message_id=MESSAGE,
        text="What is a **monad**?",
        private=True,
        sent_at=datetime(2024, 11, 23, 13, 41, 44, 230000, tzinfo=UTC),
        admin=True,
    )


async def test_a_server_message_without_the_bot_is_not_for_it(library: payloads.Library) -> None:
    assert heard(library, message("What is a monad?")) is None
    assert heard(library, message("@everyone look", mention_everyone=True)) is None


@pytest.mark.parametrize("mark", [f"<@{BOT}>", f"<@!{BOT}>"])
async def test_a_mention_calls_the_bot_and_is_left_out(
    library: payloads.Library, mark: str
) -> None:
    event = said(library, message(f"{mark} What is a monad?", **NAMED))
    assert (event.text, event.address, event.private) == ("What is a monad?", PLACE, False)
    assert said(library, message(f"Tell me, {mark} please", **NAMED)).text == "Tell me, please"
    assert said(library, message(mark, **NAMED)).text == ""


async def test_only_the_bots_own_role_calls_it(library: payloads.Library) -> None:
    own = message(f"<@&{BOT_ROLE}> hello", mention_roles=[BOT_ROLE])
    assert said(library, own).text == "hello"
    assert heard(library, message(f"<@&{PLAYERS}> hello", mention_roles=[PLAYERS])) is None


async def test_a_reply_to_the_bot_calls_it_without_a_ping(library: payloads.Library) -> None:
    answered = message("An **endofunctor**.", author=BOT, id="99")
    event = said(library, reply("And what is that?", answered))
    assert (event.reply_to, event.quote) == ("99", "An **endofunctor**.")
    assert heard(library, reply("No, it is not", message("A burrito", author=BOB))) is None


async def test_a_mention_in_a_reply_brings_the_text_it_is_about(library: payloads.Library) -> None:
    other = message("x" * 4000, author=BOB, id="99")
    event = said(library, reply(f"<@{BOT}> true?", other, **NAMED))
    assert (event.text, event.reply_to, event.quote) == ("true?", "99", "x" * 4000)
    long = message("x" * 20_000, author=BOB, id="99")
    quote = said(library, reply(f"<@{BOT}> true?", long, **NAMED)).quote
    assert quote == "x" * LONGEST_QUOTE + f"\n{CUT}"
    assert said(library, reply(f"<@{BOT}> true?", None, **NAMED)).quote == ""


async def test_marks_become_names(library: payloads.Library) -> None:
    text = f"<@{BOT}> ask <@!{BOB}> or <@&{PLAYERS}> in <#{GENERAL}> <a:wave:42> <@404> <#404>"
    more: Json = {"mentions": [mention(), mention(BOB, "Bob")], "mention_roles": [PLAYERS]}
    expected = "ask @Bob or @Players in #general :wave: <@404> <#404>"
    assert said(library, message(text, **more)).text == expected


@pytest.mark.parametrize(
    "more",
    [
        {"author": payloads.user("1", "Other", bot=True)},
        {"webhook_id": "8001"},
        {"type": 7},
        {"type": 21},
    ],
    ids=["bot", "webhook", "join", "thread starter"],
)
async def test_only_people_are_answered(library: payloads.Library, more: Any) -> None:
    assert heard(library, {**message(f"<@{BOT}> hi", **NAMED), **more}) is None


async def test_a_file_is_known_by_its_message(library: payloads.Library) -> None:
    files = [attachment("cat.png", "image/png"), attachment("notes.txt", "text/plain; charset=x")]
    event = said(library, private("", attachments=files))
    reference = f"{PRIVATE}/{MESSAGE}/7001"
    assert event.attachments == (
        Attachment(reference, "cat.png", "image/png", 12),
        Attachment(reference, "notes.txt", "text/plain", 12),
    )
    untold = said(library, private("", attachments=[attachment("a.pdf", None)]))
    assert untold.attachments[0].media_type == "application/pdf"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"sticker_items": [{"id": "1", "name": "Wave", "format_type": 1}]}, "stickers"),
        ({"attachments": [attachment("a.mp4", "video/mp4")]}, "videos"),
        ({"attachments": [attachment("a.mp3", "audio/mpeg")]}, "audio files"),
        ({"attachments": [attachment("a.ogg", "audio/ogg")], "flags": 1 << 13}, "voice messages"),
    ],
)
async def test_unreadable_content_is_named_in_private(
    library: payloads.Library, more: Any, words: str
) -> None:
    event = said(library, private("", **more))
    assert (event.unreadable, event.attachments) == (words, ())
    answer = said(library, reply("", message("x", author=BOT), **more))
    assert (answer.unreadable, answer.quote) == (words, "")
    assert said(library, message(f"<@{BOT}> look", **NAMED, **more)).unreadable == words


async def test_a_forwarded_message_is_quoted(library: payloads.Library) -> None:
    snapshot = {
        "type": 0,
        "content": "All cats are grey.",
        "embeds": [],
        "attachments": [attachment("cat.png", "image/png")],
        "timestamp": payloads.SENT_AT,
        "edited_timestamp": None,
        "mentions": [],
        "mention_roles": [],
    }
    reference = {"type": 1, "message_id": "99", "channel_id": GENERAL}
    body = private("", message_reference=reference, message_snapshots=[{"message": snapshot}])
    event = said(library, body)
    assert (event.quote, event.reply_to) == ("All cats are grey.", None)
    assert event.forwarded
    assert [file.name for file in event.attachments] == ["cat.png"]


async def test_a_text_as_long_as_a_message_may_go_on(library: payloads.Library) -> None:
    assert said(library, private("x" * 1995)).partial
    assert not said(library, private("x" * 1800)).partial


async def test_a_manager_of_the_server_is_an_admin(library: payloads.Library) -> None:
    assert said(library, message(f"<@{BOT}>", **NAMED, member=payloads.member(ADMINS))).admin
    assert not said(library, message(f"<@{BOT}>", **NAMED)).admin
    past = {**message(f"<@{BOT}>", author=BOB, **NAMED)}
    del past["member"]
    assert said(library, past).admin  # the owner, though a history tells no roles


async def test_an_edit_is_a_change_once(library: payloads.Library) -> None:
    at = "2024-11-23T14:07:00.000000+00:00"
    body = message(f"<@{BOT}> what is a functor?", **NAMED, edited_timestamp=at)
    assert str(said(library, body).sent_at) == "2024-11-23 14:07:00+00:00", (
        "a new question counts then"
    )
    change = parse_edit(library.message(body), library.me)
    assert change == Change(
        f"{MESSAGE}:2024-11-23T14:07:00+00:00",
        ChangeKind.EDITED,
        PLACE,
        ADA,
        MESSAGE,
        "what is a functor?",
        said(library, body),
    )


async def test_a_link_preview_is_no_edit(library: payloads.Library) -> None:
    body = message(f"<@{BOT}> https://example.org", **NAMED, embeds=[{"type": "link"}])
    assert parse_edit(library.message(body), library.me) is None


async def test_a_deletion_carries_the_author(library: payloads.Library) -> None:
    change = parse_deletion(said(library, private("oh no")))
    assert (change.kind, change.author, change.message_id) == (ChangeKind.DELETED, ADA, MESSAGE)


async def test_a_slash_command_is_a_message_with_a_ticket(library: payloads.Library) -> None:
    options = [{"name": "text", "type": 3, "value": "for good"}]
    data = {"id": "1", "name": "new", "type": 1, "options": options}
    event = parse_interaction(library.interaction(interaction(2, data)), library.me, is_member=True)
    assert event == InboundMessage(
        event_id="1309876543210000001",
        address=PLACE,
        author=ADA,
        message_id="1309876543210000001",
        ticket="aW50ZXJhY3Rpb24",
        text="for good",
        private=False,
        sent_at=datetime(2024, 11, 23, 13, 41, 44, 230000, tzinfo=UTC),
        command="new",
    )


async def test_an_admin_uses_commands_as_one(library: payloads.Library) -> None:
    who = {**payloads.member(), "user": payloads.user(BOB, "Bob"), "permissions": str(1 << 5)}
    body = interaction(2, {"id": "1", "name": "new", "type": 1}, member=who)
    event = parse_interaction(library.interaction(body), library.me, is_member=True)
    assert isinstance(event, InboundMessage)
    assert event.admin


async def test_a_pressed_button_is_a_change(library: payloads.Library) -> None:
    answer = message("…", author=BOT, id="99")
    body = interaction(3, {"custom_id": "stop", "component_type": 2}, message=answer)
    event = parse_interaction(library.interaction(body), library.me, is_member=True)
    assert event == Change(
        "1309876543210000001", ChangeKind.STOP, PLACE, ADA, "99", whisper=body["token"]
    )
    for forged in ("page:2", "edited", "deleted"):
        other = interaction(3, {"custom_id": forged, "component_type": 2}, message=answer)
        assert parse_interaction(library.interaction(other), library.me, is_member=True) is None


# Places

BOTS_DM, GROUP_DM = 1, 3
IN_SERVER, WITH_BOT, AMONG_OTHERS = 0, 1, 2


@pytest.mark.parametrize(
    ("kind", "context", "private"),
    [
        (BOTS_DM, WITH_BOT, True),
        (BOTS_DM, None, True),
        (BOTS_DM, AMONG_OTHERS, False),  # a chat of two people, in which one has our commands
        (GROUP_DM, AMONG_OTHERS, False),
        (GROUP_DM, None, False),
        (GROUP_DM, WITH_BOT, False),
    ],
)
def test_only_a_chat_with_the_bot_alone_is_private(
    library: payloads.Library, kind: int, context: int | None, private: bool
) -> None:
    body = interaction(2, {"id": "1", "name": "export", "type": 1})
    body["channel"] = {
        "id": "77",
        "type": kind,
        "recipients": [payloads.user(payloads.ADA, "Ada")],
        "flags": 0,
    }
    body["channel"] |= (
        {"owner_id": payloads.ADA, "name": None, "icon": None} if kind == GROUP_DM else {}
    )
    body |= {"user": payloads.user(payloads.ADA, "Ada"), "context": context}
    for name in ("guild_id", "guild", "member", *(["context"] if context is None else [])):
        del body[name]
    event = parse_interaction(library.interaction(body), library.me, is_member=True)
    assert isinstance(event, InboundMessage)
    assert (event.private, event.admin) == (private, True), "two people, or the owner"
    assert (read_ticket(event.ticket) or Ticket("")).alone is not private
    body["user"] = payloads.user(BOB, "Bob")
    other = parse_interaction(library.interaction(body), library.me, is_member=True)
    assert isinstance(other, InboundMessage)
    assert other.admin is (kind != GROUP_DM)
