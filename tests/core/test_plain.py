"""Texts of strangers in a terminal and in the log: nothing moves, forges or quotes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.plain import MOST, bare, line, unquoted, visible, without

ESCAPE = "red \x1b[31m title \x1b]0;x\x07 up \x9b1A"
FORGED = "fine\r\n2026-01-01 INFO parley: forged\x85and\u2028more"
TURNED = "user\u202e \u2066admin\u2069 \u200f\u061c"


def tame(text: str, keep: str = "") -> bool:
    """Return whether a text has no control code and nothing that changes the order of another."""
    odd = ("Cc", "Cs", "Zl", "Zp")
    order = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return not any(
        char not in keep
        and (unicodedata.category(char) in odd or unicodedata.bidirectional(char) in order)
        for char in text
    )


@pytest.mark.parametrize("text", [ESCAPE, FORGED, TURNED, "\ud800 \x00"])
def test_hostile_characters_are_shown_as_escapes(text: str) -> None:
    assert tame(visible(text, keep=""))
    assert "\\" in visible(text, keep="")
    assert tame(bare(text), keep="\n\t")
    assert "\n" not in line(text)


@given(st.text(st.characters()))
def test_any_text_becomes_one_tame_line(text: str) -> None:
    assert tame(line(text))
    assert tame(visible(text), keep="\n\t")
    assert tame(bare(text), keep="\n\t")
    line(text).encode()


@pytest.mark.parametrize("text", ["Grüße, שלום, 你好 👩🏽‍❤️‍💋‍👨🏽", "a\tb\nc", "می‌خواهم"])
def test_writing_stays(text: str) -> None:
    assert visible(text) == bare(text) == text


def test_a_line_is_bounded() -> None:
    assert line("x" * 9999) == "x" * MOST + "…"
    assert len(line("\x1b" * 9999)) == MOST + 1


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("Unknown parameter: 'max_tokens'.", "Unknown parameter: 'max_tokens'."),
        ("Bad 'messages[0].content'", "Bad 'messages[0].content'"),
        ("Bad value: 'my own words'", "Bad value: '…'"),
        ('Bad value: "my own wo', 'Bad value: "…'),
        ("Bad “my own words” and `some more`", "Bad “…” and `…`"),
        ("I can't, and you won't", "I can't, and you won't"),
    ],
)
def test_quoted_words_are_cut_and_names_are_kept(told: str, kept: str) -> None:
    assert unquoted(told) == kept


SAID = "My bank's PIN is 4711,\nplease keep it. 我的密码是一二三四五六"


@pytest.mark.parametrize(
    "told",
    [
        "Flagged: My bank's PIN is 4711, please keep it.",
        "Flagged: MY BANK'S PIN",
        "Flagged for 4711",
        "Flagged: content=PIN is 4711",
        "违规:我的密码是一二三四五六",
        "Flagged: 'PIN'",
    ],
)
def test_what_the_request_said_is_cut_without_marks_too(told: str) -> None:
    cut = unquoted(told, SAID)
    assert "…" in cut
    for secret in ("PIN", "bank", "4711", "密码"):
        assert secret not in cut


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ('Invalid: "my bank\'s PIN"', 'Invalid: "…"'),
        ("Invalid: 'PIN'", "Invalid: '…'"),
        (
            "Invalid: please keep it.",
            "Invalid: ….",
        ),
        ('The provider says: "no such model"', 'The provider says: "no such model"'),
        ("Invalid: 我的密码是", "Invalid: …"),
    ],
)
def test_only_quotations_of_the_request_are_cut(told: str, kept: str) -> None:
    assert without(told, SAID) == kept
    assert without(told, " ") == told


def test_common_words_stay() -> None:
    assert unquoted("The PIN-pad is broken", SAID) == "The PIN-pad is broken"


def test_values_of_a_database_are_no_names() -> None:
    assert unquoted('invalid input: "hunter2"', names=False) == 'invalid input: "…"'
