"""The trials: each brings about one kind of fault and tells which promises were kept."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from core.lines import FATAL
from tests import postgres
from tests.chaos import (
    absence,
    attacks,
    crews,
    deploys,
    kills,
    leaks,
    networks,
    outages,
    outcomes,
    poison,
    siege,
)
from tests.chaos.arena import Arena, Databases, arena
from tests.chaos.audit import Verdict
from tests.chaos.proxy import TROUBLES
from tests.fakes.discord.faults import Drop

TAKE_OVER = 3.0
"""Seconds after which another process listens."""
KILLED_AFTER = 30.0
"""Seconds after which a dyno kills what it has asked to stop."""


@dataclass(frozen=True)
class Ground:
    """The ground of a trial."""

    databases: Databases
    directory: Path
    """The folder for the logs of the processes."""
    seed: int
    size: float = 1.0
    """1 for the whole trial, less for a shorter one."""

    def times(self, whole: int, least: int = 1) -> int:
        """Scale a number of repetitions by the size."""
        return max(round(whole * self.size), least)

    @asynccontextmanager
    async def arena(
        self,
        name: str,
        platform: str,
        engine: str,
        *,
        people: int = 5,
        pace: float = 0.02,
        flood: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Arena]:
        """An arena on a fresh database."""
        logs = self.directory / name.replace(" ", "-")
        with self.databases.fresh(engine) as url:
            async with arena(
                platform,
                url,
                logs,
                self.seed,
                people=people,
                pace=pace,
                flood=flood,
                settings=settings,
            ) as stage:
                yield stage


@dataclass
class Row:
    """The outcome of a trial."""

    runs: int
    verdict: Verdict
    remark: str = ""
    broken: list[str] = field(default_factory=list)
    """Promises that are not about messages."""
    details: Sequence[Sequence[str]] = ()
    """The rows of a table of their own, if a trial has one."""
    name: str = ""
    seconds: float = 0.0

    @property
    def is_kept(self) -> bool:
        """True if every promise was kept."""
        return self.verdict.is_clean and not self.broken

    def demand(self, kept: bool, promise: str) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.broken.append(promise)


Trial = Callable[[Ground, str], Awaitable[Row]]
"""Runs under a name."""


def killing(platform: str, engine: str, kills_: int, workers: int) -> Trial:
    """Processes are killed at every moment of a turn."""

    async def trial(ground: Ground, name: str) -> Row:
        times = ground.times(kills_, 2)
        people = 5 + workers
        async with ground.arena(name, platform, engine, people=people) as stage:
            done = await kills.kill(stage, times, workers=workers)
        row = Row(times, done.verdict)
        never = [moment for moment, missed in done.missed.items() if missed > 3 + done.came[moment]]
        row.demand(not never, f"moments that do not come: {never}")
        return row

    return trial


def losing(platform: str, drop: Drop) -> Trial:
    """Connections drop before or after a call takes effect."""

    async def trial(ground: Ground, name: str) -> Row:
        times = ground.times(20, 2)
        async with ground.arena(name, platform, "sqlite") as stage:
            verdict = await outcomes.unknown(stage, drop, times)
        row = Row(2 * times, verdict)
        row.demand(verdict.in_window <= times, "more messages too many than answers lost")
        return row

    return trial


def deploying(platform: str, *, drain_seconds: float, pace: float) -> Trial:
    """One process replaces the other while people write."""

    async def trial(ground: Ground, name: str) -> Row:
        times = ground.times(5, 2)
        async with ground.arena(name, platform, "postgresql", pace=pace) as stage:
            done = await deploys.deploy(stage, times, drain_seconds=drain_seconds)
        row = Row(times, done.verdict, f"silence {done.silence:.1f} s, {done.moved} handed on")
        if drain_seconds >= 5:
            row.demand(not done.moved, "an answer did not end in its own process")
            row.demand(done.silence <= deploys.SILENCE + 0.1, "people waited too long")
        else:
            row.demand(done.moved > 0, "nothing was handed on")
        return row

    return trial


async def rush(ground: Ground, name: str) -> Row:
    """Several processes share what a token may send."""
    times = ground.times(3)
    people = ground.times(60, 40)
    async with ground.arena(name, "telegram", "postgresql", people=people, flood=True) as stage:
        verdict, most = await crews.rush(stage, 3, times)
    row = Row(times, verdict, f"at most {most} calls a second")
    row.demand(most <= crews.PER_SECOND, f"{most} calls in a second")
    return row


async def take_over(ground: Ground, name: str) -> Row:
    """A process on standby listens soon after the listener's death."""
    async with ground.arena(name, "telegram", "postgresql") as stage:
        verdict, seconds = await crews.take_over(stage)
    row = Row(1, verdict, f"after {seconds:.1f} s")
    row.demand(seconds <= TAKE_OVER, f"nobody listened for {seconds:.1f} s")
    return row


