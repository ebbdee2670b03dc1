"""Splitting Markdown: nice cuts, nothing lost, and stable parts while the text grows."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bots.telegram import markup
from bots.telegram.page import units
from core.text import split

Fits = Callable[[str], bool]

PARSER = MarkdownIt("commonmark").enable("table")


def at_most(length: int) -> Fits:
    return lambda text: 0 < len(text) <= length


def ink(text: str) -> str:
    """Return a text without white space."""
    return "".join(text.split())


def kept(text: str, parts: list[str]) -> bool:
    """Return True if the parts hold all ink of a text in order, among their additions."""
    added = iter(ink("".join(parts)))
    return all(char in added for char in ink(text))


def closed(part: str) -> bool:
    """Return True if the text after a part is outside of its code blocks."""
    *_, inline, _ = PARSER.parse(f"{part}\n\nAFTER")
    return inline.content == "AFTER"


# fmt: off
WORDS = st.sampled_from([
    "alpha", "beta", "gamma.", "Delta!", "😀", "👨‍👩‍👧", "é", "漢字。", "snake_case", "2*3", "_",
    "**bold words**", "_italic words_", "~~gone~~", "***both***", "`code`", "https://e.org/x?y=z",
    "[a link](https://e.org/a_b(c))", "**open", "`open", "[half", "here**", "~~", "now~~",
])
# fmt: on
PROSE = st.lists(WORDS, min_size=1, max_size=60).map(" ".join)
LISTS = st.lists(PROSE.map(lambda text: f"- {text[:80]}\n  - nested"), min_size=1, max_size=8)
TABLES = st.lists(st.integers(0, 999), min_size=1, max_size=20).map(
    lambda rows: "| a | b |\n|---|---|\n" + "\n".join(f"| {row} | cell |" for row in rows)
)
CODE_LINES = st.lists(st.sampled_from(["x = 1", "", "    if y:", "z" * 30, "# no"]), max_size=40)
CODE = st.builds(
    lambda fence, info, lines: "\n".join([fence + info, *lines, fence]),
    st.sampled_from(["```", "~~~~"]),
    st.sampled_from(["", "python", "c++ title"]),
    CODE_LINES,
)
BLOCKS = st.one_of(
    PROSE,
    LISTS.map("\n".join),
    TABLES,
    CODE,
    PROSE.map("> {}".format),
    PROSE.map("## {:.40}".format),
)
DOCUMENTS = st.lists(BLOCKS, min_size=1, max_size=8).map("\n\n".join)
LIMITS = st.sampled_from([150, 300, 2000])


@pytest.mark.parametrize("text", ["", " ", "\n\n", " \t\r\n\u2003\n"])
def test_blank_text_has_no_parts(text: str) -> None:
    assert split(text, at_most(10)) == []


def test_text_that_fits_is_one_part() -> None:
    assert split("\n\n  **hello**\n\n", at_most(20)) == ["  **hello**"]


def test_paragraphs_stay_whole() -> None:
    paragraphs = ["a " * 30 + "end.", "b " * 30 + "end.", "c " * 30 + "end."]
    assert split("\n\n".join(paragraphs), at_most(140)) == [
        f"{paragraphs[0]}\n\n{paragraphs[1]}",
        paragraphs[2],
    ]


def test_list_items_stay_whole() -> None:
    text = "\n".join(f"- item {number} with a few\n  words on two lines" for number in range(20))
    assert all(part.startswith("- item") for part in split(text, at_most(150)))


def test_long_paragraph_is_cut_after_a_sentence() -> None:
    parts = split("One sentence that is here. " * 20, at_most(100))
    assert all(part.endswith("here.") for part in parts)


def test_long_sentence_is_cut_between_words() -> None:
    parts = split("word " * 100, at_most(98))
    assert set(" ".join(parts).split()) == {"word"}


def test_word_without_end_is_cut_anywhere() -> None:
    assert split("x" * 250, at_most(100)) == ["x" * 100, "x" * 100, "x" * 50]


def test_heading_stays_with_what_it_heads() -> None:
    text = "word " * 14 + "\n\n## Heading\n\n" + "word " * 15
    assert split(text, at_most(100))[1].startswith("## Heading\n\nword")


def test_code_is_closed_and_opened_again() -> None:
    lines = [f"line_{number} = {number}" for number in range(20)]
    text = "\n".join(["~~~~python title=x", *lines, "~~~~"])
    parts = split(text, at_most(150))
    assert len(parts) > 1
    assert all(part.startswith("~~~~python") and part.endswith("\n~~~~") for part in parts)
    assert re.findall(r"line_\d+ = \d+", "\n".join(parts)) == lines


def test_code_is_cut_at_a_gap() -> None:
    text = "```\n" + ("x = 1\n" * 5 + "\n") * 9 + "```"
    for part in split(text, at_most(115)):
        assert part.count("x = 1") % 5 == 0


def test_code_is_never_opened_again_for_nothing() -> None:
    assert split("```\n" + "x" * 95 + "\n\n\n\n```\nand more", at_most(104))[1] == "and more"


def test_code_in_a_quote_ends_with_the_quote() -> None:
    parts = split("> ```\n> code\n\n" + "word " * 60, at_most(100))
    assert all("```" not in part for part in parts[1:])


def test_table_repeats_its_head() -> None:
    rows = [f"| {number} | some cell |" for number in range(20)]
    parts = split("\n".join(["| n | cell |", "|---|------|", *rows]), at_most(150))
    assert len(parts) > 1
    assert all(part.startswith("| n | cell |\n|---|------|\n| ") for part in parts)
    assert [line for part in parts for line in part.split("\n")[2:]] == rows


def test_emphasis_is_not_cut_where_a_nicer_place_exists() -> None:
    text = "word " * 14 + "**these words are bold and stay together** " + "word " * 10
    assert any("**these words are bold and stay together**" in p for p in split(text, at_most(100)))


@pytest.mark.parametrize("mark", ["**", "_", "~~", "`", "***"])
def test_emphasis_longer_than_a_part_is_closed_and_opened_again(mark: str) -> None:
    parts = split(f"{mark}{'word ' * 22}word{mark} and more words after it", at_most(100))
    assert parts[0].endswith(f"word{mark}")
    assert parts[1].startswith(f"{mark}word")


def test_opened_marks_never_grow_together() -> None:
    parts = split("~~" + "word " * 19 + "~~gone too~~ and a few words at the end", at_most(100))
    assert parts[1].startswith("~~gone")


@pytest.mark.parametrize("before", [6, 12, 18])
def test_link_is_not_cut(before: int) -> None:
    link = "[a link of words](https://example.org/" + "x" * 40 + ")"
    text = "word " * before + link + " word" * 12
    assert any(link in part for part in split(text, at_most(100)))


@pytest.mark.parametrize("character", ["👨‍👩‍👧‍👦", "e\u0301\u0302", "🇨🇭", "👍🏽", "❤\ufe0f"])
def test_characters_stay_whole(character: str) -> None:
    for part in split(character * 100, at_most(50)):
        assert not part.replace(character, "")


def test_quote_goes_on() -> None:
    parts = split("> " + "These are the words of a quote. " * 10, at_most(100))
    assert all(part.startswith("> ") for part in parts)


def test_quote_deeper_than_a_part_comes_to_an_end() -> None:
    text = ">" * 300 + " word"
    assert kept(text, split(text, at_most(50)))


def test_open_code_of_a_growing_text_stays_open() -> None:
    parts = split("```python\n" + "x = 1\n" * 30, at_most(100))
    assert [part.count("```") for part in parts] == [2] * (len(parts) - 1) + [1]


def test_limit_is_asked_seldom() -> None:
    text = "A sentence of some words. " * 1200
    asked = 0

    def fits(part: str) -> bool:
        nonlocal asked
        asked += 1
        return len(part) <= 2000

    parts = split(text, fits)
    assert asked < len(parts) * 18


def test_as_few_parts_as_nice_places_allow() -> None:
    text = "\n\n".join(["A sentence of some words. " * 12] * 100)
    assert len(split(text, at_most(2000))) <= len(text) / 2000 * 1.25


@given(DOCUMENTS, LIMITS)
@pytest.mark.slow
def test_documents(text: str, limit: int) -> None:
    parts = split(text, at_most(limit))
    assert all(part.strip() and len(part) <= limit for part in parts)
    assert all(closed(part) for part in parts)
    assert kept(text, parts)
    assert len(parts) <= len(text) / limit * 2.5 + 1


@given(DOCUMENTS, LIMITS, st.floats(0, 1))
@pytest.mark.slow
def test_parts_before_the_last_two_stand_while_the_text_grows(
    text: str, limit: int, share: float
) -> None:
    early = split(text[: int(len(text) * share)], at_most(limit))[:-2]
    assert split(text, at_most(limit))[: len(early)] == early


@given(st.text(), st.integers(1, 40))
def test_any_text(text: str, limit: int) -> None:
    parts = split(text, at_most(limit))
    assert all(part.strip() and len(part) <= limit for part in parts)
    assert kept(text, parts)


MARKS = st.text(st.sampled_from("`~*_|-#>[]() \n1.ab\\"), max_size=400)


@given(MARKS, st.integers(1, 60))
def test_any_markup(text: str, limit: int) -> None:
    parts = split(text, at_most(limit))
    assert all(part.strip() and len(part) <= limit for part in parts)
    assert kept(text, parts)


@pytest.mark.slow
@given(st.lists(DOCUMENTS, min_size=4, max_size=6).map("\n\n".join))
def test_telegram_counts_what_is_rendered(text: str) -> None:
    parts = split(text, markup.fits)
    early = split(text[: len(text) * 3 // 4], markup.fits)[:-2]
    assert parts[: len(early)] == early
    assert all(units(markup.render(part)[0]) <= 4096 for part in parts)
    assert kept(text, parts)


def test_long_links_leave_room_on_telegram() -> None:
    text = "\n".join(f"- [page {n}](https://example.org/{'x' * 80})" for n in range(200))
    assert len(split(text, markup.fits)) == 1


@pytest.mark.parametrize("text", ["2*3*4 and snake_case_x ", "x**2 and (a||b||c) ", "5 * 3 "])
def test_a_cut_adds_no_marks_where_there_is_no_emphasis(text: str) -> None:
    parts = split(text * 40, lambda part: 0 < len(part) <= 60)
    assert len(parts) > 3
    assert " ".join(parts).split() == (text * 40).split()


def test_a_spoiler_that_is_cut_hides_both_halves() -> None:
    text = f"Well: ||{'the butler did it ' * 17}again||"
    first, second = split(text, lambda part: len(part) < 300)
    assert first.startswith("Well: ||")
    assert first.endswith("||")
    assert second.startswith("||")
    assert second.endswith("||")
