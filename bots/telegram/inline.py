"""Inline markup: emphasis, code and links, read and written in linear time."""

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markdown_it.common.normalize_url import normalizeLink
from telegram import MessageEntity

from bots.links import WEB, deceives, readable
from bots.telegram.page import Page
from core.text import read_moment

DEPTH = 32
"""The most openings of emphasis or links that wait for their end; the oldest are given up."""

_TOKEN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|(?P<entity>&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
    r"|<(?P<address>[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.+-]{1,64}@[\w.-]{1,255})>"
    r"|(?P<line><[bB][rR][ \t]{0,9}/?>|\\?\n[ \t]*)"
    r"|(?P<open>!?\[)"
    r"|(?P<shut>\])"
    r"|(?P<run>\*+|_+|~+)"
)
_TARGET = re.compile(
    r"\(\s*+(?:<(?P<quoted>[^<>\n]*+)>|(?P<bare>(?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*+\))*+))"
    r"(?:\s++(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\)))?+\s*+\)"
)
_TICKS = re.compile("`+")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_PLAIN_URL = re.compile(r"[!#-;=?-\[\]_a-z~]*")
_REFUSED = re.compile(r"(?:javascript|vbscript|file|data):", re.IGNORECASE)


@dataclass(slots=True)
class Node:
    """A stretch of text, code or markup."""

    kind: str
    """`text`, `code`, `line`, `open`, `run`, or `link` and `end` around a link's label."""
    text: str
    before: str = ""
    """The character before a run."""
    after: str = ""
    """The character behind a run."""
    left: int = 0
    """The number of a run's characters that are no markup so far."""
    opens: tuple[str, ...] = ()
    """The styles that begin behind a run, the outermost first."""
    closes: int = 0
    """The number of styles that end before a run."""


@lru_cache(maxsize=32)  # a growing text has the same paragraphs again and again
def read(text: str) -> Sequence[Node]:
    """Read a paragraph, whose lines are separated by newlines."""
    reader = _Reader(text)
    while found := _TOKEN.search(text, reader.at):
        reader.add(text[reader.at : found.start()])
        reader.at = found.end()
        _READERS[found.lastgroup or ""](reader, found)
    reader.add(text[reader.at :])
    _pair(reader.nodes)
    return reader.nodes


def write(page: Page, nodes: Sequence[Node]) -> None:
    """Write what was read."""
    for node in nodes:
        match node.kind:
            case "code":
                page.write_literal(MessageEntity.CODE, node.text)
            case "link":
                _open_link(page, node.text)
            case "end":
                _close_link(page, node.text)
            case "run":
                for _ in range(node.closes):
                    page.close()
                page.write(node.text[: node.left])
                for style in node.opens:
                    page.open(style)
            case _:
                page.write(node.text)


def links(nodes: Sequence[Node]) -> bool:
    """Return True if there is a link or an image among the nodes."""
    return any(node.kind == "link" for node in nodes)


def _open_link(page: Page, target: str) -> None:
    if read_moment(target) is not None:
        page.open(MessageEntity.DATE_TIME, target)
    else:
        page.open(MessageEntity.TEXT_LINK, target if WEB.fullmatch(target) else None)


def _close_link(page: Page, target: str) -> None:
    """End a link. Show a target that is no web page, and one that the label lies about."""
    label, shown = page.opened(), readable(target)
    if not label.strip():
        page.write(shown)
    page.close()
    if read_moment(target) is not None:
        return
    hidden = shown not in label and not WEB.fullmatch(target)
    if label.strip() and (hidden or deceives(label, target)):
        page.write(f" ({shown})")


# -- links and code -------------------------------------------------------------------------------


