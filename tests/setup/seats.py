"""A person at a terminal in which a command of Parley asks questions."""

import asyncio
import os
import pty
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.forks import Fork, fork

PATIENCE = 60
"""The seconds after which a question counts as lost: a bound, no assertion."""


class Person:
    """Reads what a command writes, and types."""

    def __init__(self, terminal: int, command: Fork) -> None:
        self.said = ""
        """Everything that was written so far."""
        self._terminal = terminal
        self._command = command
        self._read = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(terminal, self._hear)

    def _hear(self) -> None:
        with suppress(OSError):  # the command has ended
            if heard := os.read(self._terminal, 65536):
                self.said += heard.decode(errors="replace").replace("\r\n", "\n")
                self._news.set()
                return
        asyncio.get_running_loop().remove_reader(self._terminal)

    async def reads(self, words: str) -> None:
        """Wait until some words stand behind all that was waited for before."""
        async with asyncio.timeout(PATIENCE):
            while (at := self.said.find(words, self._read)) < 0:
                self._news.clear()
                await self._news.wait()
        self._read = at + len(words)

    async def answers(self, question: str, answer: str = "") -> None:
        """Wait for a question, and type an answer; nothing but Enter, if none is given."""
        await self.reads(question)
        await self.reads(": " if "?" not in question else "] ")
        os.write(self._terminal, f"{answer}\n".encode())

    async def presses(self, key: str, until: str) -> None:
        """Press a key, as Ctrl-C, until some words stand there.

        A signal that comes just before a question waits for its answer is lost, as for a person.
        """
        async with asyncio.timeout(PATIENCE):
            while until not in self.said[self._read :]:
                os.write(self._terminal, key.encode())
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self.reads(until)
                        return

    async def status(self) -> int:
        """Return the exit status of the command, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            return await self._command.wait()


@asynccontextmanager
async def seated(
    folder: Path, *arguments: str, environment: Mapping[str, str]
) -> AsyncIterator[Person]:
    """Start a command in a folder and a terminal of its own; it does not outlive the test."""
    person, computer = pty.openpty()
    termios.tcsetwinsize(computer, (40, 100))
    with os.fdopen(computer, "wb", buffering=0) as screen:
        command = await fork(
            arguments,
            folder=folder,
            environment={"PATH": os.environ["PATH"], **environment},
            output=screen,
            errors=screen,
            terminal=computer,
        )
    reader = Person(person, command)
    try:
        yield reader
    finally:
        if command.returncode is None:
            command.kill()
        await command.wait()
        asyncio.get_running_loop().remove_reader(person)
        os.close(person)
