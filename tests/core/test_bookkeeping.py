"""Old bookkeeping is deleted in steps; memory, sums and guards against repeated events stay."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import DateTime, bindparam, event, insert, select, text, update

from core import bookkeeping, fleet, inbox, memory, models, posts, quota
from core.adapter import Address
from core.attachments._content import understand
from core.attachments._store import keep
from core.bookkeeping import BATCH
from core.db import Session, Sessions
from core.memory import Marks
from core.messages import Usage, assistant, user
from core.quota import Rules
from core.quota._allowances import ledger_sum
from core.settings import Limit, read_limits
from core.turns import Outcome, Payer, Speaker, Turn
from tests.core import rows
from tests.core.rows import BOB, HOME, NOW, commit, count, later

DAY = 86_400.0
RULES = Rules(
    quota=read_limits("10 turns/month, 1 usd/month"),
    budget=read_limits("9 usd/month"),
)


async def said(sessions: Sessions, who: Speaker, name: str, at: float = 0, **more: Any) -> Turn:
    """A whole turn at a time, in memory, with a settled call of 5 micro-dollars."""
    now = later(at)
    await rows.ask(sessions, who, name, now=now, ready_at=now, **more)
    turn = await rows.claimed(sessions, now=now)

    async def work(session: Session) -> None:
        context = await memory.recall(session, turn, Marks(10**6, 1), now=now)
        call = await quota.reserve(session, turn, RULES, model="m", cost=9, turns=1, now=now)
        words = user(f"question {name}"), assistant(f"answer {name}")
        await inbox.answered(session, turn, f"answer {name}", Outcome.OK, now=now)
        await memory.remember(session, turn, context, words, Usage(9, 9), now=now)
        await quota.settle(session, call, RULES, Usage(9, 9), 5, now=now)

    await commit(sessions, work)
    await rows.deliver(sessions, turn, now=now)
    return turn


async def prune(sessions: Sessions, before: datetime) -> None:
    await quota.sum_up(sessions, UTC, before=before)
    await bookkeeping.prune(sessions, before=before)


async def ids(sessions: Sessions) -> list[int]:
    async with rows.begin(sessions) as session:
        found = await session.scalars(select(models.turns.c.id).order_by(models.turns.c.id))
        return list(found)


async def test_old_turns_go_and_what_was_said_stays(sessions: Sessions, ada: Speaker) -> None:
    for name in ("old", "older", "last of the old"):
        await said(sessions, ada, name)
    new = await said(sessions, ada, "new", 100 * DAY)
    await prune(sessions, later(90 * DAY))
    assert await ids(sessions) == [new.id]
    for model, left in ((models.events, 1), (models.posts, 2), (models.calls, 1)):
        assert await count(sessions, model) == left
    assert await count(sessions, models.messages) == 8
    now = later(101 * DAY)
    await rows.ask(sessions, ada, "next", now=now, ready_at=now)
    turn = await rows.claimed(sessions, now=now)
    context = await commit(sessions, lambda s: memory.recall(s, turn, Marks(10**6, 1), now=now))
    assert [str(each["content"]) for each in context.messages][:2] == ["question old", "answer old"]


async def test_what_is_still_needed_stays(sessions: Sessions, ada: Speaker) -> None:
    """A turn with files of memory, one in a lane, and everybody's last one."""
    with_file = await said(sessions, ada, "file")
    pdf = understand("a.pdf", b"%PDF-1.7 x")
    await commit(sessions, lambda s: keep(s, with_file, [pdf], now=NOW))
    waiting = await rows.ask(sessions, ada, "waiting")
    bob = await rows.speaker(sessions, BOB)
    last = await rows.ask(sessions, bob, "bob", lane="bob")
    await rows.finish(sessions, (await rows.claim(sessions))[-1])
    await said(sessions, ada, "gone", lane="other")
    final = await said(sessions, ada, "last", lane="other")
    await prune(sessions, later(90 * DAY))
    assert await ids(sessions) == [with_file.id, waiting, last, final.id]
    assert await count(sessions, models.attachments) == 1
    newest = await commit(sessions, lambda s: posts.newest(s, rows.ACCOUNT, HOME.chat))
    assert newest == "last", "the platform's history is read from there on"


async def test_sums_stay_the_same(sessions: Sessions, ada: Speaker) -> None:
    for name in "abc":
        await said(sessions, ada, name)
    await said(sessions, ada, "later", 3 * DAY)
    now = later(5 * DAY)

    async def figures(session: Session) -> Any:
        left = await quota.remaining(session, Payer(ada.user_id), RULES, now=now)
        return await quota.spent(session, ada.user_id, RULES, now=now), left

    before = await commit(sessions, figures)
    assert before[0].turns == 4
    await prune(sessions, later(2 * DAY))
    assert await count(sessions, models.calls) == 1
    assert await commit(sessions, figures) == before
    await commit(sessions, lambda s: s.execute(text("DELETE FROM allowances")))
    assert await commit(sessions, figures) == before, "also when a limit is new"
    await prune(sessions, later(10 * DAY))
    assert (await commit(sessions, figures))[0] == before[0]
    async with rows.begin(sessions) as session:
        days = (await session.execute(select(models.days))).all()
    assert [(each.turns, each.cost, each.prompt_tokens) for each in days] == [
        (3, 15, 27),
        (1, 5, 9),
    ]


