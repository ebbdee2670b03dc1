"""Formulas of TeX as a line of Unicode, if they are simple (pure).

Nothing is left out: a formula with a command that is not known here is not simple.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from bots.markdown._symbols import (
    ACCENTS,
    ALPHABETS,
    LETTERS,
    OPERATORS,
    SCRIPTS,
    SIGNS,
    SPACES,
    WORDS,
)

LONGEST = 400
"""The longest formula, in characters of TeX, that is written in Unicode."""
WIDEST = 80
"""The longest line of a formula in Unicode, in characters."""
LINES = 12
"""The most lines of a formula in Unicode."""
DEPTH = 8
"""The deepest nesting of groups."""

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|[\s\S])|\s+|[\s\S]")
_LINES = re.compile(
    r"\s*\\begin\{(?P<name>aligned|align\*?|gathered|gather\*?|split|equation\*?|multline\*?)\}"
    r"(?P<body>(?>(?:[^\\]++|\\(?!begin\{|end\{)[\s\S])*))\\end\{(?P=name)\}(?P<after>[\s.,;]*+)"
)
_BREAK = re.compile(r"(\\[^\\])|\\\\\*?(?:\[[^\]\n]{0,12}\])?")
_TEXT = frozenset(
    [
        "text",
        "textrm",
        "textbf",
        "textit",
        "textsf",
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "boldsymbol",
        "mbox",
        "operatorname",
        "bm",
    ]
)
_FRACTIONS = frozenset(("frac", "dfrac", "tfrac", "cfrac"))
_ESCAPED = "%$#&_{}"
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_HUNG = "".join({*SCRIPTS["^"].values(), *SCRIPTS["_"].values(), *ACCENTS.values(), "′"})
"""Everything that belongs to the letter before it."""

_Kind = Literal["plain", "operator", "word", "fraction", "root", "space"]


class _Term(NamedTuple):
    text: str
    kind: _Kind = "plain"


_TERMS: dict[str, _Term] = {
    **{name: _Term(sign) for name, sign in (LETTERS | SIGNS).items()},
    **{name: _Term(sign, "operator") for name, sign in OPERATORS.items()},
    **{name: _Term(name, "word") for name in WORDS},
    **{sign: _Term(sign) for sign in _ESCAPED},
    "|": _Term("‖"),
}
"""What stands for each command without an argument."""


class _NotSimpleError(Exception):
    """A formula cannot be written as a line."""


@lru_cache(maxsize=256)  # a growing text has the same formulas again and again
def unicode(tex: str) -> str | None:
    """Return a formula in Unicode, with its lines; None if it is too complicated or too long."""
    if len(tex) > LONGEST:
        return None
    found = _LINES.fullmatch(tex)
    body = f"{found['body']}{found['after'].strip()}" if found else tex
    try:
        lines = [_line(line, aligned=found is not None) for line in _broken(body)]
    except _NotSimpleError:
        return None
    lines = [line for line in lines if line]
    if len(lines) > LINES or any(len(line) > WIDEST for line in lines):
        return None
    return "\n".join(lines) or None


def _broken(body: str) -> list[str]:
    lines, start = [], 0
    for found in _BREAK.finditer(body):
        if found[1] is None:
            lines.append(body[start : found.start()])
            start = found.end()
    return [*lines, body[start:]]


def _line(tex: str, *, aligned: bool) -> str:
    reader = _Reader(_TOKEN.findall(tex), aligned=aligned)
    text = reader.sequence("", 0)
    return " ".join(text.split())


class _Reader:
    """A reader of one formula, from left to right."""

    def __init__(self, tokens: Sequence[str], *, aligned: bool) -> None:
        self._tokens = tokens
        self._at = 0
        self._aligned = aligned

    def sequence(self, end: str, depth: int) -> str:
        """Read to the sign `end`, or to the end of the formula if that is ""."""
        if depth > DEPTH:
            raise _NotSimpleError
        terms: list[_Term] = []
        while (sign := self._next()) != end:
            if not sign:
                raise _NotSimpleError
            if sign in "^_":
                self._script(terms, sign, depth)
            else:
                terms.append(self._term(sign, depth))
        return _joined(terms)

    def _next(self) -> str:
        sign = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        return sign

    def _skip(self) -> None:
        while self._at < len(self._tokens) and self._tokens[self._at].isspace():
            self._at += 1

    def _term(self, sign: str, depth: int) -> _Term:
        if sign[0] == "\\":
            return self._command(sign[1:], depth)
        if sign == "{":
            return _Term(self.sequence("}", depth + 1))
        if sign == "}" or (sign == "&" and not self._aligned):
            raise _NotSimpleError
        if sign.isspace() or sign in "&~":
            return _Term(" ", "space")
        return _Term("′" if sign == "'" else sign)

    def _command(self, name: str, depth: int) -> _Term:
        if name in LETTERS:
            self._close_up()
        if name in SPACES:
            return self._space(name)
        return _TERMS.get(name) or self._with_argument(name, depth)

    def _close_up(self) -> None:
        """Leave out the space that only ends the name of a letter."""
        start = self._at
        self._skip()
        following = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if not following.isalnum():
            self._at = start

    def _space(self, name: str) -> _Term:
        if name in ("left", "right", "middle"):
            self._skip()
            if self._tokens[self._at : self._at + 1] == ["."]:
                self._at += 1
        return _Term(SPACES[name], "space" if SPACES[name] else "plain")

    def _with_argument(self, name: str, depth: int) -> _Term:
        if name in _TEXT:
            return _Term(self._text(), "word" if name == "operatorname" else "plain")
        if name in _FRACTIONS:
            over, under = self._argument(depth), self._argument(depth)
            return _Term(f"{_factor(over, first=True)}/{_factor(under)}", "fraction")
        if name == "sqrt":
            return _Term(self._root(depth), "root")
        if name in _CHANGED:
            return _Term(_CHANGED[name](self._argument(depth)))
        raise _NotSimpleError

    def _argument(self, depth: int) -> str:
        """Read one argument: a group, a command or a single character."""
        self._skip()
        sign = self._next()
        if sign in ("", "^", "_", "&"):
            raise _NotSimpleError
        return self._term(sign, depth + 1).text.strip()

    def _text(self) -> str:
        """Read an argument that is no formula."""
        self._skip()
        if self._next() != "{":
            raise _NotSimpleError
        words, depth = "", 1
        while sign := self._next():
            depth += (sign == "{") - (sign == "}")
            if not depth:
                return words
            words += self._letter(sign)
        raise _NotSimpleError

    def _letter(self, sign: str) -> str:
        if sign[0] != "\\":
            if sign == "$":
                raise _NotSimpleError
            if sign in "{}":
                return ""
            return " " if sign.isspace() or sign == "~" else sign
        name = sign[1:]
        if name in LETTERS:
            return LETTERS[name]
        if name in _ESCAPED or name in (" ", ",", ";"):
            return " " if name in (" ", ",", ";") else name
        raise _NotSimpleError

    def _root(self, depth: int) -> str:
        self._skip()
        index = ""
        if self._tokens[self._at : self._at + 1] == ["["]:
            self._at += 1
            index = self.sequence("]", depth + 1)
            raised = [SCRIPTS["^"].get(char) for char in index]
            if None in raised:
                raise _NotSimpleError
            index = "".join(map(str, raised)) if index != "2" else ""
        return f"{index}√{_factor(self._argument(depth))}"

    def _script(self, terms: list[_Term], sign: str, depth: int) -> None:
        """Raise or lower the next argument, behind the last term."""
        while terms and terms[-1].kind == "space":
            terms.pop()
        before = terms.pop() if terms else _Term("")
        if before.kind == "operator":
            raise _NotSimpleError
        base = f"({before.text})" if before.kind in ("fraction", "root") else before.text
        kind: _Kind = "word" if before.kind == "word" else "plain"
        terms.append(_Term(base + _scripted(sign, self._argument(depth)), kind))


def _scripted(sign: str, text: str) -> str:
    """Return a text raised or lowered, if each of its characters can be; else behind the sign."""
    if not text:
        raise _NotSimpleError
    words = " " in text and re.search(r"[^\W\d_]{2}", text)
    forms = [SCRIPTS[sign].get(char, "") for char in text.replace(" ", "")]
    if all(forms) and not words:
        return "".join(forms)
    return f"{sign}{text}" if len(text) == 1 or text[0] + text[-1] == "()" else f"{sign}({text})"


def _factor(text: str, *, first: bool = False) -> str:
    """Return a text in brackets, unless it is clear without them beside a sign of division."""
    if not text:
        raise _NotSimpleError
    if first and all(char.isalnum() or char in "∂∇.,√" or char in _HUNG for char in text):
        return text
    base = text.rstrip(_HUNG)
    alone = len(base) == 1 or (len(base) == 2 and base[0] in "d∂")
    alone = alone or (len(base) > 2 and base.isalpha()) or bool(_NUMBER.fullmatch(base))
    return text if alone else f"({text})"


def _accented(text: str, accent: str, most: int) -> str:
    if not text.isalpha() or len(text) > most:
        raise _NotSimpleError
    return unicodedata.normalize("NFC", "".join(char + accent for char in text))


def _lettered(text: str, alphabet: dict[str, str]) -> str:
    if not text or any(char not in alphabet for char in text):
        raise _NotSimpleError
    return "".join(alphabet[char] for char in text)


_CHANGED: dict[str, Callable[[str], str]] = {
    **{
        name: partial(_accented, accent=accent, most=4 if name == "overline" else 1)
        for name, accent in ACCENTS.items()
    },
    **{name: partial(_lettered, alphabet=alphabet) for name, alphabet in ALPHABETS.items()},
    "boxed": str,
    "tag": " ({})".format,
    "pmod": " (mod {})".format,
}
"""What the argument of each command becomes."""


def _joined(terms: Sequence[_Term]) -> str:
    """Return the text of some terms, with spaces where a reader needs them."""
    written = ""
    for index, (text, kind) in enumerate(terms):
        following = terms[index + 1] if index + 1 < len(terms) else _Term(" ", "space")
        if kind == "operator":
            tight = text in "±∓" and (not written or written[-1] in "([{=")
            written = written.rstrip(" ")
            space = "" if not written or written[-1] in "([{|" else " "
            written += space + text + ("" if tight else " ")
        elif kind == "word":
            written += (" " if written[-1:].isalnum() or written[-1:] == ")" else "") + text
            written += " " if following.kind != "space" and following.text[:1].isalnum() else ""
        elif kind in ("fraction", "root"):
            beside = kind == "fraction" and (written[-1:].isalnum() or written[-1:] in (")", "]"))
            beside = beside or following.kind in ("word", "fraction", "root")
            beside = beside or (following.kind == "plain" and _is_factor(following.text[:1]))
            written += f"({text})" if beside else text
        elif kind != "space" or not written.endswith((" ", "±", "∓")):
            written += text
    return written


def _is_factor(char: str) -> bool:
    return char.isalnum() or char in ("(", "[", "∂", "∇", "∑", "∫")
