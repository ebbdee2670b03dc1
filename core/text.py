"""Cut Markdown into messages without breaking it.

Each part ends at the nicest cut that fits. The rest is Markdown of its own: a fence, table head or
emphasis that is cut is closed in the part and opened again in the rest. Every cut depends only on
the text around it, so the earlier parts do not change while the text grows.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator

Fits = Callable[[str], bool]

_BLANK_LINES = re.compile(r"\s*\n")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_HEADING = re.compile(r" {0,3}#{1,6}\s")
_ITEM = re.compile(r"[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]")
_RULE = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?\s*$")
_QUOTE = re.compile(r"[ \t]*>[ \t>]*")
# The full stops of Chinese and Japanese need no space after them.
_SENTENCE = re.compile(
    "[.!?…][\"'\u201d\u2019)\\]]*\\s+|[\u3002\uff01\uff1f][\u300d\u300f\u201d\uff09]*"
)
_WORD = re.compile(r"\s+")
_FENCE = re.compile(
    r"(?P<indent>[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)"
)
_SPAN = re.compile(
    r"""\\.
    | (?P<ticks>(?<!`)`+)(?!`) .{1,1000}? (?<!`)(?P=ticks)(?!`)
    | !?\[[^\[\]]*\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+"[^"]*")?(?:\)|\Z)
    | https?://[^\s<>]+
    | (?P<mark>\*{1,3}|~~|(?<!\w)_{1,3})(?=[^\s*_~])
      (?P<inner>.{1,1000}?) (?<=\S)(?P=mark)(?![*~]|(?<=_)\w)
    """,
    re.VERBOSE | re.DOTALL,
)

# The share of a message that must be filled before a cut of that rank is nice enough.
_BLOCK, _ITEM_EDGE, _LINE_EDGE, _CODE_GAP, _CODE_LINE = range(5)
_SHARES = {_BLOCK: 0.5, _ITEM_EDGE: 0.5, _LINE_EDGE: 0.67, _CODE_GAP: 0.75, _CODE_LINE: 0.5}
_JOINERS = frozenset("\u200d\ufe0e\ufe0f\u20e3")


def split(markdown: str, fits: Fits) -> list[str]:
    """Cut a text into as few messages as nice cuts allow; each fits, none is blank.

    Only white space is lost. All parts but the last two stay the same when text is appended.
    `fits` must accept any single character; it is called O(log n) times for each part.
    """
    parts: list[str] = []
    rest = _trim(markdown)
    while rest and not fits(rest):
        part, rest = _cut(rest, fits)
        parts.append(part)
    return [*parts, rest] if rest else parts


def _trim(text: str) -> str:
    """Remove blank lines at both ends; the first line keeps its indentation."""
    text = text.rstrip()
    blank = _BLANK_LINES.match(text)
    return text[blank.end() :] if blank else text


def _cut(text: str, fits: Fits) -> tuple[str, str]:
    """Return a first part that fits, and the rest with its markup opened again."""
    limit = _reach(text, fits)
    while limit > 1:
        for end in _cuts(text, limit):
            part, rest = _divide(text, end)
            if part and fits(part):
                return part, rest
        limit = limit * 7 // 8
    bare = text.lstrip()
    return bare[0], _trim(bare[1:])


def _reach(text: str, fits: Fits) -> int:
    """Return the length of the longest beginning that fits, about. The whole text must not fit.

    The lengths tried do not depend on the length of the text, so appending does not change the
    result.
    """
    low, high = 0, 2048
    while high < len(text) and fits(_closed(text[:high])):
        low, high = high, high + high // 4
    while high - low > max(1, low // 32):
        middle = (low + high) // 2
        if middle < len(text) and fits(_closed(text[:middle])):
            low = middle
        else:
            high = middle
    return low


def _closed(text: str) -> str:
    fence = _open_fence(text)
    return text.rstrip() + _fence_end(fence) if fence else text


def _divide(text: str, end: int) -> tuple[str, str]:
    """Cut at `end`; close the open markup in the part and open it again in the rest."""
    part = text[:end].rstrip()
    rest = text[end:] if text[end - 1] == "\n" else text[end:].lstrip(" ")
    fence = _open_fence(text[:end])
    if fence:
        closing, (opening, rest) = _fence_end(fence), _reopened(rest, fence)
    else:
        closing, opening = _open_inline(text, end)
        # Touching marks of the same kind would read as something else: ~~ ~~ as a fence.
        if part[-1:] == closing[:1] or opening[-1:] == rest[:1]:
            closing = opening = ""
    # Without this, an opening as long as the part would repeat for ever.
    rest = _trim(rest)
    return part + closing, opening + rest if len(opening) < end // 2 else rest


# -- cuts -----------------------------------------------------------------------------------------


def _cuts(text: str, limit: int) -> Iterator[int]:
    """Yield the positions for a cut at or before `limit`, the nicest first."""
    spans = _spans(text, limit)
    edges = {
        rank: position
        for rank, position in _line_edges(text, limit)
        if position >= limit * _SHARES[rank] and not _inside(position, spans)
    }
    yield from (edges[rank] for rank in sorted(edges))
    yield from _inline_cuts(text, limit, spans)


def _line_edges(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Yield rank and position of each harmless cut between lines, at or before `limit`."""
    fence: re.Match[str] | None = None
    previous = content = ""
    for match in _LINE.finditer(text, 0, text.find("\n", limit) + 1 or len(text)):
        line = match[0]
        rank = _code_rank(line, previous, fence) if fence else _rank(line, previous, content)
        if rank is not None and 0 < match.start() <= limit:
            yield rank, match.start()
        fence = _after(line, fence)
        previous, content = line, line if line.strip() else content


def _rank(line: str, previous: str, content: str) -> int | None:
    """Rank a cut before `line`; None means no cut. `content` is the last line that is not blank."""
    if not line.strip() or _HEADING.match(content):
        return None
    if "|" in line and "|" in previous:
        return None if _RULE.match(line) or _RULE.match(previous) else _LINE_EDGE
    indented = line[0] in " \t"
    if _HEADING.match(line) or (not previous.strip() and not indented):
        return _BLOCK
    if _FENCE.match(line) or _FENCE.match(previous) or (_ITEM.match(line) and not indented):
        return _ITEM_EDGE
    return _LINE_EDGE


def _code_rank(line: str, previous: str, fence: re.Match[str]) -> int | None:
    if previous.strip() == fence[0].strip() or _ends(line, fence):
        return None
    return _CODE_LINE if previous.strip() else _CODE_GAP


def _inline_cuts(text: str, limit: int, spans: list[tuple[int, int]]) -> Iterator[int]:
    words = [match.end() for match in _WORD.finditer(text, limit // 2, limit)]
    if not _open_fence(text[:limit]):
        ends = [match.end() for match in _SENTENCE.finditer(text, limit * 2 // 3, limit)]
        yield from [end for end in ends if not _inside(end, spans)][-1:]
        yield from [end for end in words if not _inside(end, spans)][-1:]
        yield from [start for start, end in spans if limit // 4 < start < limit < end]
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


def _open_fence(text: str) -> re.Match[str] | None:
    """Return the first line of the code block that is open at the end of the text."""
    if "```" not in text and "~~~" not in text:
        return None
    fence: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _after(line, fence)
    return fence


def _after(line: str, fence: re.Match[str] | None) -> re.Match[str] | None:
    """Return the code block that is open after a line, given the one open before it."""
    if fence is None:
        match = _FENCE.match(line)
        return None if match is None or "`" in match["info"] else match
    left_quote = ">" in fence["indent"] and not line.lstrip().startswith(">")
    return None if left_quote or _ends(line, fence) else fence


def _ends(line: str, fence: re.Match[str]) -> bool:
    bare = line.strip(" \t\r\n>")
    return bare.startswith(fence["mark"]) and not bare.strip(fence["mark"][0])


def _fence_start(fence: re.Match[str]) -> str:
    language = fence["info"].split()[:1]
    return f"{_margin(fence)}{fence['mark']}{''.join(language)[:32]}\n"


def _fence_end(fence: re.Match[str]) -> str:
    return f"\n{_margin(fence)}{fence['mark']}"


def _margin(fence: re.Match[str]) -> str:
    """Return the indentation of a code block, without the marker of its list item."""
    return re.sub(r"[^\s>]", " ", fence["indent"])


def _reopened(rest: str, fence: re.Match[str]) -> tuple[str, str]:
    """Return the opening and the rest. Leave out a code block that would be empty."""
    first, _, after = rest.lstrip("\n").partition("\n")
    return ("", after) if _ends(first, fence) else (_fence_start(fence), rest)


def _open_inline(text: str, end: int) -> tuple[str, str]:
    """Return the closing and the opening for a cut at `end` outside code blocks."""
    if text[end - 1] == "\n":
        head = _table_head(text, end)
        if head:
            return "", head
    quote = _QUOTE.match(text, text.rfind("\n", 0, end) + 1, end)
    closing, opening = _marks(text, *_paragraph(text, end), end)
    return closing, (quote[0] if quote else "") + opening


def _table_head(text: str, end: int) -> str:
    """Return the two head lines of a table for a cut between its rows, "" elsewhere."""
    rows = text[text.rfind("\n\n", 0, end) + 1 : end].split("\n")[:-1]
    for index in range(1, len(rows) - 1):
        if "|" in rows[index] and _RULE.match(rows[index]) and "|" in rows[index - 1]:
            whole = all("|" in row for row in [*rows[index:], text[end:].partition("\n")[0]])
            return f"{rows[index - 1]}\n{rows[index]}\n" if whole else ""
    return ""


def _paragraph(text: str, end: int) -> tuple[int, int]:
    """Return the bounds of the paragraph around a position, at most a quarter beyond it."""
    start = text.rfind("\n\n", 0, end) + 1
    stop = text.find("\n\n", end, end + end // 4)
    return start, stop if stop >= 0 else end + end // 4


def _spans(text: str, limit: int) -> list[tuple[int, int]]:
    """Return the links, inline code and emphasis in the paragraph around `limit`."""
    return [match.span() for match in _SPAN.finditer(text, *_paragraph(text, limit))]


def _inside(position: int, spans: list[tuple[int, int]]) -> bool:
    return any(start < position < end for start, end in spans)


def _marks(text: str, start: int, stop: int, end: int) -> tuple[str, str]:
    """Return the closing and the opening for emphasis or code cut at `end`; links have none."""
    for match in _SPAN.finditer(text, start, stop):
        if match.start() < end < match.end():
            return _marks_of(match, end)
    return "", ""


def _marks_of(match: re.Match[str], end: int) -> tuple[str, str]:
    if match["ticks"]:
        return match["ticks"], match["ticks"]
    if match["mark"] and match.start("inner") < end <= match.end("inner"):
        closing, opening = _marks(match.string, *match.span("inner"), end)
        return closing + match["mark"], match["mark"] + opening
    return "", ""
