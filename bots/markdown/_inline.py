"""Inline markup: emphasis, code, links, spoilers and HTML tags, read in linear time (pure).

What is read is the same for every platform; each writes it in its own way.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from markdown_it.common.normalize_url import normalizeLink

from bots.markdown._dunders import name_end
from bots.markdown._tags import Tag, code_end, indexed, read_tag, unescaped
from core.text import flanks, pair

DEPTH = 32
"""The most openings of emphasis, links or tags that wait for their end; the oldest are given up."""

_TOKEN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|(?P<entity>&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
    r"|<(?P<address>[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.+-]{1,64}@[\w.-]{1,255})>"
    r"|(?P<tag></?[A-Za-z])"
    r"|(?P<url>https?://[^\s<>`\"\\|“”\u2018\u2019«»\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]++)"
    r"|(?P<line>\\?\n[ \t]*)"
    r"|(?P<open>!?\[)"
    r"|(?P<shut>\])"
    r"|(?P<run>\*+|_+|~+|\|{2,})"
)
_TARGET = re.compile(
    r"\(\s*+(?:<(?P<quoted>[^<>\n]*+)>|(?P<bare>(?>(?:[^\s()\\]++|\\.|\((?>(?:[^\s()\\]++|\\.)*)\))*)))"
    r"(?>(?:\s++(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\)))?)\s*+\)"
)
_TICKS = re.compile("`+")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_PLAIN_URL = re.compile(r"[!#-;=?-\[\]_a-z~]*")
_REFUSED = re.compile(r"(?:javascript|vbscript|file|data):", re.IGNORECASE)
_URL_END = re.compile(r"\*\*|~~")
_BLANK = re.compile(r"[ \t]*+\n?+[ \t]*+")


class Node(NamedTuple):
    """A stretch of text, code or an address, or one end of a style or a link."""

    kind: str
    """`text`, `code`, `url`, `line`, `open` and `close` around a style, `link` and `end` around a
    link's label."""
    text: str = ""
    """The text, the style (`bold`, `italic`, `underline`, `strikethrough`, `spoiler`), the link's
    target, or the end of a line and the space after it."""


@dataclass(slots=True)
class _Stretch:
    """A stretch of a paragraph while it is read."""

    kind: str
    """The kind of the node, `run` for marks, or `off` for a tag that shows nothing."""
    text: str
    start: int = 0
    """The place of a run in the paragraph."""
    left: int = 0
    """The number of a run's characters that are no markup so far."""
    opens: tuple[str, ...] = ()
    """The styles that begin behind a run, the outermost first."""
    closes: int = 0
    """The number of styles that end before a run."""
    begins: bool = False
    ends: bool = False


@lru_cache(maxsize=32)  # a growing text has the same paragraphs again and again
def read(text: str) -> Sequence[Node]:
    """Read a paragraph, whose lines are separated by newlines."""
    reader = _Reader(text)
    while found := _TOKEN.search(text, reader.at):
        reader.add(text[reader.at : found.start()])
        reader.at = found.end()
        _READERS[found.lastgroup or ""](reader, found)
    reader.add(text[reader.at :])
    _pair(reader.stretches, text)
    return tuple(_nodes(reader.stretches))


def links(nodes: Sequence[Node]) -> bool:
    """Return True if there is a link, an image or an address among the nodes."""
    return any(node.kind in ("link", "url") for node in nodes)


def _nodes(stretches: Sequence[_Stretch]) -> Iterator[Node]:
    """Yield the nodes of what was read; texts that touch are one."""
    text = ""
    for stretch in stretches:
        if stretch.kind == "off":
            continue
        if stretch.kind == "text" or (
            stretch.kind == "run" and not stretch.closes and not stretch.opens
        ):
            text += stretch.text
            continue
        if stretch.kind != "run":
            yield from (*_text(text), Node(stretch.kind, stretch.text))
            text = ""
            continue
        if stretch.closes:
            yield from (*_text(text), *[Node("close")] * stretch.closes)
            text = ""
        text += stretch.text[: stretch.left]
        if stretch.opens:
            yield from (*_text(text), *(Node("open", style) for style in stretch.opens))
            text = ""
    yield from _text(text)


def _text(text: str) -> Iterator[Node]:
    if text:
        yield Node("text", text)


# -- links, code and tags -------------------------------------------------------------------------


