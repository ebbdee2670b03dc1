"""People can get their stored data, have it deleted, and have it expire."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import event, insert, make_url, select, text

from core import (
    access,
    attachments,
    bookkeeping,
    inbox,
    memory,
    models,
    postgresql,
    privacy,
    quota,
    search,
)
from core.adapter import Attachment
from core.attachments._content import understand
from core.attachments._store import keep
from core.db import Sessions, transact
from core.errors import LeaseLost
from core.messages import Usage, assistant, user
from core.models import messages, metadata, summaries, turns
from core.privacy._export import BATCH
from core.quota import Rules
from core.settings import read_limits
from core.turns import Outcome, Payer, Question, Speaker, Turn
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import ADA, BOB, GROUP, NOW, commit, count, later
from tests.records import Records, on_disk

RULES = Rules(
    quota=read_limits("10 turns/day, 1 usd/day"),
    budget=read_limits("9 usd/day"),
)
PDF = b"%PDF-1.7 secret"
MONTH = 30 * 86_400.0


async def asked(sessions: Sessions, name: str, *, seconds: float = 0, **more: Any) -> Turn:
    """A claimed question of Ada's that holds a secret and a file."""
    file = Attachment("reference", "secret.pdf", "application/pdf", len(PDF))
    question = Question(f"secret {name}", quote="secret quote", attachments=(file,))
    who = await rows.speaker(sessions)
    now = later(seconds)
    await rows.ask(sessions, who, name, now=now, ready_at=now, question=question, **more)
    return await rows.claimed(sessions, now=now)


async def remembered(sessions: Sessions, turn: Turn, *, seconds: float = 0) -> None:
    """The turn's exchange is in memory, with its file; a summary stands for it."""

    now = later(seconds)

    async def work(session: Any) -> None:
        context = await memory.recall(session, turn, memory.Marks(1000, 100), now=NOW)
        await keep(session, turn, [understand("secret.pdf", PDF)], now=later(seconds))
        said = user(turn.question.in_words()), assistant(f"A secret answer to {turn.message_id}.")
        await memory.remember(session, turn, context, said, Usage(9, 9), now=later(seconds))
        last = turn.id * memory.IDS_PER_TURN + 1
        summary = {"message_id": last, "content": "secret summary"}
        await session.execute(insert(summaries), summary | {"since": now, "created_at": now})

    await commit(sessions, work)


async def said(sessions: Sessions, name: str, *, seconds: float = 0) -> Turn:
    """A whole turn."""
    turn = await asked(sessions, name, seconds=seconds)
    await remembered(sessions, turn, seconds=seconds)
    await commit(
        sessions,
        lambda s: inbox.answered(s, turn, f"secret answer {name}", Outcome.OK, now=later(seconds)),
    )
    await rows.deliver(sessions, turn, now=later(seconds))
    return turn


async def forget(sessions: Sessions, who: Speaker) -> None:
    async def work(session: Any) -> None:
        cut_off = await privacy.forget(session, who.conversation_id, now=NOW)
        await quota.abandon(session, cut_off, RULES, now=NOW)

    await commit(sessions, work)
    await clear(sessions)


async def clear(sessions: Sessions) -> None:
    """Delete in the background what was forgotten."""
    await privacy.clear(sessions, now=NOW)
    await attachments.tidy(sessions)


async def reserve(sessions: Sessions, turn: Turn, cost: int) -> quota.Reservation:
    return await commit(
        sessions,
        lambda s: quota.reserve(s, turn, RULES, model="m", cost=cost, turns=1, now=NOW),
    )


async def spent(sessions: Sessions, turn: Turn) -> tuple[int, int]:
    """Turns and micro-dollars of a turn's person."""
    used = await commit(sessions, lambda s: quota.spent(s, turn.user_id, RULES, now=NOW))
    return used.turns, used.charged


async def everything(sessions: Sessions) -> str:
    """All that is stored, in every table and in the search index."""
    found = []
    async with rows.begin(sessions) as session:
        for table in metadata.sorted_tables:
            found += [str(tuple(row)) for row in await session.execute(select(table))]
        if session.dialect == "sqlite":
            found += [
                str(tuple(row)) for row in await session.execute(text("SELECT * FROM search"))
            ]
    return "\n".join(found)


