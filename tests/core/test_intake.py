"""The intake stores each event, joins pieces into one question, or passes an event over."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from core import commands, inbox, intake, models, pieces, posts
from core.adapter import Attachment, Author, Change, ChangeKind, InboundMessage
from core.db import Sessions, Work
from core.intake import Intake
from core.quota import Rules
from core.requests import FLOOD
from core.turns import MOST_BYTES, Question, Turn
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import BOB, GROUP, NOW, claim, commit, count, later, message

Said = Callable[..., Awaitable[None]]
GATHERED = NOW + pieces.GATHER
SECOND = timedelta(seconds=1)


class Told:
    """The calls that an intake makes to its worker."""

    def __init__(self) -> None:
        self.changes = 0
        self.times: list[datetime | None] = []

    def change(self) -> None:
        self.changes += 1


def an_intake(sessions: Sessions, told: Told | None = None) -> Intake:
    """Make the intake of a new process, which knows only the database."""
    told = told or Told()
    return Intake(
        sessions,
        commands.Offer(Rules((), ()), "m"),
        now=lambda: NOW,
        accepted=told.times.append,
        changed=told.change,
    )


def in_group(message_id: str, **changes: Any) -> InboundMessage:
    """Return a message of Ada's in a group, by default not to the bot."""
    standard: dict[str, Any] = {"address": GROUP, "private": False, "addressed": False}
    return message(message_id, **(standard | changes))


def photo(message_id: str, **changes: Any) -> InboundMessage:
    """A photo of an album, in a group."""
    file = Attachment(f"file-{message_id}", "photo.jpg", "image/jpeg", 1)
    standard: dict[str, Any] = {"text": "", "album": "77", "attachments": (file,)}
    return in_group(message_id, **(standard | changes))


async def say(sessions: Sessions, *messages: InboundMessage) -> None:
    """Handle each message in a process of its own, so that only the database can join them."""
    for each in messages:
        await an_intake(sessions).handle(each)


async def questions(sessions: Sessions, *, now: datetime = GATHERED) -> list[Turn]:
    """Return the questions that can be claimed."""
    return await claim(sessions, now=now)


# Pieces of one question


async def test_a_pasted_text_is_one_question_in_any_process(sessions: Sessions) -> None:
    one, two = (message(number, text=number, partial=True) for number in "12")
    await say(sessions, one, two)
    assert await questions(sessions, now=NOW) == [], "the rest may follow at once"
    await say(sessions, message("3", text="3", sent_at=later(1)))
    [turn] = await questions(sessions, now=NOW)
    assert (turn.question.text, turn.question.pieces) == ("1\n2\n3", 3)


async def test_an_ordinary_text_waits_for_nothing(sessions: Sessions) -> None:
    told = Told()
    await an_intake(sessions, told).handle(message("1"))
    assert told.times == [NOW]
    assert len(await questions(sessions, now=NOW)) == 1


async def test_a_question_does_not_wait_for_one_to_a_bot_that_is_gone(sessions: Sessions) -> None:
    """No process answers for the account of the first question any more."""
    await say(sessions, message("1"))
    assert len(await questions(sessions)) == 1
    await say(sessions, message("2", address=replace(rows.HOME, bot_id="2")))
    [turn] = await claim(sessions, "new", accounts=[("telegram", "2")])
    assert turn.message_id == "2"
    await say(sessions, message("3", address=replace(rows.HOME, bot_id="2")))
    assert await claim(sessions, "new", accounts=[("telegram", "2")]) == [], "one by one there"


async def test_the_many_commands_of_one_person_leave_a_worker_free_for_others(
    sessions: Sessions,
) -> None:
    """And none of them waits for a question, nor a question for them."""
    named = {"private": False, "address": GROUP}
    await say(sessions, message("q", **named))
    for number in range(5):
        await say(sessions, message(f"c{number}", command="help", **named))
    await say(sessions, message("b", author=BOB, **named))
    taken = await claim(sessions, limit=4)
    assert [turn.message_id for turn in taken] == ["q", "c0", "b"]
    assert await rows.deliver(sessions, taken[1])
    [turn] = await claim(sessions)
    assert turn.message_id == "c1"


