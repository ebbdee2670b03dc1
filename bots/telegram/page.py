"""A message in Telegram's form: plain text, and entities counted in UTF-16 units."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from telegram import MessageEntity

from core.characters import JOINER
from core.text import read_moment

ENTITIES = 100
"""The most entities of a message; Telegram silently ignores the rest."""

# Telegram finds deep links into itself and mentions by itself, wherever a text holds them, and a
# command in every quotient such as `(a+b)/2`, but none of them in the address of a web page.
_FOUND = re.compile(
    r"(?P<page>https?://(?>(?:[A-Za-z0-9-]{1,63}+\.)+)[A-Za-z]{2,}(?::\d++)?/[\w./~%&=+@()-]*+)"
    r"|(?:[tT][gG]|[tT][oO][nN](?:[sS][iI][tT][eE])?):(?=//)|@(?<!\w@)(?=\w)"
    r"|/(?<=[)\]}|\u0300-\u036f\u20d0-\u20ff′⁺⁻⁼⁾₊₋₌₎]/)(?=\w)"
)

_WHOLE = {MessageEntity.TEXT_LINK, MessageEntity.SPOILER}
_LITERAL = {MessageEntity.PRE, MessageEntity.CODE}
_FIRM = {*_LITERAL, MessageEntity.TEXT_LINK, MessageEntity.BLOCKQUOTE}
_IMPORTANCE = [
    MessageEntity.SPOILER,
    MessageEntity.PRE,
    MessageEntity.CODE,
    MessageEntity.TEXT_LINK,
    MessageEntity.DATE_TIME,
    MessageEntity.BLOCKQUOTE,
    MessageEntity.BOLD,
    MessageEntity.UNDERLINE,
    MessageEntity.STRIKETHROUGH,
    MessageEntity.ITALIC,
]


def units(text: str) -> int:
    """Return the length of a text in UTF-16 units, as Telegram counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def visible(text: str) -> bool:
    """Return True if a text has a visible character; Telegram refuses one without."""
    return any(unicodedata.category(char)[0] not in "ZC" for char in text)


class _Span(NamedTuple):
    kind: str
    start: int
    url: str | None
    piece: int


class _Mark(NamedTuple):
    """A candidate for an entity; there may be more of them than Telegram takes."""

    kind: str
    start: int
    end: int
    url: str | None
    language: str | None


class Page:
    """A growing text, with the spans that are open at its end."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._end = 0
        self._open: list[_Span] = []
        self._marks: list[_Mark] = []

    @property
    def length(self) -> int:
        """The length so far in UTF-16 units."""
        return self._end

    def write(self, text: str) -> None:
        """Append text in the open styles."""
        self._pieces.append(text)
        self._end += units(text)

    def write_literal(self, kind: str, text: str, language: str | None = None) -> None:
        """Append code. Other styles are interrupted for it; links and spoilers hold it as text."""
        if any(span.kind in _WHOLE for span in self._open):
            self.write(text)
            return
        self._interrupt()
        start = self._end
        self.write(text)
        self._mark(kind, start, language=language)
        self._open = [
            span if span.kind == MessageEntity.BLOCKQUOTE else span._replace(start=self._end)
            for span in self._open
        ]

    def open(self, kind: str, url: str | None = None) -> None:
        """Begin a span; `close` ends it. Spans nest."""
        self._open.append(_Span(kind, self._end, url, len(self._pieces)))

    def opened(self) -> str:
        """Return the text of the newest open span."""
        return "".join(self._pieces[self._open[-1].piece :])

    def close(self) -> None:
        """End the newest span. Drop a link without a target, and a span inside one of its kind."""
        span = self._open.pop()
        nowhere = span.kind == MessageEntity.TEXT_LINK and span.url is None
        if not nowhere and all(outer.kind != span.kind for outer in self._open):
            self._mark(span.kind, span.start, url=span.url)

    def text(self) -> str:
        """Return the text as Telegram trims it, without deep links and mentions in it."""
        return _inert(self._trimmed(), self._chosen())[0]

    def finish(self) -> tuple[str, list[MessageEntity]]:
        """Return the text, as `text` does, and its most important entities in order."""
        text, marks = _inert(self._trimmed(), self._chosen())
        marks.sort(key=lambda mark: (mark.start, -mark.end))
        return text, [_entity(mark) for mark in marks]

    def _trimmed(self) -> str:
        return "".join(self._pieces).rstrip()

    def _chosen(self) -> list[_Mark]:
        """Return the most important marks, within the trimmed text."""
        length = units(self._trimmed())
        marks = [mark for mark in self._marks if mark.start < length]
        marks.sort(key=lambda mark: _IMPORTANCE.index(mark.kind))
        places, room, chosen = _cuts(marks), ENTITIES, []
        for mark in marks:
            pieces = 1 if mark.kind in _FIRM else _pieces(mark, places)
            if pieces <= room:
                room -= pieces
                chosen.append(mark._replace(end=min(mark.end, length)))
        return chosen

    def _interrupt(self) -> None:
        for span in self._open:
            if span.kind != MessageEntity.BLOCKQUOTE:
                self._mark(span.kind, span.start, url=span.url)

    def _mark(
        self, kind: str, start: int, *, url: str | None = None, language: str | None = None
    ) -> None:
        if self._end > start:
            self._marks.append(_Mark(kind, start, self._end, url, language))


def _entity(mark: _Mark) -> MessageEntity:
    length = mark.end - mark.start
    if mark.kind != MessageEntity.DATE_TIME:
        return MessageEntity(mark.kind, mark.start, length, url=mark.url, language=mark.language)
    at = datetime.fromtimestamp(read_moment(mark.url or "") or 0, UTC)
    # In the reader's own language: "in 12 minutes".
    return MessageEntity(mark.kind, mark.start, length, unix_time=at, date_time_format="r")


def _cuts(marks: Sequence[_Mark]) -> list[int]:
    """Return the places where Telegram cuts a style in two entities."""
    edges = {edge for mark in marks if mark.kind in _FIRM for edge in (mark.start, mark.end)}
    return sorted(edges | {mark.start for mark in marks})


def _pieces(mark: _Mark, places: Sequence[int]) -> int:
    return 1 + bisect_left(places, mark.end) - bisect_right(places, mark.start)


def _inert(text: str, marks: Sequence[_Mark]) -> tuple[str, list[_Mark]]:
    """Break deep links and mentions outside of code with a joiner, and move the marks along."""
    if "@" not in text and "/" not in text:
        return text, [*marks]
    places: list[int] = []
    pieces: list[str] = []
    code = sorted((mark.start, mark.end) for mark in marks if mark.kind in _LITERAL)
    cut = at = 0
    for found in _FOUND.finditer(text):
        at += units(text[cut : found.end()])
        pieces.append(text[cut : found.end()])
        cut = found.end()
        before = bisect_right(code, (at, 0)) - 1
        if not found["page"] and (before < 0 or code[before][1] < at):
            pieces.append(JOINER)
            places.append(at)
    pieces.append(text[cut:])
    moved = [
        mark._replace(
            start=mark.start + bisect_right(places, mark.start),
            end=mark.end + bisect_left(places, mark.end),
        )
        for mark in marks
    ]
    return "".join(pieces), moved
