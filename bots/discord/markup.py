"""Markdown as Discord shows it: most of it stays, and the rest is written another way."""

import re
from collections.abc import Sequence
from functools import lru_cache

from bots.discord.inline import UNDERSCORE, plain, settled, write
from bots.markdown import (
    GROWTH,
    HEADING,
    TASK,
    Node,
    alignment,
    as_typed,
    box,
    draw,
    flattened,
    is_break,
    links,
    read,
    table_rows,
    title,
    written,
)
from core.text import AHEAD, Fence, after, opens

Cell = tuple[Node, ...]

LONGEST = 2000
"""The longest message in code points, as Discord counts them."""
DEEPEST = 3
"""The deepest heading that Discord knows."""

_LEAD = re.compile(
    r"(?P<quote>[ \t]*+(?>(?:>[ \t]*+)*))(?>(?P<item>(?:[-*+]|\d{1,9}[.)])[ \t]++)?)"
)
"""The marks of the quotes and of the list's item that a line begins."""
_MARK = re.compile(r"[ \t]*+> ?+")
"""A mark of a quote, and the one space behind it that belongs to it."""
_TRIPLE = re.compile("`(?=``)")


def fits(markdown: str) -> bool:
    """Return True if one message can hold the rendered text; render only what may fit."""
    if len(markdown) > LONGEST + LONGEST // 8:
        return False  # little is shorter on Discord than in its source
    return 0 < len(render(markdown)) <= LONGEST


def render(markdown: str) -> str:
    """Return the text to send; it is blank only if the Markdown is."""
    lines = flattened(written(markdown.replace(UNDERSCORE, ""))).split("\n")
    shown: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if fence := opens(line):
            fence = opens(line, lines[at + 1 : at + 1 + AHEAD]) or fence
            at = _code(shown, lines, at, fence)
        elif (end := _table_end(lines, at)) > at:
            shown += _table(lines[at:end])
            at = end
        else:
            end = _text_end(lines, at)
            shown.append(_block("\n".join([as_typed(lines, at), *lines[at + 1 : end]])))
            at = end
    while shown and not shown[-1].strip(" \t>"):
        shown.pop()  # Discord takes off the space at the end, and without it `>` is no quote
    text = settled("\n".join(shown)).rstrip().lstrip("\n")
    return text if text.strip() else markdown.strip()


def _code(shown: list[str], lines: Sequence[str], at: int, fence: Fence) -> int:
    """Write a block of code, closed even if the text ends inside; return the index behind it.

    An empty block is left out: the client would take its end for the beginning of the next one.
    """
    code: list[str] = []
    opened: Fence | None = fence
    at += 1
    while at < len(lines) and not fence.is_left(lines[at]):
        opened = after(lines[at], opened) if opened else None
        at += 1
        if opened is None:
            break
        code.append(_unfenced(lines[at - 1]))
    if "".join(code).strip(" \t>"):
        end = f"{fence.margin}```"  # without the marker of the list item
        block = [f"{fence.indent}```{fence.language}", *code, end]
        mark, depth = _mark(fence.indent), fence.indent.count(">")
        shown += [f"{mark}{_unquoted(line, depth)}" for line in block] if mark else block
    elif fence.indent.strip():
        shown.append(fence.indent)
    return at


def _unfenced(text: str) -> str:
    """Return a line of code that does not end its block."""
    return _TRIPLE.sub("`\u200b", text)


def _text_end(lines: Sequence[str], at: int) -> int:
    """Return the index behind the text that begins at a line: emphasis may go on in the next."""
    quoted, end = _is_quoted(lines[at]), at + 1
    rest = _inside(lines[at], quoted=quoted)
    while rest.strip() and not HEADING.match(rest) and not is_break(rest) and end < len(lines):
        rest = _inside(lines[end], quoted=quoted)
        lead = _LEAD.match(rest)
        if (lead and lead[0].strip()) or HEADING.match(rest) or is_break(rest) or opens(lines[end]):
            break
        if not rest.strip() or _table_end(lines, end) > end:
            break
        end += 1
    return end


@lru_cache(maxsize=1024)  # a growing text has the same blocks again and again
def _block(text: str) -> str:
    """Write a heading, an item of a list, a line of a quote, or a paragraph."""
    if is_break(text):
        return "———"
    if mark := _mark(text):
        inside = _block("\n".join(_unquoted(line, len(line)) for line in text.split("\n")))
        return "\n".join(f"{mark}{line}" for line in inside.split("\n"))
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


def _table_end(lines: Sequence[str], at: int) -> int:
    """Return the index behind the table that begins at a line; the line's own if none does."""
    if "|" not in lines[at] or at + 1 == len(lines):
        return at
    quoted, end = _is_quoted(lines[at]), at + 2
    if alignment(*(_cells(lines[at:end]) if quoted else lines[at:end])) is None:
        return at
    while end < len(lines) and "|" in lines[end] and _is_quoted(lines[end]) == quoted:
        end += 1
    return end


def _table(lines: Sequence[str]) -> list[str]:
    """Draw a table in columns, or record by record if it is too wide or has links.

    If its source is much shorter than either, as with many empty cells, each row is one line.
    """
    source = _cells(lines) if _is_quoted(lines[0]) else lines
    right = alignment(source[0], source[1]) or []
    rows = [[_cell(cell) for cell in row] for row in table_rows(source)]
    linked = any(links(cell) for row in rows for cell in row)
    drawn = None if linked else draw([[_plain(cell) for cell in row] for row in rows], right)
    text = _records(rows) if drawn is None else f"```\n{drawn}\n```"
    if len(text) > GROWTH * sum(len(line) + 1 for line in source):
        text = "\n".join(map(_row, rows))
    margin = "> " if _is_quoted(lines[0]) else ""
    return [margin + line for line in text.split("\n")]


def _is_quoted(line: str) -> bool:
    return line.lstrip()[:1] == ">"


def _mark(line: str) -> str:
    """Return the mark of the quotes that a line is in, as deep in a list as the line."""
    return f"{line[: line.index('>')]}> " if _is_quoted(line) else ""


def _unquoted(line: str, most: int) -> str:
    """Return a line without so many marks of quotes; Discord knows one, with a space behind it."""
    at = 0
    for _ in range(most):
        mark = _MARK.match(line, at)
        if mark is None:
            break
        at = mark.end()
    return line[at:]


def _inside(line: str, *, quoted: bool) -> str:
    return line.lstrip(" \t>") if quoted else line


def _cells(lines: Sequence[str]) -> list[str]:
    return [_inside(line, quoted=True) for line in lines]


def _row(cells: Sequence[Cell]) -> str:
    return " · ".join(map(write, cells))


@lru_cache(maxsize=1024)
def _cell(source: str) -> Cell:
    nodes = read(source.replace("\\|", "|"))
    return tuple(Node("text", " ") if node.kind == "line" else node for node in nodes)


@lru_cache(maxsize=1024)
def _plain(cell: Cell) -> str:
    return _unfenced(" ".join(plain(cell).split()))


def _records(rows: Sequence[Sequence[Cell]]) -> str:
    head, *rest = rows
    names = [write([*name, Node("text", ":")], ("bold",)) if name else "" for name in head]
    texts = ["\n".join(map(_field, names, record)) for record in rest]
    return "\n\n".join(texts) or _row(head)


def _field(name: str, cell: Cell) -> str:
    text = write(cell)
    return f"{name} {text}" if name else text