async def test_a_comment_and_its_forwards_are_one_question(
    sessions: Sessions,
) -> None:
    told = Told()
    await say(sessions, message("1", text="Summarise this"))
    [begun] = await questions(sessions, now=NOW)
    process = an_intake(sessions, told)
    await process.handle(message("2", text="first", forwarded=True, sent_at=later(1)))
    await process.handle(message("3", text="second", forwarded=True, sent_at=later(3)))
    assert (told.changes, told.times) == (1, [GATHERED, GATHERED]), "it starts again once"
    [turn] = await questions(sessions)
    assert (turn.id, turn.question.text) == (begun.id, "Summarise this\nfirst\nsecond")
    assert turn.attempt == 3, "who answers the comment alone is fenced off"


async def test_a_piece_of_an_answered_question_is_a_turn_of_its_own(sessions: Sessions) -> None:
    await say(sessions, replace(photo("1"), address=rows.HOME, private=True, addressed=True))
    [first] = await questions(sessions)
    await rows.finish(sessions, first)
    await say(sessions, replace(photo("2"), address=rows.HOME, private=True, addressed=True))
    [turn] = await questions(sessions)
    assert turn.id != first.id
    assert [file.reference for file in turn.question.attachments] == ["file-2"]
    assert turn.follows_id is None, "a private talk is one line"


async def test_a_piece_does_not_restart_a_stopped_turn(sessions: Sessions) -> None:
    await say(sessions, message("1", partial=True))
    [stopped] = await questions(sessions)
    await commit(sessions, lambda s: inbox.cancel(s, [stopped.id]))
    await say(sessions, message("2"))
    assert (await rows.stored(sessions, stopped.id)).input.get("pieces", 1) == 1
    assert await count(sessions, models.turns) == 2


@pytest.mark.slow
async def test_text_without_end_makes_several_questions_and_nothing_is_lost(
    sessions: Sessions,
) -> None:
    """In a group only the first message names the bot."""
    process, paste = an_intake(sessions), {"text": "x" * 4000, "partial": True}
    await process.handle(in_group("100", addressed=True, **paste))
    for number in range(101, 160):
        await process.handle(in_group(str(number), **paste))
    async with rows.begin(sessions) as session:
        stored = (
            await session.execute(select(models.turns.c.input).order_by(models.turns.c.id))
        ).all()
    questions = [Question.load(row.input) for row in stored]
    assert [question.pieces for question in questions] == [24, 24, 12]
    assert all(len(question.text) <= MOST_BYTES for question in questions)
    assert sum(question.text.count("x") for question in questions) == 60 * 4000


async def test_a_new_conversation_takes_no_pieces_of_the_old_one(sessions: Sessions) -> None:
    await say(sessions, message("1", partial=True), message("2", command="new", text=""))
    await say(sessions, message("3"))
    assert await count(sessions, models.turns) == 3


async def test_a_piece_that_comes_twice_is_stored_once(sessions: Sessions) -> None:
    one, two = message("1", partial=True), message("2", text="the rest")
    await say(sessions, one, one, two, two, replace(two, event_id="another"), one)
    [turn] = await questions(sessions)
    assert turn.question.pieces == 2
    await rows.finish(sessions, turn)
    await say(sessions, one, two)
    assert await count(sessions, models.turns) == 1


async def test_pieces_of_other_people_and_chats_do_not_join(sessions: Sessions) -> None:
    await say(sessions, in_group("1", partial=True, addressed=True))
    await say(sessions, in_group("2", author=BOB))
    await say(sessions, in_group("3", address=replace(GROUP, thread="7")))
    await say(sessions, in_group("4", author=BOB, addressed=True), message("5"))
    found = await questions(sessions)
    assert [turn.question.pieces for turn in found] == [1, 1, 1]


# In a group, where one piece names the bot


async def test_an_album_is_whole_if_any_of_its_pieces_names_the_bot(sessions: Sessions) -> None:
    process = an_intake(sessions)
    for piece in (photo("8"), photo("9"), photo("10", text="compare", addressed=True), photo("11")):
        await process.handle(piece)
    [turn] = await questions(sessions)
    files = [file.reference for file in turn.question.attachments]
    assert files == ["file-8", "file-9", "file-10", "file-11"]
    assert (turn.message_id, turn.question.text) == ("10", "compare")
    for message_id in ("8", "9", "10", "11"):
        find = partial(posts.turn_of, address=GROUP, message_id=message_id)
        assert await commit(sessions, find) == turn.id


