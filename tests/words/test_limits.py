"""Every sentence in each language fits where it is shown, on both platforms, with long values.

A text that is longer than a button, a toast or a message is a failure; so is markup that a platform
shows as signs. The fakes refuse what the platforms would refuse.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from string import Formatter

import pytest
from wcwidth import wcswidth

from bots.discord import markup as discord_markup
from bots.discord.adapter import connect as connect_discord
from bots.telegram import markup as telegram_markup
from bots.telegram.adapter import LONGEST_TOAST
from bots.telegram.adapter import connect as connect_telegram
from core import words
from core.adapter import Adapter, Address, Button, ChangeKind
from core.text import split
from core.words import Plural, _said, _sentences
from tests.fakes.discord import DiscordServer
from tests.fakes.telegram import TelegramServer

LANGUAGES = words.languages()
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LONG = {
    "name": "A long name of a file, as cameras and offices give them (final) 2026-11-29.docx",
    "model": "vendor/a-model-with-a-long-name-non-reasoning-2026-11",
    "models": "vendor/a-model-with-a-long-name-non-reasoning, other/model-with-a-name",
    "instructions": "Be brief. " * 40,
}
"""Values by name; the others are short."""
ROW = 30
"""The columns of the buttons in one row that a phone shows whole."""
ONE = 18
"""The same for a button that stands alone in a longer row."""
TOASTS = (
    *("DECIDED", "FORGOTTEN", "FORGOTTEN_SINCE", "MOVED_ON", "NOTHING_TO_STOP", "NOTHING_WAITS"),
    *("NOT_YOURS", "STILL_ANSWERING", "STILL_ANSWERING_HERE", "WAITS"),
)
"""The sentences that only the person who pressed a button sees."""


RIGHT = re.compile("[*\u200f]*[\u0590-\u08ff\u200f]")
"""The beginning of a line that every client writes from the right."""


def filled(sentence: str, number: int = 0) -> str:
    """Return a sentence with a long value in each place."""
    when = words.until(NOW + timedelta(days=17), NOW)
    times = dict.fromkeys(("until", "when", "begins"), when)
    limit = words.limit(10**6, "tokens", "month")
    named = LONG | times | {"number": words.number(number), "limit": limit}
    names = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    return sentence.format(**{name: named.get(name, "12,345") for name in names})


def _rest(sentence: str) -> dict[str, str]:
    """Return long values for all places of a sentence but its number."""
    names = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    return {name: filled(f"{{{name}}}") for name in names - {"number"}}


def said() -> Iterator[str]:
    """Yield everything that the bot says, in the current language."""
    for name, value in vars(_sentences).items():
        if not name.isupper() or name in ("ABOUT_THIS", "SOMEBODY"):
            continue
        if isinstance(value, Plural):
            for number in (0, 1, 2, 3, 11, 100, 400_000):
                yield value.format(number, **_rest(value.other))
        elif isinstance(value, str):
            yield filled(words.say(value))
    yield from (words.list_commands(), words.list_languages(), words.hello(["a/b", "c/d"], 30))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_fits_in_a_message_and_is_shown_as_it_is_meant(language: str) -> None:
    with words.spoken_in(language):
        for sentence in said():
            assert telegram_markup.fits(sentence)
            assert discord_markup.fits(sentence)
            text, entities = telegram_markup.render(sentence)
            assert "{" not in text
            assert "](when:" not in text + discord_markup.render(sentence)
            if re.fullmatch(r"\*[^*]+\*", sentence):
                assert {"italic"} <= {entity.type for entity in entities}
                assert "*" not in text, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_buttons_are_short_enough_for_a_phone(language: str) -> None:
    with words.spoken_in(language):
        confirms = [words.confirms(name) for name in _said._CONFIRMS]
        for label in (words.STOP, words.TRY_AGAIN, words.REGENERATE, words.CANCEL, *confirms):
            assert 0 < wcswidth(label) <= ONE, label
        for label in confirms:
            assert wcswidth(label) + wcswidth(words.CANCEL) <= ROW, label
        assert len(words.ASK_ABOUT) <= 32


@pytest.mark.parametrize("language", LANGUAGES)
def test_toasts_are_not_cut(language: str) -> None:
    with words.spoken_in(language):
        for name in TOASTS:
            text = telegram_markup.render(filled(getattr(words, name)))[0]
            assert len(text.encode("utf-16-le")) // 2 <= LONGEST_TOAST, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_in_a_language_from_the_right_find_their_own_direction(language: str) -> None:
    with words.spoken_in(language):
        for sentence in said():
            opened, closed = sentence.count("\u2068"), sentence.count("\u2069")
            assert opened == closed
            assert bool(opened) <= (language in words.FROM_RIGHT)
        if language not in words.FROM_RIGHT:
            return
        lines = "\n".join((words.list_commands(), words.NOT_WRITTEN, words.MODEL_REPLACED)).split(
            "\n"
        )
        assert [line for line in lines if line and not RIGHT.match(line)] == []
        told = words.FILE_EMPTY.format(name="photo (1).jpg")
        assert "\u2068photo (1).jpg\u2069" in told
        assert words.LINK_CODE.format(command="/link ABC").count("`/link ABC`") == 1, "to be copied"
        for command in ("/help", "/forget yes", "/persona reset"):
            assert f"\u2068{command}\u2069" in "".join(said())


def parts(adapter: Adapter, language: str) -> list[tuple[str, tuple[Button, ...]]]:
    """Return messages with all sentences in a language, and two buttons for each."""
    with words.spoken_in(language):
        labels = words.confirms("forget"), words.CANCEL
        kinds = ChangeKind.CONFIRM, ChangeKind.CANCEL
        buttons = tuple(Button(*each) for each in zip(kinds, labels, strict=True))
        return [(part, buttons) for part in split("\n\n".join(said()), adapter.fits)]


async def test_telegram_takes_every_sentence() -> None:
    async with (
        TelegramServer(flood=False) as server,
        connect_telegram(server.token, server.url) as adapter,
    ):
        ada, chats = server.person(1, "Ada"), count(-600, -1)
        for language in LANGUAGES:
            for part, buttons in parts(adapter, language):
                chat = server.group(next(chats), language, admins=[ada])
                here = Address("telegram", adapter.bot_id, str(chat.id))
                await adapter.send(here, part, final=True, buttons=buttons, nonce="n")
                [message] = server.answers(chat)
                assert message.buttons == [button.label for button in buttons]
                assert "](when:" not in message.text


async def test_discord_takes_every_sentence(discord_server: DiscordServer) -> None:
    guild = discord_server.guild("Friends", members=[discord_server.person("Ada")])
    async with connect_discord(discord_server.token, discord_server.url, Nothing()) as adapter:
        for language in LANGUAGES:
            for part, buttons in parts(adapter, language):
                channel = discord_server.channel(guild, "general")
                here = Address("discord", adapter.bot_id, channel.id)
                await adapter.send(here, part, final=True, buttons=buttons, nonce=channel.id)
                [message] = discord_server.answers(channel)
                labels = [each["label"] for each in message.buttons]
                assert labels == [button.label for button in buttons]
                assert "](when:" not in message.content


class Nothing:
    """Knows no message."""

    def hears(self, address: Address) -> bool:
        return True

    def operators(self) -> list[str]:
        return []

    async def newest(self, bot_id: str, chat: str) -> str | None:
        return None

    async def chats(self, bot_id: str) -> dict[str, str]:
        return {}

    async def private_chats(self, bot_id: str) -> list[str]:
        return []
