"""However many calls race for a limit, as many pass as it allows, to the last micro-dollar."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import pytest
from sqlalchemy import func, select

from core import models, quota
from core.db import Sessions
from core.quota import Group
from tests.core import racers, rows
from tests.core.racers import Race, Racer
from tests.core.rows import ADA, GROUP, commit
from tests.records import Records

MANY, FEWER, MOST = 1000, 300, 100
CLUB = Group("telegram", GROUP.chat)
RACES = {
    "turns of a person": Race(MANY, 0, 0, quota=f"{MOST} turns/day"),
    "money of a group": Race(FEWER, 0, 0, shared="0.012422 usd/month"),
    "tokens of everybody": Race(FEWER, 0, 0, budget="7776 tokens/week"),
}
"""Each leaves one micro-dollar or one token less than another call takes."""


class Competitor(Protocol):
    """A racer here or elsewhere."""

    async def run(self, race: Race) -> int: ...

    async def settle(self) -> None: ...


async def prepared(sessions: Sessions, race: Race) -> Race:
    """Return a race of a running turn in a group; nothing is counted yet."""
    for table in (models.calls, models.allowances, models.turns):
        async with rows.begin(sessions) as session:
            await session.execute(table.delete())
    terms = race.shared or "unlimited"
    await commit(sessions, lambda s: quota.allow(s, CLUB, terms, race.rules))
    await rows.ask_in_group(sessions, ADA, f"for {terms}")
    turn = await rows.claimed(sessions)
    return replace(race, turn_id=turn.id, user_id=turn.user_id, group_id=turn.group_id)


async def decide(sessions: Sessions, race: Race, racers: Sequence[Competitor]) -> None:
    """Let all race at once; exactly MOST calls pass, and the books are right before and after."""
    share = replace(race, many=race.many // len(racers))
    passed = await asyncio.gather(*(racer.run(share) for racer in racers))
    assert sum(passed) == MOST
    records = Records(sessions.engine.url.render_as_string(hide_password=False))
    assert records.drift() == []
    await asyncio.gather(*(racer.settle() for racer in racers))
    assert records.drift() == []
    calls = models.calls
    sums = select(func.count(calls.c.settled_at), func.sum(calls.c.cost))
    [(settled, cost)] = (await commit(sessions, lambda s: s.execute(sums))).all()
    async with rows.begin(sessions) as session:
        ids = (await session.scalars(select(calls.c.id))).all()
    assert (settled, cost) == (MOST, sum(each % race.cost for each in ids))


@pytest.mark.parametrize("what", RACES)
@pytest.mark.slow
async def test_tasks_that_race_take_no_more_than_there_is(
    sqlite_sessions: Sessions, what: str
) -> None:
    race = await prepared(sqlite_sessions, RACES[what])
    await decide(sqlite_sessions, race, [Racer(sqlite_sessions)])


@pytest.mark.slow
async def test_four_processes_that_race_take_no_more_than_there_is(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    async with AsyncExitStack() as stack:
        four = [await stack.enter_async_context(racers.process(postgres_url)) for _ in range(4)]
        for each in RACES.values():
            await decide(postgres_sessions, await prepared(postgres_sessions, each), four)
