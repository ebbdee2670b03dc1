"""Markdown to text with Telegram entities.

With entities instead of a `parse_mode` Telegram cannot refuse a message for its markup. No visible
text is lost: raw HTML, for example, stays as text. Lines stay where they were. The text is never
longer than its Markdown, except for tables and tabs.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from telegram import MessageEntity

from bots.telegram.inline import write_inline
from bots.telegram.page import Page, units, visible
from bots.telegram.table import Table

_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# Raw HTML and link definitions would vanish; indented lines are more often nested lists than code.
_PARSER.disable(["html_block", "html_inline", "reference", "code"])

LONGEST = 4096
"""The longest message in UTF-16 units."""

_BLANKS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_REMOVED = re.compile(r"[\u202a-\u202e\u030a\u0333\u033f]")  # Telegram removes these itself
_TASK = re.compile(r"\[([ xX])\] ")


@lru_cache(maxsize=32)  # the same text is measured, then sent
def render(markdown: str) -> tuple[str, tuple[MessageEntity, ...]]:
    """Return the text and the entities to send; the text is blank only if the Markdown is."""
    source = _BLANKS.sub(" ", _REMOVED.sub("", _encodable(markdown)))
    page = _Writer(source.split("\n")).write(_PARSER.parse(source))
    text, entities = page.finish()
    if visible(text):
        return text, tuple(entities)
    return source.strip() if visible(source) else "…" if markdown.strip() else "", ()


def fits(markdown: str) -> bool:
    """Return True if one message can hold this text; render it only if that is needed."""
    size = units(markdown)
    if size > 8 * LONGEST:
        return False  # even hidden link targets cannot make up for this
    if size <= LONGEST and "|" not in markdown and "\t" not in markdown:
        return bool(markdown.strip())
    return _fits_rendered(markdown)


@lru_cache(maxsize=256)  # a growing text is measured at the same lengths again and again
def _fits_rendered(markdown: str) -> bool:
    return 0 < units(render(markdown)[0]) <= LONGEST


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no request can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class _Writer:
    """A writer of blocks, one below the other, as close to each other as in the source."""

    def __init__(self, lines: list[str]) -> None:
        self.page = Page()
        self._lines = lines
        self._line = 0  # the line of the source at which the last block ended
        self._lead: str | None = ""  # joins the next block to the current line; None: a new line
        self._lists: list[str] = []  # the tags of the open lists, the outermost first
        self._item = False  # True if the next text is the first of a list item
        self._table: Table | None = None

    def write(self, tokens: list[Token]) -> Page:
        """Write a parsed document and return the page."""
        for token in tokens:
            _WRITERS.get(token.type, _Writer.skip)(self, token)
        return self.page

    def skip(self, token: Token) -> None:
        pass

    def begin(self, token: Token) -> None:
        """Begin a block, below the last one or beside a bullet."""
        first, last = token.map or (0, 0)
        self.page.write(
            ("\n" if first <= self._line else "\n\n") if self._lead is None else self._lead
        )
        self._lead, self._line = None, last

    def enter(self, token: Token, marker: str = "") -> None:
        """Begin a block that holds others; the first one begins on the same line."""
        self.begin(token)
        self.page.write(marker)
        self._lead, self._line = " " if marker else "", (token.map or (0, 0))[0] + 1

    def leave(self, token: Token) -> None:
        self._lead, self._item = None, False

    def heading(self, token: Token) -> None:
        self.begin(token)
        self.page.open(MessageEntity.BOLD)

    def end_heading(self, token: Token) -> None:
        self.page.close()

    def code(self, token: Token) -> None:
        self.begin(token)
        language = "".join(token.info.split()[:1])
        self.page.write_literal(MessageEntity.PRE, token.content.strip("\n"), language or None)

    def rule(self, token: Token) -> None:
        self.begin(token)
        self.page.write("———")

    def quote(self, token: Token) -> None:
        self.enter(token)
        self.page.open(MessageEntity.BLOCKQUOTE)

    def end_quote(self, token: Token) -> None:
        self.leave(token)
        self.page.close()

    def enter_list(self, token: Token) -> None:
        self._lists.append(token.tag)

    def leave_list(self, token: Token) -> None:
        self._lists.pop()

    def item(self, token: Token) -> None:
        margin = "  " * (len(self._lists) - 1) if self._lead is None else ""
        marker = f"{token.info}{token.markup}" if self._lists[-1] == "ol" else "•"
        self.enter(token, margin + marker)
        self._item = True

    def inline(self, token: Token) -> None:
        children = token.children or []
        if self._table:
            self._table.add(children)
            return
        if self._item and children:
            children[0].content = _TASK.sub(_box, children[0].content, count=1)
        self._item = False
        write_inline(self.page, children)

    def enter_table(self, token: Token) -> None:
        self.begin(token)
        self._table = Table()

    def column(self, token: Token) -> None:
        if self._table:
            self._table.begin_column(token)

    def row(self, token: Token) -> None:
        if self._table:
            self._table.begin_row(self._lines[(token.map or (0, 0))[0]])

    def leave_table(self, token: Token) -> None:
        if self._table:
            self._table.write(self.page)
        self._table = None


def _box(task: re.Match[str]) -> str:
    return "☐ " if task[1] == " " else "☑ "


_WRITERS: dict[str, Callable[[_Writer, Token], None]] = {
    "inline": _Writer.inline,
    "paragraph_open": _Writer.begin,
    "heading_open": _Writer.heading,
    "heading_close": _Writer.end_heading,
    "fence": _Writer.code,
    "hr": _Writer.rule,
    "blockquote_open": _Writer.quote,
    "blockquote_close": _Writer.end_quote,
    "bullet_list_open": _Writer.enter_list,
    "bullet_list_close": _Writer.leave_list,
    "ordered_list_open": _Writer.enter_list,
    "ordered_list_close": _Writer.leave_list,
    "list_item_open": _Writer.item,
    "list_item_close": _Writer.leave,
    "table_open": _Writer.enter_table,
    "th_open": _Writer.column,
    "tr_open": _Writer.row,
    "table_close": _Writer.leave_table,
}
