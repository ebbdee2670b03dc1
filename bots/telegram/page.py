"""A message in Telegram's form: plain text, and entities counted in UTF-16 units."""

import unicodedata
from typing import NamedTuple

from telegram import MessageEntity

ENTITIES = 100
"""The most entities of a message; Telegram silently ignores the rest."""

_IMPORTANCE = [
    MessageEntity.PRE,
    MessageEntity.CODE,
    MessageEntity.TEXT_LINK,
    MessageEntity.BLOCKQUOTE,
    MessageEntity.BOLD,
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

    def write(self, text: str) -> None:
        """Append text in the open styles."""
        self._pieces.append(text)
        self._end += units(text)

    def write_literal(self, kind: str, text: str, language: str | None = None) -> None:
        """Append code. Other styles are interrupted for it; inside a link it is plain text."""
        if any(span.kind == MessageEntity.TEXT_LINK for span in self._open):
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

    def finish(self) -> tuple[str, list[MessageEntity]]:
        """Return the text, trimmed as Telegram does, and its most important entities in order."""
        text = "".join(self._pieces).rstrip()
        length = units(text)
        marks = [mark for mark in self._marks if mark.start < length]
        marks.sort(key=lambda mark: _IMPORTANCE.index(mark.kind))
        chosen = sorted(marks[:ENTITIES], key=lambda mark: (mark.start, -mark.end))
        return text, [_entity(mark, length) for mark in chosen]

    def _interrupt(self) -> None:
        for span in self._open:
            if span.kind != MessageEntity.BLOCKQUOTE:
                self._mark(span.kind, span.start, url=span.url)

    def _mark(
        self, kind: str, start: int, *, url: str | None = None, language: str | None = None
    ) -> None:
        if self._end > start:
            self._marks.append(_Mark(kind, start, self._end, url, language))


def _entity(mark: _Mark, end: int) -> MessageEntity:
    length = min(mark.end, end) - mark.start
    return MessageEntity(mark.kind, mark.start, length, url=mark.url, language=mark.language)
