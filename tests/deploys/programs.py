"""Programs that a deploy starts, as processes that do not outlive their test."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bot import ROOT, Process

TOOLS = str(Path(sys.executable).parent)
"""The folder of the interpreter that runs the tests, with the programs of its libraries."""
SEARCHED = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
"""The folders in which a program is looked for, as in a shell where .venv is active."""
STOPPING = 40
"""The seconds that a program has to stop after its signal."""
INSTALLING = 280
"""The seconds after which a program is taken to hang; beside other tests pip takes minutes."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder and the user of programs; the log gets all that they say."""

    log: Path
    folder: Path
    environment: Mapping[str, str]
    user: int | None = None
    """The user and group; None for those of the tests."""

    @asynccontextmanager
    async def program(self, *command: str) -> AsyncIterator[Process]:
        """Start a program.

        If it still runs at the end, it is asked to stop before it is killed, because it may have
        started others.
        """
        with self.log.open("ab") as output:
            started = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": SEARCHED, **self.environment},
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        try:
            yield Process(started, self.log)
        finally:
            if started.returncode is None:
                started.terminate()
                try:
                    await asyncio.wait_for(started.wait(), STOPPING)
                except TimeoutError:
                    started.kill()
                    await started.wait()

    async def carry_out(self, *command: str) -> int:
        """Run a program that ends by itself; return its exit status."""
        async with self.program(*command) as running:
            return await running.wait(INSTALLING)

    async def type_in(self, *lines: str) -> None:
        """Run commands of a shell; an assertion fails with the log for one that fails."""
        for line in lines:
            status = await self.carry_out("bash", "-c", line)
            assert status == 0, f"{line}\n{self.said()}"

    def said(self) -> str:
        """Return all that the programs have said."""
        return self.log.read_text()


def said(*command: str, folder: Path = ROOT) -> tuple[int, str]:
    """Run a program that is done in a moment; return its exit status and all that it says."""
    ended = subprocess.run(  # noqa: S603 - a linter, with arguments of a test
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def dotenv(values: Mapping[str, object]) -> str:
    """Return settings as a file `.env` has them, in quotes."""
    return "".join(f'{name.upper()}="{value}"\n' for name, value in values.items())
