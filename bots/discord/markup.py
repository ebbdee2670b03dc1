"""Markdown as Discord shows it: most of it stays, and the rest is written another way."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

from bots.columns import GROWTH, alignment, draw, may_have_table, table_rows
from bots.formulas import written
from bots.lines import HEADING, TASK, as_typed, box, is_break, title
from bots.links import JOINER, WEB, deceives, inert, readable
from core.text import AHEAD, Fence, after, opens

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
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_TRIPLE = re.compile("`(?=``)")
_STYLE = re.compile(
    r"\*\*(?=\S)((?:[^*]|\*(?!\*))++)(?<=\S)\*\*|__(?=\S)((?:[^_]|_(?!_))++)(?<=\S)__"
    r"|~~(?=\S)((?:[^~]|~(?!~))++)(?<=\S)~~|`(?=\S)([^`]++)(?<=\S)`"
)
_CHANGING = re.compile(r"\|\||[<@\[$]|://|```|~~~|#{4}|\\[(\[b]")
_NEWLINE = re.compile(r"<br[ \t]{0,9}/?>", re.IGNORECASE)


def fits(markdown: str) -> bool:
    """Return True if one message can hold the rendered text; render only what may fit."""
    if len(markdown) > LONGEST + LONGEST // 8:
        return False  # little is shorter on Discord than in its source
    if not _CHANGING.search(markdown) and not may_have_table(markdown):
        size = len(markdown.rstrip().lstrip("\n"))
        if size + markdown.count("\n") < LONGEST:  # a line may get one escape at its beginning
            return size > 0
    return 0 < len(render(markdown)) <= LONGEST


def render(markdown: str) -> str:
    """Return the text to send."""
    lines = written(markdown).split("\n")
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
            shown.append(_line(line if _ITEM.match(line) is None else as_typed(lines, at)))
            at += 1
    text = "\n".join(shown).rstrip().lstrip("\n")
    return text if text.strip() else ""


def _code(shown: list[str], lines: Sequence[str], at: int, fence: Fence) -> int:
    """Write a block of code, closed even if the text ends inside; return the index behind it."""
    shown.append(f"{fence.indent}```{fence.language}")
    opened: Fence | None = fence
    at += 1
    while at < len(lines) and not fence.is_left(lines[at]):
        opened = after(lines[at], opened) if opened else None
        at += 1
        if opened is None:
            break
        shown.append(_unfenced(lines[at - 1]))
    shown.append(f"{fence.margin}```")  # without the marker of the list item
    return at


def _unfenced(text: str) -> str:
    """Return a line of code that does not end its block."""
    return _TRIPLE.sub("`\u200b", text)


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
    said = _inline(label)
    if not WEB.fullmatch(target):
        shown = inert(readable(target))
        return f"{said} ({shown})" if label.strip() and shown not in said else said or shown
    if not label.strip() or "://" in label:
        return target
    return f"{said} ({target})" if deceives(label, target) else f"[{said}]({target})"


# -- tables ---------------------------------------------------------------------------------------


def _table_end(lines: Sequence[str], at: int) -> int:
    """Return the index behind the table that begins at a line; the line's own if none does."""
    if "|" not in lines[at] or at + 1 == len(lines):
        return at
    quoted, end = _is_quoted(lines[at]), at + 2
    if alignment(*(_unquoted(lines[at:end]) if quoted else lines[at:end])) is None:
        return at
    while end < len(lines) and "|" in lines[end] and _is_quoted(lines[end]) == quoted:
        end += 1
    return end


def _table(lines: Sequence[str]) -> list[str]:
    """Draw a table in columns, or record by record if it is too wide or has links.

    If its source is much shorter than either, as with many empty cells, each row is one line.
    """
    source = _unquoted(lines) if _is_quoted(lines[0]) else lines
    right = alignment(source[0], source[1]) or []
    rows = [[_NEWLINE.sub(" ", cell) for cell in row] for row in table_rows(source)]
    linked = any("](" in cell or "://" in cell for row in rows for cell in row)
    drawn = None if linked else draw([[_plain(cell) for cell in row] for row in rows], right)
    text = _records(rows) if drawn is None else f"```\n{drawn}\n```"
    if len(text) > GROWTH * sum(len(line) + 1 for line in source):
        text = "\n".join(map(_row, rows))
    margin = "> " if _is_quoted(lines[0]) else ""
    return [margin + line for line in text.split("\n")]


def _is_quoted(line: str) -> bool:
    return ">" in line[:4]


def _unquoted(lines: Sequence[str]) -> list[str]:
    return [line.lstrip(" \t>") for line in lines]


def _row(cells: Sequence[str]) -> str:
    return " · ".join(_line(cell.replace("\\|", "|")) for cell in cells)


def _plain(cell: str) -> str:
    if cell.isalnum():
        return cell
    return _unfenced(_ESCAPED.sub(r"\1", " ".join(_bare(cell).split())))


def _bare(text: str) -> str:
    """Return a text without the marks of its emphasis and code."""
    return _STYLE.sub(lambda style: style[style.lastindex or 0], text)


def _records(rows: list[list[str]]) -> str:
    head, *rest = rows
    names = [_bare(_inline(name.replace("\\|", "|"))) for name in head]
    texts = ["\n".join(map(_field, names, record)) for record in rest]
    return "\n\n".join(texts) or _row(head)


def _field(name: str, cell: str) -> str:
    text = _line(cell.replace("\\|", "|"))
    return f"**{name}:** {text}" if name else text