async def test_a_piece_that_names_nobody_joins_in_any_process(sessions: Sessions) -> None:
    await say(sessions, in_group("1", partial=True, addressed=True), in_group("2"))
    [turn] = await questions(sessions)
    assert turn.question.text == "question 1\nquestion 2"


async def test_a_late_piece_of_an_answered_album_follows_the_answer(sessions: Sessions) -> None:
    await say(sessions, photo("1", addressed=True))
    [first] = await questions(sessions)
    await rows.finish(sessions, first)
    await say(sessions, photo("2"))
    [turn] = await questions(sessions)
    assert turn.follows_id == first.id


@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_slow_photo_belongs_to_its_album_behind_another_question(
    sessions: Sessions, is_answered: bool
) -> None:
    await say(sessions, photo("1", addressed=True))
    [album] = await questions(sessions)
    if is_answered:
        await rows.finish(sessions, album)
    await say(sessions, in_group("2", addressed=True), photo("3"), photo("4", album="78"))
    if not is_answered:
        record = await commit(sessions, lambda session: inbox.get(session, album.id))
        assert record
        assert [file.reference for file in record.question.attachments] == ["file-1", "file-3"]
        return
    [other] = await questions(sessions)
    await rows.finish(sessions, other)
    [late] = await questions(sessions)
    assert (late.follows_id, late.message_id) == (album.id, "3")


async def test_pieces_of_another_album_are_left_out(sessions: Sessions) -> None:
    process = an_intake(sessions)
    for piece in (
        photo("1", album="76"),
        photo("2", author=BOB),
        photo("3"),
        photo("4", text="compare", addressed=True),
        photo("5", album="76"),
    ):
        await process.handle(piece)
    [turn] = await questions(sessions)
    assert [file.reference for file in turn.question.attachments] == ["file-3", "file-4"]


async def test_messages_to_others_leave_no_trace(sessions: Sessions) -> None:
    await say(sessions, photo("1"), in_group("2"), in_group("3", forwarded=True))
    for table in (models.turns, models.events, models.posts, models.users, models.conversations):
        assert await count(sessions, table) == 0


@pytest.mark.parametrize("kind", ChangeKind)
@pytest.mark.parametrize("author", [BOB, rows.ADA], ids=["a stranger", "of an unknown message"])
async def test_what_strangers_press_edit_or_delete_leaves_no_trace(
    sessions: Sessions, kind: ChangeKind, author: Author
) -> None:
    told = Told()
    await say(sessions, in_group("1", addressed=True), in_group("2", addressed=True, author=BOB))
    before = [await count(sessions, table) for table in (models.events, models.users)]
    message_id = "1" if author == BOB else "unknown"
    change = Change("press", kind, GROUP, author, message_id, "other words")
    await an_intake(sessions, told).handle(change)
    after = [await count(sessions, table) for table in (models.events, models.users)]
    assert (told.changes, after) == (0, before)


async def test_an_album_is_not_kept_for_long(sessions: Sessions) -> None:
    process = an_intake(sessions)
    await process.handle(photo("1"))
    await process.handle(photo("3", addressed=True, sent_at=NOW + pieces.ALBUM + SECOND))
    [album] = await questions(sessions)
    assert [file.reference for file in album.question.attachments] == ["file-3"]


async def test_a_forward_in_a_group_waits_for_its_comment(sessions: Sessions) -> None:
    """Only its author's comment, there, in time; also a bare mention, which alone is greeted."""
    process, late = an_intake(sessions), NOW + pieces.BEFORE
    for piece in (
        in_group("1", forwarded=True, sent_at=NOW - SECOND),
        in_group("2", forwarded=True, author=BOB),
        in_group("3", forwarded=True, address=replace(GROUP, thread="7")),
        in_group("4", forwarded=True, text="", quote="four", quoted_from="Eve"),
        in_group("5", forwarded=True, text="", quote="five"),
        in_group("6", text="", addressed=True, sent_at=late),
        in_group("7", addressed=True, sent_at=late),
    ):
        await process.handle(piece)
    [asked] = await questions(sessions, now=late + SECOND)
    await rows.finish(sessions, asked)
    [other] = await questions(sessions, now=late + SECOND)
    assert (asked.question.quote, asked.question.pieces) == ("Eve wrote:\nfour\n\nfive", 3)
    assert (other.question.text, other.question.pieces) == ("question 7", 1)


