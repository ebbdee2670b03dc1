"""A turn is stored once, grows while it waits, and is written only by the attempt that owns it."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy.exc import IntegrityError

from core import identity, inbox, models, posts
from core.adapter import Attachment
from core.db import Sessions
from core.errors import LeaseLost
from core.inbox import Growth
from core.turns import Outcome, Question, Speaker, Turn
from tests.core import rows
from tests.core.rows import GROUP, HOME, NOW, commit, count, later


async def accepted(
    sessions: Sessions, event_id: str, entry: inbox.Entry
) -> int | IntegrityError | None:
    """Accept an event; return its turn, None if it is known, or the error of a lost race."""
    try:
        return await commit(sessions, lambda s: inbox.accept(s, event_id, entry, now=NOW))
    except IntegrityError as error:
        return error


# Accepting


async def test_a_turn_is_stored_as_it_was_asked(sessions: Sessions, ada: Speaker) -> None:
    files = (Attachment("file-1", "map.png", "image/png", 10),)
    question = Question("Where is this?", quote="a map", attachments=files)
    turn_id = await rows.ask(sessions, ada, "m", question=question, follows_id=7, replaces_id=8)

    turn = await rows.claimed(sessions)

    assert turn == Turn(
        id=turn_id,
        kind="chat",
        conversation_id=ada.conversation_id,
        user_id=ada.user_id,
        epoch=ada.epoch,
        address=HOME,
        message_id="m",
        question=question,
        attempt=1,
        created_at=NOW,
        follows_id=7,
        replaces_id=8,
    )


async def test_the_same_event_is_stored_once(sessions: Sessions, ada: Speaker) -> None:
    assert isinstance(await accepted(sessions, "e", rows.entry(ada, "1")), int)
    assert await accepted(sessions, "e", rows.entry(ada, "2")) is None
    assert await count(sessions, models.turns) == 1
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "2")) is None


async def test_the_same_message_in_another_event_is_no_new_turn(
    sessions: Sessions, ada: Speaker
) -> None:
    first = await accepted(sessions, "e1", rows.entry(ada, "1"))
    assert await accepted(sessions, "e2", rows.entry(ada, "1")) is None
    assert await count(sessions, models.turns) == 1
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "1")) == first


async def test_events_and_messages_of_another_account_are_others(
    sessions: Sessions, ada: Speaker
) -> None:
    other = replace(HOME, bot_id="2")
    await accepted(sessions, "e", rows.entry(ada, "1"))
    assert isinstance(await accepted(sessions, "e", rows.entry(ada, "1", address=other)), int)


async def test_a_message_id_is_one_only_within_its_chat(sessions: Sessions, ada: Speaker) -> None:
    await accepted(sessions, "e1", rows.entry(ada, "1"))
    assert isinstance(await accepted(sessions, "e2", rows.entry(ada, "1", address=GROUP)), int)


async def test_an_event_that_comes_many_times_at_once_is_one_turn(
    postgres_sessions: Sessions,
) -> None:
    ada = await rows.speaker(postgres_sessions)
    entry = rows.entry(ada, "1")

    ends = await asyncio.gather(*(accepted(postgres_sessions, "e", entry) for _ in range(10)))

    assert sum(isinstance(end, int) for end in ends) == 1
    assert await count(postgres_sessions, models.turns) == 1


async def test_a_message_that_comes_in_many_events_at_once_is_one_turn(
    postgres_sessions: Sessions,
) -> None:
    ada = await rows.speaker(postgres_sessions)
    entry = rows.entry(ada, "1")

    ends = await asyncio.gather(
        *(accepted(postgres_sessions, f"e{number}", entry) for number in range(10))
    )

    assert sum(isinstance(end, int) for end in ends) == 1
    assert await count(postgres_sessions, models.turns) == 1


async def test_nothing_stays_of_a_turn_whose_transaction_failed(
    sessions: Sessions, ada: Speaker
) -> None:
    async with rows.begin(sessions) as session:
        await inbox.accept(session, "e", rows.entry(ada, "1"), now=NOW)
        session.connection.rollback()

    assert await count(sessions, models.turns) == 0
    assert await commit(sessions, lambda s: inbox.is_new(s, HOME, "e", "1"))


async def test_a_message_is_new_if_neither_its_event_nor_its_id_is_known(
    sessions: Sessions, ada: Speaker
) -> None:
    await accepted(sessions, "e", rows.entry(ada, "1"))

    async def is_new(event_id: str, message_id: str) -> bool:
        return await commit(sessions, lambda s: inbox.is_new(s, HOME, event_id, message_id))

    assert await is_new("other", "other")
    assert not await is_new("e", "other")
    assert not await is_new("other", "1")


async def test_an_event_without_a_turn_is_noted_once(sessions: Sessions) -> None:
    assert await commit(sessions, lambda s: inbox.note(s, HOME, "stop"))
    assert not await commit(sessions, lambda s: inbox.note(s, HOME, "stop"))


# A chat that goes on under another id


async def test_a_chat_moves_with_its_undelivered_turns(sessions: Sessions) -> None:
    told = await rows.ask_in_group(sessions, rows.ADA, "1")
    await rows.finish(sessions, await rows.claimed(sessions))
    waits = await rows.ask_in_group(sessions, rows.ADA, "2")
    moved = replace(GROUP, chat="-1001")
    for _ in range(2):
        await commit(sessions, lambda s: identity.move(s, GROUP, moved.chat))
        await commit(sessions, lambda s: inbox.move(s, GROUP, moved.chat))

    turn = await rows.claimed(sessions)
    again = await rows.speaker(sessions, rows.ADA, moved, private=False)

    assert (turn.id, turn.address, turn.message_id) == (waits, moved, None)
    assert again.conversation_id == turn.conversation_id
    assert await commit(sessions, lambda s: posts.turn_of(s, GROUP, "1")) == told
    assert await commit(sessions, lambda s: inbox.is_new(s, moved, "another", "1"))


async def test_a_new_chat_keeps_its_own_conversation(sessions: Sessions) -> None:
    before = await rows.speaker(sessions, rows.ADA, GROUP, private=False)
    moved = replace(GROUP, chat="-1001")
    begun = await rows.speaker(sessions, rows.ADA, moved, private=False)
    await commit(sessions, lambda s: identity.move(s, GROUP, moved.chat))
    again = await rows.speaker(sessions, rows.ADA, moved, private=False)
    assert again.conversation_id == begun.conversation_id != before.conversation_id


# A question grows by the pieces of an album, of a split text


async def extend(
    sessions: Sessions, turn_id: int, message_id: str, **changes: object
) -> Growth | None:
    piece = rows.message(message_id, **{"text": f"piece {message_id}", **changes})
    ready_at = later(float(message_id))
    return await commit(
        sessions, lambda s: inbox.extend(s, turn_id, piece, ready_at=ready_at, now=NOW)
    )


async def test_pieces_join_their_text_and_files_and_put_the_turn_off(
    sessions: Sessions, ada: Speaker
) -> None:
    one, two = (Attachment(f"file-{n}", f"{n}.png", "image/png", None) for n in "12")
    turn_id = await rows.ask(
        sessions, ada, "1", question=Question("piece 1", attachments=(one,)), ready_at=later(1)
    )

    assert await extend(sessions, turn_id, "2", attachments=(two,)) is Growth.WAITING
    assert await extend(sessions, turn_id, "3", text="") is Growth.WAITING

    assert await rows.claim(sessions, now=later(2.9)) == []
    turn = await rows.claimed(sessions, now=later(3))
    assert turn.question == Question("piece 1\npiece 2", attachments=(one, two), pieces=3)
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "2")) == turn_id


@pytest.mark.slow
async def test_a_piece_that_comes_again_changes_nothing(sessions: Sessions, ada: Speaker) -> None:
    turn_id = await rows.ask(sessions, ada, "1")
    await extend(sessions, turn_id, "2")
    for message_id, event_id in (("2", "event 2"), ("2", "another"), ("1", "another of the first")):
        assert await extend(sessions, turn_id, message_id, event_id=event_id) is Growth.KNOWN

    turn = await rows.claimed(sessions, now=later(2))
    assert turn.question == Question("question 1\npiece 2", pieces=2)


async def test_a_late_piece_is_put_in_the_order_of_sending(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await rows.ask(sessions, ada, "10")
    await extend(sessions, turn_id, "9")
    assert (await rows.stored(sessions, turn_id)).input["text"] == "piece 9\nquestion 10"


async def test_a_turn_that_runs_starts_again_with_its_new_piece(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions)

    assert await extend(sessions, turn_id, "2") is Growth.RESTARTED

    with pytest.raises(LeaseLost):
        await rows.answer(sessions, old)
    assert await rows.claim(sessions, now=later(1.9)) == []
    new = await rows.claimed(sessions, now=later(2))
    assert (new.id, new.question.text) == (turn_id, "question 1\npiece 2")


async def test_a_turn_that_was_put_back_grows_and_keeps_its_time(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await rows.ask(sessions, ada, "1")
    await rows.put_back(sessions, await rows.claimed(sessions), later(9))
    assert await extend(sessions, turn_id, "2") is Growth.WAITING
    assert await rows.claim(sessions, now=later(8)) == []
    assert (await rows.claimed(sessions, now=later(9))).question.pieces == 2


async def test_an_answered_or_stopped_turn_takes_no_more_pieces(
    sessions: Sessions, ada: Speaker
) -> None:
    stopped = await rows.ask(sessions, ada, "1")
    await commit(sessions, lambda s: inbox.cancel(s, [stopped]))
    assert await extend(sessions, stopped, "2") is None
    await rows.finish(sessions, await rows.claimed(sessions))
    assert await extend(sessions, stopped, "2") is None

    assert await commit(sessions, lambda s: inbox.is_new(s, HOME, "event 2", "2"))
    assert (await rows.stored(sessions, stopped)).input["text"] == "question 1"


async def test_a_piece_and_a_claim_at_once_lose_nothing(postgres_sessions: Sessions) -> None:
    ada = await rows.speaker(postgres_sessions)
    turn_id = await rows.ask(postgres_sessions, ada, "1")

    grown, turns = await asyncio.gather(
        extend(postgres_sessions, turn_id, "2"), rows.claim(postgres_sessions)
    )

    stored = await rows.stored(postgres_sessions, turn_id)
    assert stored.input["pieces"] == 2
    if grown is Growth.RESTARTED:
        [turn] = turns
        assert (turn.question.pieces, stored.attempt) == (1, turn.attempt + 1)
    else:
        assert grown is Growth.WAITING
        assert [turn.question.pieces for turn in turns] in ([], [2])


async def test_a_piece_and_an_answer_at_once_lose_nothing(postgres_sessions: Sessions) -> None:
    ada = await rows.speaker(postgres_sessions)
    turn_id = await rows.ask(postgres_sessions, ada, "1")
    turn = await rows.claimed(postgres_sessions)

    grown, answered = await asyncio.gather(
        extend(postgres_sessions, turn_id, "2"),
        rows.answer(postgres_sessions, turn),
        return_exceptions=True,
    )

    stored = await rows.stored(postgres_sessions, turn_id)
    if grown is Growth.RESTARTED:
        assert isinstance(answered, LeaseLost)
        assert (stored.answer, stored.input["pieces"]) == (None, 2)
    else:
        assert (grown, Question.load(stored.input).pieces) == (None, 1)
        assert stored.answer == f"answer {turn_id}"


# The fence: a write of an old attempt changes nothing


async def test_drafts_are_saved_for_the_attempt_that_owns_the_turn(
    sessions: Sessions, ada: Speaker
) -> None:
    group = [await rows.ask_in_group(sessions, who, who.name) for who in (rows.ADA, rows.BOB)]
    old = await rows.claim(sessions, "dead")
    await commit(sessions, lambda s: inbox.save_drafts(s, [(turn, turn.reference) for turn in old]))
    new = await rows.claim(sessions, "alive", now=later(20))
    assert [turn.draft for turn in new] == [f"{turn_id}-1" for turn_id in group]

    drafts = [(new[0], "new"), (old[1], "old"), (old[0], "old")]
    await commit(sessions, lambda s: inbox.save_drafts(s, drafts))

    assert (await rows.stored(sessions, group[0])).draft == "new"
    assert (await rows.stored(sessions, group[1])).draft == f"{group[1]}-1"


async def test_a_draft_that_comes_after_the_answer_is_dropped(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    await commit(sessions, lambda s: inbox.save_drafts(s, [(turn, "late")]))
    assert (await rows.stored(sessions, turn.id)).draft == ""


async def test_only_the_newest_attempt_ends_a_turn(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions, "dead")
    new = await rows.claimed(sessions, "alive", now=later(20))

    with pytest.raises(LeaseLost):
        await rows.answer(sessions, old)
    with pytest.raises(LeaseLost):
        await rows.put_back(sessions, old, later(60))
    await rows.answer(sessions, new)
    with pytest.raises(LeaseLost):
        await rows.deliver(sessions, old)
    await rows.deliver(sessions, new, now=later(21))

    row = await rows.stored(sessions, new.id)
    assert (row.answer, row.outcome) == (f"answer {new.id}", "ok")
    assert (row.answered_at, row.delivered_at) == (NOW, later(21))
    assert (row.worker_id, row.lease_until) == (None, None)


async def test_a_turn_is_answered_once(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    with pytest.raises(LeaseLost):
        await rows.answer(sessions, turn, Outcome.FAILED)
    assert (await rows.stored(sessions, turn.id)).outcome == "ok"


async def test_an_answer_that_no_platform_takes_is_told_by_its_outcome(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    await rows.deliver(sessions, turn, Outcome.UNDELIVERABLE)
    assert (await rows.stored(sessions, turn.id)).outcome == "undeliverable"


async def test_a_delivery_tells_whether_somebody_waits_for_it(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    first = await rows.claimed(sessions)
    await rows.ask_in_group(sessions, rows.BOB, "b", lane=None, follows_id=first.id)
    [reply] = await follow(sessions, first, expected=True)
    await rows.ask(sessions, ada, "2")
    await rows.ask(sessions, ada, "3")
    second = await rows.claimed(sessions)
    await follow(sessions, reply, expected=False)
    [third] = await follow(sessions, second, expected=True)
    await follow(sessions, third, expected=False)


async def follow(sessions: Sessions, turn: Turn, *, expected: bool) -> list[Turn]:
    """Finish a turn, and claim the turn that waited for it."""
    await rows.answer(sessions, turn)
    assert await rows.claim(sessions) == []
    assert await rows.deliver(sessions, turn) is expected
    return await rows.claim(sessions)


# Changes by people


async def test_a_failed_turn_is_answered_again_as_if_it_were_new(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.put_back(sessions, turn, NOW, fault=True)
    await rows.finish(sessions, await rows.claimed(sessions), Outcome.FAILED)

    await commit(sessions, lambda s: inbox.requeue(s, turn.id, now=later(100)))

    assert await rows.claim(sessions, now=later(99)) == []
    again = await rows.claimed(sessions, now=later(100))
    assert (again.answer, again.outcome, again.faults) == (None, None, 0)
    assert again.created_at == later(100)
    await rows.finish(sessions, again)


async def test_a_retry_fences_off_the_delivery_of_the_failed_answer(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn, Outcome.FAILED)

    await commit(sessions, lambda s: inbox.requeue(s, turn.id, now=NOW))

    with pytest.raises(LeaseLost):
        await rows.deliver(sessions, turn)
    await rows.finish(sessions, await rows.claimed(sessions))


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.STOPPED])
async def test_a_turn_that_was_answered_well_is_not_queued_again(
    sessions: Sessions, ada: Speaker, outcome: Outcome
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.finish(sessions, turn, outcome)
    await commit(sessions, lambda s: inbox.requeue(s, turn.id, now=NOW))
    assert await rows.claim(sessions) == []


async def test_an_edited_question_starts_again_and_fences_off_the_old_one(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions)
    edited = Question("edited")

    await commit(sessions, lambda s: inbox.amend(s, old.id, edited, now=NOW))

    with pytest.raises(LeaseLost):
        await rows.answer(sessions, old)
    assert await renew(sessions, "worker", [old.id]) == []
    new = await rows.claimed(sessions, "another")
    assert (new.question, new.attempt > old.attempt, new.faults) == (edited, True, 0)


async def test_an_edited_question_that_failed_is_answered_in_its_own_turn(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions)
    await rows.finish(sessions, old, Outcome.FAILED)
    await commit(sessions, lambda s: inbox.amend(s, old.id, Question("edited"), now=later(9)))
    new = await rows.claimed(sessions, now=later(9))
    assert (new.id, new.question, new.answer) == (old.id, Question("edited"), None)
    assert new.created_at == later(9)


async def test_an_edit_and_an_answer_at_one_moment_follow_each_other(
    postgres_sessions: Sessions,
) -> None:
    """The edit comes first here, so its question must be answered."""
    ada = await rows.speaker(postgres_sessions)
    await rows.ask(postgres_sessions, ada, "1")
    turn = await rows.claimed(postgres_sessions)
    async with rows.begin(postgres_sessions) as editing:
        record = await inbox.get(editing, turn.id)
        assert record is not None
        answering = asyncio.create_task(rows.answer(postgres_sessions, turn))
        await rows.locked(postgres_sessions)
        await inbox.amend(editing, record.id, Question("edited"), now=NOW)
    with pytest.raises(LeaseLost):
        await answering
    assert (await rows.claimed(postgres_sessions)).question == Question("edited")


async def test_an_edit_of_an_answered_question_changes_nothing(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    await rows.finish(sessions, turn)
    await commit(sessions, lambda s: inbox.amend(s, turn.id, Question("edited"), now=NOW))
    assert await rows.claim(sessions) == []
    assert (await rows.stored(sessions, turn.id)).input["text"] == "question 1"


async def renew(
    sessions: Sessions, worker_id: str, turn_ids: list[int], seconds: float = 20
) -> list[inbox.Held]:
    until = later(seconds)
    return await commit(sessions, lambda s: inbox.renew(s, worker_id, turn_ids, lease_until=until))


def held(turn_id: int, message_id: str, *, cancel: bool) -> inbox.Held:
    return inbox.Held(turn_id, 1, cancel, message_id)


async def test_a_renewal_holds_only_turns_of_this_worker(sessions: Sessions) -> None:
    kept, lost, done = [
        await rows.ask_in_group(sessions, rows.ADA, str(number), lane=None) for number in range(3)
    ]
    turns = await rows.claim(sessions, "first")
    await rows.finish(sessions, turns[2])
    assert await renew(sessions, "first", [kept, done]) == [held(kept, "0", cancel=False)]

    [taken] = await rows.claim(sessions, "first", now=later(15))
    assert (taken.id, taken.attempt) == (lost, 2)
    await commit(sessions, lambda s: inbox.amend(s, lost, Question("edited"), now=NOW))
    assert await renew(sessions, "first", [kept, lost]) == [held(kept, "0", cancel=False)]
    assert await renew(sessions, "second", [kept]) == []


async def test_a_stop_is_seen_at_the_renewal_and_by_whoever_claims(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await rows.ask(sessions, ada, "1")
    await rows.claimed(sessions)
    assert await commit(sessions, lambda s: inbox.cancel(s, [turn_id]))
    assert await renew(sessions, "worker", [turn_id]) == [held(turn_id, "1", cancel=True)]
    turn = await rows.claimed(sessions, now=later(30))
    assert turn.cancel
    await rows.answer(sessions, turn, Outcome.STOPPED)
    assert not await commit(sessions, lambda s: inbox.cancel(s, [turn_id]))


async def test_unanswered_questions_are_of_one_person_in_one_conversation(
    sessions: Sessions, ada: Speaker
) -> None:
    done = await rows.ask(sessions, ada, "1")
    await rows.answer(sessions, await rows.claimed(sessions))
    waiting = [await rows.ask(sessions, ada, "2"), await rows.ask(sessions, ada, "3")]
    await rows.ask_in_group(sessions, rows.ADA, "4")
    await rows.ask_in_group(sessions, rows.BOB, "5")

    found = await commit(sessions, lambda s: inbox.unanswered(s, ada))

    assert sorted(found) == waiting
    assert done not in found


async def test_the_last_question_of_a_person_is_found_by_kind_and_epoch(
    sessions: Sessions, ada: Speaker
) -> None:
    assert await commit(sessions, lambda s: inbox.last_question(s, ada)) is None
    await rows.ask(sessions, ada, "1")
    second = await rows.ask(sessions, ada, "2", follows_id=1)
    await rows.ask(sessions, ada, "3", kind="command", answer="help", lane=None)
    await rows.ask(sessions, ada, "4", epoch=ada.epoch + 1)

    record = await commit(sessions, lambda s: inbox.last_question(s, ada))

    assert record == inbox.Record(
        id=second,
        kind="chat",
        user_id=ada.user_id,
        conversation_id=ada.conversation_id,
        epoch=ada.epoch,
        lane=str(ada.conversation_id),
        message_id="2",
        question=Question("question 2"),
        follows_id=1,
        replaces_id=None,
        outcome=None,
        asked_at=NOW,
    )
    assert await commit(sessions, lambda s: inbox.get(s, second)) == record


# Posts: the messages of an answer


async def parts(sessions: Sessions, turn_id: int) -> tuple[str | None, ...]:
    return await commit(sessions, lambda s: posts.of(s, turn_id))


async def test_posts_are_intents_first_and_messages_then(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    for part in (0, 1, 2, 2):
        async with rows.begin(sessions) as session:
            await posts.intend(session, turn, part)
    await commit(sessions, lambda s: posts.confirm(s, turn, 1, "sent", now=NOW))
    await commit(sessions, lambda s: posts.intend(s, turn, 1))  # again, after an unknown outcome
    assert await parts(sessions, turn.id) == (None, "sent", None)
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "sent")) == turn.id

    await commit(sessions, lambda s: posts.withdraw(s, turn, 1))

    assert await parts(sessions, turn.id) == (None,)
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "sent")) is None
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "1")) == turn.id


async def test_an_intent_of_an_attempt_that_is_over_is_not_stored(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions, "dead")
    await rows.claimed(sessions, "alive", now=later(20))
    with pytest.raises(LeaseLost):
        await commit(sessions, lambda s: posts.intend(s, old, 1))
    assert await parts(sessions, old.id) == (None,), "what was accepted with it"


async def test_the_next_attempt_uses_the_message_of_an_old_one_unless_it_has_its_own(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions, "dead")
    new = await rows.claimed(sessions, "alive", now=later(20))
    assert not await commit(sessions, lambda s: posts.confirm(s, old, 0, "late", now=NOW))
    assert await parts(sessions, new.id) == ("late",)
    assert await commit(sessions, lambda s: posts.confirm(s, new, 0, "new", now=NOW))
    assert not await commit(sessions, lambda s: posts.confirm(s, old, 0, "later still", now=NOW))
    assert await parts(sessions, new.id) == ("new",)


async def test_an_attempt_that_is_over_withdraws_nothing(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions, "dead")
    new = await rows.claimed(sessions, "alive", now=later(20))
    for part in (1, 2):
        async with rows.begin(sessions) as session:
            await posts.intend(session, new, part)
            await posts.confirm(session, new, part, f"sent {part}", now=NOW)
    with pytest.raises(LeaseLost):
        await commit(sessions, lambda s: posts.withdraw(s, old, 1))
    assert await parts(sessions, new.id) == (None, "sent 1", "sent 2")
    for _ in range(2):  # the commit may stand although nobody heard of it
        await commit(sessions, lambda s: posts.withdraw(s, new, 2))
    assert await parts(sessions, new.id) == (None, "sent 1")


async def test_the_newest_message_is_known_for_each_account(
    sessions: Sessions, ada: Speaker
) -> None:
    other = replace(HOME, bot_id="2")
    await rows.ask(sessions, ada, "1")
    await rows.ask(sessions, ada, "2", address=GROUP)
    await rows.ask(sessions, ada, "3", address=other)

    async def newest(bot_id: str, chat: str) -> str | None:
        account = ("telegram", bot_id)
        return await commit(sessions, lambda s: posts.newest(s, account, chat))

    assert await newest("1", HOME.chat) == "1"
    assert await newest("2", HOME.chat) == "3"
    assert await newest("1", "never seen") == "2"
    assert await newest("3", HOME.chat) is None
    await rows.ask(sessions, ada, "4")
    oldest = {"1": {HOME.chat: "1", GROUP.chat: "2"}, "2": {HOME.chat: "3"}, "3": {}}
    for bot_id, chats in oldest.items():
        found = await commit(sessions, partial(posts.chats, account=("telegram", bot_id)))
        assert found == chats


async def test_a_turn_that_replaces_another_takes_over_its_messages(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    old = await rows.claimed(sessions)
    await commit(sessions, lambda s: posts.intend(s, old, 0))
    await commit(sessions, lambda s: posts.confirm(s, old, 0, "sent", now=NOW))
    await rows.finish(sessions, old)

    entry = rows.entry(ada, "1", replaces_id=old.id)
    new = await commit(sessions, lambda s: inbox.replace(s, entry, now=NOW))

    assert await parts(sessions, new) == ("sent",)
    assert await parts(sessions, old.id) == ()
    assert await commit(sessions, lambda s: posts.turn_of(s, HOME, "1")) == new
    assert (await rows.claimed(sessions)).replaces_id == old.id


async def test_an_answer_that_is_replaced_on_its_way_does_not_arrive(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1", ticket="secret")
    old = await rows.claimed(sessions)
    await rows.answer(sessions, old)
    entry = rows.entry(ada, "1", replaces_id=old.id)
    new = await commit(sessions, lambda s: inbox.replace(s, entry, now=NOW))
    with pytest.raises(LeaseLost):
        await rows.deliver(sessions, old)
    assert [turn.id for turn in await rows.claim(sessions, now=later(20))] == [new]
    assert (await rows.stored(sessions, old.id)).ticket == "", "no ticket outlives its turn"


@pytest.mark.parametrize("outcome", Outcome)
async def test_no_ticket_outlives_a_delivery(
    sessions: Sessions, ada: Speaker, outcome: Outcome
) -> None:
    await rows.ask(sessions, ada, "1", ticket="secret")
    turn = await rows.claimed(sessions)
    assert turn.ticket == "secret"
    assert "secret" not in repr(turn)
    await rows.finish(sessions, turn, outcome)
    assert (await rows.stored(sessions, turn.id)).ticket == ""


async def test_no_ticket_moves_to_another_chat(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "1", ticket="secret")
    await commit(sessions, lambda s: inbox.move(s, HOME, "200"))
    assert (await rows.claimed(sessions)).ticket == ""


async def test_something_to_say_needs_only_its_delivery(sessions: Sessions, ada: Speaker) -> None:
    entry = rows.entry(ada, "1", kind="command", lane=None, answer="Moved on.")
    await commit(sessions, lambda s: inbox.say(s, entry, now=NOW))

    turn = await rows.claimed(sessions)

    assert (turn.answer, turn.outcome) == ("Moved on.", Outcome.OK)
    await rows.deliver(sessions, turn)
    assert await rows.claim(sessions) == []
