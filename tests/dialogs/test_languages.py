"""The main dialogs in each language: everything that the bot says is in that of the person."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from bots.telegram.adapter import SPARE
from core import words
from core.adapter import COMMANDS, START, ChangeKind
from core.words import Plural, _sentences
from tests.dialogs.stages import ButtonStage, DiscordStage, TelegramStage, World, ask
from tests.fakes.discord import DiscordServer
from tests.fakes.model import Fault, ModelServer
from tests.fakes.telegram import TelegramServer
from tests.records import eventually

LOCALES = {"en": "en-GB", "de": "de", "es": "es-419", "fr": "fr", "ru": "ru", "zh": "zh-CN"}
"""Languages of Discord's clients. There is none in Arabic: people choose it with /language."""
OTHER = "x-ai/other"
MARKS = re.compile(r"[\u2068\u2069\u200f\\*]|<t:\d+:R>")


def plain(text: str) -> str:
    """Return a text without marks of direction and of markup."""
    return MARKS.sub("", text)


def fragments(sentence: str) -> list[str]:
    """Return the pieces of a sentence between its values."""
    return [each.strip() for each in re.split(r"\{\w+\}|\n", plain(sentence)) if each.strip()]


ENGLISH = [
    piece
    for sentence in vars(_sentences).values()
    for text in ([sentence] if isinstance(sentence, str) else [])
    for piece in fragments(text)
    if len(piece) > 12
]


def says(text: str, sentence: str | Plural) -> bool:
    """Return whether a text has a sentence in it, whatever its values are."""
    if isinstance(sentence, Plural):
        raise TypeError("a sentence that depends on a number has to be formatted")
    return all(piece in plain(text) for piece in fragments(sentence))


class Person:
    """Ada, with a client in one language."""

    def __init__(self, stage: ButtonStage, language: str) -> None:
        self.stage = stage
        self.language = language

    async def begins(self) -> None:
        """Choose the language where no client has it, and look at the choice."""
        if isinstance(self.stage, DiscordStage) and self.language not in LOCALES:
            await self.hears(f"/language {self.language}", lambda: words.LANGUAGE_SET)
        else:
            await self.hears("/language", lambda: words.LANGUAGE_SHOWN)

    async def hears(self, said: str, *sentences: Callable[[], Any]) -> str:
        """Ask something; the answer has these sentences in her language, and none in English."""
        heard = await ask(self.stage, said)
        self.check(heard, *sentences)
        return heard

    def check(self, heard: str, *sentences: Callable[[], Any]) -> None:
        with words.spoken_in(self.language):
            for sentence in sentences:
                assert says(heard, sentence()), (self.language, sentence(), heard)
        assert "{" not in heard, heard
        if self.language != "en":
            assert [piece for piece in ENGLISH if piece in plain(heard)] == []


@pytest.fixture(params=["telegram", "discord"])
def stage_in(request: pytest.FixtureRequest, world: World) -> Callable[[str], ButtonStage]:
    """Makes stages, each with a person whose client is in a language."""
    if request.param == "telegram":
        server: TelegramServer = request.getfixturevalue("telegram_server")

        def on_telegram(language: str) -> ButtonStage:
            stage = TelegramStage(world, server)
            number = 2000 + words.languages().index(language)
            stage.ada = server.person(number, "Ada", language=language)
            stage.chat = server.private(stage.ada)
            return stage

        return on_telegram
    discord: DiscordServer = request.getfixturevalue("discord_server")

    def on_discord(language: str) -> ButtonStage:
        stage = DiscordStage(world, discord)
        stage.ada = discord.person("Ada", LOCALES.get(language, "en-US"))
        stage.channel = discord.dm(stage.ada)
        return stage

    return on_discord


