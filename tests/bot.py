"""Parley itself for tests: in this process, or as a process that can be killed."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bots.composition import run
from bots.loading import load
from bots.platform import Platform
from core.adapter import Adapter, Address, Known
from core.settings import Settings
from tests.forks import Fork, fork

ROOT = Path(__file__).parent.parent


class Hasty:
    """An account whose chats take a call at any time; all else is that of another account."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def pace(self, address: Address) -> float:
        return 0.02

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


class HastyPlatform:
    """A platform with such accounts."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @asynccontextmanager
    async def connect(self, known: Known) -> AsyncIterator[Hasty]:
        async with self._platform.connect(known) as adapter:
            yield Hasty(adapter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._platform, name)


@asynccontextmanager
async def bot(*names: str, **values: object) -> AsyncIterator[None]:
    """Parley as `python -m bots` composes it, on its own task; it must not end by itself.

    `notice_after` among the values is the seconds after which people are told why they wait, and
    `watch_every` those between two looks at what the operators have to see to.
    """
    paces = _paces(values)
    loaded, platforms = load(env_file=None, **values)
    by_name = {platform.name: platform for platform in platforms}
    async with _running(loaded, [by_name[name] for name in names], paces):
        yield


@asynccontextmanager
async def hasty_bot(*names: str, **values: object) -> AsyncIterator[None]:
    """Parley on platforms whose chats take a call at any time."""
    paces = _paces(values)
    loaded, platforms = load(env_file=None, **values)
    hasty = [cast("Platform", HastyPlatform(each)) for each in platforms if each.name in names]
    async with _running(loaded, hasty, paces):
        yield


def _paces(values: dict[str, object]) -> dict[str, float]:
    """Take those values out that are no settings."""
    names = [name for name in ("notice_after", "watch_every") if name in values]
    return {name: cast("float", values.pop(name)) for name in names}


@asynccontextmanager
async def _running(
    loaded: Settings, platforms: list[Platform], paces: dict[str, float]
) -> AsyncIterator[None]:
    running = asyncio.create_task(run(loaded, platforms, **cast("Any", paces)))
    try:
        yield
    finally:
        alive = not running.done()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert alive, "the bot ended by itself"


def settings(**values: object) -> Settings:
    """Settings from these values alone: nothing of the machine's environment."""
    loaded, _ = load(env_file=None, **values)
    return loaded


@dataclass
class Process:
    """`python -m bots` as a process of its own."""

    process: asyncio.subprocess.Process | Fork
    log: Path

    def kill(self) -> None:
        """End it without a word, as the kernel would."""
        self.process.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to stop, as a dyno's manager would."""
        self.process.send_signal(signal.SIGTERM)

    async def wait(self, seconds: float = 120) -> int:
        """Its exit status."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    def lines(self) -> list[str]:
        """Return the log of the process."""
        return self.log.read_text().splitlines()


@asynccontextmanager
async def process(
    *arguments: str,
    log: Path,
    environment: Mapping[str, str],
    output: Path | None = None,
    root: Path | None = None,
) -> AsyncIterator[Process]:
    """Start `python -m bots`; whatever happens, it does not outlive the test.

    `log` gets its standard error, `output` what it prints (the log too, if not given). The code is
    loaded already, unless `root` names its folder: then Python starts anew.
    """
    environment = {"PATH": os.environ["PATH"], "LOG_FORMAT": "text", **environment}
    with log.open("ab") as errors, (output or log).open("ab") as printed:
        if root is None:
            started: asyncio.subprocess.Process | Fork = await fork(
                arguments, folder=ROOT, environment=environment, output=printed, errors=errors
            )
        else:
            started = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bots",
                *arguments,
                cwd=root,
                stdin=asyncio.subprocess.PIPE,
                stdout=printed,
                stderr=errors,
                env=environment,
            )
    try:
        yield Process(started, log)
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
