"""The work of a claim does not grow with the turns that wait, nor that of a stop with old turns."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from core import inbox
from core.adapter import Address
from core.db import Session, Sessions, Work, finish
from core.models import pauses, turns, users
from core.posts import chat_of
from core.turns import Outcome, Question, Speaker
from tests.core import rows
from tests.core.rows import ACCOUNT, BOB, HOME, NOW, commit, later

FEW, MANY = 300, 1200
Row = dict[str, Any]


def turn_row(ada: Speaker, number: int, **changes: Any) -> Row:
    """Return the row of a turn that waits."""
    standard = {
        "id": number + 10,
        "kind": "chat",
        "lane": f"lane {number}",
        "conversation_id": ada.conversation_id,
        "user_id": 100 + number // 20,
        "epoch": 0,
        "platform": "telegram",
        "bot_id": "1",
        "chat": "100",
        "thread": "",
        "message_id": f"m{number}",
        "input": Question("question").dump(),
        "follows_id": None,
        "attempt": 0,
        "faults": 0,
        "ready_at": NOW,
        "line": 0,
        "cancel": False,
        "draft": "",
        "created_at": NOW,
    }
    return {**standard, **changes}


def in_one_lane(number: int) -> Row:
    return {"lane": "one", "line": 0 if number == 0 else None}


def of_two_people(number: int) -> Row:
    kind: Row = {"kind": "command", "answer": "text", "answered_at": NOW, "outcome": "ok"}
    return {**kind, "lane": f"{number % 2}/commands", "line": 0 if number < 2 else None}


def in_paused_chats(number: int) -> Row:
    return {"chat": f"{number}", "ready_at": later(60), "line": int(number > 0)}


def after_one_answer(number: int) -> Row:
    return {"follows_id": 10, "line": None} if number else {"ready_at": later(60)}


def to_another_bot(_: int) -> Row:
    return {"bot_id": "2"}


WAITING: list[Callable[[int], Row]] = [
    in_one_lane,
    of_two_people,
    in_paused_chats,
    after_one_answer,
    to_another_bot,
]


@pytest.mark.parametrize("waiting", WAITING)
async def test_claims_and_deliveries_read_only_what_they_need(
    sessions: Sessions, ada: Speaker, waiting: Callable[[int], Row]
) -> None:
    bob = await rows.speaker(sessions, BOB, Address(*ACCOUNT, chat="200"))
    await rows.ask(sessions, bob, "in hand")
    [in_hand] = await rows.claim(sessions)
    await rows.ask(sessions, bob, "next")

    async def fill(first: int, last: int) -> None:
        people = [{"id": 100 + n // 20, "created_at": NOW} for n in range(first, last, 20)]
        await commit(sessions, lambda s: s.execute(insert(users), people))
        new = [turn_row(ada, number, **waiting(number)) for number in range(first, last)]
        await commit(sessions, lambda s: s.execute(insert(turns), new))
        paused = [{**chat_of(HOME), "chat": f"{n}", "until": NOW} for n in range(first, last)]
        await commit(sessions, lambda s: s.execute(insert(pauses), paused))
        if sessions.engine.dialect.name == "postgresql":  # which does so by itself
            await commit(sessions, lambda s: s.execute(text("ANALYZE turns, pauses")))

    async def claim(session: Session) -> None:
        await inbox.claim(session, "one", [ACCOUNT], now=NOW, lease_until=later(15), limit=20)

    async def deliver(session: Session) -> None:
        await inbox.answered(session, in_hand, "answer", Outcome.OK, now=NOW)
        await inbox.delivered(session, in_hand, Outcome.OK, now=NOW)

    await fill(0, FEW)
    before = [work_of(sessions, each) for each in (claim, deliver)]
    await fill(FEW, MANY)
    after = [work_of(sessions, each) for each in (claim, deliver)]
    assert after[0] < 1.5 * before[0], "a claim"
    assert after[1] < 1.5 * before[1], "a delivery"


async def test_a_stop_reads_no_old_turns(sessions: Sessions, ada: Speaker) -> None:
    await rows.ask(sessions, ada, "open")
    over: Row = {"user_id": ada.user_id, "line": None, "answer": "", "outcome": "ok"}
    over |= {"answered_at": NOW, "delivered_at": NOW}

    async def fill(first: int, last: int) -> None:
        new = [turn_row(ada, number, **over) for number in range(first, last)]
        await commit(sessions, lambda s: s.execute(insert(turns), new))
        if sessions.engine.dialect.name == "postgresql":  # which does so by itself
            await commit(sessions, lambda s: s.execute(text("ANALYZE turns")))

    async def look(session: Session) -> None:
        assert len(await inbox.unanswered(session, ada)) == 1

    await fill(0, FEW)
    before = work_of(sessions, look)
    await fill(FEW, MANY)
    assert work_of(sessions, look) < 1.5 * before


def work_of(sessions: Sessions, do: Work[None]) -> int:
    """Return the work that something asks of the database, in steps or in pages, and undo it."""
    if sessions.engine.dialect.name == "sqlite":
        return _steps_of(sessions, do)
    with rows.statements(sessions) as seen, sessions.engine.connect() as connection:
        finish(do(Session(connection)))
    with sessions.engine.connect() as connection:
        return sum(_pages_of(connection, *each) for each in seen)


def _steps_of(sessions: Sessions, do: Work[None]) -> int:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with sessions.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 1)
        finish(do(Session(connection)))
        driver.set_progress_handler(None, 0)
    return steps


def _pages_of(connection: Connection, statement: str, parameters: Any) -> int:
    plan = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    [told] = connection.exec_driver_sql(plan + statement, parameters).scalar_one()
    return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])
