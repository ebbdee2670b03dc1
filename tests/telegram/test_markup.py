"""Markdown looks right on Telegram, and nothing of it is refused or lost."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from telegram import MessageEntity, User
from wcwidth import wcswidth

from bots.telegram.markup import LONGEST, fits, render
from bots.telegram.page import ENTITIES, units, visible
from bots.telegram.written import to_markdown
from tests.fakes.telegram.formatting import FormattedText, compose

Shown = list[tuple[str, str]]


def shown(markdown: str) -> tuple[str, Shown]:
    """The text, and each entity with the text it covers."""
    text, entities = render(markdown)
    data = text.encode("utf-16-le")
    return text, [
        (str(e.type), data[2 * e.offset : 2 * (e.offset + e.length)].decode("utf-16-le"))
        for e in entities
    ]


def posted(markdown: str) -> FormattedText:
    """Return the text as Telegram shows it, or fail if Telegram refuses it."""
    text, entities = render(markdown)
    return compose(text, "", [entity.to_dict() for entity in entities])


@pytest.mark.parametrize(
    ("markdown", "text", "entities"),
    [
        ("plain", "plain", []),
        ("**b** and *i* or __b__", "b and i or b", [("bold", "b"), ("italic", "i"), ("bold", "b")]),
        ("~~gone~~ `a < b`", "gone a < b", [("strikethrough", "gone"), ("code", "a < b")]),
        ("***both***", "both", [("bold", "both"), ("italic", "both")]),
        ("😀 **漢**", "😀 漢", [("bold", "漢")]),
        ("# Head **line**\nbody", "Head line\nbody", [("bold", "Head line")]),
        ("**a `b` c**", "a b c", [("bold", "a "), ("code", "b"), ("bold", " c")]),
        ("[**x** `y`](https://e.org)", "x y", [("text_link", "x y"), ("bold", "x")]),
        ("> one\n> two\n\nthree", "one\ntwo\n\nthree", [("blockquote", "one\ntwo")]),
        ("> a\n>> b", "a\nb", [("blockquote", "a\nb")]),
        ("```py\nx = 1\n\ny\n```", "x = 1\n\ny", [("pre", "x = 1\n\ny")]),
        ("- a\n- b\n  - c\n    - d", "• a\n• b\n  • c\n    • d", []),
        ("1. one\n2. two\n   - deep", "1. one\n2. two\n  • deep", []),
        ("3) three\n4) four", "3) three\n4) four", []),
        ("- [ ] to do\n- [x] done", "• ☐ to do\n• ☑ done", []),
        ("a\n\n***\n\nb", "a\n\n———\n\nb", []),
        ("a\nb  \nc<br>d", "a\nb\nc\nd", []),
        ("a &lt; b &amp; c", "a < b & c", []),
        ("+ 5 °C\n- 3 °C", "+ 5 °C\n- 3 °C", []),
        ("Now:\n- 3,5 %\n\nso", "Now:\n- 3,5 %\n\nso", []),
        ("+ 5 °C\n+ 7 °C\n- 3 °C", "+ 5 °C\n+ 7 °C\n- 3 °C", []),
        ("- 3 eggs\n- 2 pears", "• 3 eggs\n• 2 pears", []),
        ("- 3 eggs\n  - whole", "• 3 eggs\n  • whole", []),
        ("1986. A great year", "1986. A great year", []),
        ("(a+b)/2 or /new", "(a+b)/\u20602 or /new", []),
    ],
)
def test_markup(markdown: str, text: str, entities: Shown) -> None:
    assert shown(markdown) == (text, entities)


@pytest.mark.parametrize(
    "text",
    [
        "a <div>block</div> and Vec<String>",
        "<!-- a comment -->",
        "a < b and c > d",
        "a note[^1]\n\n[^1]: at the foot",
        "[name]: https://example.org",
        "a || spoiler || ~5 to ~6 snake_case_name 5 * 6",
        "open **bold and `code and [link](https://e",
    ],
)
def test_text_without_markup_stays(text: str) -> None:
    assert render(text) == (text, ())


NESTED = "# T\n```python\nx = 1\n```\n**more**"


@pytest.mark.parametrize(
    ("markdown", "code"),
    [
        (f"```markdown\n{NESTED}\n```\n**b**", NESTED),
        (f"```md\n{NESTED}\n```\n**b**", NESTED),
        (f"```\n{NESTED}\n```\n**b**", NESTED),
        (f"````\n{NESTED}\n````\n**b**", NESTED),
        (f"~~~~\n{NESTED}\n~~~\n~~~~\n**b**", f"{NESTED}\n~~~"),
        (
            '```py\n"""\n    ```\n    x\n    ```\n"""\n```\n**b**',
            '"""\n    ```\n    x\n    ```\n"""',
        ),
        ("```\nx\n```\n**b**\n```py\ny\n```", "x"),
        ("- a\n  ```md\n  ```js\n  x\n  ```\n  ```\n- **b**", "```js\nx\n```"),
        ("```md\n```js\nx", "```js\nx"),
    ],
)
def test_a_block_of_code_holds_others(markdown: str, code: str) -> None:
    entities = shown(markdown)[1]
    assert entities[0] == ("pre", code)
    assert (("bold", "b") in entities) == ("**b**" in markdown)


@pytest.mark.parametrize("markdown", ["```python\nprint(1)", "```python\nprint(1)\n```"])
def test_code_has_its_language_while_it_grows(markdown: str) -> None:
    text, entities = render(markdown)
    assert text == "print(1)"
    assert [(e.type, e.language) for e in entities] == [("pre", "python")]


@pytest.mark.parametrize(
    ("markdown", "text", "url"),
    [
        ("[a](https://e.org/x_(y)?q=1)", "a", "https://e.org/x_(y)?q=1"),
        ("[a](http://e.org:80)", "a", "http://e.org:80"),
        ("[a](tg://resolve?domain=x)", "a (tg:\u2060//resolve?domain=x)", None),
        ("<https://e.org/>", "https://e.org/", "https://e.org/"),
        ("![alt](https://e.org/i.png)", "alt", "https://e.org/i.png"),
        ("[](https://e.org)", "https://e.org", "https://e.org"),
        ("[![badge](https://e.org/i.png)](https://e.org)", "badge", "https://e.org"),
        ("[a](docs/a.md)", "a (docs/a.md)", None),
        ("[a](#part)", "a (#part)", None),
        ("[a](http://localhost/x)", "a (http://localhost/x)", None),
        ("[a](https://)", "a (https://)", None),
        ("[a](http://e.org:99999)", "a (http://e.org:99999)", None),
        ("[a](ftp://e.org)", "a (ftp://e.org)", None),
        ("[write](mailto:ada@e.org)", "write (ada@e.org)", None),
        ("<ada@e.org>", "ada@e.org", None),
        ("[a](javascript:alert())", "[a](javascript:alert())", None),
    ],
)
def test_links(markdown: str, text: str, url: str | None) -> None:
    rendered, entities = render(markdown)
    assert rendered == text
    assert [entity.url for entity in entities] == ([url] if url else [])
    assert posted(markdown).text == text


def test_an_address_with_a_name_in_it_stays_a_link() -> None:
    text = "See https://social.example.org/@ada and http://local/@ada."
    assert render(text)[0] == text.replace("local/@", "local/@\u2060")
    found = [entity for entity in posted(text).entities if entity["type"] != "url"]
    assert found == []


def test_table_is_aligned() -> None:
    table = "| Name | Age |\n|:---|---:|\n| Ada | 36 |\n| 漢字 | 5 |\n| x | `a` **b** |"
    drawn = "Name │ Age\n─────┼────\nAda  │  36\n漢字 │   5\nx    │ a b"
    assert shown(table) == (drawn, [("pre", drawn)])


@pytest.mark.parametrize(
    "word", ["👨‍👩‍👧‍👦", "🇨🇭", "👍🏽", "नमस्ते", "ที่นี่", "漢字", "각", "שָׁלוֹם", "مرحبا"]
)
def test_columns_are_as_wide_as_they_look(word: str) -> None:
    table = render(f"| a | b |\n|---|---|\n| {word} | x |\n| long name | y |")[0]
    bars = [wcswidth(line.partition("│")[0]) for line in table.split("\n") if "│" in line]
    assert bars == [10, 10, 10]


def test_a_table_is_as_wide_as_a_phone() -> None:
    assert "─┼─" in render(f"| a | b |\n|---|---|\n| {'x' * 20} | {'y' * 17} |")[0]
    assert "─┼─" not in render(f"| a | b |\n|---|---|\n| {'x' * 20} | {'y' * 18} |")[0]


def test_table_keeps_cells_beyond_its_head() -> None:
    assert "a │ b | c | d" in render("> | x | y |\n> |---|---|\n> | a | b | c | d |")[0]


def test_wide_table_is_told_line_by_line() -> None:
    table = f"| Name | About |\n|---|---|\n| Ada | {'long ' * 12}|\n| Bob | [b](https://e.org) |"
    text, entities = shown(table)
    assert text == f"Name: Ada\nAbout: {'long ' * 12}".strip() + "\n\nName: Bob\nAbout: b"
    assert entities[-2:] == [("bold", "About"), ("text_link", "b")]


def test_table_with_links_is_told_line_by_line() -> None:
    text, entities = shown("| Name | Page |\n|---|---|\n| Ada | [home](https://e.org) |")
    assert text == "Name: Ada\nPage: home"
    assert entities == [("bold", "Name"), ("bold", "Page"), ("text_link", "home")]


def test_growing_table_is_a_table_from_its_rule_on() -> None:
    assert shown("| a | b |\n|---|---|")[1] == [("pre", "a │ b\n──┼──")]


def test_least_important_entities_are_left_out() -> None:
    text, entities = render("*i* " * 150 + "**b** `c` " * 40)
    assert len(text.split()) == 230
    kinds = [entity.type for entity in entities]
    assert len(kinds) == ENTITIES
    assert (kinds.count("code"), kinds.count("bold"), kinds.count("italic")) == (40, 40, 20)


@pytest.mark.parametrize("blank", ["", " ", "\n\t\n"])
def test_blank_markdown_is_blank(blank: str) -> None:
    assert render(blank) == ("", ())
    assert not fits(blank)


@pytest.mark.parametrize("markdown", ["> ", "&nbsp;", "\u200b", "```\n```", "- \u2060", "\u030a"])
def test_nothing_to_see_is_never_sent(markdown: str) -> None:
    assert visible(posted(markdown).text)


@pytest.mark.parametrize("text", ["\ud83d half", "half \udc00"])
def test_half_a_surrogate_pair_is_replaced(text: str) -> None:
    assert posted(text).text == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_fits_counts_rendered_utf16_units() -> None:
    assert fits("x" * LONGEST)
    assert not fits("x" * (LONGEST + 1))
    assert fits("**" + "x" * LONGEST + "**")
    assert fits("😀" * (LONGEST // 2))
    assert not fits("😀" * (LONGEST // 2) + "x")
    assert not fits("| a |\n|--:|\n" + "| x |\n" * 600 + f"| {'y' * 35} |")


def test_render_is_quick() -> None:
    text = (
        "Some **bold** words with `code` in a paragraph of an answer as they are. " * 5 + "\n\n"
    ) * 11
    start = time.process_time()
    for number in range(10):
        render(f"{number} {text}")
    assert (time.process_time() - start) / 10 < 0.05  # about 4 ms where this was written


MARKS = st.text(st.sampled_from("`~*_|-#>[]()! \n1.ab\\<:h\t&;漢😀"), max_size=300)
LINKS = st.text(st.sampled_from("htps:/.@#?[]%20tg mailo\"'<>()ä"), max_size=40).map(
    "[a]({})".format
)
TEXTS = st.one_of(
    st.text(), MARKS, LINKS, st.lists(st.one_of(MARKS, LINKS), max_size=4).map("\n\n".join)
)


@given(TEXTS)
@example("**a\n- b**\n> c `d`\n\n| e |\n|--|\n| *f* | g |")
def test_nothing_is_refused_or_loses_its_markup(markdown: str) -> None:
    text, entities = render(markdown)
    if visible(text):
        assert posted(markdown).lost == []
    assert bool(text) == bool(markdown.strip())
    assert all(0 < e.length <= units(text) - e.offset for e in entities)


WORDS = st.lists(st.from_regex(r"[a-wyz]{2,8}", fullmatch=True), min_size=1, max_size=4)
# fmt: off
SHAPES = st.sampled_from([
    "%", "**%**", "`%`", "# %", "- %", "  - %", "- [ ] %", "1. %", "> %", "~~%", "\t%", "$%$",
    "<b>%</b>", "<!-- % -->", "&lt;%&gt;", "[^1]: %", "```\n%\n```",
    "| % | % |\n|--|--|\n| % | % | % |",
    "[%](https://e.org)", "[%](/path)", "![%](https://e.org)", "[%]: https://e.org",
])
# fmt: on
PIECES = st.builds(lambda shape, words: shape.replace("%", " ".join(words)), SHAPES, WORDS)


@given(st.lists(PIECES, max_size=12), st.sampled_from(["\n", "\n\n"]))
@pytest.mark.slow
def test_every_word_is_seen(pieces: list[str], between: str) -> None:
    markdown = between.join(pieces)
    seen = render(markdown)[0]
    targets = {"https", "org", "path", "lt", "gt"}
    for word in set(re.findall("[a-z]{2,}", markdown)) - targets:
        assert word in seen


@given(TEXTS.filter(lambda text: not re.search(r"[|\t@]|:/|[^\w\s]/\w", text)))
def test_text_is_not_longer_than_its_markdown(markdown: str) -> None:
    assert units(render(markdown)[0]) <= units(markdown)


def entity(kind: str, offset: int, length: int, **more: str) -> MessageEntity:
    return MessageEntity(kind, offset, length, **more)  # type: ignore[arg-type]  # of texts only


@pytest.mark.parametrize(
    ("text", "entities", "markdown"),
    [
        ("plain", [], "plain"),
        ("😀 bold", [entity("bold", 3, 4)], "😀 **bold**"),
        ("a bold b", [entity("bold", 1, 6)], "a **bold** b"),
        ("both", [entity("bold", 0, 4), entity("italic", 0, 4)], "**_both_**"),
        ("x gone y", [entity("strikethrough", 2, 4)], "x ~~gone~~ y"),
        ("run a`b now", [entity("code", 4, 3)], "run `` a`b `` now"),
        ("see docs", [entity("text_link", 4, 4, url="https://e.org")], "see [docs](https://e.org)"),
        ("so x = 1 ok", [entity("pre", 3, 5, language="py")], "so \n```py\nx = 1\n```\n ok"),
        ("a\nb\nc", [entity("blockquote", 0, 3)], "> a\n> b\nc"),
        ("cross over", [entity("bold", 0, 5), entity("italic", 3, 7)], "**cro_ss_** over"),
        ("tag #x", [entity("hashtag", 4, 2)], "tag #x"),
        ("out", [entity("bold", 0, 99), entity("bold", 50, 3)], "**out**"),
    ],
)
def test_text_with_entities_becomes_markdown(
    text: str, entities: list[MessageEntity], markdown: str
) -> None:
    assert to_markdown(text, entities) == markdown


def test_left_out_entity_takes_one_space_along() -> None:
    mention = MessageEntity("text_mention", 4, 3, user=User(1, "Bot", is_bot=True))
    assert to_markdown("hey bot do it", [mention], [mention]) == "hey do it"


@given(
    st.text(max_size=60), st.lists(st.tuples(st.integers(0, 70), st.integers(0, 20)), max_size=5)
)
def test_any_entities_are_read(text: str, places: list[tuple[int, int]]) -> None:
    kinds = ["bold", "code", "pre", "blockquote", "italic"]
    entities = [entity(kind, *place) for kind, place in zip(kinds, places, strict=False)]
    to_markdown(text, entities)
