"""Markdown to text with Telegram entities, in linear time.

With entities instead of a `parse_mode` Telegram cannot refuse a message for its markup. No visible
text is lost: a tag that ends nothing, for example, stays as text. Lines stay where they were. The
text is never longer than its Markdown, except for tables, tabs, mentions, commands and deep links.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from telegram import MessageEntity

from bots.markdown import (
    HEADING,
    TASK,
    alignment,
    box,
    flattened,
    is_break,
    is_signed,
    may_have_table,
    read,
    title,
    written,
)
from bots.telegram.inline import write
from bots.telegram.page import Page, units, visible
from bots.telegram.table import write_table
from core.text import AHEAD, Fence, after, opens

LONGEST = 4096
"""The longest message in UTF-16 units."""
DEPTH = 8
"""The deepest nesting of quotes and lists; what is deeper is shown as it is written."""

_BLANKS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_REMOVED = re.compile(r"[\u202a-\u202e\u030a\u0333\u033f]")  # Telegram removes these itself
_LONGER = re.compile(r"[\t@]|:/|[^\w\s]/\w")
_HIDDEN = re.compile(r"\]\([^()\s]*+\)")

_SIGNS = frozenset("`~#>-*+_0123456789")
"""The first characters of the lines that begin any block but a table or a paragraph."""
_ITEM = re.compile(r"(?P<indent>[ \t]*)(?P<mark>[-*+]|\d{1,9}[.)])(?P<space>[ \t]+|$)")
_QUOTE = re.compile(r"[ \t]*> ?")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")


@lru_cache(maxsize=32)  # the same text is measured, then sent
def render(markdown: str) -> tuple[str, tuple[MessageEntity, ...]]:
    """Return the text and the entities to send; the text is blank only if the Markdown is."""
    source = _source(markdown)
    text, entities = _written(source).finish()
    if visible(text):
        return text, tuple(entities)
    return _instead(markdown, source), ()


def fits(markdown: str) -> bool:
    """Return True if one message can hold this text; render it only if that is needed."""
    size = units(markdown)
    if size <= LONGEST and not _LONGER.search(markdown) and not may_have_table(markdown):
        return bool(markdown.strip())
    hidden = sum(map(len, _HIDDEN.findall(markdown)))
    # Markup hides little but the targets of links, and a table has at least its own characters.
    if size > 8 * LONGEST or size - hidden > LONGEST + LONGEST // 16:
        return False
    return 0 < _size(markdown) <= LONGEST


@lru_cache(maxsize=256)  # a growing text is measured at the same lengths again and again
def _size(markdown: str) -> int:
    source = _source(markdown)
    text = _written(source).text()
    return units(text if visible(text) else _instead(markdown, source))


def _source(markdown: str) -> str:
    return written(_BLANKS.sub(" ", _REMOVED.sub("", _encodable(markdown))).expandtabs(4))


def _instead(markdown: str, source: str) -> str:
    """Return what stands for a text without anything to see; Telegram refuses it."""
    return source.strip() if visible(source) else "…" if markdown.strip() else ""


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no request can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _written(source: str) -> Page:
    page = Page()
    _Writer(page).write(flattened(source).split("\n"), 0)
    return page


class _Writer:
    """A writer of blocks, one below the other, as close to each other as in the source."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._lists = 0

    def write(self, lines: Sequence[str], depth: int, lead: str = "") -> None:
        """Write the blocks in some lines, with a lead before the first; stop at a full message."""
        at, between = 0, lead
        while at < len(lines) and self.page.length <= LONGEST:
            if not lines[at].strip():
                between = "\n\n" if between == "\n" else between
                at += 1
                continue
            beside = between == lead and at == 0 and bool(lead)
            self.page.write(between if self.page.length else "")
            at = self._block(lines, at, depth, beside=beside)
            between = "\n"

    def _block(self, lines: Sequence[str], at: int, depth: int, *, beside: bool) -> int:
        """Write the block that begins at a line; return the index of the line after it."""
        line = lines[at]
        if line.lstrip()[:1] not in _SIGNS:
            return self._plain(lines, at)
        if fence := _fence(lines, at):
            return self._code(lines, at, fence)
        if HEADING.match(line):
            return self._heading(title(line), at + 1)
        if is_break(line):
            self.page.write("———")
            return at + 1
        if depth < DEPTH and (_QUOTE.match(line) or _ITEM.match(line)):
            return self._container(lines, at, depth, beside=beside)
        return self._plain(lines, at)

    def _plain(self, lines: Sequence[str], at: int) -> int:
        """Write a table or a paragraph."""
        return self._table(lines, at) if _heads_table(lines, at) else self._paragraph(lines, at)

    def _container(self, lines: Sequence[str], at: int, depth: int, *, beside: bool) -> int:
        if item := _ITEM.match(lines[at]):
            return self._item(lines, at, item, depth, beside=beside)
        return self._quote(lines, at, depth)

    def _code(self, lines: Sequence[str], at: int, fence: Fence) -> int:
        end = _code_end(lines, at, fence)
        indent = len(fence.indent)
        code = [line[min(indent, len(line) - len(line.lstrip())) :] for line in lines[at + 1 : end]]
        text = "\n".join(code).strip("\n")
        self.page.write_literal(MessageEntity.PRE, text, fence.language or None)
        return end + 1

    def _heading(self, title: str, after: int) -> int:
        self.page.open(MessageEntity.BOLD)
        write(self.page, read(title))
        self.page.close()
        return after

    def _quote(self, lines: Sequence[str], at: int, depth: int) -> int:
        inner = []
        while at < len(lines) and (mark := _QUOTE.match(lines[at])):
            inner.append(lines[at][mark.end() :])
            at += 1
        self.page.open(MessageEntity.BLOCKQUOTE)
        self.write(inner, depth + 1)
        self.page.close()
        return at

    def _item(
        self, lines: Sequence[str], at: int, item: re.Match[str], depth: int, *, beside: bool
    ) -> int:
        inner, after = _item_lines(lines, at, item)
        margin = "" if beside else "  " * self._lists
        bullet = item["mark"] in "-*+" and not is_signed(lines, at)
        sign = "•" if bullet else item["mark"]
        if task := TASK.match(inner[0]):
            sign = f"{sign} {box(task)}"
            inner[0] = inner[0][task.end() :]
        self.page.write(f"{margin}{sign}")
        self._lists += 1
        self.write(inner, depth + 1, " ")
        self._lists -= 1
        return after

    def _table(self, lines: Sequence[str], at: int) -> int:
        end = at + 2
        while end < len(lines) and "|" in lines[end]:
            end += 1
        write_table(self.page, [line.strip() for line in lines[at:end]])
        return end

    def _paragraph(self, lines: Sequence[str], at: int) -> int:
        end = at + 1
        while end < len(lines) and lines[end].strip():
            if _UNDERLINE.match(lines[end]):
                return self._heading(_joined(lines[at:end]), end + 1)
            if _interrupts(lines, end):
                break
            end += 1
        write(self.page, read(_joined(lines[at:end])))
        return end


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(line.strip() for line in lines)


