"""Work on a text of a stranger or of the model grows with its length, and not faster.

Work is counted and not timed: it is the number of calls, into Python and into C.
"""

import importlib
import re
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from bots.discord import markup as discord
from bots.markdown import _formulas, _inline, _tex
from bots.telegram import markup as telegram
from core.text import Growing, formula, split

SMALL = 4_500
"""The characters of a text, which is compared with one of four times as many."""
CALLS = 120
"""The most calls for a character of an answer, all in all."""
RATIO = 7
"""The most times that four times the text may cost; the parts are not of the same length."""

# fmt: off
UNITS = [
    " ", "\t", "\n", " \n", "a", "a ", "[", "]", "[]", "[](", "![", "[a](", "[a](b", '[a](b "', "(",
    "[(", "[a](https://e.org) ", "*", "*a ", "*a **a ", "_a ", "__ ", "***a", "~~a ", "`", "``` ",
    "`a``a", "`a ", ">", "> ", ">\n", "> a\n", "> - ", "- ", "- a\n", "  - a\n", "1. ", "- [ ] a\n",
    "|", "a|", "|\n", "|a|\n", "|-", "|---|\n", ":-", "-", "# ", "#", "# a #", "***\n", "a\n=\n",
    "```\n", "~~~a\n", "<", "<http://a", "<br", "<br>", "<a:", "http://a ", "tg://a ", "@a ", "&#",
    "&amp;", "\\", "\\[", "\\|", "!", ". ", ".)", "[^1]: b\n", "e\u0301", "\u0301", "😀",
    "👩\u200d", "🇨🇭", "漢字。", "ﷺ", "각", "<@1>", "||", "a.b", "a.", "\u2060", "ﬁ",
    "$", "$a$ ", "$$", "$$\n", "\\(", "\\)", "\\(a\\) ", "\\[", "\\]", "\\[\n", "\\frac", "{",
    "}", "\\begin{align}", "\\end{align}", "\\begin{cases}\n", "^", "- 3\n", "7. a\n", "```a\n",
    "```md\n",
]
HEADS = [
    "", "x", "**x", "`x", "[x](", "```\n", "```md\n", "$x", "\\[x\n", "> ", "- ",
    "| a | b |\n|---|--:|\n", "x" * 500,
]
# fmt: on

REPEATED = st.lists(st.sampled_from(UNITS), min_size=1, max_size=3).map("".join)


def calls(work: Callable[[], object]) -> int:
    """Return the number of calls that a piece of work makes."""
    for cached in (
        formula,
        _formulas._prose,
        _tex.unicode,
        telegram.render,
        telegram._size,
        _inline.read,
        discord._block,
    ):
        cached.cache_clear()
    number = probes = 0

    def count(_: object, event: str, called: object) -> None:
        nonlocal number, probes
        if getattr(called, "__module__", "") == "slipcover.probe":
            # Coverage puts probes into the code, and takes them out once they have been passed.
            probes += 1 if event == "c_call" else -1
        elif not probes:
            number += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return number


