"""Markdown as Discord shows it: most of it stays, and the rest is written another way."""

import re
from collections import deque
from collections.abc import Iterator

from bots.columns import draw, width

LONGEST = 2000
"""The longest message in code points, as Discord counts them."""
_BREADTH = 60
"""The widest table in columns that a window shows without breaking its lines."""

_FENCE = re.compile(
    r"(?P<indent>[\s>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$"
)
_HEADING = re.compile(r" {0,3}#{4,6}\s+(.+?)\s*#*$")
_BREAK = re.compile(r" {0,3}([-*_])(?: *\1){2,} *$")
_TASK = re.compile(r"(\s*(?:[-*+]|\d+[.)]) )\[([ xX])\] ")
_RULE = re.compile(r"\s*\|?(\s*:?-+:?\s*\|)*\s*:?-+:?\s*\|?\s*$")
_BAR = re.compile(r"(?<!\\)\|")
_INLINE = re.compile(
    r"""(?P<code>(?P<ticks>`+)(?!`) .+? (?<!`)(?P=ticks)(?!`))
    | (?P<image>!?)\[(?P<label>[^\[\]]*)\]\((?P<target>[^()\s]+(?:\([^()\s]*\)[^()\s]*)*)
      (?:\s+"[^"]*")?\)
    | (?P<spoiler>\|\|)""",
    re.VERBOSE,
)
_EMPHASIS = re.compile(r"(\*\*|__|~~|`)(?=\S)(.+?)(?<=\S)\1")
_NEWLINE = re.compile(r"\s*<br\s*/?>\s*", re.IGNORECASE)


def fits(markdown: str) -> bool:
    """Return True if one message can hold the rendered text."""
    return 0 < len(render(markdown)) <= LONGEST


def render(markdown: str) -> str:
    """Return the text to send."""
    lines = deque(markdown.split("\n"))
    written: list[str] = []
    while lines:
        line = lines.popleft()
        if fence := _FENCE.match(line):
            written += _code(fence, lines)
        elif lines and _heads_table(line, lines[0]):
            written.append(_table(line, lines))
        else:
            written.append(_line(line))
    text = "\n".join(written).rstrip().lstrip("\n")
    return text if text.strip() else ""


def _code(fence: re.Match[str], lines: deque[str]) -> Iterator[str]:
    """Write a block of code, and close it even if the text ends inside."""
    yield f"{fence['indent']}```{''.join(fence['info'].split()[:1])}"
    while lines:
        line = lines.popleft()
        bare = line.strip(" \t\r>")
        if bare.startswith(fence["mark"]) and not bare.strip(fence["mark"][0]):
            break
        yield line.replace("```", "`\u200b``")  # else it would end the block
    yield re.sub(r"[^\s>]", " ", fence["indent"]) + "```"  # without the marker of the list item


def _line(line: str) -> str:
    if heading := _HEADING.match(line):
        return f"**{_bare(heading[1])}**"
    if _BREAK.match(line):
        return "———"
    return _INLINE.sub(_inline, _TASK.sub(_box, line))


def _box(task: re.Match[str]) -> str:
    return f"{task[1]}{'☐' if task[2] == ' ' else '☑'} "


def _inline(found: re.Match[str]) -> str:
    """Write images, links labelled with a URL, and two bars, which Discord shows differently."""
    if found["code"]:
        return found[0]
    if found["spoiler"]:
        return r"\|\|"
    if not found["label"].strip() or "://" in found["label"]:
        return found["target"]
    return f"[{found['label']}]({found['target']})"


# -- tables ---------------------------------------------------------------------------------------


def _heads_table(line: str, rule: str) -> bool:
    if "|" not in line or not _RULE.match(rule):
        return False
    return len(_cells(line)) == len(_cells(rule))


def _table(head: str, lines: deque[str]) -> str:
    """Draw a table in columns, or record by record if it is too wide or has links."""
    right = [cell.endswith(":") and not cell.startswith(":") for cell in _cells(lines.popleft())]
    rows = [_cells(head)]
    while lines and "|" in lines[0]:
        rows.append(_cells(lines.popleft()))
    drawn = draw([_row([_plain(cell) for cell in row], len(right)) for row in rows], right)
    linked = any("](" in cell or "://" in cell for row in rows for cell in row)
    if linked or max(map(width, drawn.split("\n"))) > _BREADTH:
        return _records(rows)
    return f"```\n{drawn}\n```"


def _cells(line: str) -> list[str]:
    row = line.strip().removeprefix("|")
    if row.endswith("|") and not row.endswith("\\|"):
        row = row[:-1]
    return [_NEWLINE.sub(" ", cell).strip() for cell in _BAR.split(row)]


def _row(cells: list[str], size: int) -> list[str]:
    """Return as many cells as the head has; the last one also holds the surplus."""
    short = [*cells, *[""] * (size - len(cells))]
    return [*short[: size - 1], " | ".join(short[size - 1 :])]


def _plain(cell: str) -> str:
    return _bare(cell).replace("\\|", "|").replace("```", "`\u200b``")


def _bare(text: str) -> str:
    return _EMPHASIS.sub(r"\2", text)


def _records(rows: list[list[str]]) -> str:
    head, *rest = rows
    records = [_row(row, len(head)) for row in rest]
    texts = ["\n".join(map(_field, head, record)) for record in records]
    return "\n\n".join(texts) or " · ".join(map(_line, head))


def _field(name: str, cell: str) -> str:
    text = _line(cell.replace("\\|", "|"))
    return f"**{_bare(name)}:** {text}" if name else text
