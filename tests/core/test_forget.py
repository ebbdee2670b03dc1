"""Forgotten words are out of reach at once; they are deleted later, in steps, through any crash."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import JSON, bindparam, event, text

from core import memory, privacy, search
from core.adapter import Address
from core.db import Session, Sessions
from core.memory import Context, Marks
from core.messages import assistant, user
from core.models import Instant, conversations, messages
from core.privacy._clear import BATCH
from core.turns import Outcome, Speaker, Turn
from tests.core import rows
from tests.core.rows import ADA, GROUP, NOW, commit, count, later

MARKS = Marks(10**6, 1)


async def said(sessions: Sessions, who: Speaker, name: str, **more: Any) -> Turn:
    """A whole turn about a secret."""
    await rows.ask(sessions, who, name, **more)
    turn = await rows.claimed(sessions)

    async def work(session: Session) -> None:
        context = await memory.recall(session, turn, MARKS, now=NOW)
        answer = user(f"secret {name}"), assistant(f"secret answer {name}")
        await memory.remember(session, turn, context, answer, None, now=NOW)

    await commit(sessions, work)
    await rows.finish(sessions, turn)
    return turn


async def crowd(sessions: Sessions, who: Speaker, number: int) -> None:
    """Say the same `number` times, in one turn."""
    fill = text(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)"
        " INSERT INTO messages (id, conversation_id, turn_id, parent_id, body, created_at)"
        " SELECT 100000 + i, :here, 1, CASE WHEN i > 1 THEN 99999 + i END, :body, :at FROM n"
        " ORDER BY i"
    ).bindparams(bindparam("body", type_=JSON), bindparam("at", type_=Instant))
    values = {"number": number, "here": who.conversation_id, "at": NOW, "body": user("secret")}
    await commit(sessions, lambda s: s.execute(fill, values))


async def forget(sessions: Sessions, who: Speaker) -> None:
    await commit(sessions, lambda s: privacy.forget(s, who.conversation_id, now=NOW))


async def recall(sessions: Sessions, turn: Turn) -> Context:
    return await commit(sessions, lambda s: memory.recall(s, turn, MARKS, now=NOW))


async def test_what_is_forgotten_is_out_of_reach_at_once(sessions: Sessions, ada: Speaker) -> None:
    await said(sessions, ada, "a")
    await commit(sessions, lambda s: memory.choose_model(s, ada.conversation_id, "good-model"))
    await forget(sessions, ada)
    assert await count(sessions, messages) == 2, "nothing is deleted yet"

    again = await rows.speaker(sessions)
    assert again.user_id == ada.user_id
    for who in (ada, again):  # also with the conversation's old name
        assert await search.find(sessions, who.conversation_id, "secret") == []
    await rows.ask(sessions, again, "b")
    turn = await rows.claimed(sessions)
    assert (await recall(sessions, turn)).messages == ()
    assert turn.model == "good-model", "a choice is nothing that was said"


@pytest.mark.parametrize("how", ["follows_id", "replaces_id"])
async def test_a_turn_that_comes_in_meanwhile_recalls_nothing(sessions: Sessions, how: str) -> None:
    """Its transaction found the conversation before it was forgotten, and ended after that."""
    group = await rows.speaker(sessions, ADA, GROUP, private=False)
    first = await said(sessions, group, "a", address=GROUP)
    last = await said(sessions, group, "b", address=GROUP)
    await forget(sessions, group)
    changes: dict[str, Any] = {"address": GROUP, how: last.id}
    await rows.ask(sessions, group, "c", **changes)
    turn = await rows.claimed(sessions)
    assert (await recall(sessions, turn)).messages == ()
    assert first.conversation_id == turn.conversation_id

    await commit(
        sessions,
        lambda s: memory.remember(s, turn, Context(), (user("late secret"),), None, now=NOW),
    )
    await privacy.clear(sessions, now=NOW)
    assert await count(sessions, messages) == 0
    await rows.finish(sessions, turn)
    await privacy.clear(sessions, now=later(2 * 3600))
    assert (await rows.stored(sessions, turn.id)).forgotten, "also what ended after the deletion"


async def test_a_group_and_a_person_go_on_in_a_new_conversation(sessions: Sessions) -> None:
    for address, private in ((rows.HOME, True), (GROUP, False)):
        old = await rows.speaker(sessions, ADA, address, private=private)
        await said(sessions, old, f"a{private}", address=address)
        await forget(sessions, old)
        await forget(sessions, old)
        new = await rows.speaker(sessions, ADA, address, private=private)
        assert new.conversation_id != old.conversation_id
        assert new.epoch == old.epoch
        await said(sessions, new, f"b{private}", address=address)
    assert await count(sessions, conversations) == 4


async def test_to_forget_nothing_stores_nothing(sessions: Sessions, ada: Speaker) -> None:
    for _ in range(3):
        await forget(sessions, await rows.speaker(sessions))
    assert await count(sessions, conversations) == 1


@pytest.mark.parametrize("size", [10, 10 * BATCH])
async def test_the_answer_does_not_wait_for_the_deletion(
    sessions: Sessions, ada: Speaker, size: int
) -> None:
    await said(sessions, ada, "a")
    await crowd(sessions, ada, size)
    touched: list[int] = []

    def see(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("DELETE", "UPDATE")):
            touched.append(cursor.rowcount)

    event.listen(sessions.engine, "after_cursor_execute", see)
    await forget(sessions, ada)
    assert sum(touched) <= 2, "as many rows for any size"
    touched.clear()
    await privacy.clear(sessions, now=NOW)
    assert max(touched) <= BATCH
    assert await count(sessions, messages) == 0


async def test_a_deletion_that_a_crash_cuts_off_goes_on(sessions: Sessions, ada: Speaker) -> None:
    await said(sessions, ada, "a")
    await crowd(sessions, ada, 10 * BATCH)
    await forget(sessions, ada)
    clearing = asyncio.create_task(privacy.clear(sessions, now=NOW))
    loop = asyncio.get_running_loop()

    def cut_off(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM messages"):
            loop.call_soon_threadsafe(clearing.cancel)

    event.listen(sessions.engine, "after_cursor_execute", cut_off)
    await asyncio.wait([clearing])
    event.remove(sessions.engine, "after_cursor_execute", cut_off)
    assert 0 < await count(sessions, messages) < 10 * BATCH
    await privacy.clear(sessions, now=NOW)
    assert await count(sessions, messages) == 0


async def test_what_is_clear_is_not_looked_at_again(sessions: Sessions, ada: Speaker) -> None:
    for name in "abc":
        who = await rows.speaker(sessions)
        await said(sessions, who, name)
        await forget(sessions, who)
    await privacy.clear(sessions, now=later(2 * 3600))
    with rows.statements(sessions) as seen:
        await privacy.clear(sessions, now=later(2 * 3600))
    assert len(seen) == 1


async def test_several_processes_clear_one_step_at_a_time(postgres_sessions: Sessions) -> None:
    sessions = postgres_sessions
    ada = await rows.speaker(sessions)
    await said(sessions, ada, "a")
    await crowd(sessions, ada, 3 * BATCH)
    await forget(sessions, ada)
    await asyncio.gather(*(privacy.clear(sessions, now=NOW) for _ in range(4)))
    assert await count(sessions, messages) == 0


async def test_a_turn_in_hand_is_cut_off_and_what_it_says_goes(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await rows.ask(sessions, ada, "a", address=Address(*rows.ACCOUNT, chat="100"))
    await rows.claimed(sessions)
    await forget(sessions, ada)
    row = await rows.stored(sessions, turn_id)
    assert (row.forgotten, row.outcome, row.input["text"]) == (True, Outcome.STOPPED, "")
