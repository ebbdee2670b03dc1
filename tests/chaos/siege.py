"""One hostile person attacks in every way, while others ask plain questions and wait for a text."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

from tests.bot import ROOT
from tests.chaos.attacks import Attack
from tests.chaos.fleet import Fleet, Member, fleet
from tests.chaos.fronts import DiscordFront, Front, Place, TelegramFront
from tests.fakes.discord import DiscordServer
from tests.fakes.telegram import TelegramServer
from tests.records import Records, eventually

LATER = 1.5
"""The most seconds that a first text comes later than without an attack."""
MEMORY, WITH_FILES = 200 << 20, 300 << 20
"""The most bytes of the process; more where files are sent."""
WITNESSES = 16
"""The people who ask in turn, so that none of them comes near a limit."""
ALONE, SPAN = 8, 2.5
"""The questions that are asked before any attack, and the seconds of each attack."""
LONGEST = 90.0
"""The seconds after which no further attack begins."""
PATIENCE = 8.0
"""The seconds after which a question counts as unanswered."""
BREATH = 0.25
"""The seconds between two questions."""

END_ALL = """
UPDATE turns SET answered_at = created_at, delivered_at = created_at, answer = '',
    outcome = 'stopped', worker_id = NULL, lease_until = NULL WHERE delivered_at IS NULL
"""
"""Ends what an attack has left to do."""

SETTINGS = {
    # Large enough that no limit of a person's money hides what an attack does to others.
    "QUOTA": "1000 turns/minute, 1000 usd/month",
    "BUDGET": "100000 usd/month",
}


@dataclass(frozen=True)
class Wave:
    """One kind of attack, with the waits for a first text during it, in seconds."""

    kind: str
    waits: Sequence[float]
    peak: int
    """The most bytes of the process's memory."""
    most: int
    """The bytes that it may have."""
    work: float = 0.0
    """The seconds of CPU that the process took."""
    ended: bool = False
    """True if the process ended by itself."""


@dataclass
class Siege:
    """The outcome on one platform and one database."""

    platform: str
    engine: str
    alone: Sequence[float] = ()
    waves: list[Wave] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """The kinds of attack for which there was no time."""

    def later(self, wave: Wave) -> float:
        """Return how many seconds later than usual the latest first text of a wave came."""
        return max(wave.waits) - median(self.alone)

    def broken(self) -> list[str]:
        """Return the promises that were not kept."""
        found = [f"no time for {kind}" for kind in self.left]
        for wave in self.waves:
            if self.later(wave) > LATER:
                found.append(f"{wave.kind}: a first text came {self.later(wave):.1f} s later")
            if wave.ended:
                found.append(f"{wave.kind}: the process ended")
            if wave.peak > wave.most:
                found.append(f"{wave.kind}: {wave.peak >> 20} MB")
        return found

    def rows(self) -> list[Sequence[str]]:
        """Return the rows of a table: platform, database, kind, seconds, memory."""
        usual = [f"{median(self.alone):.2f}", f"{max(self.alone):.2f}"]
        return [
            (
                self.platform,
                self.engine,
                wave.kind,
                *usual,
                f"{median(wave.waits):.2f}",
                f"{max(wave.waits):.2f}",
                f"{self.later(wave):+.2f}",
                f"{wave.peak >> 20} MB",
                f"{wave.work:.1f}",
            )
            for wave in self.waves
        ]


HEADS = (
    *("platform", "database", "kind", "alone", "worst", "attacked", "worst", "later"),
    *("memory", "CPU"),
)