STEPS: dict[str, Callable[[], str]] = {
    "/help": lambda: words.HELP,
    "/privacy": lambda: f"{words.STORED_FOR.format(30)}\n{words.SENT_TO_MANY}",
    "/usage": lambda: words.USED.format(0, money=words.dollars(0)),
    "/persona": lambda: f"{words.NO_PERSONA}\n{words.PERSONA_EXAMPLE}",
    "/persona Be brief.": lambda: words.PERSONA_SET,
    "/persona reset": lambda: words.PERSONA_RESET,
    "/model": lambda: words.MODEL_SHOWN,
    "/model other": lambda: words.MODEL_CHOSEN,
    "/stop": lambda: words.NOTHING_TO_STOP,
    "/retry": lambda: words.NOTHING_ASKED,
    "/new": lambda: words.NEW_CONVERSATION,
    "/export": lambda: words.EXPORTED,
    "/export ": lambda: words.EXPORTED_LATELY,
}
"""Commands, and the sentences that answer them."""
FIRST = {"/start": lambda: f"{words.HELLO}\n{words.HELLO_COMMANDS}"}
"""Those that only Telegram has."""


@pytest.mark.slow
async def test_commands(stage_in: Callable[[str], ButtonStage], model: ModelServer) -> None:
    people = [Person(stage_in(language), language) for language in words.languages()]
    stage = people[0].stage
    steps = STEPS | {"/dance": lambda: words.NO_SUCH_COMMAND} | FIRST
    if stage.platform == "discord":
        steps = STEPS
    async with stage.running(quota="1000 turns/day", models=OTHER, retention_days=30):
        for ada in people:
            await ada.begins()
        for said, sentence in steps.items():
            for ada in people:  # in turn, so that no chat is flooded
                await ada.hears(said.strip(), sentence)
    assert not model.requests


@pytest.mark.slow
async def test_help_lists_the_commands(stage_in: Callable[[str], ButtonStage]) -> None:
    people = [Person(stage_in(language), language) for language in words.languages()]
    async with people[0].stage.running():
        for ada in people:
            await ada.begins()
            helped = plain(await ada.hears("/help"))
            with words.spoken_in(ada.language):
                menu = [words.summary(each) for each in COMMANDS if each.name != START]
            assert [line for line in menu if line not in helped] == []


@pytest.mark.slow
async def test_buttons_and_what_only_the_person_sees(
    stage_in: Callable[[str], ButtonStage],
) -> None:
    people = [Person(stage_in(language), language) for language in words.languages()]
    async with people[0].stage.running():
        for ada in people:
            await ada.begins()
            await ada.hears("/forget", lambda: words.SURE)
            with words.spoken_in(ada.language):
                labels = [words.FORGET_EVERYTHING, words.CANCEL]
            place = ada.stage.place() - 1
            assert ada.stage.stands()[place][1] == labels
            await ada.stage.press(labels[1])
            await eventually(lambda stage=ada.stage, at=place: not stage.stands()[at][1])  # type: ignore[misc]
            ada.check(ada.stage.stands()[place][0], lambda: words.NOT_DONE)
            told = await ada.stage.told_by_press_gone(ChangeKind.CONFIRM)
            ada.check(told, lambda: words.DECIDED)
            await asyncio.sleep(2 / SPARE.calls)  # the account answers so many presses a second


@pytest.mark.slow
async def test_answers_refusals_and_faults(
    stage_in: Callable[[str], ButtonStage], world: World
) -> None:
    people = [Person(stage_in(language), language) for language in words.languages()]
    async with people[0].stage.running(quota="2 turns/month"):
        for ada in people:
            await ada.begins()  # a message on Discord tells no language
            if isinstance(ada.stage, TelegramStage):
                turns = ada.stage.records.turns()
                await ada.stage.server.sticker(ada.stage.chat, ada.stage.ada)
                await ada.stage.records.idle(turns + 1)
                ada.check(ada.stage.heard(), lambda: words.UNREADABLE)
        for ada in people:
            assert await ask(ada.stage, "say hello") == "hello"
            with words.spoken_in(ada.language):
                assert ada.stage.stands()[-1][1] == [words.REGENERATE]
        for ada in people:
            world.model.enqueue(Fault(401))
            await ada.hears("say hello", lambda: words.NO_ACCESS, lambda: words.REFERENCE)
            with words.spoken_in(ada.language):
                assert ada.stage.stands()[-1][1] == [words.TRY_AGAIN]
        for ada in people:
            await ada.hears("say it again", lambda: words.USED_UP)
            with words.spoken_in(ada.language):
                assert plain(words.limit(2, "turns", "month")) in plain(ada.stage.heard())


