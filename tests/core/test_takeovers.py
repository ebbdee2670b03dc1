"""The turns of a process that is dead: freed at once, with care where its last call may land."""

import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy import insert, select

from core import fleet, inbox, models, posts
from core.adapter import Address
from core.db import Session, Sessions
from core.errors import LeaseLost
from core.gates import Gates
from core.lines import ONCE
from core.presence import FRESH, Gone
from core.reply import MARGIN, Lease
from core.reply._way import Way
from core.turns import Turn
from core.worker._deaths import take_over
from tests.core import rows
from tests.core.rows import ACCOUNT, ADA, BOB, NOW, commit, later

GONE = Gone("worker", 7, 0.0)


async def place(sessions: Sessions, *, session: int) -> None:
    """Let the worker of all claims have a row with a session, and the lease to listen."""
    row = insert(models.workers).values(id="worker", seen_at=NOW, session=session)
    await commit(sessions, lambda s: s.execute(row))
    await commit(
        sessions,
        lambda s: fleet.may_listen(s, ACCOUNT, "worker", now=NOW, lease_until=later(8)),
    )


async def in_hand(sessions: Sessions, name: str) -> Turn:
    """A turn in a chat of its own, in the hand of the worker."""
    chat = Address(*ACCOUNT, chat=name)
    who = await rows.speaker(sessions, ADA if name != "new" else BOB, chat)
    await rows.ask(sessions, who, name, address=chat, lane=name)
    return await rows.claimed(sessions)


async def test_only_chats_in_which_the_last_call_could_do_harm_rest(
    postgres_sessions: Sessions,
) -> None:
    sessions = postgres_sessions
    await place(sessions, session=GONE.session)
    turns = {name: await in_hand(sessions, name) for name in ("new", "growing", "answered")}

    async def begin(session: Session) -> None:
        for name in ("growing", "answered"):
            await posts.intend(session, turns[name], 0)
            await posts.confirm(session, turns[name], 0, f"id of {name}", now=NOW)
        await posts.intend(session, turns["new"], 0)

    await commit(sessions, begin)
    await rows.answer(sessions, turns["answered"])
    assert await commit(sessions, lambda s: take_over(s, GONE, now=later(2), ago=1.5))
    found = await commit(sessions, lambda s: s.execute(select(models.pauses)))
    until = {row.chat: (row.until - later(2)).total_seconds() for row in found}
    assert until == pytest.approx(dict.fromkeys(("new", "answered"), FRESH + MARGIN - 1.5))
    for turn in turns.values():
        row = await rows.stored(sessions, turn.id)
        assert (row.worker_id, row.deaths, row.line, row.lease_until) == (None, 1, ONCE, later(2))
    assert await commit(sessions, fleet.listeners) == {}
    again = await commit(
        sessions,
        lambda s: inbox.claim(
            s, "next", [ACCOUNT], now=later(2), lease_until=later(17), limit=9, lines=(ONCE,)
        ),
    )
    assert [turn.attempt for turn in again] == [2, 2, 2]


async def test_a_process_with_another_session_keeps_its_turns(postgres_sessions: Sessions) -> None:
    sessions = postgres_sessions
    await place(sessions, session=GONE.session + 1)
    turn = await in_hand(sessions, "new")
    assert not await commit(sessions, lambda s: take_over(s, GONE, now=later(2), ago=1.5))
    assert (await rows.stored(sessions, turn.id)).worker_id == "worker"
    assert len(await commit(sessions, fleet.listeners)) == 1


async def test_turns_of_a_process_that_leaves_hold_up_nobody_else_in_their_chat(
    postgres_sessions: Sessions,
) -> None:
    sessions = postgres_sessions
    await place(sessions, session=GONE.session)
    group = Address(*ACCOUNT, chat="-1")
    for name, author in (("1", ADA), ("2", BOB)):
        who = await rows.speaker(sessions, author, group, private=False)
        await rows.ask(sessions, who, name, address=group, lane=name)
        if name == "1":
            await rows.claimed(sessions)

    async def claim(session: Session) -> list[Turn]:
        return await inbox.claim(
            session, "next", [ACCOUNT], now=later(1), lease_until=later(16), limit=9
        )

    assert await commit(sessions, claim) == []
    await commit(
        sessions, lambda s: fleet.alive(s, "worker", now=NOW, lease=rows.LEASE, leaving=True)
    )
    assert len(await commit(sessions, claim)) == 1


@dataclass
class Line:
    """The limits of an account, and a lease that may be another process's."""

    rate = 30.0
    broadcast_rate = 1.0
    is_sure = False

    def pace(self, address: Address) -> float:
        return 1.0


async def test_no_call_begins_while_the_turn_may_be_of_another_process(
    postgres_sessions: Sessions,
) -> None:
    turn = await in_hand(postgres_sessions, "new")
    clock, line = asyncio.get_running_loop().time, Line()
    lease = Lease(clock() + 15, clock, is_sure=lambda: line.is_sure)
    gates = Gates(line, clock)  # type: ignore[arg-type]  # a part of an adapter
    calls = Way(line, gates, postgres_sessions, turn, lease, lambda: NOW)  # type: ignore[arg-type]
    entering = asyncio.create_task(calls.enter())
    await asyncio.wait([entering], timeout=0.3)
    assert not entering.done()
    line.is_sure = True
    await asyncio.wait_for(entering, 60)
    line.is_sure, lease.until = False, clock()
    with pytest.raises(LeaseLost):
        await calls.enter()
