"""Tables in monospaced columns, or line by line if those are too wide for a phone."""

from collections.abc import Sequence

from telegram import MessageEntity

from bots.markdown import GROWTH, Node, alignment, draw, links, read, table_rows
from bots.telegram.inline import write
from bots.telegram.page import Page, units

Cell = Sequence[Node]


def write_table(page: Page, source: Sequence[str]) -> None:
    """Write a table, given its lines.

    It stands in columns, or record by record if it is too wide or has links. If its source is much
    shorter than either, as with many empty cells, each row is one line.
    """
    right = alignment(source[0], source[1]) or []
    rows = [[_read(cell) for cell in row] for row in table_rows(source)]
    most = GROWTH * sum(units(line) + 1 for line in source)
    drawn = None if any(links(cell) for row in rows for cell in row) else _drawn(rows, right)
    if drawn is not None and units(drawn) <= most:
        page.write_literal(MessageEntity.PRE, drawn)
    elif drawn is None and _write_records(Page(), rows, most):
        _write_records(page, rows, most)
    else:
        _write_rows(page, rows)


def _read(cell: str) -> Cell:
    """Read a cell; in its code, too, a bar is escaped."""
    nodes = read(cell)
    if "\\|" not in cell:
        return nodes
    return [
        node._replace(text=node.text.replace("\\|", "|")) if node.kind == "code" else node
        for node in nodes
    ]


def _drawn(rows: Sequence[Sequence[Cell]], right: Sequence[bool]) -> str | None:
    return draw([[_plain(cell) for cell in row] for row in rows], right)


def _write_records(page: Page, rows: Sequence[Sequence[Cell]], most: int) -> bool:
    """Write a block of lines for each row; return False for more than `most` UTF-16 units."""
    (head, *body), start = rows, page.length
    for number, row in enumerate(body or [head]):
        if page.length - start > most:
            return False
        page.write("\n\n" if number else "")
        for index, (name, cell) in enumerate(zip(head, row, strict=False)):
            page.write("\n" if index else "")
            _write_field(page, name if body else (), cell)
    return page.length - start <= most


def _write_rows(page: Page, rows: Sequence[Sequence[Cell]]) -> None:
    """Write each row as a line."""
    for number, row in enumerate(rows):
        page.write("\n" if number else "")
        for index, cell in enumerate(row):
            page.write(" · " if index else "")
            write(page, cell)


def _write_field(page: Page, name: Cell, cell: Cell) -> None:
    if name:
        page.open(MessageEntity.BOLD)
        write(page, name)
        page.close()
        page.write(": ")
    write(page, cell)


def _plain(cell: Cell) -> str:
    page = Page()
    write(page, cell)
    return " ".join(page.text().split())
