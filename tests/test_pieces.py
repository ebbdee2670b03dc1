"""The filter for groups lets messages to the bot pass, and possible pieces of one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bots.pieces import Pieces
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
FORWARD = replace(REST, forwarded=True)


@pytest.fixture
def pieces() -> Pieces:
    """A filter that has heard a message, long ago."""
    pieces = Pieces()
    hear(pieces, replace(SAID, sent_at=NOW - timedelta(minutes=1)))
    return pieces


def hear(pieces: Pieces, message: InboundMessage, *, called: bool = False) -> bool:
    """Return whether a message passes."""
    said = pieces.hear(message if called else None, lambda: message)
    assert said in (None, message)
    return said is not None


def test_the_rest_of_a_long_text_may_be_for_the_bot_too(pieces: Pieces) -> None:
    assert hear(pieces, LONG, called=True)
    assert hear(pieces, replace(LONG, message_id="2"))
    assert hear(pieces, REST)
    assert not hear(pieces, replace(REST, message_id="3")), "a piece that is not full was the last"


def test_a_forward_may_follow_its_comment(pieces: Pieces) -> None:
    assert hear(pieces, SAID, called=True)
    assert hear(pieces, FORWARD)
    assert hear(pieces, FORWARD)


@pytest.mark.parametrize(
    "other",
    [
        replace(REST, author=Author("telegram", "1002", "Bob")),
        replace(REST, address=Address("telegram", "1", "-500", "7")),
        replace(REST, sent_at=NOW + timedelta(seconds=3)),
        replace(REST, command="dance"),
    ],
)
def test_other_messages_of_a_group_do_not_pass(pieces: Pieces, other: InboundMessage) -> None:
    hear(pieces, LONG, called=True)
    assert not hear(pieces, other)


def test_a_message_after_a_short_one_to_the_bot_does_not_pass(pieces: Pieces) -> None:
    hear(pieces, SAID, called=True)
    assert not hear(pieces, REST)


def test_a_forward_may_come_before_its_comment(pieces: Pieces) -> None:
    assert hear(pieces, FORWARD)
    assert hear(pieces, replace(SAID, sent_at=NOW + timedelta(seconds=9)), called=True)


def test_of_an_album_all_is_handed_over(pieces: Pieces) -> None:
    assert all(hear(pieces, replace(PHOTO, message_id=number)) for number in "123")


def test_the_first_message_may_be_a_piece_of_an_unheard_one() -> None:
    """An earlier process may have heard the first piece, so only the database can tell."""
    pieces, bob = Pieces(), Author("telegram", "1002", "Bob")
    assert hear(pieces, replace(LONG, sent_at=NOW))
    assert hear(pieces, replace(REST, sent_at=NOW + timedelta(seconds=1)))
    assert not hear(pieces, replace(REST, sent_at=NOW + timedelta(seconds=1))), "it has ended"
    assert hear(pieces, replace(REST, author=bob, sent_at=NOW + timedelta(seconds=2)))
    late = replace(REST, sent_at=NOW + timedelta(seconds=5))
    assert not hear(pieces, replace(late, author=Author("telegram", "1003", "Eve")))


def test_nothing_is_remembered_for_long(pieces: Pieces) -> None:
    hear(pieces, replace(LONG, author=Author("telegram", "1002", "Bob")), called=True)
    hear(pieces, replace(SAID, sent_at=NOW + timedelta(minutes=1)))
    assert pieces == Pieces({}, NOW - timedelta(minutes=1))


def test_in_private_everything_is_for_the_bot(pieces: Pieces) -> None:
    assert hear(pieces, replace(SAID, private=True), called=True)
    assert hear(pieces, replace(REST, private=True), called=True)