async def besiege(
    platform: str, engine: str, url: str, directory: Path, attacks: Sequence[Attack]
) -> Siege:
    """Let one attack follow the other; each comes from a new person, whom no limit has met yet."""
    siege, began = Siege(platform, engine), time.monotonic()
    async with _stage(platform, url, directory) as (front, ships):
        member = await ships.start("w0")
        await ships.listening()
        await eventually(front.is_heard, within=20)
        records = Records(url)
        witnesses = _Witnesses(front)
        await witnesses.ask_each()
        siege.alone = [await witnesses.ask() for _ in range(ALONE)]
        for attack in attacks:
            if time.monotonic() - began > LONGEST:
                siege.left.append(attack.name)
                continue
            place = front.private("Mallory")
            if attack.prepare:
                await attack.prepare(front, place, records)
            siege.waves.append(await _wave(front, place, records, attack, witnesses, member))
            if not await witnesses.are_served():
                # It would hide what the next attacks do.
                await ships.kill("w0")
                await records.write(END_ALL)
                member = await ships.start("w0")
                await ships.listening()
                await witnesses.are_served()
    return siege


async def _wave(
    front: Front,
    place: Place,
    records: Records,
    attack: Attack,
    witnesses: "_Witnesses",
    member: Member,
) -> Wave:
    """Measure an attack on a process."""
    most = WITH_FILES if attack.files else MEMORY
    _forget_peak(member.pid)
    before = _work(member.pid)
    waits = await _attacked(front, place, records, attack, witnesses)
    if not member.is_alive():
        return Wave(attack.name, waits, 0, most, ended=True)
    return Wave(attack.name, waits, _peak(member.pid), most, _work(member.pid) - before)


async def _attacked(
    front: Front, place: Place, records: Records, attack: Attack, witnesses: "_Witnesses"
) -> list[float]:
    """Begin an attack; return the waits of the questions that are asked meanwhile."""
    began, waits = time.monotonic(), list[float]()
    attacking = asyncio.create_task(attack.begin(front, place, records))
    try:
        while time.monotonic() - began < SPAN:
            await asyncio.sleep(BREATH)
            waits.append(await witnesses.ask())
            if attacking.done():
                attacking.result()
    finally:
        attacking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await attacking
    return waits


class _Witnesses:
    """People who ask in turn, each in a private chat."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._places = [front.private(f"Witness {number}") for number in range(WITNESSES)]
        self._numbers = count(1)

    async def ask_each(self) -> None:
        """Let everybody be known to the bot."""
        for _ in self._places:
            await self.ask()

    async def are_served(self) -> bool:
        """Return whether the bot answers as soon as usual again; wait for that."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            if await self.ask() < LATER:
                return True
        return False

    async def ask(self) -> float:
        """Ask a question; return the seconds until its first text, or PATIENCE."""
        number = next(self._numbers)
        place, tag = self._places[number % WITNESSES], f"q{number}"
        began = time.monotonic()
        await self._front.say(place, f"{tag} short, please")
        with contextlib.suppress(TimeoutError):
            await self._front.wait(place, tag, PATIENCE)
        return (self._front.first_text(place, tag) or began + PATIENCE) - began


@asynccontextmanager
async def _stage(platform: str, url: str, directory: Path) -> AsyncIterator[tuple[Front, Fleet]]:
    """The platform here, the model in a process of its own, and the bot, still to be started."""
    async with AsyncExitStack() as stack:
        front: Front
        if platform == "telegram":
            front = TelegramFront(await stack.enter_async_context(TelegramServer()))
        else:
            front = DiscordFront(await stack.enter_async_context(DiscordServer()))
        environment: Mapping[str, str] = {
            **SETTINGS,
            **front.environment(),
            "DATABASE_URL": url,
            "MODEL_API_URL": await stack.enter_async_context(_villain()),
        }
        directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - before anything runs
        yield front, await stack.enter_async_context(fleet([platform], environment, directory))


@asynccontextmanager
async def _villain() -> AsyncIterator[str]:
    """Run the hostile model, and yield its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.villain"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def _forget_peak(pid: int) -> None:
    """Let the kernel measure the peak of a process's memory anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _work(pid: int) -> float:
    """Return the seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> int:
    """Return the most bytes of memory that a process had since then."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
