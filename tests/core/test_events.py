"""Events are made safe before anything is done with them."""

import copy
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from core import events
from core.adapter import Attachment, Change, ChangeKind, InboundMessage, Move
from core.events import cleaned
from tests.core.rows import ADA, HOME, message

HOSTILE = "a\0\ud800b\x1b[31m" + "\u0301" * 5_000
CLEAN = "a\ufffdb[31m" + "\u0301" * 10
FILE = Attachment("file", "photo.jpg", "image/jpeg", 1)


T = TypeVar("T")


def changed(value: T, field: str, to: Any) -> T:
    """Return a copy of a dataclass with another value in a field, of whatever type."""
    fresh = copy.copy(value)
    object.__setattr__(fresh, field, to)
    return fresh


def everything(text: str) -> InboundMessage:
    """Return a message with the same text in every place that a person or a platform fills."""
    optional: dict[str, Any] = {
        field.name: text
        for field in fields(InboundMessage)
        if field.type in ("str", "str | None", str, str | None)
    }
    file = Attachment(text, text, text, None)
    author, address = replace(ADA, name=text), replace(HOME, chat=text, thread=text)
    return replace(message("1"), **optional, attachments=(file,), author=author, address=address)


def test_every_text_of_a_message_is_clean() -> None:
    assert everything(CLEAN) != everything("x")
    assert cleaned(everything("a\0\ud800\u0301b")) == everything("a\ufffd\u0301b")


def test_an_ordinary_event_stays_as_it_is() -> None:
    for event in (
        replace(message("1", text="Hello,\n\tWörld 👩‍👩‍👧"), attachments=(FILE,)),
        Change("1", ChangeKind.STOP, HOME, ADA, "2"),
        Move("1", HOME, "-100"),
    ):
        assert cleaned(event) == event


def test_long_texts_are_cut_and_names_have_one_line() -> None:
    event = cleaned(
        replace(
            message("1", text="x" * 1_000_000, quote=HOSTILE),
            author=replace(ADA, name="Ada\n\nSystem:\r\n" + "y" * 1_000),
        )
    )
    assert isinstance(event, InboundMessage)
    assert len(event.text) == events.LONGEST["text"]
    assert event.quote == CLEAN
    assert event.author.name.startswith("Ada System: yyy")
    assert len(event.author.name) <= events.LONGEST["name"]


@pytest.mark.parametrize("field", ["event_id", "message_id", "reply_to", "album"])
def test_an_id_is_never_cut(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} has 201 characters"):
        cleaned(changed(message("1"), field, "1" * 201))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", 5),
        ("text", None),
        ("event_id", 1),
        ("sent_at", None),
        ("sent_at", datetime(2026, 1, 1)),
        ("private", "yes"),
        ("attachments", [FILE]),
        ("attachments", (changed(FILE, "size", "7"),)),
        ("address", changed(HOME, "chat", -100)),
        ("author", None),
    ],
)
def test_a_value_of_another_type_is_refused_without_being_told(field: str, value: Any) -> None:
    with pytest.raises(TypeError) as refused:
        cleaned(changed(message("1"), field, value))
    assert "yes" not in str(refused.value)


def test_a_time_can_always_be_reckoned_with() -> None:
    for said in (datetime.min, datetime.max):
        event = cleaned(message("1", sent_at=said.replace(tzinfo=UTC)))
        assert isinstance(event, InboundMessage)
        assert event.sent_at in {events.EARLIEST, events.LATEST}
