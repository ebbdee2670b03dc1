"""The stage of every measurement: the fakes, a database, and the bot as a process."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from core import words
from tests.bot import ROOT
from tests.fakes.model import ModelServer
from tests.fakes.telegram import Chat, Message, TelegramServer, User
from tests.records import Records, eventually

TICKS = os.sysconf("SC_CLK_TCK")
NO_LIMIT = "1000000 turns/minute, 1000000 turns/day, 1000000 usd/month"
"""As many limits as there are by default, and none that stops anybody."""
STOCK = "bots"
FAST = "tests.bench.account"


@dataclass(frozen=True, slots=True)
class Bot:
    """The bot's process, seen from outside."""

    pid: int

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """Megabytes that are resident."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """Megabytes that were resident at most."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise LookupError(name)


@dataclass(frozen=True, slots=True)
class Stage:
    """The fakes in this process, and where the bot keeps its data."""

    database: str
    """The engine's name."""
    url: str
    directory: Path
    model: ModelServer
    telegram: TelegramServer

    @property
    def records(self) -> Records:
        """The records of the bot's database."""
        return Records(self.url)

    def people(self, number: int, first: int = 1000) -> list["Person"]:
        """People, each in a private chat with the bot."""
        users = [self.telegram.person(first + n, f"Person {n}") for n in range(number)]
        return [Person(self, user, self.telegram.private(user)) for user in users]

    @asynccontextmanager
    async def bot(
        self,
        *arguments: str,
        platform: str = "telegram",
        module: str = STOCK,
        **settings: object,
    ) -> AsyncIterator[Bot]:
        """The bot, from its start; it may not be ready yet."""
        values = {
            "quota": NO_LIMIT,
            "requests_per_minute": 1_000_000,
            "budget": "1000000 usd/month",
            "database_url": self.url,
            "model_api_key": "test-key",
            "model_api_url": self.model.url,
            "telegram_token": self.telegram.token,
            "telegram_api_url": self.telegram.url,
            **settings,
        }
        with (self.directory / "bot.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, platform, *arguments),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]} | {k.upper(): str(v) for k, v in values.items()},
            )
        try:
            yield Bot(process.pid)
        except TimeoutError as error:
            error.add_note(_last_lines(self.directory / "bot.log"))
            raise
        finally:
            await _stop(process)

    async def ready(self) -> None:
        """Wait until the bot listens."""
        await self.telegram.wait(lambda: self.telegram.polling, timeout=30)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End it gently, so that the next one need not wait for its leases to run out."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(30):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_lines(log: Path) -> str:
    return "\n".join(["The bot said last:", *log.read_text().splitlines()[-20:]])


@dataclass(frozen=True, slots=True)
class Person:
    """A person in a private chat with the bot."""

    stage: Stage
    user: User
    chat: Chat

    async def say(self, text: str) -> float:
        """Write; the moment at which the bot could know."""
        said_at = time.monotonic()
        await self.stage.telegram.say(self.chat, self.user, text)
        return said_at

    async def ask(self, text: str, *, within: float = 30) -> Message:
        """Write, and wait for the whole answer."""
        before = self.last()
        await self.say(text)
        await self.stage.telegram.wait(lambda: self.has_answer(since=before), timeout=within)
        return self.answer()

    def last(self) -> int:
        """The id of the newest message."""
        return next(reversed(self.chat.messages), 0)

    def answer(self) -> Message:
        """The newest message, which is the bot's."""
        return self.chat.messages[self.last()]

    def has_answer(self, since: int = 0) -> bool:
        """Return True if the newest message is a whole answer; a growing one can be stopped."""
        newest = self.chat.messages.get(self.last())
        return (
            newest is not None
            and newest.message_id > since
            and newest.sender.is_bot
            and words.STOP not in newest.buttons
        )


async def talk(people: Iterable[Person], text: str, *, turns: int, at_once: int) -> None:
    """So many turns, a number of people at a time, one after the other again and again."""
    turn_of = islice(cycle(people), turns)

    async def speak() -> None:
        for person in turn_of:
            await person.ask(text)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(speak())


async def answered(people: Iterable[Person], within: float) -> None:
    """Wait until all of them have their answer."""
    waiting = list(people)

    def nobody_waits() -> bool:
        waiting[:] = [person for person in waiting if not person.has_answer()]
        return not waiting

    await eventually(nobody_waits, within)
