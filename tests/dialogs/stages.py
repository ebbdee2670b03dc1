"""The stages of dialogs: each offers the same few actions, on its platform."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.adapter import ASK, ChangeKind
from tests.bot import Process, bot, process
from tests.fakes.discord import DiscordServer
from tests.fakes.discord.records import EPHEMERAL, Interaction
from tests.fakes.model import ModelServer
from tests.fakes.telegram import Chat, TelegramServer, User
from tests.fakes.telegram.state import Press
from tests.records import Records, eventually
from tests.windows import whole


@dataclass
class World:
    """The surroundings of every stage."""

    model: ModelServer
    database_url: str
    directory: Path
    _begun: bool = False

    async def begin(self) -> None:
        """Wait before the first process until no hour ends soon: windows of limits end with it."""
        if not self._begun:
            self._begun = True
            await whole(3600, needed=60)

    def values(self, **more: object) -> dict[str, object]:
        """The settings of Parley."""
        return {
            "database_url": self.database_url,
            "model_api_key": "test-key",
            "model_api_url": self.model.url,
            **more,
        }


Shown = tuple[str, list[str]]
"""The text of a message and the labels of the buttons below it."""


class Stage(Protocol):
    """A private chat between Ada and the bot."""

    platform: str
    records: Records

    def running(self, **values: object) -> AbstractAsyncContextManager[None]:
        """Run Parley in this process, with additional settings."""

    def process(self, **values: object) -> AbstractAsyncContextManager[Process]:
        """Run Parley as a process that can be killed."""

    async def say(self, text: str) -> None:
        """Let Ada write a text; a command has its slash."""

    def heard(self, since: int = 0) -> str:
        """Return the bot's messages to Ada as she sees them now, from an index on."""

    def place(self) -> int:
        """Return the index at which the bot's next words will begin."""


async def ask(stage: Stage, text: str) -> str:
    """Say something, wait until everything is answered, and return the bot's new words."""
    turns, place = stage.records.turns(), stage.place()
    await stage.say(text)
    await stage.records.idle(turns + 1)
    await eventually(lambda: stage.place() > place)
    return stage.heard(place)


class TelegramStage:
    """A private chat on Telegram."""

    platform = "telegram"

    def __init__(self, world: World, server: TelegramServer) -> None:
        self.world = world
        self.server = server
        self.records = Records(world.database_url)
        self.ada = server.person(1001, "Ada")
        self.chat = server.private(self.ada)

    def group(self, *others: User) -> Chat:
        """A group with the bot in it; Ada and the others are its admins."""
        return self.server.group(-500, "Friends", admins=[self.ada, *others])

    def values(self, **values: object) -> dict[str, object]:
        """The settings of Parley."""
        account = {"telegram_token": self.server.token, "telegram_api_url": self.server.url}
        return self.world.values(**account, **values)

    @asynccontextmanager
    async def running(self, **values: object) -> AsyncIterator[None]:
        await self.world.begin()
        async with bot(self.platform, **self.values(**values)):
            yield

    @asynccontextmanager
    async def process(self, **values: object) -> AsyncIterator[Process]:
        await self.world.begin()
        log = self.world.directory / "log"
        async with process("telegram", log=log, environment=env(self.values(**values))) as started:
            yield started

    async def say(self, text: str) -> None:
        await self.server.say(self.chat, self.ada, text)

    def heard(self, since: int = 0) -> str:
        return "\n".join(message.text for message in self.server.answers(self.chat)[since:])

    def place(self) -> int:
        return len(self.server.answers(self.chat))

    def stands(self) -> list[Shown]:
        """Return the texts and the labels of the buttons of the bot's messages to Ada."""
        return [(each.text, each.buttons) for each in self.server.answers(self.chat)]

    async def press(self, label: str, at: int = -1) -> Press:
        """Let Ada press a button, and wait until the bot has heard of it."""
        message = self.server.answers(self.chat)[at]
        return await self._heard(await self.server.press(message, label, self.ada))

    async def press_gone(self, kind: ChangeKind, at: int = -1) -> Press:
        """Let Ada press a button that her client still shows."""
        message = self.server.answers(self.chat)[at]
        return await self._heard(await self.server.press_gone(message, kind.value, self.ada))

    async def told_by_press(self, label: str, at: int = -1) -> str:
        """Let Ada press a button; return what the bot tells only her."""
        return await self.told(await self.press(label, at))

    async def told_by_press_gone(self, kind: ChangeKind, at: int = -1) -> str:
        """Let Ada press a button that her client still shows; return what the bot tells her."""
        return await self.told(await self.press_gone(kind, at))

    async def _heard(self, press: Press) -> Press:
        await self.server.wait(lambda: press.answer is not None)
        return press

    async def told(self, press: Press) -> str:
        """Return what the bot tells only the person who pressed a button."""
        await self.server.wait(lambda: press.answer is not None)
        return str((press.answer or {})["text"])


