"""The short form of the chaos: a few kills and a few faults, side by side to save time."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.chaos import outages, poison, trials
from tests.chaos.arena import Databases
from tests.chaos.trials import Ground, Trial

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

KILLS: Mapping[str, Trial] = {
    "kill telegram": trials.killing("telegram", "sqlite", 80, 1),
    "kill discord": trials.killing("discord", "sqlite", 40, 1),
}
FAULTS: Mapping[str, Trial] = {
    "answer lost telegram": trials.losing("telegram", "after"),
    "answer lost discord": trials.losing("discord", "after"),
    "commit unheard": trials.unheard,
    "postgresql locked": trials.enduring("postgresql", [outages.locked], 18),
    "sqlite full": trials.enduring("sqlite", [outages.full], 10),
    "poison": trials.poisoned(poison.unanswerable, 1),
}


@pytest.mark.parametrize("chosen", [KILLS, FAULTS], ids=["kills", "faults"])
async def test_every_promise_is_kept(
    chosen: Mapping[str, Trial], postgres_server: URL, tmp_path: Path
) -> None:
    ground = Ground(Databases(postgres_server, tmp_path), tmp_path, seed=7, size=0.1)
    async with asyncio.TaskGroup() as tasks:
        started = [
            tasks.create_task(trials.run(trial, ground, name)) for name, trial in chosen.items()
        ]
    rows = [task.result() for task in started]
    assert all(row.is_kept for row in rows), [
        (row.name, row.broken, row.verdict.notes) for row in rows if not row.is_kept
    ]
