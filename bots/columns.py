"""Tables in Markdown, and text in monospaced columns."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

BREADTH = 60
"""The widest table, in columns, that a window shows without breaking its lines."""
GROWTH = 10
"""The most characters that are shown for one character of a table's source."""

_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_RULE_START = re.compile(r"^[ \t>]*+\|?+[ \t]*+:?+-", re.MULTILINE)


def cells(line: str) -> list[str]:
    """Return the cells of a table's line."""
    row = line.strip().removeprefix("|")
    if row.endswith("|") and not row.endswith("\\|"):
        row = row[:-1]
    return [cell.strip() for cell in _BAR.split(row)]


def alignment(head: str, rule: str) -> list[bool] | None:
    """Return whether each column is aligned right; None if the two lines begin no table."""
    if "|" not in head or "-" not in rule:
        return None
    marks = cells(rule)
    if len(marks) != len(cells(head)) or not all(map(_RULE.fullmatch, marks)):
        return None
    return [mark.endswith(":") and not mark.startswith(":") for mark in marks]


def may_have_table(text: str) -> bool:
    """Return False if no line of a text can be the one below a table's head."""
    return "|" in text and _RULE_START.search(text) is not None


def table_rows(source: Sequence[str]) -> list[list[str]]:
    """Return the cells of a table's lines, without the rule and without empty rows.

    No row is longer than the head: its last cell also holds the surplus.
    """
    head, body = cells(source[0]), map(cells, source[2:])
    size = len(head)
    return [head, *([*row[: size - 1], " | ".join(row[size - 1 :])] for row in body if any(row))]


def draw(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str | None:
    """Draw a table whose first row is its head; `right` is True for columns aligned right.

    Return None if it is wider than `BREADTH`.
    """
    if len(right) * 4 - 3 > BREADTH:
        return None
    widths = [max(map(width, column)) for column in zip_longest(*rows, fillvalue="")]
    if sum(widths) + 3 * len(widths) - 3 > BREADTH:
        return None
    whole = ([*row, *[""] * (len(right) - len(row))] for row in rows)
    lines = [" │ ".join(map(_padded, row, widths, right)).rstrip() for row in whole]
    return "\n".join([lines[0], "─┼─".join("─" * size for size in widths), *lines[1:]])


def _padded(text: str, size: int, right: bool) -> str:
    space = " " * (size - width(text))
    return space + text if right else text + space


def width(text: str) -> int:
    """Return the width of a text: Chinese, Japanese, Korean and emoji take two columns, accents
    none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
