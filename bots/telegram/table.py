"""Tables in monospaced columns, or line by line if those are too wide for a phone."""

import re

from markdown_it.token import Token
from telegram import MessageEntity

from bots.columns import draw, width
from bots.telegram.inline import links, write_inline
from bots.telegram.page import Page

_BREADTH = 60
_FRAME = re.compile(r"^[\s>]*\|?|\|?\s*$")
_BAR = re.compile(r"(?<!\\)\|")

Cell = list[Token]


class Table:
    """A table whose cells are being read."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []
        self._right: list[bool] = []
        self._source = ""

    def begin_column(self, token: Token) -> None:
        """Begin a cell of the head, which tells the alignment of its column."""
        self._right.append("right" in str(token.attrs.get("style", "")))

    def begin_row(self, line: str) -> None:
        """Begin a row, given its line of the source."""
        self._rows.append([])
        self._source = _FRAME.sub("", line)

    def add(self, cell: Cell) -> None:
        """Take the next cell. The last one also gets the surplus cells of its line."""
        row = self._rows[-1]
        row.append(cell)
        if len(self._rows) > 1 and len(row) == len(self._right):
            surplus = _BAR.split(self._source)[len(row) :]
            cell.extend(Token("text", "", 0, content=f" | {text.strip()}") for text in surplus)

    def write(self, page: Page) -> None:
        """Write the table in columns, or record by record if it is too wide or has links."""
        drawn = self._draw()
        linked = any(links(cell) for row in self._rows for cell in row)
        if linked or max(map(width, drawn.split("\n"))) > _BREADTH:
            self._write_records(page)
        else:
            page.write_literal(MessageEntity.PRE, drawn)

    def _draw(self) -> str:
        return draw([[_plain(cell) for cell in row] for row in self._rows], self._right)

    def _write_records(self, page: Page) -> None:
        head, *rows = self._rows
        for number, row in enumerate(rows or [head]):
            page.write("\n\n" if number else "")
            for index, (name, cell) in enumerate(zip(head, row, strict=False)):
                page.write("\n" if index else "")
                _write_field(page, name if rows else [], cell)


def _write_field(page: Page, name: Cell, cell: Cell) -> None:
    if name:
        page.open(MessageEntity.BOLD)
        write_inline(page, name)
        page.close()
        page.write(": ")
    write_inline(page, cell)


def _plain(cell: Cell) -> str:
    page = Page()
    write_inline(page, cell)
    return " ".join(page.finish()[0].split())
