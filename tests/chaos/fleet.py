"""Processes of Parley that are killed and started again."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bot import ROOT, Process, process

LISTENING = "listening on"


@dataclass
class Member:
    """A process. Its key for the model API tells its calls from those of others."""

    key: str
    log: Path
    running: Process
    stack: AsyncExitStack = field(repr=False)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.running.process.pid

    def is_listening(self) -> bool:
        """Return True if the process listens to the platform."""
        return any(LISTENING in line for line in self.running.lines())

    def is_alive(self) -> bool:
        """Return True while the process runs."""
        return self.running.process.returncode is None


@dataclass
class Fleet:
    """Several processes with the same settings."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    members: dict[str, Member] = field(default_factory=dict)
    kills: list[float] = field(default_factory=list)
    """The times of the kills, on the monotonic clock."""
    starts: int = 0

    async def start(self, key: str, **environment: str) -> Member:
        """Start the process of a key."""
        self.starts += 1
        log = self.directory / f"{key}-{self.starts}.log"
        stack = AsyncExitStack()
        running = await stack.enter_async_context(
            process(
                *self.arguments,
                log=log,
                environment={**self.environment, "MODEL_API_KEY": key, **environment},
                root=ROOT,  # started as people start it: its memory and its first seconds count
            )
        )
        self.members[key] = Member(key, log, running, stack)
        return self.members[key]

    async def kill(self, key: str) -> None:
        """End the process of a key without a word."""
        member = self.members.pop(key)
        member.running.kill()
        self.kills.append(time.monotonic())
        await member.stack.aclose()

    async def stop(self, key: str, seconds: float = 40) -> int:
        """Ask the process of a key to stop; its exit status."""
        member = self.members.pop(key)
        try:
            member.running.terminate()
            return await member.running.wait(seconds)
        finally:
            await member.stack.aclose()

    def listener(self) -> str | None:
        """Return the key of the process that listens, according to the logs."""
        heard = [key for key, member in self.members.items() if member.is_listening()]
        return heard[-1] if heard else None

    async def listening(self, within: float = 30) -> None:
        """Wait until somebody listens."""
        async with asyncio.timeout(within):
            while self.listener() is None:
                self.check()
                await asyncio.sleep(0.03)

    def check(self) -> None:
        """No process ends by itself."""
        for member in self.members.values():
            if not member.is_alive():
                tail = "\n".join(member.running.lines()[-15:])
                raise AssertionError(f"{member.key} ended by itself:\n{tail}")


@asynccontextmanager
async def fleet(
    arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> AsyncIterator[Fleet]:
    """Run a fleet and end all of its processes afterwards."""
    ships = Fleet(arguments, environment, directory)
    try:
        yield ships
    finally:
        for member in list(ships.members.values()):
            await member.stack.aclose()
