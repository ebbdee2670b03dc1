"""Each kind of update is understood, from payloads as the Bot API sends them."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from telegram import Update, User

from bots.quotes import CUT
from bots.telegram.inbound import parse, parse_piece
from core.adapter import (
    Address,
    Attachment,
    Author,
    Change,
    ChangeKind,
    Event,
    InboundMessage,
    Move,
)

PAYLOADS = Path(__file__).parent / "payloads"
ME = User(123456, "Parley", is_bot=True, username="parley_bot")
ADA = Author("telegram", "1001", "Ada Lovelace")
BOB = Author("telegram", "1002", "Bob")
PRIVATE = Address("telegram", "123456", "1001")
GROUP = Address("telegram", "123456", "-4001")
FORUM = "-1009876543210"
CREW, NEWS = "-1001234567890", "-1005550001111"


def payload(name: str) -> dict[str, Any]:
    update: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
    return update


def read(update: dict[str, Any]) -> Event | None:
    return parse(Update.de_json(update, None), ME)


def message(name: str) -> InboundMessage:
    event = read(payload(name))
    assert isinstance(event, InboundMessage)
    return event


def change(name: str) -> Change:
    event = read(payload(name))
    assert isinstance(event, Change)
    return event


def test_private_message_is_read_whole() -> None:
    assert message("private_text") == InboundMessage(
        event_id="730145601",
        address=PRIVATE,
        author=ADA,
        message_id="10",
        text="What is a monad?",
        private=True,
        sent_at=datetime(2025, 11, 24, 15, 0, tzinfo=UTC),
        admin=True,
    )


def test_markup_of_a_person_becomes_markdown() -> None:
    assert message("private_formatted").text == (
        "Fix 😀 **bold** and `code`:\n```python\nprint('hi')\n```\nsee [docs](https://docs.example.org/)"
    )


def test_reply_carries_the_message_it_answers() -> None:
    event = message("private_reply")
    assert (event.text, event.reply_to, event.quote) == ("Why?", "500", "The answer is 42.")


def test_selected_part_is_the_quote() -> None:
    event = message("private_quote")
    assert (event.reply_to, event.quote) == ("501", "Second.")


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("x" * 4096, "x" * 4096),
        ("😀" * 2048, "😀" * 2048),
        ("x" * 4097, "x" * 4096 + f"\n{CUT}"),
        ("x" + "😀" * 2048, "x" + "😀" * 2047 + f"\n{CUT}"),
    ],
    ids=["whole", "whole emoji", "cut", "cut between emoji"],
)
def test_a_quote_longer_than_a_message_is_cut_and_says_so(text: str, quote: str) -> None:
    update = payload("private_reply")
    update["message"]["reply_to_message"]["text"] = text
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert event.quote == quote


def test_a_quote_whose_markup_is_longer_than_itself_has_none() -> None:
    update = payload("private_reply")
    link = {"type": "text_link", "length": 1, "url": f"https://example.org/{'a' * 500}"}
    entities = [{**link, "offset": number} for number in range(60)]
    update["message"]["reply_to_message"] |= {"text": "x" * 4096, "entities": entities}
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert event.quote == "x" * 4096


def test_a_passage_that_telegram_chose_itself_is_the_whole_message() -> None:
    update = payload("private_quote")
    del update["message"]["quote"]["is_manual"]
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert event.quote == update["message"]["reply_to_message"]["text"]


def test_the_file_of_the_message_replied_to_goes_along() -> None:
    event = message("group_photo_answered")
    assert (event.text, event.reply_to, event.quoted_from) == ("what is this?", "39", "Bob")
    assert event.quote == "my **cat**"
    assert [file.reference for file in event.attachments] == ["AgAClarge"]
    assert event.album == "", "it belongs to the other message"


def test_a_file_of_the_bots_own_does_not_go_along() -> None:
    update = payload("private_reply")
    document = payload("private_document")["message"]["document"]
    update["message"]["reply_to_message"] |= {"document": document}
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert (event.attachments, event.text) == ((), "Why?")


def test_a_reply_to_another_chat_brings_what_telegram_tells_of_it() -> None:
    event = message("group_external_reply")
    assert (event.text, event.reply_to, event.quoted_from) == ("what is this?", None, "News (Eve)")
    assert event.quote == "All _cats_ are grey."
    assert event.attachments == (Attachment("BQACnews", "news.pdf", "application/pdf", 4821),)


def test_a_checklist_is_quoted_as_a_list() -> None:
    event = message("group_checklist_answered")
    assert (event.quote, event.unreadable) == ("Shopping\n- Tea\n- Milk", "")


def test_the_blocks_of_a_rich_message_are_quoted() -> None:
    runs = [
        "All ",
        {"type": "bold", "text": ["cats ", {"type": "italic", "text": "are"}]},
        " grey.",
    ]
    items = [{"blocks": [{"type": "paragraph", "text": name}]} for name in ("one", "two")]
    deep: Any = "too deep"
    for _ in range(500):
        deep = {"blocks": [deep]}
    blocks = [
        {"type": "heading", "size": 1, "text": "Cats"},
        {"type": "paragraph", "text": runs},
        {"type": "list", "items": items},
        deep,
    ]
    update = payload("private_reply")
    del update["message"]["reply_to_message"]["text"]
    update["message"]["reply_to_message"]["rich_message"] = {"blocks": blocks}
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert event.quote == "Cats\nAll cats are grey.\none\ntwo"


def test_the_story_that_somebody_replies_to_cannot_be_read() -> None:
    update = payload("group_mention")
    update["message"]["reply_to_story"] = {"id": 5, "chat": {"id": 7, "type": "private"}}
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert (event.unreadable, event.reply_to) == ("stories", None)


def test_a_reply_to_something_unknown_in_another_chat_says_so() -> None:
    origin = {"type": "a_kind_of_next_year", "date": 1763990000}
    update = payload("group_mention")
    update["message"]["external_reply"] = {"origin": origin}
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert (event.unreadable, event.quote) == ("messages from other chats", "")


def test_command_is_split_from_its_arguments() -> None:
    event = message("private_command")
    assert (event.command, event.text) == ("persona", "a pirate")


def test_largest_photo_of_an_album() -> None:
    event = message("private_photo_album")
    assert event.attachments == (Attachment("AgAClarge", "photo.jpg", "image/jpeg", 120000),)
    assert (event.album, event.text) == ("13800000000000001", "Which one?")


@pytest.mark.parametrize(
    ("name", "attachment"),
    [
        ("private_document", Attachment("BQACreport", "report.pdf", "application/pdf", 4821)),
        (
            "private_document_bare",
            Attachment("BQACbare", "file", "application/octet-stream", None),
        ),
    ],
)
def test_document(name: str, attachment: Attachment) -> None:
    event = message(name)
    assert event.attachments == (attachment,)
    assert event.unreadable == event.text == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("private_animation", "GIFs"),
        ("private_voice", "voice messages"),
        ("private_sticker", "stickers"),
        ("private_venue", "places"),
        ("private_poll", "polls"),
        ("private_dice", "dice"),
        ("private_contact", "contacts"),
        ("private_video_caption", "videos"),
    ],
)
def test_unreadable_content_is_named_in_private(name: str, words: str) -> None:
    event = message(name)
    assert event.unreadable == words
    assert event.attachments == ()


def test_caption_of_unreadable_content_is_read() -> None:
    assert message("private_video_caption").text == "What do you see?"


def test_forwarded_message_has_its_sender_as_author() -> None:
    event = message("private_forwarded")
    assert (event.author, event.text, event.forwarded) == (ADA, "", True)
    assert (event.quoted_from, event.quote) == ("Somebody", "Is this true?")


@pytest.mark.parametrize("name", ["private_command", "private_other_command"])
def test_a_forwarded_command_is_not_carried_out(name: str) -> None:
    update = payload(name)
    update["message"]["forward_origin"] = payload("private_forwarded")["message"]["forward_origin"]
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert (event.command, event.text, event.quote[:1]) == (None, "", "/")


def test_command_for_another_bot_is_mere_text_in_private() -> None:
    event = message("private_other_command")
    assert (event.command, event.text) == (None, "/new@other_bot please")


def test_deleted_account_has_a_name() -> None:
    assert message("private_deleted_account").author.name == "Deleted Account"


@pytest.mark.parametrize(
    ("name", "text", "author"),
    [
        ("group_mention", "😀 hey , explain this", ADA),
        ("group_text_mention", "what is up", BOB),
        ("group_caption_mention", "what is this?", BOB),
        ("group_reply_to_bot", "and then?", BOB),
        ("group_sticker_reply", "", BOB),
    ],
)
def test_group_message_to_the_bot(name: str, text: str, author: Author) -> None:
    event = message(name)
    assert (event.text, event.author, event.address) == (text, author, GROUP)
    assert not event.private
    assert not event.admin


def test_photo_with_a_mention_is_attached() -> None:
    assert message("group_caption_mention").attachments[0].reference == "AgAClarge"


def test_bare_mention_is_about_the_message_it_answers() -> None:
    event = message("group_bare_mention_reply")
    assert (event.text, event.reply_to, event.quote) == ("", "39", "The moon is made of cheese.")


def test_bare_mention_calls_the_bot() -> None:
    event = message("group_bare_mention")
    assert (event.text, event.quote, event.unreadable) == ("", "", "")


def test_bare_mention_on_unreadable_content_is_passed_on() -> None:
    event = message("group_video_mention")
    assert (event.text, event.unreadable) == ("", "videos")


@pytest.mark.parametrize(
    ("name", "command", "text"),
    [("group_command", "new", ""), ("group_command_addressed", "usage", "all")],
)
def test_command_in_a_group(name: str, command: str, text: str) -> None:
    event = message(name)
    assert (event.command, event.text) == (command, text)


def test_group_that_became_a_supergroup_tells_both_ids() -> None:
    assert read(payload("group_migrated")) == Move("730145647", GROUP, "-1001234567890")
    update = payload("group_migrated")
    del update["message"]["migrate_to_chat_id"]
    update["message"]["chat"] = {"id": -1001234567890, "type": "supergroup", "title": "Friends"}
    update["message"]["migrate_from_chat_id"] = -4001
    assert read(update) == Move("730145647", GROUP, "-1001234567890")


def bare(command: str) -> dict[str, Any]:
    """A command in a group that names no bot."""
    update = payload("group_command")
    update["message"]["text"] = command
    update["message"]["entities"] = [
        {"type": "bot_command", "offset": 0, "length": len(command.partition(" ")[0])}
    ]
    return update


@pytest.mark.parametrize("command", ["/weather", "/weather Berlin", "/etc"])
def test_command_that_we_do_not_have_is_another_bots(command: str) -> None:
    assert read(bare(command)) is None


def test_unknown_command_is_ours_when_it_names_us() -> None:
    event = read(bare("/dance@Parley_bot now"))
    assert isinstance(event, InboundMessage)
    assert (event.command, event.text) == ("dance", "now")


def test_an_unknown_command_in_a_reply_to_us_is_text() -> None:
    update = bare("/etc is empty")
    update["message"]["reply_to_message"] = payload("group_reply_to_bot")["message"][
        "reply_to_message"
    ]
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert (event.command, event.text) == (None, "/etc is empty")


@pytest.mark.parametrize("name", ["group_talk", "group_sticker_reply"])
def test_a_piece_of_a_message_to_the_bot_needs_no_mention(name: str) -> None:
    event = parse_piece(Update.de_json(payload(name), None), ME)
    assert isinstance(event, InboundMessage)
    assert event.text or event.unreadable
    assert not event.addressed


@pytest.mark.parametrize("name", ["group_other_bot", "group_edited_talk", "pressed_foreign"])
def test_a_message_of_no_person_is_no_piece(name: str) -> None:
    assert parse_piece(Update.de_json(payload(name), None), ME) is None


@pytest.mark.parametrize(
    "name",
    [
        "channel_post",
        "group_command_other",
        "group_command_other_reply",
        "group_edited_talk",
        "group_new_member",
        "group_other_bot",
        "group_other_mention",
        "group_own_message",
        "group_reply_to_other",
        "group_talk",
        "member_changed",
        "pressed_foreign",
        "pressed_inline",
        "private_edited_command",
        "private_live_location",
        "private_pinned",
        "private_unknown_kind",
        "topic_talk_under_bot",
    ],
)
def test_messages_to_others_are_no_events(name: str) -> None:
    assert read(payload(name)) is None


@pytest.mark.parametrize(
    ("name", "author", "admin"),
    [
        ("group_anonymous_admin", Author("telegram", CREW, "Crew (boss)"), True),
        ("group_as_channel", Author("telegram", NEWS, "News"), False),
        ("group_automatic_forward", Author("telegram", NEWS, "News"), False),
    ],
)
def test_who_writes_in_the_name_of_a_chat_is_that_chat(
    name: str, author: Author, admin: bool
) -> None:
    event = message(name)
    assert (event.author, event.text, event.admin) == (author, "hello", admin)
    assert (event.forwarded, event.quote) == (False, "")


def test_an_automatic_forward_that_does_not_name_the_bot_is_no_event() -> None:
    update = payload("group_automatic_forward")
    del update["message"]["entities"]
    assert read(update) is None
    assert parse_piece(Update.de_json(update, None), ME) is None
    command = [{"type": "bot_command", "offset": 0, "length": 5}]
    update["message"] |= {"text": "/help", "entities": command}
    assert read(update) is None


def test_a_message_through_an_inline_bot_is_its_senders() -> None:
    event = message("private_via_bot")
    assert (event.author, event.text) == (ADA, "🎬 A film")
    update = payload("private_via_bot")
    update["message"]["via_bot"]["id"] = ME.id
    assert read(update) is None


def test_topic_is_a_thread_and_its_root_is_no_reply() -> None:
    event = message("topic_mention")
    assert event.address == Address("telegram", "123456", FORUM, "70")
    assert (event.reply_to, event.quote, event.text) == (None, "", "hello")


def test_reply_inside_a_topic() -> None:
    event = message("topic_reply")
    assert (event.address.thread, event.reply_to) == ("70", "69")


@pytest.mark.parametrize("name", ["general_topic_mention", "supergroup_thread_reply"])
def test_no_thread_outside_of_topics(name: str) -> None:
    assert message(name).address.thread == ""


def test_a_message_that_was_edited_is_as_old_as_its_edit() -> None:
    """Otherwise an edit would bring an old window of a limit back."""
    update = payload("private_text")
    sent = update["message"]["date"]
    update["message"]["edit_date"] = sent + 3600
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert event.sent_at.timestamp() == sent + 3600


def test_edited_message() -> None:
    event = change("private_edited")
    assert event == Change("730145617", ChangeKind.EDITED, PRIVATE, ADA, "10", "What is a functor?")


def test_edited_message_of_a_group() -> None:
    event = change("group_edited_mention")
    assert (event.kind, event.address, event.text) == (ChangeKind.EDITED, GROUP, "hello")
    assert isinstance(event.message, InboundMessage)
    assert (event.message.text, event.message.addressed) == ("hello", True)


def test_a_change_of_something_else_in_an_old_message_makes_no_question() -> None:
    for date in (None, 1763996400 + 3 * 86_400):
        update = payload("group_edited_mention")
        update["edited_message"]["edit_date"] = date
        event = read(update)
        assert isinstance(event, Change)
        assert event.message is None
    assert change("private_edited").message is None


@pytest.mark.parametrize(
    ("name", "kind", "address", "message_id"),
    [
        ("pressed_stop", ChangeKind.STOP, GROUP, "500"),
        (
            "pressed_in_topic",
            ChangeKind.REGENERATE,
            Address("telegram", "123456", FORUM, "70"),
            "500",
        ),
        ("pressed_inaccessible", ChangeKind.REGENERATE, PRIVATE, "400"),
    ],
)
def test_pressed_button(name: str, kind: ChangeKind, address: Address, message_id: str) -> None:
    event = change(name)
    assert (event.kind, event.address, event.message_id) == (kind, address, message_id)


@pytest.mark.parametrize("data", ["edited", "deleted", "page:2", ""])
def test_a_button_that_no_answer_has_is_nothing(data: str) -> None:
    """A client can send any value as that of a button."""
    update = payload("pressed_stop")
    update["callback_query"]["data"] = data
    assert read(update) is None


@pytest.mark.parametrize(("length", "partial"), [(3999, False), (4000, True), (100_000, True)])
def test_text_as_long_as_a_message_may_be_is_partial(length: int, partial: bool) -> None:
    update = deepcopy(payload("private_text"))
    update["message"]["text"] = "😀" * (length // 2) + "x" * (length % 2)
    event = read(update)
    assert isinstance(event, InboundMessage)
    assert event.partial is partial


@pytest.mark.parametrize(
    "text", ["\u202eevil\u202c", "\x00", "a\u0301" * 500, "\ud83d", "\U0001d518\U0001d52b"]
)
def test_any_text_is_read(text: str) -> None:
    update = payload("private_formatted")
    update["message"]["text"] = text
    read(update)


def test_every_payload_is_told_apart() -> None:
    for path in PAYLOADS.glob("*.json"):
        read(payload(path.stem))
