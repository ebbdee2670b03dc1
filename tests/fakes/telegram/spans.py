"""Marked stretches of a text, measured in UTF-16 units, and how Telegram untangles them."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

SOFT = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
"""Kinds that may be cut into pieces; all others are whole or not there."""
QUOTES = frozenset({"blockquote", "expandable_blockquote"})
RAW = frozenset({"code", "pre"})
FOUND = frozenset(
    {"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"}
    | {"bank_card_number"}
)
"""The kinds that Telegram finds by itself and never takes from a caller."""
GIVEN = SOFT | QUOTES | RAW | {"text_link", "text_mention", "custom_emoji", "date_time"}

RANK = {"pre": 1, "code": 2, "text_link": 4, "text_mention": 4}
"""The outer one of two spans that begin and end together; quotes first, soft kinds last."""

BEGINNING = re.compile(r"https?://|[@/#]")
DISCOVERED = re.compile(
    r"(?P<url>https?://[^\s<>\"]*[^\s<>\".,;:!?)\]'])"
    r"|(?P<mention>(?<!\w)@[A-Za-z0-9_]{2,32}(?!\w))"
    r"|(?P<bot_command>(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32}|(?!@))(?![\w/<>]))"
    r"|(?P<hashtag>(?<!\w)#(?=\w*[^\W\d_])\w{1,256}(?!\w))"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch `[start, end)` of a text and its kind of markup."""

    kind: str
    start: int
    end: int
    more: Json = field(default_factory=dict)
    """The extra fields of the kind: the URL, the language."""

    def json(self) -> Json:
        """The span as a MessageEntity."""
        length = self.end - self.start
        return {"type": self.kind, "offset": self.start, "length": length, **self.more}

    def meets(self, other: "Span") -> bool:
        """Return True if the two share at least one unit."""
        return self.start < other.end and other.start < self.end


def units(text: str) -> int:
    """The length of a text as Telegram measures it: in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def discover(text: str) -> list[Span]:
    """Mentions, commands, hashtags and http(s) URLs, as any client would find them."""
    found: list[Span] = []
    end = 0
    for beginning in BEGINNING.finditer(text):
        match = DISCOVERED.match(text, beginning.start())
        if match is not None and match.start() >= end:
            found.append(_found(text, match))
            end = match.end()
    return found


def _found(text: str, match: re.Match[str]) -> Span:
    start = units(text[: match.start()])
    assert match.lastgroup is not None
    return Span(match.lastgroup, start, start + units(match[0]))


def ordered(spans: Iterable[Span]) -> list[Span]:
    """Outer spans before inner ones, as Telegram sorts them."""
    return sorted(spans, key=lambda span: (span.start, -span.end, _rank(span)))


def _rank(span: Span) -> int:
    if span.kind in QUOTES:
        return 0
    return 9 if span.kind in SOFT else RANK.get(span.kind, 5)


def untangle(spans: Iterable[Span]) -> list[Span]:
    """Make spans nest the way the service insists on (TDLib: `fix_entities`).

    Code holds nothing, links and the like do not overlap, quotes hold them or leave them, and
    soft spans of one kind are joined, then cut wherever another span begins or ends in them.
    """
    spans = ordered(spans)
    quotes = _apart(span for span in spans if span.kind in QUOTES)
    whole = _apart(span for span in spans if span.kind not in QUOTES | SOFT)
    whole = [span for span in whole if not any(_breaks(span, quote) for quote in quotes)]
    soft = [span for kind in sorted(SOFT) for span in _joined(s for s in spans if s.kind == kind)]
    return ordered([*quotes, *whole, *_pieces(soft, [*quotes, *whole])])


def _apart(spans: Iterable[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in spans:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _breaks(span: Span, quote: Span) -> bool:
    return span.meets(quote) and not (quote.start <= span.start and span.end <= quote.end)


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            joined[-1] = replace(joined[-1], end=max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _pieces(soft: list[Span], firm: list[Span]) -> list[Span]:
    raw = [span for span in firm if span.kind in RAW]
    edges = {edge for span in firm for edge in (span.start, span.end)}
    places = sorted(edges | {span.start for span in soft})
    pieces = [piece for span in soft for piece in _cut(span, places)]
    return [piece for piece in pieces if not any(piece.meets(span) for span in raw)]


def _cut(span: Span, places: list[int]) -> list[Span]:
    inner = places[bisect_right(places, span.start) : bisect_left(places, span.end)]
    starts, ends = [span.start, *inner], [*inner, span.end]
    return [replace(span, start=s, end=e) for s, e in zip(starts, ends, strict=True)]
