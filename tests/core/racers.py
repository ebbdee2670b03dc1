"""Reservations that race for a limit: in this process, or in several processes at once.

A process is told each race as a line of JSON on standard input, and answers with the number of
calls that passed. An empty line lets it settle those.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

from core import db, quota
from core.db import Session, Sessions, transact
from core.errors import QuotaExceeded
from core.messages import Usage
from core.quota import Reservation, Rules
from core.settings import read_limits
from core.turns import Question, Turn
from tests.bot import ROOT
from tests.core.rows import GROUP, NOW


@dataclass(frozen=True)
class Race:
    """Many calls of one turn for one limit."""

    many: int
    turn_id: int
    user_id: int
    group_id: int | None = None
    quota: str = ""
    shared: str = ""
    """The limit of the group."""
    budget: str = ""
    cost: int = 123
    tokens: int = 77

    @property
    def turn(self) -> Turn:
        return Turn(
            id=self.turn_id,
            kind="chat",
            conversation_id=1,
            user_id=self.user_id,
            epoch=0,
            address=GROUP,
            message_id="m",
            question=Question("Anything?"),
            attempt=1,
            created_at=NOW,
            group_id=self.group_id,
            group_terms=self.shared,
        )

    @property
    def rules(self) -> Rules:
        return Rules(read_limits(self.quota), read_limits(self.budget))


@dataclass
class Racer:
    """One process's calls."""

    sessions: Sessions
    race: Race | None = None
    passed: list[Reservation] = field(default_factory=list)

    async def run(self, race: Race) -> int:
        """Reserve all calls at once; return the number of those that pass."""
        self.race = race
        tried = await asyncio.gather(*(self._reserve(race) for _ in range(race.many)))
        self.passed = [call for call in tried if call is not None]
        return len(self.passed)

    async def _reserve(self, race: Race) -> Reservation | None:
        async def work(session: Session) -> Reservation:
            return await quota.reserve(
                *(session, race.turn, race.rules),
                model="m",
                cost=race.cost,
                turns=1,
                tokens=race.tokens,
                now=NOW,
            )

        try:
            return await transact(self.sessions, work)
        except QuotaExceeded:
            return None

    async def settle(self) -> None:
        """Settle what passed, each call for another cost."""
        await asyncio.gather(*(self._settle(call) for call in self.passed))

    async def _settle(self, call: Reservation) -> None:
        assert self.race is not None
        rules, cost = self.race.rules, call.call_id % self.race.cost
        used = Usage(call.call_id % 30, call.call_id % 40)
        await transact(self.sessions, lambda s: quota.settle(s, call, rules, used, cost, now=NOW))


class Process:
    """A racer that is a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, race: Race) -> int:
        """Let it race; return the number of its calls that passed."""
        return int(await self._tell(json.dumps(asdict(race))))

    async def settle(self) -> None:
        """Let it settle its calls."""
        await self._tell("")

    async def _tell(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n".encode())
        return (await self._process.stdout.readline()).decode()


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    """A process that races on a database."""
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.core.racers", url), cwd=ROOT, stdin=pipe, stdout=pipe
    )
    try:
        yield Process(started)
    finally:
        assert started.stdin is not None
        started.stdin.close()
        await started.wait()


async def main(url: str) -> None:
    """Race as standard input tells, until it ends."""
    sessions = db.connect(url)
    racer = Racer(sessions)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            told = str(await racer.run(Race(**json.loads(line))))
        else:
            told = ""
            await racer.settle()
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    sessions.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