def leaves(value: Any) -> Iterator[str]:
    """All texts of some JSON."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield str(value)


# To have it gone


async def test_forgotten_words_are_in_no_table(sessions: Sessions) -> None:
    turn = await said(sessions, "a")
    call = await reserve(sessions, turn, 9)
    await commit(sessions, lambda s: quota.settle(s, call, RULES, Usage(9, 9), 5, now=NOW))
    await said(sessions, "b")
    assert "secret" in await everything(sessions)
    await forget(sessions, await rows.speaker(sessions))
    assert "secret" not in await everything(sessions)
    assert await spent(sessions, turn) == (1, 5), "the ledger holds figures and no text"
    found = await search.find(sessions, turn.conversation_id, "secret")
    assert found == []


async def test_nothing_waits_for_a_turn_that_is_forgotten(sessions: Sessions) -> None:
    """However long it was put off, the lane is free when its messages are gone."""
    turn = await asked(sessions, "a")
    await rows.put_back(sessions, turn, rows.later(3600))
    await forget(sessions, await rows.speaker(sessions))
    await rows.ask(sessions, await rows.speaker(sessions), "b")
    [cut_off] = await rows.claim(sessions)
    assert (cut_off.id, cut_off.answer) == (turn.id, "")
    await rows.deliver(sessions, cut_off)
    assert len(await rows.ids(sessions)) == 1


async def test_an_answer_in_progress_is_cut_off_and_paid(sessions: Sessions) -> None:
    turn = await asked(sessions, "a")
    await reserve(sessions, turn, 900)
    await commit(sessions, lambda s: inbox.save_drafts(s, [(turn, "secret so far")]))
    await forget(sessions, await rows.speaker(sessions))
    assert "secret" not in await everything(sessions)
    with pytest.raises(LeaseLost):
        await rows.answer(sessions, turn)
    # What is left to do is to take back what was posted.
    again = await rows.claimed(sessions)
    assert (again.id, again.answer, again.outcome) == (turn.id, "", Outcome.STOPPED)
    assert await spent(sessions, turn) == (1, 900)
    left = await commit(sessions, lambda s: quota.remaining(s, Payer(turn.user_id), RULES, now=NOW))
    assert [item.left for item in left] == [9, 1_000_000 - 900]


async def test_a_file_in_hand_is_not_stored_afterwards(sessions: Sessions) -> None:
    turn = await asked(sessions, "a")
    asks, forgotten = asyncio.Event(), asyncio.Event()

    async def download(attachment: Attachment, limit: int) -> bytes:
        asks.set()
        await forgotten.wait()
        return PDF

    room = attachments.Room(len(PDF))
    loading = asyncio.create_task(
        attachments.load(sessions, turn, download, room=room, most=len(PDF), now=NOW)
    )
    await asks.wait()
    await forget(sessions, await rows.speaker(sessions))
    forgotten.set()
    with pytest.raises(LeaseLost):
        await loading
    assert (
        await count(sessions, models.attachments)
        == await count(sessions, models.attachment_uses)
        == 0
    )


async def test_an_answer_on_its_way_is_taken_back(sessions: Sessions) -> None:
    turn = await asked(sessions, "a")
    await rows.answer(sessions, turn)
    await forget(sessions, await rows.speaker(sessions))
    with pytest.raises(LeaseLost):
        await rows.deliver(sessions, turn)
    assert (await rows.claimed(sessions)).answer == ""


async def test_open_answers_of_several_people_are_closed_at_once(sessions: Sessions) -> None:
    for author in (BOB, ADA):
        await rows.ask_in_group(sessions, author, author.name)
    turns = await rows.claim(sessions)
    for turn in turns:
        await reserve(sessions, turn, 9)
    await forget(sessions, await rows.speaker(sessions, address=GROUP, private=False))
    assert [await spent(sessions, turn) for turn in turns] == [(1, 9), (1, 9)]


async def in_group(sessions: Sessions) -> tuple[Speaker, Turn, Turn]:
    """A group that two people have asked something in; only the first one's call is open."""
    for author in (BOB, ADA):
        await rows.ask_in_group(sessions, author, author.name)
    first, second = await rows.claim(sessions)
    await reserve(sessions, first, 9)
    return await rows.speaker(sessions, address=GROUP, private=False), first, second


def left_open(url: str) -> list[str]:
    """Calls that nobody closed, and allowances that do not agree with the ledger."""
    records = Records(url)
    calls = records.all("SELECT id FROM calls WHERE settled_at IS NULL")
    return [*map(str, calls), *records.drift()]