async def test_a_choice_holds_everywhere_and_auto_ends_it(
    stage_in: Callable[[str], ButtonStage],
) -> None:
    ada = Person(stage_in("de"), "de")
    async with ada.stage.running():
        ada.language = "ru"
        await ada.hears("/language русский", lambda: words.LANGUAGE_SET)
        await ada.hears("/stop", lambda: words.NOTHING_TO_STOP)
        await ada.hears("/language Klingonisch", lambda: words.LANGUAGE_UNKNOWN)
        ada.language = "fr"
        await ada.hears("/language Französisch", lambda: words.LANGUAGE_SET)
        ada.language = "de"
        await ada.hears("/language auto", lambda: words.LANGUAGE_FOLLOWS)
        await ada.hears("/stop", lambda: words.NOTHING_TO_STOP)


async def test_a_group_hears_each_person_in_their_own_language(
    world: World, telegram_server: TelegramServer
) -> None:
    stage = TelegramStage(world, telegram_server)
    people = [
        telegram_server.person(3000 + number, "Ada", language=language)
        for number, language in enumerate(("de", "es-419", "zh-hans", "pt-br", ""))
    ]
    group = telegram_server.group(-500, "Friends", admins=people)
    async with stage.running():
        for number, person in enumerate(people, 1):
            await telegram_server.say(group, person, f"/stop@{telegram_server.username}")
            await stage.records.idle(number)
        heard = [message.text for message in telegram_server.answers(group)]
    for language, told in zip(("de", "es", "zh", "en", "en"), heard, strict=True):
        with words.spoken_in(language):
            assert told == words.NOTHING_TO_STOP


@pytest.mark.slow
async def test_a_server_s_language_is_for_people_of_whom_none_is_known(
    world: World, discord_server: DiscordServer
) -> None:
    stage = DiscordStage(world, discord_server)
    ben = discord_server.person("Ben", "fr")
    guild = discord_server.guild("Freunde", members=[stage.ada, ben])
    guild.locale = "de"
    channel = discord_server.channel(guild, "general")
    async with stage.running():
        await discord_server.say(channel, stage.ada, discord_server.mention)
        await stage.records.idle(1)
        await discord_server.slash(channel, ben, "stop")
        await stage.records.idle(2)
        await discord_server.say(channel, ben, discord_server.mention)
        await stage.records.idle(3)
        heard = [message.content for message in discord_server.answers(channel)]
    for language, told in zip(("de", "fr", "fr"), heard, strict=True):
        with words.spoken_in(language):
            assert told in (words.NOTHING_SAID, words.NOTHING_TO_STOP)


async def test_the_operator_s_language_is_for_the_others(
    stage_in: Callable[[str], ButtonStage],
) -> None:
    ada = Person(stage_in("en"), "en")
    if isinstance(ada.stage, TelegramStage):
        ada.stage.ada = ada.stage.server.person(4000, "Ada", language="xx")
        ada.stage.chat = ada.stage.server.private(ada.stage.ada)
    else:
        ada.stage.ada = ada.stage.server.person("Ada", "ja")
        ada.stage.channel = ada.stage.server.dm(ada.stage.ada)
    ada.language = "es"
    async with ada.stage.running(default_language="es"):
        await ada.hears("/stop", lambda: words.NOTHING_TO_STOP)
