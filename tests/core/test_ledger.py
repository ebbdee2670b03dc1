"""Allowances equal the sum of the ledger, also when calls overlap.

Ten people spend at random, each in two conversations at once, over the end of a minute, an hour, a
day and a month; calls are settled, released, cut off by a person, excused, left open and recovered.
"""

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import func, select, update

from core import models, quota
from core.adapter import Address, Author
from core.db import Session, Sessions
from core.errors import QuotaExceeded
from core.messages import Usage
from core.quota import DEPLOYMENT, Progress, Reservation, Rules
from core.settings import Limit
from core.turns import Turn
from tests.core import rows
from tests.core.rows import commit

START = datetime(2026, 3, 31, 23, 57, tzinfo=UTC)
QUOTA = (
    Limit(3, "turns", "minute"),
    Limit(12, "turns", "day"),
    Limit(1500, "usd", "hour"),
    Limit(2000, "usd", "month"),
    Limit(3000, "tokens", "week"),
)
BUDGET = (
    Limit(100, "turns", "hour"),
    Limit(9000, "usd", "day"),
    Limit(12_000, "usd", "month"),
    Limit(15_000, "tokens", "day"),
)
RULES = Rules(QUOTA, BUDGET)
AMOUNTS = {
    (is_ours, limit.unit, limit.window): limit.amount
    for is_ours, limits in ((False, QUOTA), (True, BUDGET))
    for limit in limits
}


@dataclass
class World:
    """The common clock, the random choices, and the number of refusals."""

    sessions: Sessions
    choice: random.Random
    now: datetime = START
    refused: int = 0

    async def spend(self, turn: Turn) -> None:
        """One person's calls in one conversation."""
        open_call: Reservation | None = None
        for attempt in range(1, 16):
            self.now += timedelta(seconds=self.choice.uniform(0, 1.5))
            await asyncio.sleep(0)
            died = open_call is not None
            try:
                open_call = await self._reserve(replace(turn, attempt=attempt), died=died)
            except QuotaExceeded:
                # A refused attempt is rolled back whole: what died is recovered by a later one.
                self.refused += 1
                continue
            await self._check()
            if self.choice.random() < 0.8:
                await self._close(turn, open_call)
                open_call = None
                await self._check()

    async def _reserve(self, turn: Turn, *, died: bool) -> Reservation:
        cost, turns = self.choice.randint(0, 300), self.choice.choice((0, 1, 1))
        tokens = self.choice.randint(0, 400)
        now = self.now

        async def work(session: Session) -> Reservation:
            is_it = models.turns.c.id == turn.id
            await session.execute(update(models.turns).where(is_it).values(attempt=turn.attempt))
            if died:
                await quota.recover(session, turn, RULES, now=now)
            return await quota.reserve(
                session,
                turn,
                RULES,
                model="m",
                cost=cost,
                turns=turns,
                tokens=tokens,
                prompt_tokens=tokens // 2,
                completion_tokens=tokens - tokens // 2,
                now=now,
            )

        return await commit(self.sessions, work)

    async def _close(self, turn: Turn, call: Reservation) -> None:
        now, how = self.now, self.choice.random()
        if how < 0.2:
            await commit(self.sessions, lambda s: quota.release(s, call, RULES, now=now))
            return
        cost = self.choice.randint(0, call.reserved)
        half = call.tokens // 2
        usage = Usage(self.choice.randint(0, half), self.choice.randint(0, call.tokens - half))
        if how < 0.4:
            # A note is worth what may come until the next one, too.
            worth = self.choice.randint(cost, call.reserved)
            most = call.tokens - call.tokens // 2
            came = self.choice.randint(usage.completion_tokens, most)
            news = [Progress(call.call_id, came, worth)]
            await commit(self.sessions, lambda s: quota.note(s, news))
        if how < 0.6:
            await self._cut_off(turn)
        await commit(self.sessions, lambda s: quota.settle(s, call, RULES, usage, cost, now=now))
        if how > 0.9:
            await commit(self.sessions, lambda s: quota.excuse(s, turn, RULES, now=now))

    async def _cut_off(self, turn: Turn) -> None:
        now, is_it = self.now, models.turns.c.id == turn.id
        lease = now + timedelta(seconds=self.choice.choice((-1, 15)))
        fenced = {"attempt": models.turns.c.attempt + 1, "lease_until": lease}

        async def work(session: Session) -> None:
            await session.execute(update(models.turns).where(is_it).values(fenced))
            await quota.abandon(session, [turn.id], RULES, now=now)

        await commit(self.sessions, work)

    async def _check(self) -> None:
        """No allowance is above its limit at any time."""
        is_ours = models.allowances.c.owner_id == DEPLOYMENT
        groups = is_ours.label("is_ours"), models.allowances.c.unit, models.allowances.c.window
        most = select(*groups, func.max(models.allowances.c.used).label("used")).group_by(*groups)
        for row in await commit(self.sessions, lambda s: s.execute(most)):
            assert row.used <= AMOUNTS[bool(row.is_ours), row.unit, row.window]


async def allowances(sessions: Sessions) -> list[Any]:
    return list(await commit(sessions, lambda s: s.execute(select(models.allowances))))


def limit_of(row: Any) -> Limit:
    limits = BUDGET if row.owner_id == DEPLOYMENT else QUOTA
    [limit] = [one for one in limits if (one.unit, one.window) == (row.unit, row.window)]
    return limit


def ledger_sum(row: Any, calls: list[Any]) -> int:
    """Sum the calls of an allowance's window."""
    limit = limit_of(row)
    counted = [
        call
        for call in calls
        if limit.start(_counts_at(call, row)) == row.window_start
        and row.owner_id in (DEPLOYMENT, call.user_id)
    ]
    return sum(amount(call, row) for call in counted)


def amount(call: Any, row: Any) -> int:
    """Return the amount that counts of a call."""
    is_open, is_shared = call.settled_at is None, row.owner_id == DEPLOYMENT
    tokens = call.prompt_tokens + call.completion_tokens
    amounts = {
        "turns": call.turns,
        "usd": call.reserved if is_open else call.cost if is_shared else call.charged,
        "tokens": call.reserved_tokens
        if is_open
        else (tokens if is_shared else call.charged_tokens),
    }
    return int(amounts[row.unit])


def _counts_at(call: Any, row: Any) -> datetime:
    paid = call.spent_at if row.owner_id == DEPLOYMENT else None
    return cast("datetime", paid or call.created_at)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_allowances_equal_the_ledger_after_anything(sessions: Sessions, seed: int) -> None:
    turns = []
    for number in range(10):
        author, chat = Author("telegram", str(number), str(number)), str(number)
        who = await rows.speaker(sessions, author, Address(*rows.ACCOUNT, chat=chat))
        for question in range(2):
            asked = rows.NOW + timedelta(hours=3 * question)
            await rows.ask(sessions, who, f"{number}-{question}", lane=None, now=asked)
    turns = await rows.claim(sessions)
    world = World(sessions, random.Random(seed))

    await asyncio.gather(*(world.spend(turn) for turn in turns))

    async with rows.begin(sessions) as session:
        calls = list(await session.execute(select(models.calls)))
    stored = await allowances(sessions)
    assert len(turns) == 20
    assert world.refused > 20
    assert len(calls) > 50
    assert datetime(2026, 4, 1, tzinfo=UTC) in {row.window_start for row in stored}
    assert any(call.estimated for call in calls)
    for row in stored:
        assert row.used == ledger_sum(row, calls), (row.owner_id, row.unit, row.window)