async def test_sums_by_day_follow_the_zone_of_the_limits(sessions: Sessions, ada: Speaker) -> None:
    """A week that began on Monday in Tokyo holds what was spent there on Monday morning."""
    tokyo = ZoneInfo("Asia/Tokyo")
    limit = Limit(100, "turns", "week", tokyo)
    monday = datetime(2026, 3, 16, 6, tzinfo=tokyo)  # it is Sunday in UTC
    await said(sessions, ada, "monday", (monday - NOW).total_seconds())
    await said(sessions, ada, "sunday", (monday - NOW).total_seconds() - DAY / 3)
    await quota.sum_up(sessions, tokyo, before=later(90 * DAY))
    assert await count(sessions, models.calls) == 0
    used = await commit(sessions, lambda s: ledger_sum(s, ada.user_id, limit, monday))
    assert used == 1


async def test_a_day_is_summed_up_whole_and_open_calls_stay(
    sessions: Sessions, ada: Speaker
) -> None:
    turn = await said(sessions, ada, "a")
    open_call = await commit(
        sessions,
        lambda s: quota.reserve(s, turn, RULES, model="m", cost=9, turns=0, now=NOW),
    )
    await quota.sum_up(sessions, UTC, before=later(3600))
    assert await count(sessions, models.days) == 0, "the day is not over"
    await quota.sum_up(sessions, UTC, before=later(DAY))
    async with rows.begin(sessions) as session:
        left = await session.scalars(select(models.calls.c.id))
        assert left.all() == [open_call.call_id]


async def test_an_event_that_comes_again_within_a_day_changes_nothing(
    sessions: Sessions, ada: Speaker
) -> None:
    await said(sessions, ada, "first")
    await said(sessions, ada, "again", 10 * DAY)
    await said(sessions, ada, "last", 10 * DAY)
    await commit(sessions, lambda s: inbox.note(s, HOME, "press"))
    await prune(sessions, later(8 * DAY))
    again = rows.entry(ada, "again")
    assert await commit(sessions, lambda s: inbox.accept(s, "event again", again, now=NOW)) is None
    assert not await commit(sessions, lambda s: inbox.note(s, HOME, "press"))


async def test_noted_events_age_from_the_day_on_which_their_age_is_known(
    sessions: Sessions,
) -> None:
    await commit(sessions, lambda s: inbox.note(s, HOME, "old"))
    await commit(sessions, lambda s: inbox.note(s, HOME, "undated"))
    undated = update(models.events).where(models.events.c.event_id == "undated")
    await commit(sessions, lambda s: s.execute(undated.values(noted_at=None)))
    long_ago = update(models.events).where(models.events.c.event_id == "old")
    await commit(sessions, lambda s: s.execute(long_ago.values(noted_at=NOW)))
    await prune(sessions, later(DAY))
    async with rows.begin(sessions) as session:
        [left] = (await session.execute(select(models.events))).all()
    assert (left.event_id, left.noted_at is not None) == ("undated", True)


async def test_old_pauses_leases_and_allowances_go(sessions: Sessions, ada: Speaker) -> None:
    await said(sessions, ada, "a")
    for number, until in enumerate((NOW, later(200 * DAY))):
        address = Address(*rows.ACCOUNT, chat=f"{number}")
        await commit(sessions, lambda s, a=address, u=until: fleet.pause(s, a, until=u))  # type: ignore[misc]  # mypy cannot tell
    await commit(
        sessions,
        lambda s: fleet.may_listen(s, ("x", "1"), "gone", now=NOW, lease_until=NOW),
    )
    await prune(sessions, later(10 * DAY))
    assert await count(sessions, models.allowances) == 3, "a month may not be over"
    await prune(sessions, later(100 * DAY))
    left = (models.pauses, models.listeners, models.allowances)
    assert [await count(sessions, model) for model in left] == [1, 0, 0]


async def test_old_notices_and_marks_of_closed_chats_go(sessions: Sessions, ada: Speaker) -> None:
    for number, until in enumerate((NOW, later(200 * DAY))):
        notice = {
            "user_id": ada.user_id,
            "conversation_id": ada.conversation_id,
            "bound": f"{number} turns/day",
            "until": until,
        }
        mark = {
            "platform": "telegram",
            "bot_id": "1",
            "chat": f"{number}",
            "thread": "",
            "times": 1,
            "until": until,
        }
        async with rows.begin(sessions) as session:
            await session.execute(insert(models.notices).values(notice))
            await session.execute(insert(models.mutes).values(mark))
    await prune(sessions, later(100 * DAY))
    assert [await count(sessions, model) for model in (models.notices, models.mutes)] == [1, 1]