class _Reader:
    """A reader of one paragraph, from left to right."""

    def __init__(self, text: str) -> None:
        self.stretches: list[_Stretch] = []
        self.at = 0
        self._text = text
        self._brackets: list[int] = []
        self._tags: list[tuple[Tag, int]] = []
        self._endless: set[str] = set()  # the tags of code that nothing ends any more
        self._inactive = 0  # a link may not hold another: brackets before this are plain text
        self._rows: dict[int, list[int]] = {}

    def add(self, text: str) -> None:
        """Add plain text."""
        if text:
            self.stretches.append(_Stretch("text", text))

    def escaped(self, found: re.Match[str]) -> None:
        self.add(found["escaped"])

    def entity(self, found: re.Match[str]) -> None:
        self.add(unescaped(found[0]))

    def address(self, found: re.Match[str]) -> None:
        self._link(found["address"], found["address"])

    def url(self, found: re.Match[str]) -> None:
        """Read a bare address, without the marks and the signs of a sentence behind it."""
        address = _trimmed(found[0])
        self.stretches.append(_Stretch("url", address))
        self.at = found.start() + len(address)

    def line(self, found: re.Match[str]) -> None:
        if self.stretches and self.stretches[-1].kind == "text":
            self.stretches[-1].text = self.stretches[-1].text.rstrip(" \t")
        self.stretches.append(
            _Stretch("line", found["line"].lstrip("\\") if found["line"] else "\n")
        )

    def ticks(self, found: re.Match[str]) -> None:
        """Read inline code, if as many backticks end it."""
        self._rows = self._rows or _rows(self._text)
        places = self._rows.get(len(found[0]), [])
        index = bisect_right(places, found.start())
        if index == len(places):
            self.add(found[0])
        else:
            self.stretches.append(_Stretch("code", _code(self._text[self.at : places[index]])))
            self.at = places[index] + len(found[0])

    def open(self, found: re.Match[str]) -> None:
        self._brackets.append(len(self.stretches))
        del self._brackets[:-DEPTH]
        self.stretches.append(_Stretch("text", found[0], found.start()))

    def shut(self, found: re.Match[str]) -> None:
        """Read the target of a link or an image, if one follows its label."""
        index = self._brackets.pop() if self._brackets else None
        opening = None if index is None else self.stretches[index]
        if index is None or opening is None or (opening.text == "[" and index < self._inactive):
            self.add(found[0])
            return
        target = _TARGET.match(self._text, self.at)
        url = _url(target) if target else ""
        if target is None or _REFUSED.match(url) or self._calls(opening.start, url):
            self.add(found[0])
            return
        if opening.text == "[":
            self._inactive = len(self.stretches)
        opening.kind, opening.text = "link", url
        self.stretches.append(_Stretch("end", url))
        self._tags = [(tag, place) for tag, place in self._tags if place < index]
        self.at = target.end()

    def _calls(self, start: int, url: str) -> bool:
        """Return whether brackets are code and no link, as in `handlers[0](event)`."""
        before = self._text[start - 1 : start]
        code = before in (")", "]", "_") or (before.isascii() and before.isalnum())
        return code and not re.search("[:/]", url)

    def run(self, found: re.Match[str]) -> None:
        start, end = found.span()
        if found[0] == "__" and (name := name_end(self._text, start)):
            self.add(self._text[start:name])
            self.at = name
            return
        begins, ends = flanks(self._text, start, end)
        self.stretches.append(
            _Stretch("run", found[0], start, left=end - start, begins=begins, ends=ends)
        )

    def tag(self, found: re.Match[str]) -> None:
        """Read an HTML tag; what is none, or stands alone, is text."""
        tag = read_tag(self._text, found.start())
        if tag is None:
            self.add(found[0])
            return
        self.at = tag.end
        match tag.role:
            case "line":
                self.line(found)
                self.at = _BLANK.match(self._text, self.at).end()  # type: ignore[union-attr]  # always matches
            case "image":
                self._link(_address(tag.target), tag.label)
            case "code":
                self._code_tag(tag)
            case _ if tag.closes:
                self._close_tag(tag)
            case role if role != "nothing":
                self._tags.append((tag, len(self.stretches)))
                del self._tags[:-DEPTH]
                self.add(tag.text)

    def _link(self, url: str, label: str) -> None:
        self.stretches += [_Stretch("link", url), _Stretch("text", label), _Stretch("end", url)]

    def _code_tag(self, tag: Tag) -> None:
        """Read code between two tags, which stays as it is but for its entities."""
        end = None
        if not tag.closes and tag.name not in self._endless:
            end = code_end(self._text, tag)
        if end is None:
            if not tag.closes:
                self._endless.add(tag.name)
            self.add(tag.text)
            return
        self.stretches.append(_Stretch("code", _code(unescaped(self._text[self.at : end.start()]))))
        self.at = end.end()

    def _close_tag(self, tag: Tag) -> None:
        """End a tag that waits for its end."""
        places = [index for index, (one, _) in enumerate(self._tags) if one.name == tag.name]
        if not places:
            self.add(tag.text)
            return
        opening, place = self._tags[places[-1]]
        del self._tags[places[-1] :]
        self._brackets = [index for index in self._brackets if index < place]
        first, last = self.stretches[place], _Stretch("off", "")
        self.stretches.append(last)
        first.kind = "off"
        if opening.role == "style":
            first.kind, first.text, last.kind = "open", opening.style, "close"
            if opening.name == "summary" and self._text[self.at : self.at + 1] not in ("", "\n"):
                self.stretches.append(_Stretch("line", "\n"))
        elif opening.role == "index":
            self._write_index(opening, place)
        elif opening.role == "link" and self._inactive <= place:
            url = _address(opening.target)
            if url:
                first.kind, first.text, last.kind, last.text = "link", url, "end", url
                self._inactive = len(self.stretches)

    def _write_index(self, tag: Tag, place: int) -> None:
        """Raise or lower the text behind a tag, if it is nothing but a short text."""
        inner = self.stretches[place + 1 : -1][:8]
        if len(self.stretches) - place - 2 == len(inner) and all(
            stretch.kind in ("text", "run") for stretch in inner
        ):
            text = indexed(tag.name, "".join(stretch.text for stretch in inner))
            del self.stretches[place + 1 : -1]
            self.stretches.insert(place + 1, _Stretch("text", text))


