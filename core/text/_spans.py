"""Stretches of a paragraph that are better not cut: links, formulas, inline code, emphasis."""

import re
from bisect import bisect_left
from typing import NamedTuple

from core.text._flanks import flanks, pair
from core.text._formulas import FORMULA, formula

_TOKEN = re.compile(
    rf"\\\\|(?P<formula>{FORMULA})|"
    r"""\\.
    | (?P<ticks>`+)
    | (?P<whole>!?\[[^\[\]]{0,1000}+\]
          \((?>(?:[^()\s]++|\([^()\s]*+\))*)(?>(?:\s++"[^"]*+")?)(?:\)|\Z)
        | https?://[^\s<>]++)
    | (?P<run>\*+|_+|~+|\|{2,})
    """,
    re.VERBOSE | re.DOTALL,
)
_TICKS = re.compile("`+")

_SPAN = 1000
"""The longest emphasis or inline code, in characters, that is kept in one part if possible."""
_OPEN = 8
"""The most openings of emphasis that wait for their end."""


class Span(NamedTuple):
    """A stretch that is better not cut: a link, a formula, inline code or emphasis."""

    start: int
    end: int
    mark: str
    """The mark at both ends; "" for what cannot be closed and opened again."""


def find(text: str, start: int, stop: int) -> list[Span]:
    """Return the links, inline code and emphasis between two positions, the outer ones first."""
    spans: list[Span] = []
    waiting: list[tuple[str, int]] = []
    ticks: dict[str, list[int]] = {}
    for row in _TICKS.finditer(text, start, stop):
        ticks.setdefault(row[0], []).append(row.start())
    at = start
    while found := _TOKEN.search(text, at, stop):
        at = found.end()
        if mark := found["ticks"]:
            at = _code_end(ticks.get(mark, []), at, mark)
            if at > found.end():
                spans.append(Span(found.start(), at, mark))
        elif found["formula"] and (len(found[0]) > _SPAN or formula(found[0]) is None):
            at = found.start() + 1
        elif found["formula"] or found["whole"]:
            spans.append(Span(found.start(), at, ""))
        elif found["run"]:
            spans += _paired(waiting, text, found)
    return sorted(spans, key=lambda span: (span.start, -span.end))


def _code_end(places: list[int], at: int, mark: str) -> int:
    """Return the end of the inline code that begins at a place, or the place if it has no end."""
    index = bisect_left(places, at)
    near = index < len(places) and places[index] - at <= _SPAN
    return places[index] + len(mark) if near else at


def _paired(waiting: list[tuple[str, int]], text: str, run: re.Match[str]) -> list[Span]:
    """Return the emphasis that a run of marks ends, if any; else the run may begin one."""
    opening = _opening(waiting, text, run)
    if opening is not None:
        span = Span(waiting[opening][1], run.end(), run[0])
        del waiting[opening:]
        return [span]
    if _opens(text, run):
        waiting.append((run[0], run.start()))
        del waiting[:-_OPEN]
    return []


def _opening(waiting: list[tuple[str, int]], text: str, run: re.Match[str]) -> int | None:
    """Return the index of the opening that a run of marks closes, if it closes any."""
    start, end = run.span()
    after = text[end : end + 1]
    if not flanks(text, start, end)[1] or (after and after in "*~"):
        return None
    for index in reversed(range(len(waiting))):
        mark, begin = waiting[index]
        if mark == run[0] and 0 < start - begin - len(mark) <= _SPAN:
            return index if pair(text, (begin, begin + len(mark)), (start, end)) else None
    return None


def _opens(text: str, run: re.Match[str]) -> bool:
    """Return whether a run of marks can begin emphasis."""
    after = text[run.end() : run.end() + 1]
    if not after or after in "*_~" or len(run[0]) > 3:
        return False
    return flanks(text, *run.span())[0]


def outermost(spans: list[Span]) -> list[Span]:
    outer: list[Span] = []
    for span in spans:
        if not outer or span.start >= outer[-1].end:
            outer.append(span)
    return outer


def holds(position: int, whole: list[Span]) -> bool:
    """Return True inside one of the spans, which are in order and apart from each other."""
    index = bisect_left(whole, position, key=lambda span: span.start) - 1
    return index >= 0 and position < whole[index].end


def marks_at(spans: list[Span], end: int) -> tuple[str, str]:
    """Return the closing and the opening for emphasis or code cut at `end`; links have none."""
    marks: list[str] = []
    for start, stop, mark in spans:
        if start >= end:
            break
        if stop > end and mark:
            if not start + len(mark) < end <= stop - len(mark):
                break
            marks.append(mark)
    return "".join(reversed(marks)), "".join(marks)
