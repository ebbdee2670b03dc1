"""Old data is deleted from every table; newer data and current instructions stay."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event, select, text

from core import memory, privacy, search
from core.db import Sessions, normal_url
from core.memory import INSTRUCTED, Context, Marks
from core.messages import Usage, assistant, user
from core.models import conversations, messages, summaries
from core.privacy._expire import BATCH
from core.schema import MIGRATIONS
from core.turns import Speaker, Turn
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import NOW, commit, count, later
from tests.core.test_operations import whole
from tests.records import Records

DAY = 86_400.0
FEW = Usage(9, 9)
ROOMY, TIGHT = Marks(10**6, 1), Marks(100, 1)
PIRATE = "You are a pirate."


async def asked(sessions: Sessions, ada: Speaker, at: float) -> Turn:
    """A claimed question."""
    await rows.ask(sessions, ada, f"{at}", now=later(at), ready_at=later(at))
    return await rows.claimed(sessions, now=later(at))


async def talk(
    sessions: Sessions, ada: Speaker, words: str, at: float, counted: Usage = FEW
) -> None:
    """An exchange in memory; if not said otherwise, the API counted few tokens."""
    turn = await asked(sessions, ada, at)

    async def work(session: Any) -> None:
        context = await memory.recall(session, turn, ROOMY, now=later(at))
        said = user(words), assistant(f"{words}!")
        await memory.remember(session, turn, context, said, counted, now=later(at))

    await commit(sessions, work)
    await rows.finish(sessions, turn)


async def summarise(sessions: Sessions, ada: Speaker, words: str, at: float) -> None:
    """Let a summary stand for all but the newest exchange."""
    turn = await asked(sessions, ada, at)

    async def work(session: Any) -> None:
        context = await memory.recall(session, turn, ROOMY, now=later(at))
        await memory.summarise(session, context, words, now=later(at))

    await commit(sessions, work)
    await rows.finish(sessions, turn)


async def recall(
    sessions: Sessions, ada: Speaker, marks: Marks = ROOMY, at: float = 90 * DAY
) -> Context:
    """Return the messages that the model sees before a new question."""
    turn = await asked(sessions, ada, at)
    context = await commit(sessions, lambda s: memory.recall(s, turn, marks, now=later(at)))
    await rows.finish(sessions, turn)
    return context


async def prompt(sessions: Sessions, ada: Speaker, at: float = 90 * DAY) -> list[str]:
    context = await recall(sessions, ada, at=at)
    said = [str(message["content"]) for message in context.messages]
    return [context.told, *said] if context.told else said


async def instruct(sessions: Sessions, ada: Speaker, words: str, at: float) -> None:
    """`/persona`."""
    now = later(at)
    await rows.ask(sessions, ada, f"{at}", now=now, kind="command", ready_at=now, answer="Aye.")
    turn = await rows.claimed(sessions, now=now)
    await commit(sessions, lambda s: memory.instruct(s, ada, turn.id, words, now=now))
    await rows.deliver(sessions, turn)


# Summaries


async def test_a_summary_expires_with_the_oldest_message_it_tells_of(
    sessions: Sessions, ada: Speaker
) -> None:
    await talk(sessions, ada, "first", 0)
    await talk(sessions, ada, "second", DAY)
    await summarise(sessions, ada, "Of the first.", DAY + 1)
    await talk(sessions, ada, "third", 2 * DAY)
    await summarise(sessions, ada, "Of the first and the second.", 2 * DAY + 1)
    before = await prompt(sessions, ada)
    assert "Of the first and the second." in before[0]

    await privacy.expire(sessions, before=NOW)
    assert await prompt(sessions, ada, at=91 * DAY) == before, "nothing is that old"

    await privacy.expire(sessions, before=later(1))
    assert await count(sessions, summaries) == 0
    assert await prompt(sessions, ada, at=92 * DAY) == ["second", "second!", "third", "third!"]

    await summarise(sessions, ada, "Of the second.", 93 * DAY)
    await privacy.expire(sessions, before=later(DAY))
    assert "Of the second." in (await prompt(sessions, ada, at=94 * DAY))[0], "summarised anew"


async def test_a_cut_keeps_the_words_of_the_summary_before_it_and_expires_with_it(
    sessions: Sessions, ada: Speaker
) -> None:
    await talk(sessions, ada, "first", 0)
    await talk(sessions, ada, "second", DAY)
    await summarise(sessions, ada, "Of the first.", DAY + 1)
    for day in (2, 3):
        await talk(sessions, ada, "many words " * 100, day * DAY)
    # It is as long as the marks allow only when the API says so.
    await commit(sessions, lambda s: s.execute(text("UPDATE messages SET total = 900")))
    context = await recall(sessions, ada, TIGHT)
    assert "Of the first." in context.told
    assert "second" not in str(context.messages)
    await privacy.expire(sessions, before=later(1))
    assert "Of the first." not in (await recall(sessions, ada, at=91 * DAY)).told


async def test_a_path_that_lost_its_summary_is_measured_anew(
    sessions: Sessions, ada: Speaker
) -> None:
    await talk(sessions, ada, "first", 0)
    for day in range(1, 9):
        await talk(sessions, ada, "many words " * 10, day * DAY, Usage(60 * day, 30))
    await summarise(sessions, ada, "Of the first.", 8 * DAY + 1)
    await talk(sessions, ada, "last", 9 * DAY)
    assert (await recall(sessions, ada, TIGHT)).total == 18, "as the API counted with the summary"
    await privacy.expire(sessions, before=later(1))
    context = await recall(sessions, ada, TIGHT, at=91 * DAY)
    assert context.total is None
    assert context.cut, "it is long now"
    assert len(context.messages) == 2


async def test_a_summary_of_unknown_age_is_too_old(sessions: Sessions, ada: Speaker) -> None:
    await talk(sessions, ada, "first", 0)
    await talk(sessions, ada, "second", DAY)
    await summarise(sessions, ada, "Of the first.", DAY + 1)
    await commit(sessions, lambda s: s.execute(text("UPDATE summaries SET since = NULL")))
    await talk(sessions, ada, "third", 2 * DAY)
    await summarise(sessions, ada, "Of the first and the second.", 2 * DAY + 1)
    await privacy.expire(sessions, before=NOW)
    assert await count(sessions, summaries) == 0


# While the model answers


async def test_an_answer_is_stored_below_a_message_that_was_deleted_meanwhile(
    sessions: Sessions, ada: Speaker
) -> None:
    await talk(sessions, ada, "first", 0)
    turn = await asked(sessions, ada, 2 * DAY)
    context = await commit(sessions, lambda s: memory.recall(s, turn, ROOMY, now=later(2 * DAY)))
    await privacy.expire(sessions, before=later(DAY))
    said = user("second"), assistant("second!")
    await commit(
        sessions, lambda s: memory.remember(s, turn, context, said, FEW, now=later(2 * DAY))
    )
    await rows.finish(sessions, turn)
    assert await prompt(sessions, ada) == ["second", "second!"]
    assert (await recall(sessions, ada, at=91 * DAY)).total is None, "the API counted more"


async def test_an_answer_waits_for_the_deletion_of_its_parent(
    postgres_sessions: Sessions,
) -> None:
    sessions = postgres_sessions
    ada = await rows.speaker(sessions)
    await talk(sessions, ada, "first", 0)
    first = (await recall(sessions, ada)).turn_id
    await rows.ask(sessions, ada, "reply", follows_id=first)
    turn = await rows.claimed(sessions)
    context = await commit(sessions, lambda s: memory.recall(s, turn, ROOMY, now=NOW))
    said = user("second"), assistant("second!")
    async with rows.begin(sessions) as deletion:
        await deletion.execute(text("DELETE FROM messages"))
        storing = asyncio.create_task(
            commit(sessions, lambda s: memory.remember(s, turn, context, said, FEW, now=NOW))
        )
        await rows.locked(sessions)
    await storing
    async with rows.begin(sessions) as session:
        found = await session.scalars(select(messages.c.parent_id).order_by(messages.c.id))
        assert found.all()[0] is None


async def test_a_summary_of_messages_that_were_deleted_meanwhile_is_not_stored(
    sessions: Sessions, ada: Speaker
) -> None:
    await talk(sessions, ada, "first", 0)
    await talk(sessions, ada, "second", 1)
    turn = await asked(sessions, ada, DAY)
    context = await commit(sessions, lambda s: memory.recall(s, turn, TIGHT, now=later(DAY)))
    assert context.cut_id is not None
    await privacy.expire(sessions, before=later(DAY))
    assert not await commit(
        sessions, lambda s: memory.summarise(s, context, "Of the first.", now=later(DAY))
    ), "nobody is told of it"
    assert await count(sessions, summaries) == 0


# Instructions


async def test_the_current_instructions_outlive_the_messages(
    sessions: Sessions, ada: Speaker
) -> None:
    await instruct(sessions, ada, "You are a cat.", 0)
    await talk(sessions, ada, "first", 1)
    await instruct(sessions, ada, PIRATE, 2)
    await talk(sessions, ada, "second", 3)
    await talk(sessions, ada, "third", DAY)

    await privacy.expire(sessions, before=later(DAY))
    assert await prompt(sessions, ada) == [f"{INSTRUCTED}{PIRATE}", "third", "third!"]
    assert await prompt(sessions, ada, at=91 * DAY) == await prompt(sessions, ada, at=92 * DAY)

    await privacy.expire(sessions, before=later(2 * DAY))
    assert await prompt(sessions, ada, at=93 * DAY) == [f"{INSTRUCTED}{PIRATE}"]
    told = await commit(sessions, lambda s: memory.instructions(s, ada.conversation_id))
    assert told == PIRATE
    await talk(sessions, ada, "fourth", 94 * DAY)
    assert await prompt(sessions, ada, at=95 * DAY) == [
        f"{INSTRUCTED}{PIRATE}",
        "fourth",
        "fourth!",
    ]


async def test_instructions_outlive_the_summary_that_kept_them(
    sessions: Sessions, ada: Speaker
) -> None:
    await instruct(sessions, ada, PIRATE, 0)
    await talk(sessions, ada, "first", DAY)
    await talk(sessions, ada, "second", 2 * DAY)
    await summarise(sessions, ada, "Of the first.", 2 * DAY + 1)
    await privacy.expire(sessions, before=later(DAY))
    assert await count(sessions, summaries) == 1, "instructions have no age"
    await privacy.expire(sessions, before=later(2 * DAY))
    assert await prompt(sessions, ada) == [f"{INSTRUCTED}{PIRATE}", "second", "second!"]


async def test_instructions_that_hold_no_more_go(sessions: Sessions, ada: Speaker) -> None:
    await instruct(sessions, ada, PIRATE, 0)
    await commit(sessions, lambda s: memory.reset(s, ada.conversation_id))
    await privacy.expire(sessions, before=later(1))
    assert await count(sessions, messages) == 0
    again = await rows.speaker(sessions)
    await instruct(sessions, again, PIRATE, DAY)
    await commit(sessions, lambda s: privacy.forget(s, again.conversation_id, now=later(DAY)))
    await privacy.clear(sessions, now=later(DAY))
    assert await count(sessions, messages) == 0
    async with rows.begin(sessions) as session:
        kept = await session.scalars(select(conversations.c.instructed_id))
        assert set(kept) == {None}


@pytest.mark.slow
async def test_instructions_stored_by_an_older_release_are_found(database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = normal_url(database_url)
    async with connected(database_url) as sessions:
        ada = await rows.speaker(sessions)
        await instruct(sessions, ada, "You are a cat.", 0)
        await talk(sessions, ada, "first", 1)
        await instruct(sessions, ada, PIRATE, 2)
        await talk(sessions, ada, "second", 3)
        unset = text("UPDATE conversations SET instructed_id = NULL")
        await commit(sessions, lambda s: s.execute(unset))
    command.downgrade(config, "0004")
    command.upgrade(config, "head")
    async with connected(database_url) as sessions:
        here = ada.conversation_id
        found = await search.find(sessions, here, "second")
        assert [each.excerpt for each in found] == ["second!", "second"]
        await privacy.expire(sessions, before=later(DAY))
        assert await prompt(sessions, ada) == [f"{INSTRUCTED}{PIRATE}"]
    assert Records(database_url).drift() == []


# Step by step


@contextmanager
def changed(sessions: Sessions) -> Iterator[list[int]]:
    """Collect the number of rows that each statement deletes or updates."""
    seen: list[int] = []

    def see(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("DELETE", "UPDATE")):
            seen.append(cursor.rowcount)

    engine = sessions.engine
    event.listen(engine, "after_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "after_cursor_execute", see)


@pytest.fixture
async def crowded(sessions: Sessions, ada: Speaker) -> Sessions:
    """A thousand old turns of an old message each."""
    await talk(sessions, ada, "first", 0)
    fill = """
    WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO turns (id, kind, conversation_id, user_id, epoch, platform, bot_id, chat, thread,
        input, attempt, faults, ready_at, cancel, draft, answer, outcome, created_at, answered_at,
        delivered_at)
    SELECT i, kind, conversation_id, user_id, epoch, platform, bot_id, chat, thread, input,
        attempt, faults, ready_at, cancel, draft, answer, outcome, created_at, answered_at,
        delivered_at FROM turns, n WHERE id = 1
    """
    add = """
    INSERT INTO messages (id, conversation_id, turn_id, parent_id, body, created_at)
    SELECT turns.id * 1024, messages.conversation_id, turns.id, messages.id, body,
        messages.created_at
    FROM messages, turns WHERE messages.id = 1024 AND turns.id > 1
    """
    await commit(sessions, lambda s: s.execute(text(fill)))
    await commit(sessions, lambda s: s.execute(text(add)))
    return sessions


async def test_old_data_is_deleted_step_by_step(crowded: Sessions) -> None:
    with changed(crowded) as seen:
        await privacy.expire(crowded, before=later(1))
    assert max(seen) <= BATCH
    assert sum(each == BATCH for each in seen) >= 10
    assert await count(crowded, messages) == 0
    async with rows.begin(crowded) as session:
        assert await session.scalar(text("SELECT count(*) FROM turns WHERE answer <> ''")) == 0


async def test_deleted_data_is_not_touched_again(crowded: Sessions) -> None:
    await privacy.expire(crowded, before=later(1))
    with rows.statements(crowded) as seen:
        await privacy.expire(crowded, before=later(1))
    assert {statement.split()[0] for statement, _ in seen} == {"SELECT"}
    assert sum("FROM " in statement for statement, _ in seen) == 3


async def test_no_round_reads_a_table_whole(sessions: Sessions, ada: Speaker) -> None:
    with rows.statements(sessions) as seen:
        await privacy.expire(sessions, before=NOW)
    for statement, parameters in seen:
        assert await whole(sessions, statement, parameters) == set(), statement
