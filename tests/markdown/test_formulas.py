"""Formulas are readable, and nothing of them is lost; money is none."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.discord import markup as discord
from bots.markdown import written
from bots.markdown._tex import unicode
from bots.telegram import markup as telegram
from core.text import split

ALIGNED = "\\begin{aligned}\na &= b + c \\\\\n  &= d*e*f\n\\end{aligned}"
MATRIX = r"\begin{pmatrix} a_1 & b_1 \\ c_1 & d_1 \end{pmatrix}"


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        ("x^2", "x²"),
        ("a_1*b_2", "a₁*b₂"),
        (r"\int f(t)\,dt", "∫ f(t) dt"),
        (r"\int_0^\infty e^{-x^2}\,dx", "∫₀^∞ e^(-x²) dx"),
        (r"\frac{a}{b}", "a/b"),
        (r"\frac{a+b}{2c}", "(a+b)/(2c)"),
        (r"\frac12mv^2", "(1/2)mv²"),
        (r"\left(\frac{1}{2}\right)^n", "(1/2)ⁿ"),
        (r"x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}", "x = (-b ± √(b² - 4ac))/(2a)"),
        (r"\frac{\partial f}{\partial x}", "∂f/∂x"),
        (r"\text{Speed} = \frac{\text{distance}}{\text{time}}", "Speed = distance/time"),
        (r"\sqrt[3]{8}=2", "³√8=2"),
        (r"\sqrt{2}x", "(√2)x"),
        (r"\alpha\leq\beta", "α ≤ β"),
        (r"f\colon A\to B", "f: A → B"),
        (r"2\sin\theta\cos\theta", "2 sin θ cos θ"),
        (r"\log_2 n", "log₂ n"),
        (r"\sum_{i=1}^{n} x_i", "∑ᵢ₌₁ⁿ xᵢ"),
        (r"\lim_{x \to 0} f(x)", "lim_(x → 0) f(x)"),
        (r"e^{i\pi}+1=0", "e^(iπ)+1=0"),
        (r"x_{\text{max}}", "xₘₐₓ"),
        (r"x_{\text{not here}}", "x_(not here)"),
        (r"90^\circ", "90°"),
        (r"\{x \in \mathbb{R} \mid x > 0\}", "{x ∈ ℝ ∣ x > 0}"),
        (r"\hat{y} = \vec{v} \cdot \bar{x}", "ŷ = v\u20d7 · x\u0304"),
        (r"{}^{14}C", "¹⁴C"),
        (r"1{,}000", "1,000"),
        (r"(\pm 5) \times 50\%", "(±5) × 50%"),
        (r"\boxed{42}", "42"),
        ("f'(x)", "f′(x)"),
        (ALIGNED, "a = b + c\n= d*e*f"),
        (r"a \\ b", "a\nb"),
    ],
)
def test_simple_formula_is_a_line_of_unicode(tex: str, said: str) -> None:
    assert unicode(tex) == said


@pytest.mark.parametrize(
    "tex",
    [
        MATRIX, r"\unknown{x}", r"\binom{n}{k}", r"\overbrace{a}^{b}", r"\hat{xyz}", "a & b", "{a",
        "a}", "x^", "^", "_{}", r"\frac{}{}", r"\frac{a}", r"\text{$a$}", r"\mathbb{R2}",
        "{" * 20 + "}" * 20, "x + " * 30 + "x", r"\begin{cases} a \\ b \end{cases}", r"\ce{H2O}",
        "", "\\",
    ],
)  # fmt: skip
def test_other_formula_is_not_rewritten(tex: str) -> None:
    assert unicode(tex) is None


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (r"So \( x^2 \), \[ \int f(t)\,dt \], $a_1$ and $$b^2$$.", "So x², ∫ f(t) dt, a₁ and b²."),
        ("the $n$th, $k$-means, 函数$f$是$x^2$的", "the nth, k-means, 函数f是x²的"),
        ("H$_2$O, 10$^{-3}$ m and x$^n$y", "H₂O, 10⁻³ m and xⁿy"),
        ("$$\nE = mc^2\n$$\nnext", "E = mc²\nnext"),
        (f"\\[\n{ALIGNED}\n\\]", "a = b + c\n= d\\*e\\*f"),
        (f"as\n{ALIGNED}\nhere", "as\na = b + c\n= d\\*e\\*f\nhere"),
        ("\\[\n- b = c\n\\]", "\\- b = c"),
        (f"> \\[\n> {MATRIX}\n> \\].", f"> ```latex\n> {MATRIX}.\n> ```"),
        (f"1. a\n   $$\n   {MATRIX}\n   $$", f"1. a\n   ```latex\n   {MATRIX}\n   ```"),
        ("$$x^2$$ and\n$$\\foo$$ or $$\\foo$$", "x² and\n`\\foo` or `\\foo`"),
        (f"here ${MATRIX}$ it is", f"here `{MATRIX}` it is"),
        (r"| $|x|$ | $\foo|x|$ |", r"| \|x\| | `\foo\|x\|` |"),
        ("$[a](b)$ $a<b>c$ $a*b_{1}*c$", r"\[a\](b) a\<b\>c a\*b₁\*c"),
        ("**$x^2$** and [$y$](https://e.org/$z$)", "**x²** and [y](https://e.org/$z$)"),
    ],
)
def test_formula_becomes_text_or_code(markdown: str, text: str) -> None:
    assert written(markdown) == text


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10, 5$ to 10$, US$5, $5-$10 or $5/€4.",
        "from 5 $ for a_b to 10 $",
        "$100 (≈€90) or 200$",
        "Set $HOME/bin:$PATH, $FOO_BAR or $BAZ; echo $$ and $$",
        "`$x^2$` and ``\\(y\\)`` and <code>$z^2$</code>",
        "```\n$x^2$\n\\[\ny\n\\]\n```",
        "```markdown\n```tex\n$x$\n```\n$y^2$\n```",
        r"\[1\], \[see there\](x), \(see below\) and \\(x\\)",
        r"an open \( x^2 or $x^2 or \[ y",
        "https://e.org/$x$ and [a](https://e.org/$y$)",
        "这个$5元和6$的",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert written(text) == text


def test_a_formula_is_not_cut() -> None:
    text = "word " * 391 + f"$\\foo_{{a*b}} + c*d$ and\n$$\n{MATRIX}\n\\foo\n$$\n" + "word " * 300
    for platform, shown in ((telegram, lambda text: telegram.render(text)[0]), (discord, str)):
        parts = split(text, platform.fits)
        assert sum(r"$\foo_{a*b} + c*d$" in part for part in parts) == 1
        assert sum(f"$$\n{MATRIX}\n\\foo\n$$" in part for part in parts) == 1
        assert shown(parts[0])


def test_a_formula_longer_than_a_part_is_code_in_each() -> None:
    lines = [rf"\foo_{{{number}}} * b_{number} * c \\" for number in range(140)]
    parts = split("\n".join(["\\[", *lines, "\\]"]), discord.fits)
    assert len(parts) > 1
    shown = [discord.render(part) for part in parts]
    assert all(part.startswith("```latex\n") and part.endswith("\n```") for part in shown)
    found = iter("\n".join(shown).split("\n"))
    assert all(line in found for line in lines)


# fmt: off
SIGNS = [
    r"\frac", r"\alpha", r"\sqrt", r"\text", r"\foo",
    "{", "}", "^", "_", "x", "12", " ", "+", "&",
    r"\\", r"\left", r"\right", "(", ")", "'", "é", "漢", r"\begin{aligned}", r"\end{aligned}",
]
# fmt: on
TEX = st.lists(st.sampled_from(SIGNS), max_size=25).map("".join)


@given(TEX)
def test_any_formula_keeps_its_letters(tex: str) -> None:
    said = unicodedata.normalize("NFKC", unicode(tex) or tex)
    for sign in ("é", "漢", "12", "+"):
        assert said.count(sign) == tex.count(sign)


@given(TEX, st.sampled_from(["${}$", r"\({}\)", "$$\n{}\n$$", r"\[{}\]"]))
def test_any_formula_can_be_sent(tex: str, marks: str) -> None:
    markdown = f"a {marks.replace('{}', tex)} b"
    assert telegram.fits(markdown)
    assert discord.fits(markdown)
    assert len(telegram.render(markdown)[0]) <= len(markdown)
