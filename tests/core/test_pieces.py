"""Some messages are pieces of one question to their author, and others are not."""

from dataclasses import replace

import pytest

from core import pieces
from core.adapter import Attachment, InboundMessage
from core.turns import MOST_BYTES, MOST_PIECES, Question
from tests.core.rows import NOW, later, message

LONG = message("1", text="word " * 800, partial=True)
PHOTO = message("1", text="", album="77")
COMMENT = message("1", text="Summarise this")
FORWARD = message("2", text="All cats are grey.", forwarded=True, sent_at=later(2))
REST = message("2", text="the rest", sent_at=later(1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LONG, REST),
        (LONG, replace(LONG, message_id="2")),
        (PHOTO, replace(PHOTO, message_id="2")),
        (PHOTO, replace(PHOTO, message_id="2", sent_at=later(60))),
        (COMMENT, FORWARD),
        (FORWARD, replace(COMMENT, sent_at=later(3))),
        (FORWARD, replace(FORWARD, message_id="3", sent_at=later(4))),
        (replace(PHOTO, forwarded=True), replace(PHOTO, message_id="2", forwarded=True)),
    ],
)
def test_messages_sent_at_once_are_one_question(
    before: InboundMessage, after: InboundMessage
) -> None:
    assert pieces.goes_on(Question.of(before), after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (COMMENT, REST),
        (LONG, replace(REST, sent_at=later(2))),
        (LONG, replace(REST, command="dance")),
        (LONG, replace(REST, album="78")),
        (PHOTO, REST),
        (PHOTO, replace(PHOTO, message_id="2", album="78")),
        (PHOTO, replace(PHOTO, message_id="2", command="persona")),
        (COMMENT, replace(FORWARD, sent_at=later(2.1))),
    ],
)
def test_other_messages_are_questions_of_their_own(
    before: InboundMessage, after: InboundMessage
) -> None:
    assert not pieces.goes_on(Question.of(before), after)


def test_the_newest_piece_decides_about_the_next() -> None:
    question = Question.of(LONG).joined(Question.of(REST))
    assert not pieces.goes_on(question, replace(REST, message_id="3"))
    question = Question.of(LONG).joined(Question.of(replace(LONG, sent_at=later(1))))
    assert pieces.goes_on(question, replace(REST, message_id="3", sent_at=later(2)))


def test_a_stored_question_decides_in_the_same_way() -> None:
    for before, after in ((LONG, REST), (PHOTO, PHOTO), (FORWARD, FORWARD)):
        assert pieces.goes_on(Question.load(Question.of(before).dump()), after)


def test_no_question_has_pieces_or_text_without_end() -> None:
    many, long = replace(Question.of(LONG), pieces=MOST_PIECES), Question("é" * (MOST_BYTES // 2))
    for full in (many, long):
        assert not full.takes(Question.of(REST))
    assert replace(many, pieces=MOST_PIECES - 1).takes(Question.of(REST))
    assert replace(long, text=long.text[1:]).takes(Question("é"))
    assert not replace(long, text="", quote=long.text).takes(Question("é"))


def test_a_quote_and_a_file_that_come_twice_are_there_once() -> None:
    """A forward, and a reply to it as the comment."""
    file = Attachment("a", "photo.jpg", "image/jpeg", 1)
    forward = Question("", quote="Bob wrote:\none\n\ntwo", attachments=(file,))
    for first, second in ((forward, forward), (forward.joined(Question("so?")), forward)):
        joined = first.joined(second)
        assert (joined.quote, joined.attachments) == (forward.quote, (file,))
    longer = forward.joined(replace(forward, quote="two"))
    assert longer.quote == forward.quote
    assert forward.joined(replace(forward, quote="tw")).quote == f"{forward.quote}\n\ntw"


def test_nothing_of_a_piece_is_dropped() -> None:
    first = Question("one", quote="a", unreadable="videos", sent_at=NOW.timestamp())
    second = Question("", quote="b", unreadable="stickers")
    joined = first.joined(second)
    assert (joined.text, joined.quote, joined.unreadable) == (
        "one",
        "a\n\nb",
        "videos and stickers",
    )
    again = joined.joined(second)
    assert (again.quote, again.unreadable, again.pieces) == ("a\n\nb", "videos and stickers", 3)