class DiscordStage:
    """A direct message on Discord."""

    platform = "discord"

    def __init__(self, world: World, server: DiscordServer) -> None:
        self.world = world
        self.server = server
        self.records = Records(world.database_url)
        self.ada = server.person("Ada")
        self.channel = server.dm(self.ada)

    def values(self, **values: object) -> dict[str, object]:
        """The settings of Parley."""
        account = {"discord_token": self.server.token, "discord_api_url": self.server.url}
        return self.world.values(**account, **values)

    @asynccontextmanager
    async def running(self, **values: object) -> AsyncIterator[None]:
        await self.world.begin()
        async with bot(self.platform, **self.values(**values)):
            await self.met()
            yield

    @asynccontextmanager
    async def process(self, **values: object) -> AsyncIterator[Process]:
        await self.world.begin()
        log = self.world.directory / "log"
        async with process("discord", log=log, environment=env(self.values(**values))) as started:
            await self.met()
            yield started

    async def met(self) -> None:
        """Wait for the first session, because the bot need not answer anything earlier."""
        await self.server.wait(lambda: self.server.gateway.sessions)

    async def say(self, text: str) -> None:
        if text.startswith("/"):
            command, _, arguments = text.removeprefix("/").partition(" ")
            option = "question" if command == ASK else "text"
            options = {option: arguments} if arguments else {}
            await self.server.slash(self.channel, self.ada, command, **options)
        else:
            await self.server.say(self.channel, self.ada, text)

    def heard(self, since: int = 0) -> str:
        return "\n".join(message.content for message in self.server.answers(self.channel)[since:])

    def place(self) -> int:
        return len(self.server.answers(self.channel))

    def stands(self) -> list[Shown]:
        """Return the texts and the labels of the buttons of the bot's messages to Ada."""
        messages = self.server.answers(self.channel)
        return [(each.content, [part["label"] for part in each.buttons]) for each in messages]

    async def press(self, label: str, at: int = -1) -> Interaction:
        """Let Ada press a button, and wait until the bot has heard of it."""
        message = self.server.answers(self.channel)[at]
        return await self._heard(await self.server.press(message, label, self.ada))

    async def press_gone(self, kind: ChangeKind, at: int = -1) -> Interaction:
        """Let Ada press a button that her client still shows."""
        message = self.server.answers(self.channel)[at]
        return await self._heard(await self.server.press_gone(message, kind.value, self.ada))

    async def told_by_press(self, label: str, at: int = -1) -> str:
        """Let Ada press a button; return what the bot tells only her."""
        return await self.told(await self.press(label, at))

    async def told_by_press_gone(self, kind: ChangeKind, at: int = -1) -> str:
        """Let Ada press a button that her client still shows; return what the bot tells her."""
        return await self.told(await self.press_gone(kind, at))

    async def _heard(self, press: Interaction) -> Interaction:
        await self.server.wait(lambda: press.acknowledged)
        return press

    async def told(self, press: Interaction) -> str:
        """Return what the bot tells only the person who pressed a button."""
        await self.server.wait(lambda: press.followups)
        assert all(each.flags & EPHEMERAL for each in press.followups)
        return "".join(each.content for each in press.followups)


ButtonStage = TelegramStage | DiscordStage
"""A stage on a platform that has buttons."""


class ConsoleStage:
    """A pipe to the terminal's adapter, which is always a process of its own."""

    platform = "console"

    def __init__(self, world: World) -> None:
        self.world = world
        self.records = Records(world.database_url)
        self._heard = world.directory / "heard"
        self._heard.touch()

    @asynccontextmanager
    async def running(self, **values: object) -> AsyncIterator[None]:
        async with self.process(**values):
            yield

    @asynccontextmanager
    async def process(self, **values: object) -> AsyncIterator[Process]:
        await self.world.begin()
        started = process(
            "console",
            log=self.world.directory / "log",
            output=self._heard,
            environment=env(self.world.values(**values)),
        )
        async with started as running:
            self._stdin = running.process.stdin
            yield running

    async def say(self, text: str) -> None:
        assert self._stdin is not None
        self._stdin.write(f"{text}\n".encode())
        await self._stdin.drain()

    def heard(self, since: int = 0) -> str:
        return self._heard.read_text()[since:]

    def place(self) -> int:
        return len(self._heard.read_text())


def env(values: dict[str, object]) -> dict[str, str]:
    """Settings as environment variables."""
    return {name.upper(): str(value) for name, value in values.items()}