async def told_to_wait(ground: Ground, name: str) -> Row:
    """A flood limit that one process meets is kept by all."""
    seconds = ground.times(13, 4)
    async with ground.arena(name, "telegram", "postgresql", people=3) as stage:
        verdict = await crews.told_to_wait(stage, 3, seconds)
    return Row(1, verdict, f"a wait of {seconds} s")


def enduring(engine: str, faults: list[outages.Outage], seconds: float, workers: int = 1) -> Trial:
    """The database fails in a way, and comes back."""

    async def trial(ground: Ground, name: str) -> Row:
        last = max(seconds * ground.size, min(seconds, 2.0))
        async with ground.arena(name, "telegram", engine) as stage:
            verdict = await outages.endure(stage, faults, last, workers=workers)
            return Row(len(faults), verdict, f"{last:.0f} s each")

    return trial


def privately(trial: Trial) -> Trial:
    """A trial on a PostgreSQL server of its own, which it may stop."""

    async def alone(ground: Ground, name: str) -> Row:
        with postgres.serve(f"chaos-{ground.seed}-{time.monotonic_ns()}") as server:
            with postgres.administer(server) as connection:
                # What it has told to be stored must outlive a crash of its own.
                connection.execute("ALTER SYSTEM SET synchronous_commit = on")
                connection.execute("SELECT pg_reload_conf()")
            databases = Databases(server, ground.databases.directory)
            return await trial(replace(ground, databases=databases), name)

    return alone


def networking(platform: str, side: str) -> Trial:
    """One side of the bot is behind a bad network."""

    async def trial(ground: Ground, name: str) -> Row:
        seconds = max(6 * ground.size, 1.5)
        logs = ground.directory / name.replace(" ", "-")
        verdict = await networks.network(
            platform, side, ground.databases, logs, ground.seed, seconds=seconds
        )
        told = f", {verdict.ended} broke off" if verdict.ended else ""
        told += f", {verdict.in_window} in the window" if verdict.in_window else ""
        return Row(len(TROUBLES), verdict, f"{seconds:.0f} s each{told}")

    return trial


def stopping(side: str) -> Trial:
    """A process that is cut off from a side is asked to stop."""

    async def trial(ground: Ground, name: str) -> Row:
        logs = ground.directory / name.replace(" ", "-")
        verdict, status, seconds = await networks.stop(side, ground.databases, logs, ground.seed)
        row = Row(1, verdict, f"after {seconds:.1f} s")
        row.demand(status in (0, 1), f"it ended with {status}")
        row.demand(seconds <= KILLED_AFTER, f"it took {seconds:.1f} s to stop")
        return row

    return trial


async def unheard(ground: Ground, name: str) -> Row:
    """The database commits and cannot say so."""
    times = ground.times(30, 3)
    logs = ground.directory / name.replace(" ", "-")
    verdict, cuts = await networks.lost_commits(ground.databases, logs, ground.seed, times)
    row = Row(cuts, verdict)
    row.demand(2 * cuts >= times, f"the connection broke after {cuts} of {times} commits")
    return row


def poisoned(how: Callable[[Arena], Awaitable[Verdict]], runs: int) -> Trial:
    """A turn that can never be answered ends, and its lane goes on."""

    async def trial(ground: Ground, name: str) -> Row:
        async with ground.arena(name, "telegram", "sqlite", settings=poison.QUICK) as stage:
            return Row(runs, await how(stage))

    return trial


def persisting(platform: str, turns: int, people: int) -> Trial:
    """Many turns leave nothing behind in the process."""

    async def trial(ground: Ground, name: str) -> Row:
        number = ground.times(turns, 200)
        async with ground.arena(name, platform, "sqlite", people=people) as stage:
            found = await leaks.persist(stage, number)
        before, after = found.middle, found.end
        row = Row(
            number,
            found.verdict,
            f"{before.bytes >> 20} to {after.bytes >> 20} MB,"
            f" {before.descriptors} to {after.descriptors} files,"
            f" {before.threads} to {after.threads} threads",
        )
        row.demand(found.is_flat, f"it grows: {before} to {after}")
        return row

    return trial