class _Reader:
    """A reader of one paragraph, from left to right."""

    def __init__(self, text: str) -> None:
        self.nodes: list[Node] = []
        self.at = 0
        self._text = text
        self._brackets: list[int] = []
        self._inactive = 0  # a link may not hold another: brackets before this node are plain text
        self._rows: dict[int, list[int]] = {}

    def add(self, text: str) -> None:
        """Add plain text."""
        if text:
            self.nodes.append(Node("text", text))

    def escaped(self, found: re.Match[str]) -> None:
        self.add(found["escaped"])

    def entity(self, found: re.Match[str]) -> None:
        self.add(html.unescape(found[0]))

    def address(self, found: re.Match[str]) -> None:
        self.nodes += [Node(kind, found["address"]) for kind in ("link", "text", "end")]

    def line(self, found: re.Match[str]) -> None:
        if self.nodes and self.nodes[-1].kind == "text":
            self.nodes[-1].text = self.nodes[-1].text.rstrip(" \t")
        self.nodes.append(Node("line", "\n"))

    def ticks(self, found: re.Match[str]) -> None:
        """Read inline code, if as many backticks end it."""
        self._rows = self._rows or _rows(self._text)
        places = self._rows.get(len(found[0]), [])
        index = bisect_right(places, found.start())
        if index == len(places):
            self.add(found[0])
        else:
            self.nodes.append(Node("code", _code(self._text[self.at : places[index]])))
            self.at = places[index] + len(found[0])

    def open(self, found: re.Match[str]) -> None:
        self._brackets.append(len(self.nodes))
        del self._brackets[:-DEPTH]
        self.nodes.append(Node("open", found[0]))

    def shut(self, found: re.Match[str]) -> None:
        """Read the target of a link or an image, if one follows its label."""
        index = self._brackets.pop() if self._brackets else None
        opening = None if index is None else self.nodes[index]
        if opening is None or (opening.text == "[" and (index or 0) < self._inactive):
            self.add(found[0])
            return
        target = _TARGET.match(self._text, self.at)
        url = _url(target) if target else ""
        if target is None or _REFUSED.match(url):
            self.add(found[0])
            return
        if opening.text == "[":
            self._inactive = len(self.nodes)
        opening.kind, opening.text = "link", url
        self.nodes.append(Node("end", url))
        self.at = target.end()

    def run(self, found: re.Match[str]) -> None:
        before = self._text[found.start() - 1 : found.start()] or " "
        after = self._text[self.at : self.at + 1] or " "
        self.nodes.append(Node("run", found[0], before, after, len(found[0])))


_READERS: dict[str, Callable[[_Reader, re.Match[str]], None]] = {
    "escaped": _Reader.escaped,
    "entity": _Reader.entity,
    "address": _Reader.address,
    "line": _Reader.line,
    "ticks": _Reader.ticks,
    "open": _Reader.open,
    "shut": _Reader.shut,
    "run": _Reader.run,
}


def _url(found: re.Match[str]) -> str:
    """Return a link's target, with everything encoded that a URL may not hold."""
    raw = found["bare"] if found["quoted"] is None else found["quoted"]
    url = html.unescape(_ESCAPE.sub(r"\1", raw))
    return url if _PLAIN_URL.fullmatch(url) else normalizeLink(url)


def _rows(text: str) -> dict[int, list[int]]:
    """Return the places of the rows of backticks by their length."""
    rows: dict[int, list[int]] = {}
    for row in _TICKS.finditer(text):
        rows.setdefault(len(row[0]), []).append(row.start())
    return rows


def _code(text: str) -> str:
    text = text.replace("\n", " ")
    if len(text) > 2 and text[0] == text[-1] == " " and text.strip():
        return text[1:-1]
    return text


# -- emphasis -------------------------------------------------------------------------------------


def _pair(nodes: Sequence[Node]) -> None:
    """Find the runs that begin and end a style; a link is a world of its own."""
    waiting: list[Node | None] = []
    for node in nodes:
        if node.kind == "link":
            waiting.append(None)
        elif node.kind == "end":
            while waiting and waiting.pop() is not None:
                pass
        elif node.kind == "run":
            opens, closes = _flanks(node)
            while closes and node.left and _close(waiting, node, both=opens):
                pass
            if opens and node.left:
                waiting.append(node)
        del waiting[:-DEPTH]


def _close(waiting: list[Node | None], closing: Node, *, both: bool) -> bool:
    """End the innermost style that a run can end; return False if there is none."""
    for index in reversed(range(len(waiting))):
        opening = waiting[index]
        if opening is None:
            return False
        size = 2 if min(opening.left, closing.left) > 1 else 1
        if opening.text[0] != closing.text[0] or (size == 1 and closing.text[0] == "~"):
            continue
        if (both or all(_flanks(opening))) and _thirds(len(opening.text), len(closing.text)):
            continue
        opening.opens = (_style(closing.text[0], size), *opening.opens)
        opening.left -= size
        closing.left -= size
        closing.closes += 1
        del waiting[index + bool(opening.left) :]
        return True
    return False


def _thirds(first: int, second: int) -> bool:
    """Return True for two runs that CommonMark does not let pair, such as `*` and `**`."""
    return (first + second) % 3 == 0 and first % 3 != 0


def _style(sign: str, size: int) -> str:
    if sign == "~":
        return MessageEntity.STRIKETHROUGH
    return MessageEntity.BOLD if size == 2 else MessageEntity.ITALIC


def _flanks(run: Node) -> tuple[bool, bool]:
    """Return whether a run may begin, and whether it may end a style, as CommonMark tells."""
    before, after = _class(run.before), _class(run.after)
    left = after != " " and (after != "." or before != "a")
    right = before != " " and (before != "." or after != "a")
    if run.text[0] == "_":
        return left and (not right or before == "."), right and (not left or after == ".")
    return left, right


def _class(char: str) -> str:
    """Return " " for white space, "." for punctuation and "a" for anything else."""
    if char.isspace():
        return " "
    if char.isalnum():
        return "a"
    category = unicodedata.category(char)[0]
    return "." if category == "P" or (category == "S" and char.isascii()) else "a"
