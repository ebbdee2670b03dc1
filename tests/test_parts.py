"""A message that a client sends in pieces is for the bot as a whole, though one piece names it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bots.parts import Parts
from core.adapter import Address, Author, InboundMessage

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
SAID = InboundMessage(
    event_id="1",
    address=Address("telegram", "1", "-500"),
    author=Author("telegram", "1001", "Ada"),
    message_id="1",
    text="word " * 800,
    private=False,
    sent_at=NOW,
)
LONG = replace(SAID, partial=True)
PHOTO = replace(SAID, text="", album="77")
REST = replace(SAID, message_id="2", text="the rest", sent_at=NOW + timedelta(seconds=1))


def hear(parts: Parts, message: InboundMessage, *, called: bool = False) -> list[InboundMessage]:
    return parts.hear(message if called else None, lambda: message)


def test_the_rest_of_a_long_text_is_for_the_bot_too() -> None:
    parts = Parts()
    assert hear(parts, LONG, called=True) == [LONG]
    assert hear(parts, replace(LONG, message_id="2")) == [replace(LONG, message_id="2")]
    assert hear(parts, REST) == [REST]
    assert hear(parts, replace(REST, message_id="3")) == [], "a part that is not full was the last"


@pytest.mark.parametrize(
    "other",
    [
        replace(REST, author=Author("telegram", "1002", "Bob")),
        replace(REST, address=Address("telegram", "1", "-500", "7")),
        replace(REST, sent_at=NOW + timedelta(seconds=2)),
        replace(REST, command="dance"),
        replace(REST, album="78"),
    ],
)
def test_what_else_is_said_in_a_group_is_not(other: InboundMessage) -> None:
    parts = Parts()
    hear(parts, LONG, called=True)
    assert hear(parts, other) == []


def test_what_follows_a_short_call_is_not_for_the_bot() -> None:
    parts = Parts()
    hear(parts, SAID, called=True)
    assert hear(parts, REST) == []


def test_a_command_is_not_continued() -> None:
    parts = Parts()
    hear(parts, replace(PHOTO, command="persona"), called=True)
    assert hear(parts, replace(PHOTO, message_id="2")) == []


def test_an_album_is_whole_whichever_of_its_parts_names_the_bot() -> None:
    parts = Parts()
    first, named, last = (replace(PHOTO, message_id=number) for number in "123")
    assert hear(parts, first) == []
    assert hear(parts, replace(named, text="compare"), called=True) == [
        first,
        replace(named, text="compare"),
    ]
    assert hear(parts, last) == [last]


def test_parts_of_another_album_are_left_out() -> None:
    parts = Parts()
    hear(parts, replace(PHOTO, album="76"))
    hear(parts, PHOTO)
    named = replace(PHOTO, message_id="2", text="compare")
    assert hear(parts, named, called=True) == [PHOTO, named]
    assert hear(parts, replace(PHOTO, album="76")) == []


def test_nothing_is_remembered_for_long() -> None:
    parts = Parts()
    hear(parts, PHOTO)
    hear(parts, replace(LONG, author=Author("telegram", "1002", "Bob")), called=True)
    hear(parts, replace(SAID, sent_at=NOW + timedelta(minutes=1)))
    assert parts == Parts()


def test_in_private_everything_is_for_the_bot() -> None:
    parts = Parts()
    alone = replace(SAID, private=True)
    assert hear(parts, alone, called=True) == [alone]
    assert parts == Parts()
