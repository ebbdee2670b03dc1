"""Tables in Markdown, and text in monospaced columns."""

import re
from collections.abc import Sequence
from itertools import zip_longest

from wcwidth import wcswidth, wcwidth

BREADTH = 40
"""The widest table, in columns, that a phone shows without breaking its lines."""
GROWTH = 10
"""The most characters that are shown for one character of a table's source."""

_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LEFT_TO_RIGHT = "\u200e"
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
    whole = [[*row, *[""] * (len(right) - len(row))] for row in rows]
    text = _drawn(whole, widths, right)
    if _RIGHT_TO_LEFT.search(text):
        text = _drawn([[_isolated(cell) for cell in row] for row in whole], widths, right)
        return _LEFT_TO_RIGHT + text.replace("\n", f"\n{_LEFT_TO_RIGHT}")
    return text


def _drawn(rows: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]) -> str:
    lines = [" │ ".join(map(_padded, row, widths, right)).rstrip() for row in rows]
    return "\n".join([lines[0], "─┼─".join("─" * size for size in widths), *lines[1:]])


def _padded(text: str, size: int, right: bool) -> str:
    space = " " * (size - width(text))
    return space + text if right else text + space


def _isolated(cell: str) -> str:
    """Return a cell that does not move the other cells, in whatever script it is."""
    return f"\u2068{cell}\u2069" if _RIGHT_TO_LEFT.search(cell) else cell


def width(text: str) -> int:
    """Return the columns that a text takes in a font of fixed width.

    Chinese, Japanese, Korean and emoji take two columns, accents and vowel signs none.
    """
    if text.isascii():
        return len(text)
    columns = wcswidth(text)
    return columns if columns >= 0 else sum(max(0, wcwidth(char)) for char in text)