async def test_a_call_that_is_being_reserved_when_its_conversation_goes_is_closed(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    group, first, second = await in_group(postgres_sessions)
    async with rows.begin(postgres_sessions) as session:
        await quota.reserve(session, second, RULES, model="m", cost=7, turns=1, now=NOW)
        forgetting = asyncio.create_task(forget(postgres_sessions, group))
        await rows.locked(postgres_sessions)
    await forgetting
    assert [await spent(postgres_sessions, turn) for turn in (first, second)] == [(1, 9), (1, 7)]
    assert left_open(postgres_url) == []


async def test_no_call_stays_open_that_is_reserved_while_its_conversation_goes(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    """Each transaction waits for the other's lock: the database ends one, which starts again."""
    group, first, second = await in_group(postgres_sessions)

    async def go(session: Any) -> None:
        cut_off = await privacy.forget(session, group.conversation_id, now=NOW)
        await session.execute(text("SELECT pg_advisory_xact_lock(1)"))
        await quota.abandon(session, cut_off, RULES, now=NOW)

    async with await postgresql.open_alone(postgres_sessions.engine.url) as holder:
        await holder.execute("SELECT pg_advisory_lock(1)")
        going = asyncio.create_task(transact(postgres_sessions, go))
        await rows.locked(postgres_sessions)
        opening = asyncio.create_task(opens(postgres_sessions, second, 7))
        await rows.locked(postgres_sessions, 2)
    opened, _ = await asyncio.gather(opening, going)
    assert await spent(postgres_sessions, first) == (1, 9)
    assert await spent(postgres_sessions, second) == ((1, 7) if opened else (0, 0))
    assert left_open(postgres_url) == []


async def opens(sessions: Sessions, turn: Turn, cost: int) -> bool:
    """Try to reserve a call; whether the turn was there to be answered."""
    try:
        await transact(
            sessions,
            lambda s: quota.reserve(s, turn, RULES, model="m", cost=cost, turns=1, now=NOW),
        )
    except LeaseLost:
        return False
    return True


async def test_other_conversations_and_shared_bytes_stay(sessions: Sessions) -> None:
    bob = await rows.speaker(sessions, BOB, GROUP, private=False)
    turn_id = await rows.ask_in_group(sessions, BOB, "b", question=Question("Bob's words"))
    [turn] = await rows.claim(sessions)
    assert turn.id == turn_id
    await remembered(sessions, turn)
    await rows.finish(sessions, turn)
    await said(sessions, "a")
    assert await count(sessions, models.attachments) == 1, "the same bytes are kept once"

    await forget(sessions, await rows.speaker(sessions))

    assert "secret answer a" not in await everything(sessions)
    assert "Bob's words" in await everything(sessions)
    assert await count(sessions, models.attachments) == 1
    found = await search.find(sessions, bob.conversation_id, "words")
    assert len(found) == 1
    await forget(sessions, bob)
    assert await count(sessions, models.attachments) == 0


async def test_forgetting_looks_at_no_other_conversation(postgres_sessions: Sessions) -> None:
    """Deleting a message looks up the conversation whose head it is; an index must find that."""
    await said(postgres_sessions, "a")
    async with rows.begin(postgres_sessions) as session:
        for statement in (
            "INSERT INTO users (id, created_at) SELECT n, now() FROM generate_series(50, 2050) n",
            "INSERT INTO conversations (user_id, epoch, created_at)"
            " SELECT n, 0, now() FROM generate_series(50, 2050) n",
        ):
            await session.execute(text(statement))
        await session.execute(text("ANALYZE conversations"))
        plan = await session.execute(text("EXPLAIN SELECT 1 FROM conversations WHERE head_id = 5"))
        assert "Seq Scan" not in "\n".join(plan.scalars())


# To leave no trace


@pytest.fixture
async def sqlite_sessions(sqlite_url: str) -> AsyncIterator[Sessions]:
    async with connected(sqlite_url) as sessions:
        yield sessions


async def test_forgotten_words_are_not_in_the_file(
    sqlite_sessions: Sessions, sqlite_url: str
) -> None:
    for number in range(9):
        await said(sqlite_sessions, str(number))
    assert b"secret" in on_disk(sqlite_url)
    await forget(sqlite_sessions, await rows.speaker(sqlite_sessions))
    await privacy.erase(sqlite_sessions)
    assert b"secret" not in on_disk(sqlite_url)


async def test_expired_words_are_not_in_the_file(
    sqlite_sessions: Sessions, sqlite_url: str
) -> None:
    await said(sqlite_sessions, "old")
    await privacy.expire(sqlite_sessions, before=later(1))
    await attachments.tidy(sqlite_sessions)
    await privacy.erase(sqlite_sessions)
    assert b"secret" not in on_disk(sqlite_url)


async def test_a_trace_that_a_reader_kept_goes_the_next_time(
    sqlite_sessions: Sessions, sqlite_url: str
) -> None:
    await said(sqlite_sessions, "a")
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM users").fetchall()
        await forget(sqlite_sessions, await rows.speaker(sqlite_sessions))
        await privacy.erase(sqlite_sessions)
        assert b"secret" in on_disk(sqlite_url)
    await privacy.erase(sqlite_sessions)
    assert b"secret" not in on_disk(sqlite_url)


async def test_a_log_that_cannot_be_truncated_leaves_the_connection_as_it_was(
    sqlite_sessions: Sessions,
) -> None:
    await said(sqlite_sessions, "a")
    await forget(sqlite_sessions, await rows.speaker(sqlite_sessions))
    patience = "PRAGMA busy_timeout"
    before = await commit(sqlite_sessions, lambda s: s.scalar(text(patience)))

    def fail(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "wal_checkpoint" in statement:
            raise OSError("the disk is broken")

    event.listen(sqlite_sessions.engine, "before_cursor_execute", fail)
    with pytest.raises(OSError, match="broken"):
        await privacy.erase(sqlite_sessions)
    event.remove(sqlite_sessions.engine, "before_cursor_execute", fail)
    assert await commit(sqlite_sessions, lambda s: s.scalar(text(patience))) == before


async def test_nothing_is_erased_twice(sqlite_sessions: Sessions) -> None:
    await said(sqlite_sessions, "a")
    await forget(sqlite_sessions, await rows.speaker(sqlite_sessions))
    await privacy.erase(sqlite_sessions)
    with rows.statements(sqlite_sessions) as seen:
        await privacy.erase(sqlite_sessions)
    assert len(seen) == 1


# To have it age


async def test_old_data_is_deleted_and_new_data_stays(sessions: Sessions) -> None:
    await said(sessions, "old")
    new = await said(sessions, "new", seconds=MONTH)
    waiting = await rows.ask(
        sessions, await rows.speaker(sessions), "waits", question=Question("still to be answered")
    )

    await privacy.expire(sessions, before=later(MONTH - 1))
    await attachments.tidy(sessions)

    stored = await everything(sessions)
    assert "secret old" not in stored
    assert "secret answer old" not in stored
    assert "secret new" in stored
    assert "still to be answered" in stored
    assert (await rows.stored(sessions, waiting)).answer is None
    assert await count(sessions, messages) == 2
    assert await count(sessions, summaries) == 1
    assert await count(sessions, models.attachments) == 1, "the newer question holds the same file"
    [next_turn] = await rows.claim(sessions, now=later(MONTH))
    context = await commit(
        sessions, lambda s: memory.recall(s, next_turn, memory.Marks(1000, 100), now=NOW)
    )
    assert context.parent_id == new.id * memory.IDS_PER_TURN + 1

    await privacy.expire(sessions, before=later(MONTH + 1))
    await attachments.tidy(sessions)
    assert "secret" not in await everything(sessions)
    assert await count(sessions, models.attachments) == 0


# To have it


async def exported(sessions: Sessions, user_id: int) -> Any:
    file = BytesIO()
    assert await privacy.export(sessions, user_id, file, most=10**6)
    return json.loads(file.getvalue())


async def test_nothing_forgotten_is_exported_before_it_is_deleted(sessions: Sessions) -> None:
    turn = await said(sessions, "a")
    who = await rows.speaker(sessions)
    await commit(sessions, lambda s: privacy.forget(s, who.conversation_id, now=NOW))
    assert "secret" not in str(await exported(sessions, turn.user_id))


@pytest.mark.slow
async def test_an_export_of_any_length_is_whole_and_read_in_steps(sessions: Sessions) -> None:
    """Each transaction reads a few rows, and the file has each row once."""
    first = await said(sessions, "0")
    turns = [first] + [await said(sessions, f"{n}") for n in range(1, 2 * BATCH)]
    with rows.statements(sessions) as seen:
        stored = await exported(sessions, first.user_id)
    assert [turn["id"] for turn in stored["turns"]] == [turn.id for turn in turns]
    assert len(stored["messages"]) == 4 * BATCH
    assert len(stored["files"]) == 2 * BATCH
    assert len(seen) > 4 + 3 + 3
    assert all("LIMIT" in statement for statement, _ in seen)
    file = BytesIO()
    assert not await privacy.export(sessions, first.user_id, file, most=9_000)
    assert len(file.getvalue()) <= 9_000


async def test_a_group_s_questions_are_exported_when_their_turns_are_gone(
    sessions: Sessions,
) -> None:
    asked = Question("my words", private=False, name="Ada", quote="Bob's > words\n\nof two")
    for author, words in ((ADA, asked), (BOB, Question("Bob's", private=False)), (ADA, asked)):
        message_id = f"{author.name} {await count(sessions, turns)}"
        await rows.ask_in_group(sessions, author, message_id, question=words)
        [turn] = await rows.claim(sessions)
        said = user(words.in_words("[Saturday, 14 March 2026]")), assistant(f"To {author.name}")
        await commit(
            sessions,
            lambda s, t=turn, w=said: memory.remember(s, t, memory.Context(), w, None, now=NOW),  # type: ignore[misc]  # mypy cannot tell
        )
        await rows.finish(sessions, turn)
    ada = (await rows.speaker(sessions)).user_id
    await bookkeeping.prune(sessions, before=later(100 * MONTH))
    stored = await exported(sessions, ada)
    [earlier] = stored["earlier"]
    assert (earlier["question"], earlier["answer"]) == ("Ada: my words", "To Ada")
    assert len(stored["turns"]) == 1
    assert "Bob's" not in str(stored)


async def test_an_export_comes_once_an_hour(sessions: Sessions, ada: Speaker) -> None:
    async def begin(seconds: float) -> Any:
        now = later(seconds)
        return await commit(sessions, lambda s: privacy.begin_export(s, ada.user_id, now=now))

    assert [await begin(at) for at in (0, 1, 3599, 3600, 3601)] == [
        *(None, later(3600), later(3600)),
        *(None, later(7200)),
    ]


async def test_an_export_is_all_that_is_the_persons_as_json(sessions: Sessions) -> None:
    await said(sessions, "a")
    for author, words in ((ADA, "Ada's in the group"), (BOB, "Bob's in the group")):
        await rows.ask_in_group(sessions, author, words, question=Question(words))
        [turn] = await rows.claim(sessions)
        await remembered(sessions, turn)
        await rows.finish(sessions, turn)

    ada = (await rows.speaker(sessions)).user_id
    code = await commit(sessions, lambda s: access.invite(s, now=NOW))
    await commit(sessions, lambda s: access.redeem(s, code, ada, Rules(), now=NOW))
    stored = await exported(sessions, ada)

    assert json.loads(json.dumps(stored)) == stored
    texts = "\n".join(leaves(stored))
    for word in ("secret a", "A secret answer", "secret summary", "secret.pdf", "secret quote"):
        assert word in texts
    assert "Ada's in the group" in texts
    assert "Bob's in the group" not in texts
    assert [account["name"] for account in stored["accounts"]] == ["Ada"]
    assert [invite["hint"] for invite in stored["invites"]] == [code[:4]]
    assert len(stored["access"]) == 1
    assert len(stored["summaries"]) == 1, "a group's summary tells what others said"


async def test_an_export_tells_nothing_that_others_said_in_a_group(sessions: Sessions) -> None:
    question = Question("Ada's question", private=False, name="Ada", quote="Bob's words")
    await rows.ask_in_group(sessions, ADA, "1", question=question)
    [turn] = await rows.claim(sessions)
    call: Any = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said: Any = (
        user("> Bob's words\n\nAda: Ada's question"),
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "Bob's words long ago"},
        assistant("An answer to Ada."),
    )

    async def work(session: Any) -> None:
        context = memory.Context()
        await memory.remember(session, turn, context, said, None, now=NOW)
        await inbox.answered(session, turn, "An answer to Ada.", Outcome.OK, now=NOW)

    await commit(sessions, work)
    texts = "\n".join(leaves(await exported(sessions, turn.user_id)))
    assert "Ada's question" in texts
    assert "An answer to Ada." in texts
    assert "Bob's" not in texts


async def test_an_export_lists_files_and_the_chosen_model(sessions: Sessions) -> None:
    turn = await said(sessions, "a")
    await commit(sessions, lambda s: memory.choose_model(s, turn.conversation_id, "good-model"))
    stored = await exported(sessions, turn.user_id)
    assert [each["model"] for each in stored["conversations"]] == ["good-model"]
    digest = understand("secret.pdf", PDF).digest
    assert stored["files"] == [
        {"turn_id": turn.id, "media_type": "application/pdf", "bytes": len(PDF), "sha256": digest}
    ]