def long(head: str, unit: str, length: int) -> str:
    return (head + unit * (length // len(unit)))[:length]


def sent(platform: ModuleType, text: str) -> list[object]:
    return [platform.render(part) for part in split(text, platform.fits)]


@pytest.mark.slow
@pytest.mark.parametrize("platform", [telegram, discord], ids=["telegram", "discord"])
@seed(11)
@settings(max_examples=2, deadline=None)
@given(
    st.sampled_from(HEADS), st.lists(st.sampled_from(UNITS), min_size=1, max_size=3).map("".join)
)
@example("x", "`")
@example("", "- a\n")
@example("", "$a")
@example("", "\\(a\\)")
@example("| a | b |\n|---|--:|\n", "|a|\n")
def test_an_answer_costs_by_its_length(platform: ModuleType, head: str, unit: str) -> None:
    small = calls(lambda: sent(platform, long(head, unit, SMALL)))
    large = calls(lambda: sent(platform, long(head, unit, 4 * SMALL)))
    assert large <= 4 * SMALL * CALLS
    assert large <= max(RATIO * small, 4 * SMALL)


@pytest.mark.parametrize("platform", [telegram, discord], ids=["telegram", "discord"])
@pytest.mark.slow
def test_one_wide_cell_widens_no_other(platform: ModuleType) -> None:
    table = "| a | b |\n|---|---|\n" + "| a | b |\n" * 400
    wide = f"{table}| {'x' * 20_000} | b |\n"
    assert sum(map(len, split(wide, platform.fits))) < 2 * len(wide)
    assert calls(lambda: sent(platform, wide)) < CALLS * len(wide) / 2


@pytest.mark.parametrize("platform", [telegram, discord], ids=["telegram", "discord"])
@pytest.mark.parametrize(
    "table",
    [
        "|a" * 60 + "|\n" + "|-" * 60 + "|\n" + "|b|\n" * 500,
        f"|{'a' * 900}|b|\n|-|-|\n" + "|c|d|\n" * 150,
        "| a | b |\n|---|--:|\n" + "|\n" * 900,
    ],
)
def test_a_table_is_never_much_longer_than_its_source(platform: ModuleType, table: str) -> None:
    shown = platform.render(table)
    text = shown if isinstance(shown, str) else shown[0]
    assert len(text) <= 10 * len(table) + 10


@pytest.mark.parametrize("platform", [telegram, discord], ids=["telegram", "discord"])
@pytest.mark.slow
def test_a_preview_costs_only_the_end_of_a_text(platform: ModuleType) -> None:
    text = "A sentence of **some** words, as they come. " * 900
    growing, whole = Growing(platform.fits), split(text, platform.fits)
    first = calls(lambda: growing.split(text[:-40]))
    assert growing.split(text) == whole
    growing.split(text[:-40])
    assert calls(lambda: growing.split(text)) < first / 2


@given(st.lists(st.sampled_from([*UNITS, "word. "]), max_size=300).map("".join), st.floats(0, 1))
def test_a_growing_text_is_split_as_a_whole_one(text: str, share: float) -> None:
    growing = Growing(lambda part: 0 < len(part) <= 150)
    growing.split(text[: int(len(text) * share)])
    assert (
        "".join(growing.split(text)).split()
        == "".join(split(text, lambda part: 0 < len(part) <= 150)).split()
        or text
    )


# -- expressions ----------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
USE = re.compile(r"\b(\w+)\.(search|sub|finditer|findall|split|match|fullmatch)\b")
BEGINNINGS = ["", "x", "[a](", "<a:", "$", "\\[", "\\begin{align}"]
# fmt: off
REPEATS = [
    " ", "\t", "\n", "a", "a ", "A", "1", "1.", "1a", "[", "](", "[a](", "!", "`", "``a", "*",
    "**a", "_", "~", "<", "<a:", "<br ", "&", "&#", "|", "|-", "-", ":-", "- ", "#", "> ", "\\",
    "(", "((", ")", "\"", "'", "http://", "a.", "a-", "@", "a@", "/", "://", ".", "%", " %", "+",
    "$", "$$", "\\(", "\\[", "\\begin{align}", "\\end{align}", "\\begin{cases}", "\\a", "^", "}",
    "=", "{", "\r", "\u0301", "e\u0301", "漢", "。", "é", "“", "\ud800", "tg", "a,",
]
# fmt: on


@cache
def expressions() -> dict[str, tuple[re.Pattern[str], bool]]:
    """Return every compiled expression by its name, and whether the code searches with it."""
    found = {}
    for path in sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("bots/**/*.py")]):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if "__main__" in module:
            continue
        source = path.read_text()
        uses = [use.groups() for use in USE.finditer(source)]
        for name, pattern in vars(importlib.import_module(module)).items():
            if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
                searches = any(at == name and "match" not in how for at, how in uses)
                found[f"{module}.{name}"] = pattern, searches
    return found


def seconds(pattern: re.Pattern[str], text: str, *, searches: bool) -> float:
    """Return the CPU time of a pattern, which the ends of a text must not let match for ever."""
    began = time.process_time()
    pattern.match(text)
    pattern.fullmatch(text)
    if searches:
        for _ in pattern.finditer(text):
            pass
    return time.process_time() - began


@pytest.mark.slow
@pytest.mark.parametrize("name", expressions())
def test_no_expression_backtracks(name: str) -> None:
    """No expression takes more than three times as long for twice the text."""
    pattern, searches = expressions()[name]
    for beginning in BEGINNINGS:
        for repeat in REPEATS:
            texts = [long(beginning, repeat, length) + "\x01" for length in (2_500, 5_000)]
            for _ in range(3):
                short, double = (seconds(pattern, text, searches=searches) for text in texts)
                if double < max(3 * short, 0.01):
                    break
            else:
                pytest.fail(f"{beginning!r} and many {repeat!r} take too long")
