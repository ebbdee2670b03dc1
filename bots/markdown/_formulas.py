"""Formulas in the model's Markdown, rewritten so that every platform shows them.

A simple one becomes a line of Unicode, any other becomes code, as it was typed. Nothing of it is
lost in either, and it is never longer than before, but for the marks of its code. Linear time.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from textwrap import dedent

from bots.markdown._tex import unicode
from core.text import FORMULA, Fence, after, formula, formula_block, may_have_formula, opens

LANGUAGE = "latex"
"""The language that a formula's code is in."""

_TOKEN = re.compile(
    rf"\\\\|{FORMULA}|\\[!-/:-@\[-`{{-~]|(?P<ticks>`+)"
    r"|<(?P<tag>code|kbd|samp|tt|pre)>(?>(?:[^<]++|<(?!/?(?P=tag)>))*)</(?P=tag)>"
    r"|\]\((?>(?:[^()\s]++|\([^()\s]*+\))*)|https?://[^\s<>]++"
)
_TICKS = re.compile("`+")
_MARKUP = re.compile(r"[\\`*_\[\]<>|~#&]")
_BEGINS_BLOCK = re.compile(r"^(?:[-+](?=\s|$)|\d{1,9}(?=[.)](?:\s|$))|=(?==*+\s*+$))")
_MARGIN = re.compile(r"^[ \t]*>[ \t>]*", re.MULTILINE)
_STOP = re.compile(r"[.,;:]?[ \t]*")


def written(markdown: str) -> str:
    """Return Markdown that has no formulas any more."""
    if not may_have_formula(markdown):
        return markdown
    return "".join(_rewritten(markdown))


def _rewritten(text: str) -> Iterator[str]:
    """Yield the text of each paragraph, each formula between them, and each line of code."""
    fence: Fence | None = None
    at, start, size = 0, 0, len(text)
    while at < size:
        stop = text.find("\n", at) + 1 or size
        line = text[at:stop]
        if fence and fence.is_left(line):
            fence = None
        if fence:
            fence = after(line, fence)
            yield line
            start = stop
        elif fence := opens(line):
            fence = opens(line, text[stop : stop + 4000].split("\n")) or fence
            yield _prose(text[start:at]) + line
            start = stop
        elif text[at - 1 : at] in ("", "\n") and (shown := _block(text, at)):
            yield _prose(text[start:at]) + shown[0]
            start = stop = shown[1]
        elif line.isspace():
            yield _prose(text[start:at]) + line
            start = stop
        at = stop
    yield _prose(text[start:])


def _block(text: str, at: int) -> tuple[str, int] | None:
    """Return what shows the formula that begins at a line, and the place behind it."""
    found = formula_block(text, at)
    if found is None or (tex := formula(found["formula"])) is None:
        return None
    margin = re.sub(r"[^\s>]", " ", found["indent"])
    if ">" in margin:
        tex = _MARGIN.sub("", tex).strip()
    end = found.end()
    said = unicode(tex)
    if said is not None and len(said) <= len(found["formula"]):
        lines = [_BEGINS_BLOCK.sub(_escaped, _plain(line), count=1) for line in said.split("\n")]
        return found["indent"] + f"\n{margin}".join(lines), end
    stop = _STOP.match(text, end)
    if stop and text[stop.end() : stop.end() + 1] in ("", "\n"):
        tex, end = tex + stop[0].strip(), stop.end()
    elif "\n" not in found["formula"]:
        return None  # the beginning of a sentence
    ticks = _longer("``", tex)
    lines = [line for line in dedent(tex).split("\n") if line.strip()]
    code = [found["indent"] + ticks + LANGUAGE, *(margin + line for line in lines), margin + ticks]
    rest = text[end : end + 1] not in ("", "\n")
    return "\n".join(code) + (f"\n{margin}" if rest else ""), end


@lru_cache(maxsize=256)  # a growing text has the same paragraphs again and again
def _prose(text: str) -> str:
    """Return a paragraph without formulas."""
    if not may_have_formula(text):
        return text
    shown: list[str] = []
    rows = _rows(text)
    copied = at = 0
    while found := _TOKEN.search(text, at):
        at = found.end()
        if ticks := found["ticks"]:
            places = rows.get(ticks, [])
            while places and places[-1] < at:
                places.pop()
            at = places[-1] + len(ticks) if places else at
        elif found.lastgroup in _GROUPS:
            tex = formula(found[0])
            if tex is None:
                at = found.start() + 1
                continue
            shown += [text[copied : found.start()], _inline(text, found, tex)]
            copied = at
    return "".join([*shown, text[copied:]])


_GROUPS = frozenset(("double", "single", "script", "round", "square", "named"))


def _inline(text: str, found: re.Match[str], tex: str) -> str:
    """Return what shows a formula in a paragraph."""
    said = unicode(tex)
    if said is not None and "\n" not in said and len(said) <= len(found[0]):
        return _plain(said)
    code = " ".join(tex.split())
    if text[text.rfind("\n", 0, found.start()) + 1 :].lstrip(" \t>").startswith("|"):
        code = code.replace("|", r"\|")  # else it would be the edge of a cell
    if "`" in code:
        ticks = _longer("", code)
        return f"{ticks} {code} {ticks}"
    return f"`{code}`"


def _plain(text: str) -> str:
    """Return a text as Markdown that shows it."""
    return _MARKUP.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdecimal() else f"\\{found[0]}"


def _longer(ticks: str, text: str) -> str:
    """Return a row of backticks that is longer than another, and than any in a text."""
    return "`" * (max(map(len, [ticks, *_TICKS.findall(text)])) + 1)


def _rows(text: str) -> dict[str, list[int]]:
    """Return the places of the rows of backticks by the rows, the last ones first."""
    rows: dict[str, list[int]] = {}
    for row in _TICKS.finditer(text):
        rows.setdefault(row[0], []).append(row.start())
    return {ticks: places[::-1] for ticks, places in rows.items()}