async def waiting(ground: Ground, name: str) -> Row:
    """The model is away while many people wait for it."""
    people, seconds = ground.times(100, 20), max(40 * ground.size, 20)
    async with ground.arena(name, "telegram", "sqlite", people=people, flood=True) as stage:
        found = await absence.leave(stage, seconds)
    row = Row(
        people,
        found.verdict,
        f"told within {found.told:.1f} s, answered {found.back:.1f} s after it is back,"
        f" {found.probes} requests meanwhile, at most {found.most} a second",
    )
    row.demand(not found.untold, f"{found.untold} were not told")
    row.demand(found.told <= absence.TOLD, f"told only after {found.told:.1f} s")
    row.demand(found.back <= absence.BACK, f"answered only after {found.back:.1f} s")
    row.demand(found.most <= absence.PER_SECOND, f"{found.most} requests in a second")
    return row


def besieging(platform: str, engine: str, kinds: Sequence[str] = tuple(attacks.KINDS)) -> Trial:
    """A hostile person does not make others wait, nor the process grow."""

    async def trial(ground: Ground, name: str) -> Row:
        logs = ground.directory / name.replace(" ", "-")
        chosen = [attacks.KINDS[kind] for kind in kinds]
        with ground.databases.fresh(engine) as url:
            found = await siege.besiege(platform, engine, url, logs, chosen)
        latest, largest = max(map(found.later, found.waves)), max(w.peak for w in found.waves)
        row = Row(len(found.waves), Verdict(), f"{latest:+.1f} s, {largest >> 20} MB")
        row.verdict.asked = sum(len(wave.waits) for wave in found.waves)
        row.broken, row.details = found.broken(), found.rows()
        return row

    return trial


POSTGRESQL: list[outages.Outage] = [
    outages.restart,
    outages.crash,
    outages.crowded,
    outages.restart,
]

WAVES: Sequence[Mapping[str, Trial]] = (
    {
        "kill telegram sqlite": killing("telegram", "sqlite", 140, 1),
        "kill discord sqlite": killing("discord", "sqlite", 140, 1),
        "kill discord postgresql": killing("discord", "postgresql", 110, 3),
        "kill telegram postgresql": killing("telegram", "postgresql", 110, 3),
    },
    {
        "deploy telegram": deploying("telegram", drain_seconds=20, pace=0.02),
        "poison model": poisoned(poison.unanswerable, 1),
    },
    {
        "deploy discord": deploying("discord", drain_seconds=20, pace=0.02),
        "poison process": poisoned(poison.deadly, FATAL),
        "killed again and again": poisoned(partial(poison.shot, kills=12, every=2.0), 12),
    },
    {
        "deploy hand over": deploying("telegram", drain_seconds=0.3, pace=0.1),
        "take over": take_over,
    },
    {"rush": rush, "told to wait": told_to_wait},
    {f"stop without {side}": stopping(side) for side in networks.SIDES},
    {
        "answer lost telegram": losing("telegram", "after"),
        "answer lost discord": losing("discord", "after"),
        "call lost telegram": losing("telegram", "before"),
        "call lost discord": losing("discord", "before"),
    },
    {
        "postgresql restarts": privately(enduring("postgresql", POSTGRESQL, 6, 2)),
        "postgresql locked": enduring("postgresql", [outages.locked], 18, 2),
        "commit unheard": unheard,
    },
    {
        "sqlite busy": enduring("sqlite", [outages.busy], 12),
        "sqlite full": enduring("sqlite", [outages.full] * 3, 5),
    },
    {
        "network model": networking("telegram", "model"),
        "network telegram": networking("telegram", "platform"),
        "network discord": networking("discord", "platform"),
        "network database": networking("discord", "database"),
    },
    # One after the other: what is measured is time.
    {"model away": waiting},
    *(
        {f"siege {platform} {engine}": besieging(platform, engine)}
        for platform in ("telegram", "discord")
        for engine in ("sqlite", "postgresql")
    ),
    {
        "leaks telegram": persisting("telegram", 7_000, 200),
        "leaks discord": persisting("discord", 13_000, 200),
    },
)
"""The trials of a wave run side by side, because they mostly wait."""


async def run(trial: Trial, ground: Ground, name: str) -> Row:
    """Run a trial; one that fails by itself has kept no promise."""
    began = time.monotonic()
    try:
        row = await trial(ground, name)
    except* (AssertionError, TimeoutError, ValueError) as failed:
        row = Row(0, Verdict(), broken=[f"failed: {each}" for each in _leaves(failed)])
    row.name, row.seconds = name, time.monotonic() - began
    return row


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[str]:
    found: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found += _leaves(error)
        else:
            found.append(f"{type(error).__name__} {error}")
    return found
