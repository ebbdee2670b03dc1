"""Text in monospaced columns."""

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest


def draw(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Draw a table whose first row is its head; `right` is True for columns aligned right."""
    widths = [max(map(width, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = [" │ ".join(map(_padded, row, widths, right)).rstrip() for row in rows]
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