# The same cost at any size


@contextmanager
def changed(sessions: Sessions) -> Iterator[list[int]]:
    """Collect the number of rows that each statement deletes or updates."""
    seen: list[int] = []

    def see(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("DELETE", "UPDATE")):
            seen.append(cursor.rowcount)

    event.listen(sessions.engine, "after_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(sessions.engine, "after_cursor_execute", see)


async def crowd(sessions: Sessions, number: int) -> None:
    """Repeat the first turn with its call, event and post."""
    async with rows.begin(sessions) as session:
        for model, key in (
            (models.turns, "id"),
            (models.calls, "turn_id"),
            (models.events, "turn_id"),
            (models.posts, "turn_id"),
        ):
            [row, *_] = (await session.execute(select(model))).mappings().all()
            copies = [dict(row) | {key: row[key] + n} for n in range(1, number)]
            for n, copy in enumerate(copies, start=1):
                copy.update({k: f"{n}" for k in ("event_id", "message_id") if k in copy})
                if model in (models.calls, models.posts):
                    del copy["id"]
            await session.execute(insert(model), copies)
        if session.dialect == "postgresql":
            await session.execute(text("SELECT setval('turns_id_seq', :last)"), {"last": number})


async def test_bookkeeping_is_deleted_step_by_step(sessions: Sessions, ada: Speaker) -> None:
    await said(sessions, ada, "a")
    await crowd(sessions, 5 * BATCH)
    with changed(sessions) as seen:
        await prune(sessions, later(90 * DAY))
    assert max(seen) <= BATCH
    for model in (models.turns, models.events, models.posts):
        assert await count(sessions, model) == 1
    assert await count(sessions, models.calls) == 0


async def test_new_turns_are_not_looked_at(sessions: Sessions, ada: Speaker) -> None:
    await said(sessions, ada, "a")
    seen: dict[int, int] = {}
    for size in (2, 10 * BATCH):
        await crowd(sessions, size) if size > 2 else None
        with rows.statements(sessions) as statements:
            await prune(sessions, NOW)
        seen[size] = len(statements)
    assert seen[2] == seen[10 * BATCH]


@pytest.mark.slow
async def test_several_processes_and_the_bot_do_not_get_in_each_others_way(
    postgres_sessions: Sessions,
) -> None:
    sessions = postgres_sessions
    ada = await rows.speaker(sessions)
    await said(sessions, ada, "a")
    await crowd(sessions, 3 * BATCH)

    async def talk() -> None:
        for number in range(10):
            await said(sessions, ada, f"beside {number}", 100 * DAY)

    await asyncio.gather(talk(), *(prune(sessions, later(90 * DAY)) for _ in range(3)))
    assert await count(sessions, models.turns) == 10


PLANS = {
    "the next turns": "SELECT id FROM turns WHERE id > 5 ORDER BY id LIMIT 100",
    "the next calls": "SELECT id FROM calls WHERE id > 5 ORDER BY id LIMIT 100",
    "a newer turn": "SELECT 1 FROM turns WHERE conversation_id = 1 AND user_id = 1 AND id > 9",
    "old events": "SELECT event_id FROM events WHERE turn_id IS NULL AND noted_at < :now LIMIT 100",
    "events of a turn": "SELECT event_id FROM events WHERE turn_id = 7",
    "posts of a turn": "SELECT id FROM posts WHERE turn_id = 7",
    "calls of a turn": "SELECT id FROM calls WHERE turn_id = 7",
    "the newest messages": "SELECT id FROM messages WHERE conversation_id = 1"
    " ORDER BY id DESC LIMIT 100",
    "a person's days": "SELECT turns FROM days WHERE user_id = 1 AND day >= :now",
    "forgotten conversations": "SELECT id FROM conversations"
    " WHERE forgotten_at IS NOT NULL AND cleared_at IS NULL",
}


@pytest.mark.parametrize("what", PLANS)
async def test_an_index_finds(sessions: Sessions, what: str) -> None:
    """The planner would read a whole table here only if no index served."""
    values = [bindparam("now", NOW, DateTime)] if ":now" in PLANS[what] else []
    async with rows.begin(sessions) as session:
        if session.dialect == "sqlite":
            plan = await session.execute(
                text(f"EXPLAIN QUERY PLAN {PLANS[what]}").bindparams(*values)
            )
            told = [str(row.detail) for row in plan]
            assert all("USING" in each for each in told), told
            assert not any("TEMP B-TREE" in each for each in told)
        else:
            await session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await session.execute(text(f"EXPLAIN {PLANS[what]}").bindparams(*values))
            assert "Seq Scan" not in "\n".join(plan.scalars())
