"""The language in which people are spoken to now, and the catalogues of sentences in it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

ENGLISH = "en"
"""The language of the sentences in the code."""
CATALOGUES = Path(__file__).parent / "locale"
"""A folder for each further language, named by its code, as gettext wants it."""
DOMAIN = "parley"
FROM_RIGHT = frozenset({"ar", "fa", "he", "ur"})
"""The languages that are written from right to left."""
LONGEST_CODE = 35
"""The most characters of a language's code that a platform tells."""

_INSERTED = re.compile(r"(?P<code>`[^`]*`)|(?:/|\{prefix\})[a-z]+(?: [a-z]+\b)?|/?\{\w+\}")
"""A value in a sentence, or a command: most of them are written from left to right. People copy
code, so it stays as it is."""
_LATIN_FIRST = re.compile(r"^\**(?=[^`*\u0590-\u08ff\n]*[{a-zA-Z])", re.MULTILINE)
"""The beginning of a line that would seem to be written from the left."""

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """Return the code of the language in which people are spoken to now."""
    return _current.get()


@contextmanager
def spoken_in(code: str) -> Iterator[None]:
    """Speak to people in a language inside this context; an unknown one is English."""
    token = _current.set(code if code in languages() else ENGLISH)
    try:
        yield
    finally:
        _current.reset(token)


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages that the bot speaks, English first."""
    others = sorted(path.parent.parent.name for path in CATALOGUES.glob(f"*/*/{DOMAIN}.mo"))
    return (ENGLISH, *others)


def nearest(*hints: str | None) -> str:
    """Return the language for the first hint that fits one, such as `pt-BR` or `zh_Hans`.

    Return "" if none fits.
    """
    for hint in hints:
        code = (hint or "")[:LONGEST_CODE].replace("_", "-").lower()
        while code:
            if code in languages():
                return code
            code = code.rpartition("-")[0]
    return ""


def say(sentence: str) -> str:
    """Return a sentence of the catalogue in the current language."""
    spoken = _current.get()
    return sentence if spoken == ENGLISH else _said(spoken, sentence)


def say_number(one: str, other: str, number: int) -> str:
    """Return the form of a sentence that the current language has for a number of things."""
    spoken = _current.get()
    if spoken == ENGLISH:
        return one if number == 1 else other
    return _directed(spoken, _catalogue(spoken).ngettext(one, other, number))


@lru_cache(maxsize=1)
def _catalogue(code: str) -> NullTranslations:
    """Return the sentences of a language, most of which nobody will hear.

    To read them takes 0.5 ms. To keep those of all languages, which the menus of commands need at
    each start, takes 0.4 MB.
    """
    with (CATALOGUES / code / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
        return GNUTranslations(file)


@cache
def _said(code: str, sentence: str) -> str:
    # The empty text is the head of a catalogue.
    return _directed(code, _catalogue(code).gettext(sentence)) if sentence else ""


def _directed(code: str, sentence: str) -> str:
    """Return a sentence in which each line, and each value in it, finds its own direction.

    Without these invisible marks a Latin name would turn the signs around it over.
    """
    if code not in FROM_RIGHT:
        return sentence
    sentence = _LATIN_FIRST.sub("\\g<0>\u200f", sentence)
    return _INSERTED.sub(lambda it: it["code"] or f"\u2068{it[0]}\u2069", sentence)
