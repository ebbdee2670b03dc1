"""Inline markup reads alike on Telegram and on Discord, and no sign of a text is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.discord import markup as discord
from bots.telegram import markup as telegram
from core.characters import JOINER
from tests.fakes.discord.client import show

# ruff: noqa: RUF001 - the signs of Chinese texts

Styles = list[tuple[str, str]]


def on_telegram(markdown: str) -> tuple[str, Styles]:
    """Return the text that people see on Telegram, and each style with the text it covers."""
    text, entities = telegram.render(markdown)
    data = text.encode("utf-16-le")
    spans = [
        (
            str(entity.type).removeprefix("text_"),
            data[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le"),
        )
        for entity in entities
    ]
    return text.replace(JOINER, ""), [(kind, said.replace(JOINER, "")) for kind, said in spans]


def on_discord(markdown: str) -> tuple[str, Styles]:
    """Return the text that people see on Discord, and each style with the text it covers."""
    shown = show(discord.render(markdown))
    spans = [(kind, said.replace(JOINER, "")) for kind, said in shown.spans]
    return shown.text.replace(JOINER, ""), spans


# fmt: off
PLAIN = [
    "7*6*5 = 210",
    "2*3*4, a*b*c and π*r*r",
    "f(x)*g(y)*h and (a+b)*c*(d+e) and x[1]*y*(z)",
    "x**2 + y**2 = z**2, 2**10 and a**b**c",
    "5 * 3 * 2 and 5 ** 3 ** 2",
    "Put it into __main__.py, not snake_case_x.",
    "__init__, __name__ and obj.__dict__['a'], __FILE__, __my_name__",
    "a_b, c_d_ and _x are names, and so are привет_мир_x and 变量_一_二",
    "好的 ^_^ 再见 ^_^，-_- and -_-, (>_<) (>_<), =_= ._. =_=, @_@ ;_; @_@",
    "**kwargs and *args",
    "def f(*args, **kwargs): return g(*args, **kwargs)",
    "*.py and *.txt, or *.js,*.ts",
    "src/**/*.js and test/**/*.js",
    "char *a, *b; and **p = &q; and (int*)r",
    "/*comment*/ and a.*b.*c and .*x.*$",
    "5 € *, or 7 €*\n\n*without tax",
    "~~ and ~ and ~5 to ~6 and ~/a",
    "좋아~~ 그래~~요~~",
    "体积=长*宽*高，面积 = 长*宽",
    "a || b and if (a || b || c) and (a||b||c) and a || || b",
    'x = "a"||"b"||"c"',
    "a < b and c > d, List<String>, Map<s, u>, <your name>, a<b>c",
    "the <b> tag and the </i> tag and <p> in a sentence",
    "¹* and ²* below",
    "one ` and two `` of them, and a \\ before a word",
    "[x] and [y](not a link) and a[0](1)",
    "see https://e.org/a_b_*c*_d (or https://e.org/x_(y)), https://e.org/_init__x.",
    "https://zh.wikipedia.org/wiki/维基_百_科。后面",
]


# fmt: on


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_loses_nothing(text: str) -> None:
    assert on_telegram(text) == (text, [])
    shown, styles = on_discord(text)
    assert shown == text
    assert {kind for kind, _ in styles} <= {"link"}


# fmt: off
MARKED = [
    ("**提示：**请先保存", "提示：请先保存", ["bold 提示："]),
    (
        "点**「发送」**即可，再**等**。",
        "点「发送」即可，再等。",
        ["bold 「发送」", "bold 等"],
    ),
    (
        "**この文（This）。**の後**「引用」**と",
        "この文（This）。の後「引用」と",
        ["bold この文（This）。", "bold 「引用」"],
    ),
    (
        '**"한국어"**는 **용어(Term)**를',
        '"한국어"는 용어(Term)를',
        ['bold "한국어"', "bold 용어(Term)"],
    ),
    ("*강조*는 这是*斜体*字", "강조는 这是斜体字", ["italic 강조", "italic 斜体"]),
    ("他说**“你好”**。价格**$5**元", "他说“你好”。价格$5元", ["bold “你好”", "bold $5"]),
    ("ข้อความ**เน้น!**ครับ", "ข้อความเน้น!ครับ", ["bold เน้น!"]),
    ("**Wow!**🎉 **Note:**this", "Wow!🎉 Note:this", ["bold Wow!", "bold Note:"]),
    ("这是~~删~~字", "这是删字", ["strikethrough 删"]),
    ("**H**yper**T**ext, **cat**s", "HyperText, cats", ["bold H", "bold T", "bold cat"]),
    ("__bold__ and _italic_ words", "bold and italic words", ["bold bold", "italic italic"]),
    ("*a **b** c* **d *e***", "a b c d e", ["italic a b c", "bold b", "bold d e", "italic e"]),
    ("**two\nlines**", "two\nlines", ["bold two\nlines"]),
    ("||hidden|| but a || b", "hidden but a || b", ["spoiler hidden"]),
    ("||hidden||! if (a||!b||!c)", "hidden! if (a||!b||!c)", ["spoiler hidden"]),
    ("答案是||四十二||。", "答案是四十二。", ["spoiler 四十二"]),
    ("||`a|b` **c**||", "a|b c", ["spoiler a|b c", "bold c"]),
    (
        "<b>b <i>i</i></b> <u>u</u> <s>s</s>",
        "b i u s",
        ["bold b i", "italic i", "underline u", "strikethrough s"],
    ),
    ("<STRONG>b</STRONG> <em class='x'>i</em>", "b i", ["bold b", "italic i"]),
    ("H<sub>2</sub>O, x<sup>n+1</sup>, E<sub>kin,A</sub>", "H₂O, xⁿ⁺¹, E_(kin,A)", []),
    ("x<sup>Q</sup> <sup>a long note</sup>", "x^Q a long note", []),
    ("one<br>two<br/>\nthree", "one\ntwo\nthree", []),
    ("<kbd>Ctrl</kbd>+<kbd>C</kbd>", "Ctrl+C", ["code Ctrl", "code C"]),
    ("<code>a &lt; **b**</code>", "a < **b**", ["code a < **b**"]),
    ("`<b>x</b> &lt; <br>` ok", "<b>x</b> &lt; <br> ok", ["code <b>x</b> &lt; <br>"]),
    ("<span style='color:red'>red</span> <mark>m</mark>", "red m", []),
    ("a &lt; b &amp;&amp; c&nbsp;d &#42;e&#42;", "a < b && c\u00a0d *e*", []),
    ('<a href="https://e.org/?a=1&amp;b=2">here</a>', "here", ["link here"]),
    ("[[1]](https://e.org/a) [2](https://e.org/b)", "[1] 2", ["link [1]", "link 2"]),
    (
        "[a](https://e.org/x_(y)) <https://e.org/a_b_c>",
        "a https://e.org/a_b_c",
        ["link a", "link https://e.org/a_b_c"],
    ),
    ("**https://e.org/a_b**", "https://e.org/a_b", ["bold https://e.org/a_b"]),
    ("**见https://e.org/a**。后面", "见https://e.org/a。后面", ["bold 见https://e.org/a"]),
    ("\\*not\\* \\_this\\_ \\[x](y)", "*not* _this_ [x](y)", []),
]


# fmt: on


@pytest.mark.parametrize(("markdown", "text", "styles"), MARKED)
def test_markup_is_shown(markdown: str, text: str, styles: list[str]) -> None:
    for shown, spans in (on_telegram(markdown), on_discord(markdown)):
        assert shown == text
        assert [f"{kind} {said}" for kind, said in spans] == styles


def test_code_in_emphasis_ends_no_style_on_discord() -> None:
    assert on_discord("**Use `**kwargs` here**") == (
        "Use **kwargs here",
        [("bold", "Use"), ("code", "**kwargs"), ("bold", "here")],
    )
    assert on_discord("snake_case and `class_`")[0] == "snake_case and class_"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (
            "<details>\n<summary>More</summary>\n\nIt is here.\n</details>\n\nEnd",
            "More\n\nIt is here.\n\nEnd",
        ),
        ("<details><summary>More</summary>It is here.</details>", "More\n\nIt is here."),
        ("So: <details><summary>More</summary>It is here.</details>", "So: More\nIt is here."),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One\n<hr>\nTwo", "One\n\n———\n\nTwo"),
        ('<div align="center">\n\nOne\n\n</div>', "One"),
        ("<p> and <li> begin blocks.", "<p> and <li> begin blocks."),
        ("It ends with </p>", "It ends with </p>"),
    ],
)
def test_tags_of_blocks_are_taken_off(markdown: str, text: str) -> None:
    assert on_telegram(markdown)[0] == text
    assert on_discord(markdown)[0] == text


def test_lists_and_headings_of_html_are_those_of_markdown() -> None:
    html = "<h2>Title</h2>\n<ul><li>a</li><li>b</li></ul>\n<ol>\n<li>x</li>\n<li>y</li>\n</ol>"
    assert on_telegram(html) == ("Title\n\n• a\n• b\n1. x\n2. y", [("bold", "Title")])
    assert discord.render(html) == "## Title\n\n- a\n- b\n1. x\n2. y"


def test_tags_in_blocks_of_code_stay() -> None:
    code = "```html\n<p>a</p>\n<b>b</b><br>\n```"
    assert on_telegram(code)[0] == "<p>a</p>\n<b>b</b><br>"
    assert discord.render(code) == code


@pytest.mark.parametrize("markdown", ["<br>", "<b></b>", "&nbsp;", "<p></p>"])
def test_a_text_of_nothing_but_markup_is_shown_as_it_is(markdown: str) -> None:
    assert on_telegram(markdown)[0] == markdown
    assert discord.render(markdown) == markdown


def test_no_entity_hides_a_sign_that_moves_the_text() -> None:
    for hidden in ("&#8238;", "&#x202e;", "&#27;", "&#0;", "&#8233;", "&#x2066;"):
        assert on_telegram(f"a{hidden}b")[0] in ("ab", "a b", "a\ufffdb")


# fmt: off
SIGNS = [
    "*", "**", "***", "_", "__", "~~", "||", "`", "``", "a", "word", "snake_x", "2*3", " ", ", ",
    ".", ":", "(", ")", "“", "漢字", "。", "「", "」", "한국어", "é", "[x](https://e.org/a)",
    "[[1]](https://e.org/b)", "https://e.org/a_b", "<b>", "</b>", "<i>", "</i>", "<u>", "</u>",
    "<code>", "</code>", "<br>", "&amp;", "\\*", "\\_", "!", '"', "🙂", "=",
]
# fmt: on


@given(st.lists(st.sampled_from(SIGNS), max_size=10).map("".join))
def test_both_platforms_show_the_same(markdown: str) -> None:
    text = f"a {markdown}"
    (said, _), (shown, _) = on_telegram(text), on_discord(text)
    assert "".join(shown.split()) == "".join(said.split())