async def test_an_edit_can_make_a_message_a_question_once(sessions: Sessions) -> None:
    said = in_group("1", addressed=True)
    edit = Change("edit", ChangeKind.EDITED, GROUP, rows.ADA, "1", said.text, said)
    process = an_intake(sessions)
    for event in (in_group("1"), edit, replace(edit, event_id="again"), said):
        await process.handle(event)
    [turn] = await questions(sessions)
    assert (turn.question.text, turn.message_id) == ("question 1", "1")
    await process.handle(replace(edit, event_id="other", text="other words"))
    [turn] = await questions(sessions)
    assert turn.question.text == "other words"


# Events that cannot be stored


async def refuse(sessions: Sessions, what: str = "turns") -> None:
    """Let the database refuse all rows of a table."""
    raising = f"CREATE TRIGGER no BEFORE INSERT ON {what} BEGIN SELECT RAISE(ABORT, 'no'); END"
    await commit(sessions, lambda session: session.execute(text(raising)))


async def test_an_event_that_cannot_be_stored_is_passed_over(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(sqlite_url) as sessions:
        await refuse(sessions)
        async with asyncio.timeout(60):
            await say(sessions, message("1"))
        assert caplog.text.count("event event 1 is not stored: no") == intake.LOOKS
        assert "event event 1 cannot be stored: it is passed over" in caplog.text

        await commit(sessions, lambda session: session.execute(text("DROP TRIGGER no")))
        await say(sessions, message("1"), message("2"))
        assert [turn.message_id for turn in await questions(sessions)] == ["2"], "1 was seen"


async def test_an_event_is_not_passed_over_because_a_table_is_missing(
    sessions: Sessions,
) -> None:
    def rename(old: str, new: str) -> Work[object]:
        return lambda session: session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    await commit(sessions, rename("events", "gone"))
    with pytest.raises(DBAPIError):
        await say(sessions, message("1"))
    await commit(sessions, rename("gone", "events"))
    await say(sessions, message("1"))
    assert [turn.message_id for turn in await questions(sessions)] == ["1"]


async def test_an_event_that_cannot_even_be_noted_stops_nobody(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(sqlite_url) as sessions:
        await refuse(sessions, "events")
        async with asyncio.timeout(60):
            await say(sessions, message("1"))
    assert "event event 1 cannot be noted as seen" in caplog.text


async def test_an_event_that_the_code_fails_on_is_passed_over(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    """A message without a time stands for a bug of ours."""
    await say(sessions, message("1", sent_at=None), message("2"))
    assert [turn.message_id for turn in await questions(sessions)] == ["2"]
    assert "event event 1 cannot be stored: it is passed over" in caplog.text
    assert not await commit(sessions, lambda s: inbox.note(s, rows.HOME, "event 1"))


# Floods


@pytest.mark.slow
@pytest.mark.parametrize(
    "event",
    [
        lambda number: message(number, command="help"),
        message,
        lambda number: message(number, text="x", partial=True),
        in_group,
        lambda number: Change(
            f"event {number}", ChangeKind.EDITED, rows.HOME, rows.ADA, "1", f"text {number}"
        ),
        lambda number: Change(f"event {number}", ChangeKind.STOP, rows.HOME, rows.ADA, "1"),
    ],
    ids=["commands", "questions", "pieces", "asides", "edits", "presses"],
)
async def test_a_flood_of_one_person_costs_no_statements(
    sessions: Sessions, event: Callable[[str], InboundMessage | Change]
) -> None:
    """Events come one after the other, so others wait for each statement."""
    the_intake = an_intake(sessions)
    for number in range(FLOOD):
        await the_intake.handle(event(f"{number}"))
    with rows.statements(sessions) as seen:
        for number in range(1000, 1200):
            await the_intake.handle(event(f"{number}"))
    assert seen == []
    await the_intake.handle(message("2000", author=BOB, address=replace(rows.HOME, chat="200")))
    assert await commit(
        sessions, lambda s: posts.turn_of(s, replace(rows.HOME, chat="200"), "2000")
    )


@pytest.mark.slow
async def test_what_is_deleted_is_always_heard(sessions: Sessions) -> None:
    the_intake = an_intake(sessions)
    await the_intake.handle(message("1"))
    for number in range(200):
        await the_intake.handle(message(f"{number}", command="help"))
    deletion = Change("deletion", ChangeKind.DELETED, rows.HOME, rows.ADA, "1")
    with rows.statements(sessions) as seen:
        await the_intake.handle(deletion)
    assert seen
