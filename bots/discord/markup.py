"""Markdown as Discord shows it: most of it stays, and the rest is written another way."""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from functools import lru_cache

from bots.columns import GROWTH, alignment, draw, may_have_table, table_rows
from bots.lines import HEADING, TASK, box, is_break, title
from bots.links import JOINER, WEB, deceives, inert, readable
from core.text import ends, opens, read_moment

LONGEST = 2000
"""The longest message in code points, as Discord counts them."""
DEEPEST = 3
"""The deepest heading that Discord knows."""

_ITEM = re.compile(r"[ \t>]*+(?:[-*+]|\d{1,9}[.)]) ")
_TOKEN = re.compile(
    r"""\\[!-/:-@\[-`{-~]
    | (?P<ticks>`+)
    | (?P<link>!?\[(?P<label>[^\[\]]{0,1000}+)\]
      \((?P<target>(?:[^()\s]|\([^()\s]*+\))++)(?:\s++"[^"]*+")?+\))
    | (?P<spoiler>\|\|)
    | (?P<mark><(?=[@\#/:]|a:|id:) | @(?=everyone|here))
    """,
    re.VERBOSE,
)
"""Inline markup. A mark begins a mention, a slash command, an emoji or a place in the server."""
_TICKS = re.compile("`+")
_STYLE = re.compile(
    r"\*\*(?=\S)((?:[^*]|\*(?!\*))++)(?<=\S)\*\*|__(?=\S)((?:[^_]|_(?!_))++)(?<=\S)__"
    r"|~~(?=\S)((?:[^~]|~(?!~))++)(?<=\S)~~|`(?=\S)([^`]++)(?<=\S)`"
)
_CHANGING = re.compile(r"\|\||[<@\[]|://|```|~~~|#{4}")
_NEWLINE = re.compile(r"<br[ \t]{0,9}/?>", re.IGNORECASE)


def fits(markdown: str) -> bool:
    """Return True if one message can hold the rendered text; render only what may fit."""
    if len(markdown) > LONGEST + LONGEST // 8:
        return False  # little is shorter on Discord than in its source
    if not _CHANGING.search(markdown) and not may_have_table(markdown):
        return 0 < len(markdown.rstrip().lstrip("\n")) <= LONGEST
    return 0 < len(render(markdown)) <= LONGEST


def render(markdown: str) -> str:
    """Return the text to send."""
    lines = deque(markdown.split("\n"))
    written: list[str] = []
    while lines:
        line = lines.popleft()
        if fence := opens(line):
            written += _code(fence, lines)
        elif lines and (right := alignment(line, lines[0])) is not None:
            written.append(_table(line, lines, right))
        else:
            written.append(_line(line))
    text = "\n".join(written).rstrip().lstrip("\n")
    return text if text.strip() else ""


def _code(fence: re.Match[str], lines: deque[str]) -> Iterator[str]:
    """Write a block of code, and close it even if the text ends inside."""
    yield f"{fence['indent']}```{''.join(fence['info'].split()[:1])}"
    while lines:
        line = lines.popleft()
        if ends(line, fence):
            break
        yield line.replace("```", "`\u200b``")  # else it would end the block
    yield re.sub(r"[^\s>]", " ", fence["indent"]) + "```"  # without the marker of the list item


@lru_cache(maxsize=1024)  # a growing text has the same lines again and again
def _line(line: str) -> str:
    heading = HEADING.match(line)
    if heading and len(heading[1]) > DEEPEST:
        return f"**{_bare(_inline(title(line)))}**"
    if is_break(line):
        return "———"
    if (item := _ITEM.match(line)) and (task := TASK.match(line, item.end())):
        return f"{item[0]}{box(task)} {_inline(line[task.end() :])}"
    return _inline(line)


def _inline(line: str) -> str:
    """Write the text of a line, with everything another way that Discord shows differently."""
    places: dict[str, list[int]] = {}
    written: list[str] = []
    at = 0
    while found := _TOKEN.search(line, at):
        written.append(inert(line[at : found.start()]))
        at = found.end()
        if ticks := found["ticks"]:
            places = places or _places(line)
            rows = places[ticks]
            index = bisect_left(rows, at)
            at = rows[index] + len(ticks) if index < len(rows) else at
            written.append(line[found.start() : at])
        elif found["link"]:
            written.append(_link(found["label"], found["target"]))
        elif found["spoiler"]:
            written.append(r"\|\|")
        else:
            written.append(found[0] + (JOINER if found["mark"] else ""))
    written.append(inert(line[at:]))
    return "".join(written)


def _places(line: str) -> dict[str, list[int]]:
    """Return the places of the rows of backticks by the rows."""
    places: dict[str, list[int]] = {}
    for row in _TICKS.finditer(line):
        places.setdefault(row[0], []).append(row.start())
    return places


def _link(label: str, target: str) -> str:
    """Write a link or an image. Discord does not link a label with a URL in it."""
    if (at := read_moment(target)) is not None:
        return f"<t:{at}:R>"  # in the reader's own time and language
    said = _inline(label)
    if not WEB.fullmatch(target):
        shown = inert(readable(target))
        return f"{said} ({shown})" if label.strip() and shown not in said else said or shown
    if not label.strip() or "://" in label:
        return target
    return f"{said} ({target})" if deceives(label, target) else f"[{said}]({target})"


# -- tables ---------------------------------------------------------------------------------------


def _table(head: str, lines: deque[str], right: list[bool]) -> str:
    """Draw a table in columns, or record by record if it is too wide or has links.

    If its source is much shorter than either, as with many empty cells, the source is shown.
    """
    source = [head, lines.popleft()]
    while lines and "|" in lines[0]:
        source.append(lines.popleft())
    rows = [[_NEWLINE.sub(" ", cell) for cell in row] for row in table_rows(source)]
    linked = any("](" in cell or "://" in cell for row in rows for cell in row)
    drawn = None if linked else draw([[_plain(cell) for cell in row] for row in rows], right)
    text = _records(rows) if drawn is None else f"```\n{drawn}\n```"
    if len(text) > GROWTH * sum(len(line) + 1 for line in source):
        return "\n".join(["```", *(line.replace("```", "`\u200b``") for line in source), "```"])
    return text


def _plain(cell: str) -> str:
    return _bare(cell).replace("\\|", "|").replace("```", "`\u200b``")


def _bare(text: str) -> str:
    """Return a text without the marks of its emphasis and code."""
    return _STYLE.sub(lambda style: style[style.lastindex or 0], text)


def _records(rows: list[list[str]]) -> str:
    head, *rest = rows
    names = [_bare(_inline(name.replace("\\|", "|"))) for name in head]
    texts = ["\n".join(map(_field, names, record)) for record in rest]
    return "\n\n".join(texts) or " · ".join(map(_line, head))


def _field(name: str, cell: str) -> str:
    text = _line(cell.replace("\\|", "|"))
    return f"**{name}:** {text}" if name else text
