"""The dialogs of the pictures: every question is asked on both platforms, in a chat of its own."""

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from PIL import Image

from tests.bot import hasty_bot
from tests.fakes.discord import Channel, DiscordServer, Person
from tests.fakes.model import ModelServer
from tests.fakes.model.script import ModelRequest, Reply
from tests.fakes.telegram import Chat, TelegramServer
from tests.pictures import discord, telegram
from tests.pictures.answers import ANSWERS, AWAY, CHAT, GROUP, TWICE, Answer
from tests.pictures.looks import DARK, LIGHT
from tests.pictures.painter import paint
from tests.pictures.posts import READER, Post
from tests.records import Records, eventually


@dataclass
class Telegram:
    """Ada's phone on Telegram."""

    server: TelegramServer
    chats: dict[str, Chat] = field(default_factory=dict)

    async def ask(self, answer: Answer) -> None:
        """Ask for an answer, and do not wait."""
        if answer.name == GROUP:
            await self._ask_in_group(answer.question)
            return
        if answer.name not in self.chats:
            ada = self.server.person(1000 + len(self.chats), READER)
            self.chats[answer.name] = self.server.private(ada)
        chat = self.chats[answer.name]
        await self.server.say(chat, chat.people[chat.id], answer.question)

    async def _ask_in_group(self, question: str) -> None:
        ada, bob = self.server.person(500, READER), self.server.person(501, "Bob")
        group = self.server.group(-500, "Friends", admins=[ada, bob])
        self.chats[GROUP] = group
        photo = await self.server.photo(group, bob, drawn())
        await self.server.say(group, ada, f"@{self.server.username} {question}", photo)

    def posts(self, name: str) -> list[Post]:
        """Return the messages of a dialog as they stand now."""
        return telegram.read(self.server, self.chats[name])

    async def stop(self) -> None:
        """Press the button that ends the wait for the model."""
        chat = self.chats[AWAY]
        [post] = self.server.answers(chat)
        await self.server.press(post, "Stop", chat.people[chat.id])


class Discord:
    """Ada's phone on Discord."""

    def __init__(self, server: DiscordServer) -> None:
        self.server = server
        self.channels: dict[str, Channel] = {}
        self._ada, self._bob = server.person(READER), server.person("Bob")
        guild = server.guild("Friends", members=[self._ada, self._bob])
        self._group = server.channel(guild, "general")

    async def ask(self, answer: Answer) -> None:
        """Ask for an answer, and do not wait."""
        if answer.name == GROUP:
            await self._ask_in_group(answer.question)
            return
        if answer.name not in self.channels:
            self.channels[answer.name] = self.server.dm(self.server.person(READER))
        channel = self.channels[answer.name]
        ada = _recipient(channel)
        if answer.question.startswith("/"):
            await self.server.slash(channel, ada, answer.question.removeprefix("/"))
        else:
            await self.server.say(channel, ada, answer.question)

    async def _ask_in_group(self, question: str) -> None:
        self.channels[GROUP] = self._group
        files = [("photo.png", drawn(), "image/png")]
        shown = await self.server.say(self._group, self._bob, "", attachments=files)
        words = f"{self.server.mention} {question}"
        await self.server.say(self._group, self._ada, words, reply_to=shown)

    def posts(self, name: str) -> list[Post]:
        """Return the messages of a dialog as they stand now."""
        return discord.read(self.server, self.channels[name])

    async def stop(self) -> None:
        """Press the button that ends the wait for the model."""
        channel = self.channels[AWAY]
        [post] = self.server.answers(channel)
        await self.server.press(post, "Stop", _recipient(channel))


def _recipient(channel: Channel) -> Person:
    assert channel.recipient is not None
    return channel.recipient


def drawn() -> bytes:
    """Return a picture."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(picture, "PNG")
    return picture.getvalue()


@asynccontextmanager
async def phones(
    database_url: str, answers: Sequence[Answer]
) -> AsyncIterator[tuple[Telegram, Discord, Records]]:
    """Run the bot for both phones; the model knows these answers."""
    async with ModelServer() as model, TelegramServer() as wires, DiscordServer() as gateway:
        model.respond = partial(_reply, answers)
        values = {
            "database_url": database_url,
            "model_api_key": "test-key",
            "model_api_url": model.url,
            "telegram_token": wires.token,
            "telegram_api_url": wires.url,
            "discord_token": gateway.token,
            "discord_api_url": gateway.url,
        }
        both = Telegram(wires), Discord(gateway)
        async with hasty_bot("telegram", "discord", notice_after=0.1, **values):
            await gateway.wait(lambda: gateway.gateway.sessions)
            yield *both, Records(database_url)


def _reply(answers: Sequence[Answer], request: ModelRequest) -> Reply:
    for answer in answers:
        if request.text.endswith(answer.question):
            return answer.reply
    raise AssertionError(f"nobody asks {request.text!r}")


async def draw(database_url: str) -> dict[str, str]:
    """Hold all dialogs on both platforms; return the picture of each, by its name, as SVG."""
    async with phones(database_url, ANSWERS) as (telegrams, discords, records):
        return await _draw(telegrams, discords, records)


async def draw_chat(database_url: str) -> dict[str, str]:
    """Hold the dialog of the README; return its pictures by their names, as SVG."""
    async with phones(database_url, CHAT) as (telegrams, discords, records):
        for turns, answer in enumerate(CHAT, 1):
            await telegrams.ask(answer)
            await discords.ask(answer)
            await records.idle(2 * turns)
        [name] = telegrams.chats
        posts = telegrams.posts(name), discords.posts(name)
        themes = {"light": LIGHT, "dark": DARK}
        return {name: paint(*posts, theme) for name, theme in themes.items()}


async def _draw(telegrams: Telegram, discords: Discord, records: Records) -> dict[str, str]:
    *answered, away = ANSWERS
    assert away.name == AWAY, "while the model is away, nobody is answered"
    again = [answer for answer in answered if answer.name == TWICE]
    turns = 0
    for answers in (answered, again, [away]):
        for answer in answers:
            await telegrams.ask(answer)
            await discords.ask(answer)
        turns += 2 * len(answers)
        if away not in answers:
            await records.idle(turns)
    await eventually(lambda: len(telegrams.posts(AWAY)) == len(discords.posts(AWAY)) == 2)
    pictures = {
        name: paint(telegrams.posts(name), discords.posts(name)) for name in telegrams.chats
    }
    await telegrams.stop()
    await discords.stop()
    await eventually(lambda: not records.busy())
    return pictures