_READERS: dict[str, Callable[[_Reader, re.Match[str]], None]] = {
    "escaped": _Reader.escaped,
    "entity": _Reader.entity,
    "address": _Reader.address,
    "tag": _Reader.tag,
    "url": _Reader.url,
    "line": _Reader.line,
    "ticks": _Reader.ticks,
    "open": _Reader.open,
    "shut": _Reader.shut,
    "run": _Reader.run,
}


def _url(found: re.Match[str]) -> str:
    """Return a link's target, with everything encoded that a URL may not hold."""
    raw = found["bare"] if found["quoted"] is None else found["quoted"]
    return _address(_ESCAPE.sub(r"\1", raw))


def _address(raw: str) -> str:
    url = unescaped(raw).strip()
    if _REFUSED.match(url):
        return url
    return url if _PLAIN_URL.fullmatch(url) else normalizeLink(url)


def _trimmed(address: str) -> str:
    """Return a bare address without the marks, brackets and signs that are of the sentence."""
    if mark := _URL_END.search(address):
        address = address[: mark.start()]
    open_ones: list[str] = []
    for index, char in enumerate(address):
        if char in "([":
            open_ones.append(char)
        elif char in ")]":
            if not open_ones:
                address = address[:index]
                break
            open_ones.pop()
    return address.rstrip("?!.,:;*_~'")


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


def _pair(stretches: Sequence[_Stretch], text: str) -> None:
    """Find the runs that begin and end a style; a link or a tag is a world of its own."""
    waiting: list[_Stretch | None] = []
    for stretch in stretches:
        if stretch.kind in ("link", "open"):
            waiting.append(None)
        elif stretch.kind in ("end", "close"):
            while waiting and waiting.pop() is not None:
                pass
        elif stretch.kind == "run":
            while stretch.ends and stretch.left and _close(waiting, stretch, text):
                pass
            if stretch.begins and stretch.left:
                waiting.append(stretch)
        del waiting[:-DEPTH]


def _close(waiting: list[_Stretch | None], closing: _Stretch, text: str) -> bool:
    """End the innermost style that a run can end; return False if there is none."""
    sign = closing.text[0]
    for index in reversed(range(len(waiting))):
        opening = waiting[index]
        if opening is None:
            return False
        size = 2 if min(opening.left, closing.left) > 1 else 1
        if opening.text[0] != sign or (size == 1 and sign in "~|"):
            continue
        both = closing.begins or (opening.begins and opening.ends)
        if both and _thirds(len(opening.text), len(closing.text)):
            continue
        if not pair(text, _bounds(opening), _bounds(closing)):
            continue
        opening.opens = (_style(sign, size), *opening.opens)
        opening.left -= size
        closing.left -= size
        closing.closes += 1
        del waiting[index + bool(opening.left) :]
        return True
    return False


def _bounds(run: _Stretch) -> tuple[int, int]:
    return run.start, run.start + len(run.text)


def _thirds(first: int, second: int) -> bool:
    """Return True for two runs that CommonMark does not let pair, such as `*` and `**`."""
    return (first + second) % 3 == 0 and first % 3 != 0


def _style(sign: str, size: int) -> str:
    if sign in "~|":
        return "strikethrough" if sign == "~" else "spoiler"
    return "bold" if size == 2 else "italic"
