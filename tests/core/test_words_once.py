"""Words stand once: memory holds those of a delivered turn."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from core import inbox, memory, operations
from core.adapter import Attachment
from core.chat._attempt import question_of
from core.db import Session, Sessions
from core.memory import Context
from core.messages import Block, assistant
from core.models import messages
from core.turns import Outcome, Question, Speaker, Turn
from tests.core import rows
from tests.core.rows import HOME, NOW, commit, later

FILE: Block = {"type": "text", "text": "What is in the file."}
texts = st.text(max_size=40)
questions = st.builds(
    Question,
    text=texts,
    private=st.booleans(),
    name=texts,
    quote=texts,
    unreadable=texts,
    pieces=st.integers(1, 3),
    album=texts,
    sent_at=st.floats(0, 2e9),
)


def turn_with(question: Question) -> Turn:
    return Turn(7, "chat", 1, 1, 0, HOME, "m", question, 1, created_at=NOW)


@given(question=questions, same_day=st.booleans(), file=st.booleans())
def test_a_question_is_read_from_its_message(
    question: Question, same_day: bool, file: bool
) -> None:
    context = Context(day=NOW.date() if same_day else None)
    message: Any = question_of(turn_with(question), context, [FILE] if file else [])
    stored = question.dump_without_words()
    read = Question.load(stored, message)
    assert read.text == question.text
    assert read.quoted == question.quoted
    assert read.in_words() == question.in_words(), "asked again, it is the same to the byte"
    assert (read.album, read.sent_at, read.pieces) == (
        question.album,
        question.sent_at,
        question.pieces,
    )


@given(question=questions)
def test_a_stored_question_has_no_more_than_it_needs(question: Question) -> None:
    assert Question.load(question.dump()) == question
    assert len(Question("Hello").dump()) == 1
    assert Question.load(Question("", attachments=(FILED,)).dump()).attachments == (FILED,)


FILED = Attachment("reference", "a.pdf", "application/pdf", 9)
ASKED = Question(
    "What is a zebra?", quote="A quote\nof two lines", name="Ada", attachments=(FILED,)
)


async def delivered(
    sessions: Sessions, ada: Speaker, outcome: Outcome, *, remembered: bool = True
) -> int:
    turn_id = await rows.ask(sessions, ada, f"{outcome}", question=ASKED)
    turn = await rows.claimed(sessions)

    async def work(session: Session) -> None:
        await inbox.answered(session, turn, "A striped horse.", outcome, now=NOW)
        if remembered:
            said = [question_of(turn, Context()), assistant("A striped horse.")]
            await memory.remember(session, turn, Context(), said, None, now=NOW)

    await commit(sessions, work)
    await rows.deliver(sessions, turn, outcome)
    return turn_id


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.STOPPED])
async def test_a_delivered_turn_has_no_words_but_can_be_read(
    sessions: Sessions, ada: Speaker, outcome: Outcome
) -> None:
    turn_id = await delivered(sessions, ada, outcome)
    row = await rows.stored(sessions, turn_id)
    assert row.answer is None
    assert "zebra" not in str(row.input)
    assert "quote of" not in str(row.input)
    async with rows.begin(sessions) as session:
        for record in (
            await inbox.get(session, turn_id),
            await inbox.last_question(session, ada),
            await inbox.latest(session, ada, HOME),
        ):
            assert record is not None
            assert (record.question, record.forgotten) == (ASKED, False)
        shown = await operations.show(session, turn_id)
    assert shown is not None
    assert (shown.question, shown.answer) == (ASKED, "A striped horse.")


@pytest.mark.parametrize(
    ("outcome", "remembered"),
    [
        (Outcome.FAILED, True),
        (Outcome.REFUSED, False),
        (Outcome.UNDELIVERABLE, True),
        (Outcome.OK, False),
    ],
)
async def test_a_turn_that_may_be_tried_again_or_is_not_in_memory_keeps_its_words(
    sessions: Sessions, ada: Speaker, outcome: Outcome, remembered: bool
) -> None:
    turn_id = await delivered(sessions, ada, outcome, remembered=remembered)
    row = await rows.stored(sessions, turn_id)
    assert row.answer == "A striped horse."
    assert Question.load(row.input) == ASKED


async def test_a_question_without_its_message_is_forgotten(
    sessions: Sessions, ada: Speaker
) -> None:

    turn_id = await delivered(sessions, ada, Outcome.OK)
    await commit(sessions, lambda s: s.execute(delete(messages)))
    async with rows.begin(sessions) as session:
        record = await inbox.get(session, turn_id)
    assert record is not None
    assert record.forgotten


async def test_an_answered_turn_keeps_its_words_until_it_is_delivered(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1", question=ASKED)
    turn = await rows.claimed(sessions)

    async def work(session: Session) -> None:
        await inbox.answered(session, turn, "A striped horse.", Outcome.OK, now=NOW)
        said = [question_of(turn, Context()), assistant("A striped horse.")]
        await memory.remember(session, turn, Context(), said, None, now=NOW)

    await commit(sessions, work)
    [again] = await rows.claim(sessions, "another", now=later(60))
    assert (again.question, again.answer) == (ASKED, "A striped horse.")
