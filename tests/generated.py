"""Generated Markdown in ten scripts, and what a reader sees of it on each platform.

The generator knows the words that it writes, so it needs no renderer to tell what must be seen.
`python -m tests.generated 1000` checks as many texts.
"""

import random
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from telegram import MessageEntity
from wcwidth import wcswidth

from bots.discord import markup as discord
from bots.telegram import markup as telegram
from core.text import split
from tests.fakes.discord.client import show
from tests.fakes.telegram.formatting import compose

PHONE = 40
"""The columns of fixed width that a phone shows."""

# fmt: off
SCRIPTS = {
    "Latin": "ba le mi ño tu kés vå zö gri sta née",
    "Cyrillic": "ба ле ми но ту кес вый зё гри ста щи",
    "Greek": "βα λε μι νο τυ κές βη ζώ γρι στα χή",
    "Arabic": "با لي مو نِي تا كس وَر زي غر ست شي",
    "Hebrew": "בא לי מו נִי תא כס וָר זי גר סת שי",
    "Devanagari": "बा ले मि नो तु क्ष वी ज़े ग्रि स्त शं",
    "Thai": "บา เล มิ โน ตุ ที่ วี เซ กริ สตั ชื้",
    "Chinese": "八 乐 米 诺 图 可 维 泽 格 斯 希",
    "Japanese": "ば れ み ノ ツ 漢 ヴィ ゼ ぐ 字 しょ",
    "Korean": "바 레 미 노 투 케 비 제 그 스 시",
}
FORMULAS = [
    ("x^2", "x²"), (r"\alpha + \beta", "α + β"), ("a_1*b_2", "a₁*b₂"), (r"\frac{a}{b}", "a/b"),
    (r"\int f(t)\,dt", "∫ f(t) dt"), (r"x \leq 5", "x ≤ 5"), (r"\sqrt{x}", "√x"),
    (r"\frac{a+b}{2} \times c", "(a+b)/2 × c"), (r"\text{if } x \to 0", "if x → 0"),
    (r"2 \cdot 10^{-3}", "2 · 10⁻³"), ("n = 5", "n = 5"), ("a*b*c", "a*b*c"),
    (r"\sum_{i=1}^{n} x_i", "∑ᵢ₌₁ⁿ xᵢ"), (r"\unknown{a_1 * b_2}", r"\unknown{a_1 * b_2}"),
    (r"\binom{n}{k}", r"\binom{n}{k}"), (r"\overbrace{x_i}^{n*m}", r"\overbrace{x_i}^{n*m}"),
]
LONG_FORMULAS = [
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
     [r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"]),
    ("\\begin{aligned}\na &= b + c \\\\\n&= d*e*f\n\\end{aligned}", ["a = b + c", "= d*e*f"]),
    ("f(x) =\n\\begin{cases}\nx_1 & a*b \\\\\nx_2 & c*d\n\\end{cases}",
     ["f(x) =", r"x_1 & a*b \\", "x_2 & c*d"]),
]
CODE = [
    "x = a*b*c", "def __init__(self): pass", "$HOME/bin:$PATH", "<b>no</b> ||no||",
    r"\( no^2 \)",
    "| a | b |", "**no** _no_ ~~no~~", "# no", "[a](b)", "", "    deep", "&lt;",
]
EMOJI = ["👨‍👩‍👧‍👦", "🇨🇭", "👍🏽", "❤️", "😀"]
# fmt: on


@dataclass
class Text:
    """Markdown that grows, and what must be seen of it."""

    random: random.Random
    script: str
    lines: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Words, signs and lines of code in order."""
    anywhere: list[str] = field(default_factory=list)
    """The texts that may be seen at another place, and more than once: the heads of tables."""

    @property
    def markdown(self) -> str:
        return "\n".join(self.lines)

    def word(self) -> str:
        """Return a new word of the script."""
        syllables = SCRIPTS[self.script].split()
        return "".join(self.random.choice(syllables) for _ in range(self.random.randint(2, 4)))

    def words(self, most: int = 5) -> str:
        """Return a few new words, which must be seen."""
        words = [self.word() for _ in range(self.random.randint(1, most))]
        self.seen += words
        return " ".join(words)

    def sentence(self, most: int = 6) -> str:
        """Return new words, some of them marked up, which must be seen."""
        pieces = [self.random.choice(INLINE)(self) for _ in range(self.random.randint(1, most))]
        return " ".join(pieces) + self.random.choice([".", "!", "", "。", ":"])

    def add(self, *lines: str) -> None:
        self.lines += lines


# -- inline ---------------------------------------------------------------------------------------


def around(before: str, after: str = "") -> Callable[[Text], str]:
    return lambda text: f"{before}{text.words(3)}{after or before}"


def code(text: Text) -> str:
    said = text.random.choice([line.strip() for line in CODE if line.strip()])
    text.seen.append(said)
    return f"`{said}`"


def formula(text: Text) -> str:
    tex, said = text.random.choice(FORMULAS)
    text.seen.append(said)
    return text.random.choice(["${}$", r"\({}\)", r"\( {} \)", "$${}$$"]).replace("{}", tex)


def money(text: Text) -> str:
    said = text.random.choice(["$5", "$10", "5 $", "$HOME/bin:$PATH", "7*6*5 = 210", "__main__.py"])
    text.seen.append(said)
    return said


INLINE: list[Callable[[Text], str]] = [
    Text.words, Text.words, Text.words, around("**"), around("*"), around("***"), around("~~"),
    around("||"), around("<b>", "</b>"), around("<u>", "</u>"), around("[", "](https://e.org/a_b)"),
    around("![", "](https://e.org/i.png)"), around("(", ")"), around("«", "»"), around("“", "”"),
    around("<kbd>", "</kbd>"), code, formula, money, formula,
]  # fmt: skip


# -- blocks ---------------------------------------------------------------------------------------


def paragraph(text: Text) -> None:
    text.add(*[text.sentence() for _ in range(text.random.randint(1, 4))])


def heading(text: Text) -> None:
    text.add(f"{'#' * text.random.randint(1, 6)} {text.sentence(2)}")


def items(text: Text) -> None:
    marks = ["- ", "* ", "+ ", "1. ", "1) ", "- [ ] ", "- [x] "]
    depth, mark = 0, text.random.choice(marks)
    for number in range(text.random.randint(2, 6)):
        depth = text.random.choice([0, depth, min(3, depth + 1)]) if number else 0
        sign = mark.replace("1", str(number + 1)) if depth == 0 else "- "
        text.add(f"{'    ' * depth}{sign}{text.words(2)} {text.sentence(3)}")


def quote(text: Text) -> None:
    start = text.random.choice(["> ", ">", ">> "])
    text.add(*[f"{start}{text.sentence(3)}" for _ in range(text.random.randint(1, 3))])


def block(text: Text, margin: str = "") -> None:
    lines = [text.random.choice(CODE) for _ in range(text.random.randint(1, 8))]
    mark = text.random.choice(["```", "~~~", "````"])
    info = text.random.choice(["", "python", "c++"])
    text.seen += [line for line in lines if line]
    text.add(f"{margin}{mark}{info}", *(margin + line for line in lines), f"{margin}{mark}")


def nested(text: Text) -> None:
    inner = ["```python", text.random.choice(CODE), "```"]
    mark = text.random.choice(["```", "```", "````", "~~~"])
    info = text.random.choice(["markdown", "md"]) if mark == "```" else ""
    text.add(mark + info, f"# {text.words()}", "", *inner, "", f"**{text.words()}**", mark)
    last = text.seen.pop()
    text.seen.append(last)


def listed(text: Text) -> None:
    text.add(f"1. {text.words()}")
    block(text, "   ")
    text.add(f"2. {text.words()}")


def display(text: Text) -> None:
    tex, said = text.random.choice([*[(t, [s]) for t, s in FORMULAS], *LONG_FORMULAS])
    start, end = text.random.choice([("$$", "$$"), (r"\[", r"\]")])
    bare = tex.startswith(r"\begin") and text.random.random() < 0.3
    margin = text.random.choice(["", "", "> "])
    lines = tex.split("\n") if bare else [start, *tex.split("\n"), end]
    text.seen += said
    text.add(*(margin + line for line in lines))


def table(text: Text) -> None:
    size = text.random.randint(1, 4)
    most = text.random.choice([1, 1, 2, 8])
    start = text.random.choice(["", "", "> "])

    def cell() -> str:
        kind = text.random.random()
        if kind < 0.1:
            return formula(text)
        if kind < 0.2:
            said = text.random.choice(EMOJI)
            text.seen.append(said)
            return said
        return f"**{text.words(most)}**" if kind < 0.3 else text.words(most)

    before = len(text.seen)
    head = [text.words(1) for _ in range(size)]
    text.anywhere += text.seen[before:]
    del text.seen[before:]
    rule = [text.random.choice(["---", ":--", "--:", ":-:"]) for _ in range(size)]
    rows = [[cell() for _ in range(size)] for _ in range(text.random.randint(1, 5))]
    text.add(*(f"{start}| {' | '.join(row)} |" for row in (head, rule, *rows)))


def signed(text: Text) -> None:
    for said in ("+ 5 °C", "- 3 °C"):
        text.seen.append(said)
        text.add(said)


def year(text: Text) -> None:
    text.seen.append("1986.")
    text.add(f"1986. {text.words()}")


def details(text: Text) -> None:
    text.add(f"<details><summary>{text.words()}</summary>", "", text.words(), "", "</details>")


def footnote(text: Text) -> None:
    text.add(f"{text.words()}[^1]", "", f"[^1]: {text.words()}")


def rule(text: Text) -> None:
    text.add(text.random.choice(["---", "***", "___"]))


BLOCKS: list[Callable[[Text], None]] = [
    paragraph, paragraph, heading, items, items, quote, block, nested, listed, display, display,
    table, table, table, signed, year, details, footnote, rule,
]  # fmt: skip


def generate(number: int) -> Text:
    """Return the text of a number; every tenth is in the same script."""
    source = random.Random(number)
    text = Text(source, list(SCRIPTS)[number % len(SCRIPTS)])
    for _ in range(source.choice([2, 5, 10, 40])):
        source.choice(BLOCKS)(text)
        text.add("")
    return text


# -- what is seen ---------------------------------------------------------------------------------

INVISIBLE = re.compile("[\u200b\u200e\u2060\u2066-\u2069]")
MARKS = re.compile(r"\*\*|~~|\|\||</?(?:b|u|kbd)>|\]\(|\\[()\[\]]")
"""Markup that every generated text means as such, and that nobody shall see outside of code."""


def on_telegram(markdown: str) -> list[str]:
    """Return the texts of a message's parts, or fail at what Telegram refuses or ignores."""
    texts = []
    for part in split(markdown, telegram.fits):
        text, entities = telegram.render(part)
        posted = compose(text, "", [entity.to_dict() for entity in entities])
        assert posted.lost == []
        assert len(entities) <= 100
        assert 0 < len(text.encode("utf-16-le")) // 2 <= 4096
        assert posted.text == text
        check(text, [(str(one.type), covered(text, one)) for one in entities])
        texts.append(text)
    return texts


def covered(text: str, entity: MessageEntity) -> str:
    """Return the text of an entity."""
    data = text.encode("utf-16-le")
    return data[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")


def on_discord(markdown: str) -> list[str]:
    """Return the texts that Discord's client shows, or fail at what Discord refuses."""
    texts = []
    for part in split(markdown, discord.fits):
        content = discord.render(part)
        assert 0 < len(content) <= 2000
        assert content.strip()
        shown = show(content)
        check(shown.text, shown.spans)
        texts.append(shown.text)
    return texts


def check(text: str, spans: Sequence[tuple[str, str]]) -> None:
    """Fail if markup is seen, or a table in code is broken."""
    for kind, code in spans:
        if kind in ("pre", "code"):
            text = text.replace(code, " ", 1)
        if kind == "pre":
            check_columns(code)
    assert not MARKS.search(text), MARKS.search(text)


def check_columns(code: str) -> None:
    """Fail if the lines of a table do not fit on a phone, or are not below each other."""
    if "─┼─" not in code and not re.search("^─+$", code, re.MULTILINE):
        return
    lines = [line.removeprefix("> ") for line in code.split("\n")]
    assert all(wcswidth(line) <= PHONE for line in lines), code
    rule = next(line for line in lines if set(line) - set("\u200e") <= set("─┼"))
    bars = [at for at, char in enumerate(rule.strip("\u200e")) if char == "┼"]
    for line in lines:
        if "│" in line:
            cells = line.split("│")
            ends = [wcswidth("│".join(cells[: at + 1])) for at in range(len(cells) - 1)]
            assert ends == bars, code


def folded(text: str) -> str:
    """Return a text without what nobody sees, and with one form of each character."""
    return unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


def missing(text: Text, shown: Sequence[str]) -> str | None:
    """Return the first thing that is not seen; None if everything is."""
    whole = folded("\n".join(shown))
    at = 0
    for said in map(folded, text.seen):
        found = whole.find(said, at)
        if found < 0:
            return said
        at = found + len(said)
    return next((said for said in map(folded, text.anywhere) if said not in whole), None)


def check_text(number: int) -> None:
    """Fail if a generated text is refused, broken or not seen as a whole on a platform."""
    text = generate(number)
    for platform in (on_telegram, on_discord):
        lost = missing(text, platform(text.markdown))
        assert lost is None, f"{platform.__name__} of text {number} loses {lost!r}"


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        check_text(number)
    print(f"{sys.argv[1]} texts are seen as a whole.")
