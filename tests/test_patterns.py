"""Patterns mean the same on every Python from 3.11 on.

Python before 3.11.5, such as Debian 12's, matches a group wrongly that is repeated possessively:
`(?:_[a-z]++)*+__` finds nothing in "__". An atomic group, `(?>(?:_[a-z]++)*)__`, finds it.
"""

import re

import pytest

from tests.bot import ROOT

REPEATED = re.compile(r"(?<!\\)\)(?:[*+?]|\{+[\d,]+\}+)\+")


def repeated(source: str) -> list[int]:
    """Return the lines that repeat a group possessively, counted from 1."""
    return [number for number, line in enumerate(source.splitlines(), 1) if REPEATED.search(line)]


def test_no_group_is_repeated_possessively() -> None:
    code = [path for part in ("core", "bots") for path in (ROOT / part).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): repeated(path.read_text("utf-8")) for path in code}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "pattern", ["(?:a|b)*+", "(?P<word>a)++", "(a)?+", "(?:a){2,3}+", "(a){{2}}+"]
)
def test_a_repeated_group_is_found(pattern: str) -> None:
    assert repeated(f'A = 1\nB = re.compile(r"{pattern}c")\n') == [2]


@pytest.mark.parametrize("pattern", [r"\)++", "(?:a++)+", "(?>(?:a|b)*)", "[^()]*+"])
def test_another_pattern_is_passed_over(pattern: str) -> None:
    assert repeated(f'B = re.compile(r"{pattern}c")\n') == []
