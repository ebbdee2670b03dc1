"""Markdown as Discord shows it: most of it stays, and the rest is written another way."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache

from bots.columns import GROWTH, alignment, draw, table_rows
from bots.discord.inline import UNDERSCORE, plain, settled, write
from bots.inline import Node, read
from bots.lines import HEADING, TASK, box, is_break, title
from core.text import ends, opens

LONGEST = 2000
"""The longest message in code points, as Discord counts them."""
DEEPEST = 3
"""The deepest heading that Discord knows."""

_LEAD = re.compile(r"(?P<quote>[ \t]*+(?:>[ \t]*+)*+)(?P<item>(?:[-*+]|\d{1,9}[.)])[ \t]++)?+")
"""The marks of the quotes and of the list's item that a line begins."""
_TRIPLE = "`\u200b``"


def fits(markdown: str) -> bool:
    """Return True if one message can hold the rendered text; render only what may fit."""
    if len(markdown) > LONGEST + LONGEST // 8:
        return False  # little is shorter on Discord than in its source
    return 0 < len(render(markdown)) <= LONGEST


def render(markdown: str) -> str:
    """Return the text to send."""
    lines = deque(markdown.replace(UNDERSCORE, "").split("\n"))
    written: list[str] = []
    while lines:
        line = lines.popleft()
        if fence := opens(line):
            written += _code(fence, lines)
        elif lines and (right := alignment(line, lines[0])) is not None:
            written.append(_table(line, lines, right))
        else:
            written.append(_block("\n".join([line, *_rest(line, lines)])))
    text = settled("\n".join(written)).rstrip().lstrip("\n")
    return text if text.strip() else markdown.strip()


def _code(fence: re.Match[str], lines: deque[str]) -> Iterator[str]:
    """Write a block of code, and close it even if the text ends inside."""
    yield f"{fence['indent']}```{''.join(fence['info'].split()[:1])}"
    while lines:
        line = lines.popleft()
        if ends(line, fence):
            break
        yield line.replace("```", _TRIPLE)  # else it would end the block
    yield re.sub(r"[^\s>]", " ", fence["indent"]) + "```"  # without the marker of the list item


def _rest(line: str, lines: deque[str]) -> Iterator[str]:
    """Take the lines that go on with the text of a line, for emphasis may go on in them too."""
    while lines and line.strip() and not HEADING.match(line) and not is_break(line):
        line = lines[0]
        head = len(lines) > 1 and alignment(line, lines[1]) is not None
        if head or not line.strip() or opens(line) or HEADING.match(line) or is_break(line):
            return
        if (lead := _LEAD.match(line)) and lead[0].strip():
            return
        yield lines.popleft()


@lru_cache(maxsize=1024)  # a growing text has the same blocks again and again
def _block(text: str) -> str:
    """Write a heading, an item of a list, a line of a quote, or a paragraph."""
    if is_break(text):
        return "———"
    lead = _LEAD.match(text)
    at = lead.end() if lead else 0
    marks, rest = text[:at], text[at:]
    if (heading := HEADING.match(rest)) and "\n" not in rest:
        size = len(heading[1])
        nodes = read(title(rest))
        return marks + (
            write(nodes, ("bold",)) if size > DEEPEST else f"{'#' * size} {write(nodes)}"
        )
    if lead and lead["item"] and (task := TASK.match(rest)):
        return f"{marks}{box(task)} {write(read(rest[task.end() :]))}"
    return marks + write(read(rest), start=True)


# -- tables ---------------------------------------------------------------------------------------


def _table(head: str, lines: deque[str], right: list[bool]) -> str:
    """Draw a table in columns, or record by record if it is too wide or has links.

    If its source is much shorter than either, as with many empty cells, the source is shown.
    """
    source = [head, lines.popleft()]
    while lines and "|" in lines[0]:
        source.append(lines.popleft())
    rows = table_rows(source)
    linked = any("](" in cell or "://" in cell for row in rows for cell in row)
    drawn = None if linked else draw([[_plain(cell) for cell in row] for row in rows], right)
    text = _records(rows) if drawn is None else f"```\n{drawn}\n```"
    if len(text) > GROWTH * sum(len(line) + 1 for line in source):
        return "\n".join(["```", *(line.replace("```", _TRIPLE) for line in source), "```"])
    return text


def _plain(cell: str) -> str:
    return " ".join(plain(read(cell.replace("\\|", "|"))).split()).replace("```", _TRIPLE)


def _records(rows: list[list[str]]) -> str:
    head, *rest = rows
    names = [write([*_cell(name), Node("text", ":")], ("bold",)) if name else "" for name in head]
    texts = ["\n".join(map(_field, names, record)) for record in rest]
    return "\n\n".join(texts) or " · ".join(write(_cell(name)) for name in head)


def _field(name: str, cell: str) -> str:
    text = write(_cell(cell))
    return f"{name} {text}" if name else text


def _cell(cell: str) -> Sequence[Node]:
    return read(cell.replace("\\|", "|"))
