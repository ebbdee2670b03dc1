"""Formulas of TeX in Markdown: `$a$`, `$$a$$`, `\\(a\\)`, `\\[a\\]` and `\\begin{…}a\\end{…}`.

A dollar is more often money or a variable than the beginning of a formula.
"""

import re
from functools import lru_cache

LONGEST = 4000
"""The longest formula, in characters."""

ENVIRONMENTS = (
    r"(?:equation|align|aligned|alignat|gather|gathered|multline|split|eqnarray|cases"
    r"|[bpvBV]?matrix|smallmatrix|array)\*?"
)
_NAMED = (
    rf"\\begin\{{(?P<name>{ENVIRONMENTS})\}}"
    r"(?>(?:[^\\]++|\\(?!(?:begin|end)\{(?P=name)\})[\s\S])*)\\end\{(?P=name)\}"
)
FORMULA = (
    r"(?P<double>\$\$(?>(?:[^$\\]++|\\[^()\[\]])+)\$\$)"
    r"|(?P<single>(?<![A-Za-z0-9$\\])\$(?:(?<![0-9] \$)|(?!\s))(?>(?:[^$\\`\n]++|\\[^()\[\]\n])+)\$"
    r"(?:(?![A-Za-z0-9_$])|(?=(?:th|st|nd|rd|s)\b)))"
    r"|(?P<script>\$[_^](?:\{[^{}$\n]{1,20}\}|[A-Za-z0-9])\$)"
    r"|(?P<round>\\\((?>(?:[^\\\n]++|\n(?![ \t>]*+\n)|\\[^()])+)\\\))"
    r"|(?P<square>\\\[(?>(?:[^\\]++|\\[^\[\]])+)\\\](?!\())"
    rf"|(?P<named>{_NAMED})"
)
"""An expression for what looks like a formula; `formula` tells whether it is one."""

_FORMULA = re.compile(FORMULA)

_MAY_BEGIN = re.compile(r"\$|\\[(\[]|\\begin\{")
_BLOCK = re.compile(
    r"(?P<indent>[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?)"
    rf"(?P<formula>\$\$(?>(?:[^$\\]++|\\[^()\[\]])+)\$\$|\\\[(?>(?:[^\\]++|\\[^\[\]])+)\\\](?!\()|{_NAMED})"
)
_SIZES = {"double": 2, "single": 1, "script": 1, "round": 2, "square": 2, "named": 0}
_COMMAND = re.compile(r"\\[A-Za-z,;{}]")
_MARK = re.compile(r"[\^_=<>+*/|≤≥≠≈×·→∈]")
_TEXT = re.compile(r"\\(?:text|mathrm|operatorname)[a-z]{0,4}\{[^{}]*+\}|\\[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_MATHEMATICS = re.compile(r"[A-Za-z0-9\u0370-\u03ff\s.,;:!'()\[\]{}%^_=<>+*/|≤≥≠≈×·→∈−-]++")


def may_have_formula(text: str) -> bool:
    """Return False if there is surely no formula in a text."""
    return _MAY_BEGIN.search(text) is not None


@lru_cache(maxsize=256)  # a growing text has the same formulas again and again
def formula(text: str) -> str | None:
    """Return the TeX of what `FORMULA` found, without its marks; None if it is no formula."""
    found = _FORMULA.fullmatch(text)
    if found is None or len(text) > LONGEST:
        return None
    kind = next(kind for kind in _SIZES if found[kind])
    tex = text[_SIZES[kind] : len(text) - _SIZES[kind]]
    if kind in ("named", "script"):
        return tex
    if kind == "single" and (len(tex) > LONGEST // 10 or not _fits_dollars(tex)):
        return None
    if kind == "double" and re.fullmatch(r"\s+[a-z]{2,}\s+", tex):
        return None  # the variable of a shell
    if kind == "square" and not _COMMAND.search(tex) and not _MARK.search(tex):
        return None  # a bracket that is no link
    return tex.strip() if _is_mathematics(tex) else None


def _fits_dollars(tex: str) -> bool:
    """Return True unless there is a space at one end only, or at both without a sign of TeX."""
    if tex[0].isspace() != tex[-1].isspace():
        return False
    if not tex[0].isspace():
        return True
    return bool(re.search(r"\\[A-Za-z]|[\^_=]", tex)) and len(_words(tex)) < 2


def _words(tex: str) -> list[str]:
    """Return the words of a formula that no command introduces."""
    return _WORD.findall(_TEXT.sub(" ", tex))


def _is_mathematics(tex: str) -> bool:
    """Return False for words and for sums of money."""
    if not tex.strip():
        return False
    words = _words(tex)
    if _COMMAND.search(tex):
        return len(words) < 8
    if not _MATHEMATICS.fullmatch(tex):
        return bool(re.search(r"[\^_=]", tex)) and len(words) < 4
    if _MARK.search(tex):
        return len(words) < 4 and not re.search(r"(?:^|\s)[a-z]{2,}\s+[a-z]{2,}(?:\s|$)", tex)
    if re.search(r"\s", tex.strip()) and (words or not re.search(r"[^\W\d_]", tex)):
        return False
    return all(len(word) < 4 for word in words)


def formula_block(text: str, at: int) -> re.Match[str] | None:
    """Return what looks like a formula at the beginning of a line.

    Its group `indent` is everything before it on the line, and `formula` is the formula.
    """
    beginning = text[at : at + 64]
    if "$$" not in beginning and "\\" not in beginning:
        return None
    return _BLOCK.match(text, at, at + LONGEST)
