"""The catalogues are whole: nothing is missing, unused, in doubt or with other values."""

import re
from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from core import words
from core.adapter import COMMANDS, VERBS
from core.words import Plural, _sentences
from core.words._language import CATALOGUES, say_number

ROOT = Path(__file__).parents[2]
LANGUAGES = words.languages()[1:]
KEYWORDS = {"_": None, "plural": (1, 2)}
UNMARKED = {"ABOUT_THIS", "EMPTY", "SOMEBODY"}
"""Texts for the model, and one that no language changes."""
MUCH = 2_000
"""Numbers up to this one are tried."""


def catalogue(language: str) -> Catalog:
    path = CATALOGUES / language / "LC_MESSAGES" / "parley.po"
    return read_po(BytesIO(path.read_bytes()), locale=language)


@cache
def extracted() -> frozenset[str | tuple[str, ...]]:
    """Return the marked sentences of the code, whose extraction takes most of a second."""
    return frozenset(
        sentence
        for part in ("core", "bots")
        for _, _, sentence, _, _ in extract_from_dir(ROOT / part, keywords=KEYWORDS)
    )


def sentences() -> Iterator[str | tuple[str, str]]:
    """Yield everything that people are told, in English."""
    for name, value in vars(_sentences).items():
        if not name.isupper() or name in UNMARKED:
            continue
        match value:
            case str():
                yield value
            case Plural():
                yield value.one, value.other
            case _:
                yield from value.values()
    for command in (*COMMANDS, *VERBS):
        yield command.summary
        if command.hint:
            yield command.hint


def forms(message: Message) -> tuple[str, ...]:
    """Return the translations of a message: one, or one for each kind of number."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def values(text: str) -> set[str]:
    """Return the names of the values in a text; raises ValueError if it cannot be formatted."""
    found = set()
    for _, name, form, conversion in Formatter().parse(text):
        if name is not None:
            assert name.isidentifier(), f"{text!r} has a value without name"
            assert not form, f"{text!r} writes a value as English does"
            assert conversion is None, text
            found.add(name)
    return found


def test_seven_languages_are_spoken() -> None:
    assert set(words.languages()) >= {"en", "de", "es", "fr", "ru", "ar", "zh"}


def test_every_sentence_is_marked_for_babel() -> None:
    assert set(sentences()) == extracted()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_sentence_and_no_other(language: str) -> None:
    theirs = catalogue(language)
    assert {message.id for message in theirs if message.id} == extracted()
    assert not theirs.obsolete
    assert [message.id for message in theirs if message.id and not all(forms(message))] == []
    assert [message.id for message in theirs if message.id and message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_values_of_the_sentence(language: str) -> None:
    for message in catalogue(language):
        if isinstance(message.id, str):
            assert values(str(message.string)) == values(message.id), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_has_a_form_of_its_own_with_the_values_of_the_sentence(language: str) -> None:
    theirs = catalogue(language)
    plurals = [message for message in theirs if message.pluralizable]
    assert plurals
    with words.spoken_in(language):
        for message in plurals:
            assert len(forms(message)) == theirs.num_plurals, message.id
            assert not isinstance(message.id, str)
            one, other = message.id
            said = {number: say_number(one, other, number) for number in range(MUCH)}
            bare = [re.sub("[\u2068\u2069\u200f]", "", each) for each in said.values()]
            assert set(bare) == set(forms(message)), "each form is said for some number"
            for form in forms(message):
                left_out = values(other) - values(form)
                assert values(form) <= values(other), form
                assert not left_out or (left_out == {"number"} and bare.count(form) == 1), form


@pytest.mark.parametrize("language", LANGUAGES)
def test_markup_and_commands_are_those_of_the_sentence(language: str) -> None:
    for message in catalogue(language):
        source = message.id if isinstance(message.id, str) else message.id[-1]
        for form in forms(message) if source else ():
            assert form.startswith("*") is source.startswith("*"), form
            assert form.endswith("*") is source.endswith("*"), form
            assert form.count("*") == source.count("*"), form
            assert sorted(commands(form)) == sorted(commands(source)), form
            assert form == form.strip(), form


def commands(text: str) -> list[str]:
    return re.findall(r"(?<![\w}])/(?:[a-z]+(?: (?:yes|reset|auto|stop)\b)?|\{\w+\})", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_loaded_is_what_was_translated(language: str) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    path = CATALOGUES / language / "LC_MESSAGES" / "parley.mo"
    with path.open("rb") as file:
        assert (
            vars(GNUTranslations(file))["_catalog"] == vars(GNUTranslations(compiled))["_catalog"]
        )


def test_english_has_values_with_names_too() -> None:
    for sentence in sentences():
        assert len({frozenset(values(each)) for each in [sentence] if isinstance(each, str)}) <= 1
        if not isinstance(sentence, str):
            assert values(sentence[0]) == values(sentence[1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_differ(language: str) -> None:
    """Most sentences are translated, and not only copied."""
    theirs = [message for message in catalogue(language) if isinstance(message.id, str)]
    same = [message.id for message in theirs if message.id and message.id == message.string]
    assert len(same) < len(theirs) / 10, same
