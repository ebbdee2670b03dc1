"""The parts of a text: each ends at the nicest cut that fits."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from core.text._fences import Fence, after, ends, opens
from core.text._lines import Lines, fence_end, fence_start
from core.text._spans import Span, holds, marks_at, outermost

Fits = Callable[[str], bool]

_BLANK_LINES = re.compile(r"(?>(?:[^\S\n]*+\n)*)")
_HEADING = re.compile(r" {0,3}#{1,6}\s")
_ITEM = re.compile(r"[ \t>]*+(?:[-*+]|\d{1,9}[.)])[ \t]")
_QUOTE = re.compile(r"[ \t]*+>[ \t>]*+")
# The full stops of Chinese and Japanese need no space after them.
_SENTENCE = re.compile(
    "[.!?…][\"'\u201d\u2019)\\]]*+\\s++|[\u3002\uff01\uff1f][\u300d\u300f\u201d\uff09]*+"
)
_WORD = re.compile(r"\s++")
# The share of a message that must be filled before a cut of that rank is nice enough.
_BLOCK, _ITEM_EDGE, _LINE_EDGE, _CODE_GAP, _CODE_LINE = range(5)
_SHARES = {_BLOCK: 0.5, _ITEM_EDGE: 0.5, _LINE_EDGE: 0.67, _CODE_GAP: 0.75, _CODE_LINE: 0.5}
_JOINERS = frozenset("\u200d\ufe0e\ufe0f\u20e3")
_GENTLE = 4
"""The number of lengths, each a little shorter, that are tried before they are halved."""


def split(markdown: str, fits: Fits) -> list[str]:
    """Cut a text into as few messages as nice cuts allow; each fits, none is blank.

    Only white space is lost. All parts but the last two stay the same when text is appended.
    `fits` must accept any single character; it is called O(log n) times for each part.
    """
    return Growing(fits).split(markdown)


class _Cut(NamedTuple):
    """A part, and the place from which the text goes on after it."""

    part: str
    opening: str
    """The markup that is opened again before the rest."""
    at: int


@dataclass(slots=True)
class Growing:
    """A text that grows and is split again and again: only its last parts are cut anew."""

    fits: Fits
    _text: str = ""
    _cuts: list[_Cut] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """The number of characters that the next call does not cut again."""
        return self._cuts[-2].at if len(self._cuts) > 1 else 0

    def split(self, markdown: str) -> list[str]:
        """Return the parts of the text so far, as `split` does."""
        text = markdown.rstrip()
        del self._cuts[-1:]
        if self._cuts and not text.startswith(self._text[: self._cuts[-1].at]):
            self._cuts.clear()
        self._text = text
        opening, at = "", _first_line(text, 0)
        if self._cuts:
            _, opening, at = self._cuts[-1]
        while (rest := opening + text[at:]) and not self.fits(rest):
            part, more, used = _cut(rest, self.fits)
            opening, at = more + opening[used:], at + max(0, used - len(opening))
            self._cuts.append(_Cut(part, opening, at))
        parts = [cut.part for cut in self._cuts]
        return [*parts, rest] if rest else parts


def _first_line(text: str, at: int) -> int:
    """Return the beginning of the first line from `at` on that is not blank."""
    blank = _BLANK_LINES.match(text, at)
    return blank.end() if blank else at


def _cut(text: str, fits: Fits) -> tuple[str, str, int]:
    """Return a first part that fits, the markup to open again, and the characters used."""
    lines = Lines(text)
    limit = _reach(lines, fits)
    tries = 0
    while limit > 1:
        for end in _cuts(lines, limit):
            part, opening, used = _divide(lines, end)
            if part and fits(part):
                return part, opening, used
        tries += 1
        limit = limit * 7 // 8 if tries < _GENTLE else limit // 2
    start = len(text) - len(text.lstrip())
    return text[start], "", _first_line(text, start + 1)


def _reach(lines: Lines, fits: Fits) -> int:
    """Return the length of the longest beginning that fits, about. The whole text must not fit.

    The lengths tried do not depend on the length of the text, so appending does not change the
    result.
    """
    low, high = 0, 2048
    while high < len(lines.text) and fits(lines.closed(high)):
        low, high = high, high + high // 4
    while high - low > max(1, low // 32):
        middle = (low + high) // 2
        if middle < len(lines.text) and fits(lines.closed(middle)):
            low = middle
        else:
            high = middle
    return low


def _divide(lines: Lines, end: int) -> tuple[str, str, int]:
    """Cut at `end`; return the part, closed, the opening, and the number of characters used."""
    text = lines.text
    part = text[:end].rstrip()
    used = end
    if text[end - 1] != "\n":
        while text[used : used + 1] == " ":
            used += 1
    if fence := lines.fence(end):
        closing = fence_end(fence)
        opening, used = _reopened(text, used, fence)
    else:
        closing, opening = _open_inline(lines, end)
        # Touching marks of the same kind would read as something else: ~~ ~~ as a fence.
        if part[-1:] == closing[:1] or opening[-1:] == text[used : used + 1]:
            closing = opening = ""
    used = _first_line(text, used)
    # Without this, an opening as long as the part would repeat for ever.
    return part + closing, opening if len(opening) < end // 2 else "", used


# -- cuts -----------------------------------------------------------------------------------------


def _cuts(lines: Lines, limit: int) -> Iterator[int]:
    """Yield the positions for a cut at or before `limit`, the nicest first."""
    whole = outermost(lines.spans(limit))
    edges: dict[int, int] = {}
    for rank, position in _line_edges(lines, limit):
        if rank not in edges and position >= limit * _SHARES[rank] and not holds(position, whole):
            edges[rank] = position
    yield from (edges[rank] for rank in sorted(edges))
    yield from _inline_cuts(lines, limit, whole)


def _line_edges(lines: Lines, limit: int) -> Iterator[tuple[int, int]]:
    """Yield rank and position of each harmless cut between lines in the second half, backwards."""
    for index in range(lines.index(limit), 0, -1):
        position = lines.starts[index]
        if position < limit * min(_SHARES.values()):
            return
        line, previous = lines.line(index), lines.line(index - 1)
        fence = lines.inside(index)
        if fence:
            rank = _code_rank(line, previous, fence)
        else:
            rank = _rank(line, previous, lines.content(index))
        if rank is not None and line:
            yield rank, position


def _rank(line: str, previous: str, content: str) -> int | None:
    """Rank a cut before `line`; None means no cut. `content` is the last line that is not blank."""
    if not line.strip() or _HEADING.match(content):
        return None
    if "|" in line and "|" in previous:
        return None if _is_rule(line) or _is_rule(previous) else _LINE_EDGE
    indented = line[0] in " \t"
    if _HEADING.match(line) or (not previous.strip() and not indented):
        return _BLOCK
    if opens(line) or opens(previous) or (_ITEM.match(line) and not indented):
        return _ITEM_EDGE
    return _LINE_EDGE


def _code_rank(line: str, previous: str, fence: Fence) -> int | None:
    if previous.strip() == f"{fence.indent}{fence.mark}{fence.info}".strip() or ends(line, fence):
        return None
    return _CODE_LINE if previous.strip() else _CODE_GAP


def _is_rule(line: str) -> bool:
    """Return True for the line below the head of a table."""
    return "-" in line and not line.strip("|:- \t>\r\n")


def _inline_cuts(lines: Lines, limit: int, whole: list[Span]) -> Iterator[int]:
    text = lines.text
    words = [match.end() for match in _WORD.finditer(text, limit // 2, limit)]
    if not lines.fence(limit):
        ends = [match.end() for match in _SENTENCE.finditer(text, limit * 2 // 3, limit)]
        for places in (ends, words):
            yield from [end for end in reversed(places) if not holds(end, whole)][:1]
        yield from (span.start for span in whole if limit // 4 < span.start < limit < span.end)
    yield from words[-1:]
    yield _character_end(text, limit)


def _character_end(text: str, limit: int) -> int:
    """Return the last position at or before `limit` that splits no character, if one is near."""
    near = range(limit, max(limit - 32, 0), -1)
    return next((end for end in near if not _joined(text[end - 1], text[end])), limit)


def _joined(left: str, right: str) -> bool:
    """Return True if two code points make one character: accents, emoji, flags, surrogates."""
    if unicodedata.combining(right) or left == "\u200d" or right in _JOINERS:
        return True
    flags = "\U0001f1e6" <= left <= "\U0001f1ff" and "\U0001f1e6" <= right <= "\U0001f1ff"
    skin = "\U0001f3fb" <= right <= "\U0001f3ff"
    return flags or skin or (left < "\udc00" <= right <= "\udfff" and left >= "\ud800")


# -- open markup ----------------------------------------------------------------------------------


def _reopened(text: str, at: int, fence: Fence) -> tuple[str, int]:
    """Return the opening and the place of the rest. Leave out a code block that would be empty."""
    start = at
    while text[start : start + 1] == "\n":
        start += 1
    stop = text.find("\n", start) + 1 or len(text)
    line = text[start:stop]
    last = after(line, fence) is None and (not fence.closing or line.strip() == fence.closing)
    return ("", stop) if last else (fence_start(fence), at)


def _open_inline(lines: Lines, end: int) -> tuple[str, str]:
    """Return the closing and the opening for a cut at `end` outside code blocks."""
    text = lines.text
    if text[end - 1] == "\n":
        head = _table_head(text, end)
        if head:
            return "", head
    quote = _QUOTE.match(text, text.rfind("\n", 0, end) + 1, end)
    closing, opening = marks_at(lines.spans(end), end)
    return closing, (quote[0] if quote else "") + opening


def _table_head(text: str, end: int) -> str:
    """Return the two head lines of a table for a cut between its rows, "" elsewhere."""
    rows = text[text.rfind("\n\n", 0, end) + 1 : end].split("\n")[:-1]
    for index in range(1, len(rows) - 1):
        if "|" in rows[index] and _is_rule(rows[index]) and "|" in rows[index - 1]:
            whole = all("|" in row for row in [*rows[index:], text[end:].partition("\n")[0]])
            return f"{rows[index - 1]}\n{rows[index]}\n" if whole else ""
    return ""
