"""Blocks of code in Markdown: the lines that begin and end them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

AHEAD = 100
"""The most lines that are read ahead to see whether a block of code holds others."""

_FENCE = re.compile(
    r"(?P<indent>[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?)"
    r"(?P<mark>`{3,64}|~{3,64})(?P<info>[^\n]*)"
)
_MARKDOWN = frozenset(("markdown", "md", "mdx", "gfm", "rmd", "qmd", "commonmark"))
_PLAIN = frozenset(("", "text", "txt", "plaintext", "plain"))
_DEEPEST = 8
_SHORT = 100
"""The most characters of a line that is remembered."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code that is open, or a formula."""

    indent: str
    """Everything before the mark: quotes, a list's marker, spaces."""
    mark: str
    info: str
    nests: bool = False
    """True if it is a text that has blocks of code of its own."""
    inner: tuple["Fence", ...] = ()
    """The blocks inside it that are open, the outermost first."""
    closing: str = ""
    """The sign at the end of a formula; "" for code."""

    @property
    def language(self) -> str:
        """The language of the code; "" if none is named."""
        return "".join(self.info.split()[:1])

    @property
    def margin(self) -> str:
        """The beginning of its other lines: quotes, and spaces."""
        return re.sub(r"[^\s>]", " ", self.indent)

    def is_left(self, line: str) -> bool:
        """Return True for a line outside of the quote that the block is in."""
        return ">" in self.indent and not line.lstrip().startswith(">")


def opens(line: str, following: Sequence[str] = ()) -> Fence | None:
    """Return the block of code that a line begins, if it begins one.

    Models show Markdown inside a block of code without longer fences around it. Only the
    `following` lines tell whether a block without a language is such a one.
    """
    if "```" not in line and "~~~" not in line:
        return None
    flat, nesting = (_begun if len(line) <= _SHORT else _begun.__wrapped__)(line)
    if flat is not None and nesting is not None and following and _balanced(nesting, following):
        return nesting
    return flat


@lru_cache(maxsize=1024)
def _begun(line: str) -> tuple[Fence | None, Fence | None]:
    """Return the block that a line begins, and the same as one that may hold others.

    While an answer grows, the same lines are read again and again.
    """
    found = _FENCE.match(line)
    if found is None or "`" in found["info"]:
        return None, None
    fence = Fence(found["indent"], found["mark"], found["info"])
    language, nesting = fence.language.lower(), replace(fence, nests=True)
    if language in _MARKDOWN:
        return nesting, None
    return fence, nesting if language in _PLAIN else None


def after(line: str, fence: Fence) -> Fence | None:
    """Return the block of code that is still open after one of its lines; None at its end."""
    innermost = fence.inner[-1] if fence.inner else fence
    if ends(line, innermost):
        return replace(fence, inner=fence.inner[:-1]) if fence.inner else None
    if fence.nests and len(fence.inner) < _DEEPEST:
        inside = opens(line)
        if inside and inside.mark.startswith(innermost.mark) and inside.info.strip():
            return replace(fence, inner=(*fence.inner, inside))
    return fence


def ends(line: str, fence: Fence) -> bool:
    """Return True if a line is the end of a block of code, leaving aside what is inside it."""
    if fence.closing:
        return fence.closing in line
    if fence.mark not in line:
        return False
    bare = line.strip(" \t\r\n>")
    if not bare.startswith(fence.mark) or bare.strip(fence.mark[0]):
        return False
    return len(line) - len(line.lstrip(" \t>")) <= len(fence.indent) + 3


def _balanced(fence: Fence, following: Sequence[str]) -> bool:
    """Return True if a block has another one inside, and both end."""
    nested = False
    opened: Fence | None = fence
    for line in following[:AHEAD]:
        opened = after(line, opened) if opened else None
        if opened is None:
            return nested
        nested = nested or bool(opened.inner)
        if opened.inner == () and not nested and ends(line, fence):
            return False
    return False
