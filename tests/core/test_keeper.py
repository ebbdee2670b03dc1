"""A worker's turns end while a thread of the database looks at them."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import cast

from core.adapter import Adapter
from core.db import Sessions
from core.gates import Gates
from core.reply import Lease, Reply
from core.turns import Speaker
from core.worker._keeper import Keeper
from core.worker._run import Run
from tests.core import rows


class Platform:
    """The part of an adapter that tells its limits."""

    rate = 30.0
    broadcast_rate = 1.0

    def fits(self, markdown: str) -> bool:
        return True


async def test_turns_may_end_while_a_claim_asks_whose_leases_are_short(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "a")
    turn = await rows.claimed(sessions)
    adapter = cast(Adapter, Platform())
    gates = Gates(adapter, lambda: 0.0)
    runs: dict[int, Run] = {}

    def clock() -> float:
        runs.pop(3, None)  # as the event loop may do between any two steps of the thread
        return 0.0

    for number in range(1, 4):
        one, lease = replace(turn, id=number), Lease(1.0, clock)
        gates = Gates(adapter, lambda: 0.0)
        runs[number] = Run(
            one, Reply(adapter, gates, sessions, one, lease, lambda: rows.NOW), lease
        )
    keeper = Keeper("worker", sessions, runs, {}, now=lambda: rows.NOW, lease=timedelta(seconds=15))
    assert await asyncio.to_thread(keeper.short) == [1, 2, 3]
    assert keeper.short() == [1, 2]
