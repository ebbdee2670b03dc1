"""A likeness of the repository, in which the commands of the documents are carried out."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bot import ROOT

PARTS = ("bots", "core", "docs", "migrations", "tests", "Makefile", "pyproject.toml")
PINS = ("requirements.txt", "requirements-dev.txt")
PATIENCE = 120
"""The seconds after which a command counts as lost: a bound, no assertion."""


@dataclass
class Ended:
    """A command that has ended, with everything that it wrote."""

    status: int
    said: str


@dataclass(frozen=True)
class Sandbox:
    """The folder, with a `.env` of its own."""

    folder: Path

    def write_settings(self, **settings: str) -> None:
        """Write `.env`, which only its owner can read."""
        path = self.folder / ".env"
        path.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
        path.chmod(0o600)

    @asynccontextmanager
    async def start(self, command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a command as a shell does; it does not outlive the context."""
        started = await asyncio.create_subprocess_exec(
            *(
                "bash",
                "-c",
                f"exec {command}" if "=" not in command.split(maxsplit=1)[0] else command,
            ),
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.folder)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield started
        finally:
            if started.returncode is None:
                os.killpg(started.pid, 9)
            await started.wait()

    async def run(self, command: str, typed: str = "") -> Ended:
        """Run a command to its end, with lines that a person types before they leave."""
        async with self.start(command) as started, asyncio.timeout(PATIENCE):
            said, _ = await started.communicate(typed.encode())
            return Ended(await started.wait(), said.decode())


def build(folder: Path, *, copied: bool) -> Sandbox:
    """Make a sandbox, whose `.venv` is the one in which the tests run.

    Commands that write into the repository need it `copied`; links are quicker for all others.
    """
    folder.mkdir()
    for part in PARTS:
        source = ROOT / part
        if copied and source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif copied:
            shutil.copy(source, folder / part)
        else:
            (folder / part).symlink_to(source)
    for pins in PINS:
        (folder / pins).symlink_to(ROOT / pins)
    (folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (folder / ".venv" / ".ready").touch()
    return Sandbox(folder)
