"""The short form of the chaos: every kind of fault, a few times."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.chaos import outages, poison, trials
from tests.chaos.arena import Databases
from tests.chaos.trials import Ground, Trial

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

SHORT: dict[str, Trial] = {
    "kill telegram sqlite": trials.killing("telegram", "sqlite", 60, 1),
    "kill discord postgresql": trials.killing("discord", "postgresql", 60, 2),
    "deploy": trials.deploying("telegram", drain_seconds=20, pace=0.02),
    "answer lost telegram": trials.losing("telegram", "after"),
    "answer lost discord": trials.losing("discord", "after"),
    "commit unheard": trials.unheard,
    "postgresql locked": trials.enduring("postgresql", [outages.locked], 18),
    "sqlite busy and full": trials.enduring("sqlite", [outages.busy, outages.full], 12),
    "network model": trials.networking("telegram", "model"),
    "poison": trials.poisoned(poison.unanswerable, 1),
}


@pytest.mark.parametrize("name", SHORT)
async def test_every_promise_is_kept(name: str, postgres_server: URL, tmp_path: Path) -> None:
    ground = Ground(Databases(postgres_server, tmp_path), tmp_path, seed=7, size=0.1)
    row = await trials.run(SHORT[name], ground, name)
    assert row.is_kept, [*row.broken, *row.verdict.notes]