def _fence(lines: Sequence[str], at: int) -> Fence | None:
    """Return the block of code that begins at a line, without a quote or a list around it."""
    fence = opens(lines[at])
    if fence is None or fence.indent.strip():
        return None
    return opens(lines[at], lines[at + 1 : at + 1 + AHEAD])


def _code_end(lines: Sequence[str], at: int, fence: Fence) -> int:
    """Return the index of the line that ends a block of code; an open one ends with the text."""
    opened: Fence | None = fence
    for end in range(at + 1, len(lines)):
        opened = after(lines[end], opened) if opened else None
        if opened is None:
            return end
    return len(lines)


def _heads_table(lines: Sequence[str], at: int) -> bool:
    return at + 1 < len(lines) and alignment(lines[at], lines[at + 1]) is not None


def _interrupts(lines: Sequence[str], at: int) -> bool:
    """Return whether a line begins another block directly below a paragraph."""
    line = lines[at]
    if line.lstrip()[:1] not in _SIGNS:
        return _heads_table(lines, at)
    if item := _ITEM.match(line):
        # A number is more often a part of the sentence than the beginning of a list.
        return item["mark"] in "-*+1.1)" and item.end() < len(line)
    return bool(
        _fence(lines, at)
        or HEADING.match(line)
        or is_break(line)
        or _QUOTE.match(line)
        or _heads_table(lines, at)
    )


def _item_lines(lines: Sequence[str], at: int, item: re.Match[str]) -> tuple[list[str], int]:
    """Return the lines of a list's item, without its margin, and the index of the line after."""
    start = item.end() if len(item["space"]) < 5 else item.end("mark") + 1
    inner = [lines[at][start:]]
    least = len(item["indent"]) + 2
    end, fence, blank = at + 1, _beginning(inner[0], lines, at, start), False
    for index in range(at + 1, len(lines)):
        line = lines[index]
        margin = len(line) - len(line.lstrip(" "))
        if fence is None:
            if not line.strip():
                blank = True
                continue
            if margin < least and (blank or _ITEM.match(line) or _interrupts(lines, index)):
                break
        inner += [""] * (index - end)
        inner.append(line[min(margin, start) :])
        end, blank = index + 1, False
        fence = after(inner[-1], fence) if fence else _beginning(inner[-1], lines, index, start)
    return inner, end


def _beginning(line: str, lines: Sequence[str], at: int, margin: int) -> Fence | None:
    """Return the block of code that a line of a list's item begins, given all lines around it."""
    fence = opens(line)
    if fence is None or fence.indent.strip():
        return None
    following = lines[at + 1 : at + 1 + AHEAD]
    return opens(
        line, [each[min(margin, len(each) - len(each.lstrip(" "))) :] for each in following]
    )
