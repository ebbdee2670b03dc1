"""Telegram's text with entities, rewritten as Markdown."""

import re
from collections.abc import Collection, Sequence

from telegram import MessageEntity

from bots.telegram.page import units

_MARKS = {
    MessageEntity.BOLD: "**",
    MessageEntity.ITALIC: "_",
    MessageEntity.STRIKETHROUGH: "~~",
}
_QUOTES = {MessageEntity.BLOCKQUOTE, MessageEntity.EXPANDABLE_BLOCKQUOTE}
_BLOCKS = {MessageEntity.PRE} | _QUOTES
_KNOWN = _BLOCKS | _MARKS.keys() | {MessageEntity.CODE, MessageEntity.TEXT_LINK}
_TICKS = re.compile("`+")
MOST = 200
"""The most entities of a message that become markup; Telegram sends at most 100."""


def to_markdown(
    text: str, entities: Sequence[MessageEntity], without: Collection[MessageEntity] = ()
) -> str:
    """Rewrite a text with entities as Markdown, without the text of the entities in `without`."""
    spans = [entity for entity in entities if entity.type in _KNOWN or entity in without]
    if not spans:
        return text.strip()
    spans.sort(key=lambda entity: (entity.offset, -entity.length))
    del spans[MOST:]
    return _between(_Units(text), (0, units(text)), spans, without).strip()


def entity_text(text: str, entity: MessageEntity) -> str:
    """Return the text of an entity."""
    return _Units(text).cut(entity.offset, entity.offset + entity.length)


class _Units:
    """A text to cut by UTF-16 offsets; a client may send any offsets."""

    def __init__(self, text: str) -> None:
        self._data = text.encode("utf-16-le", "surrogatepass")

    def cut(self, start: int, end: int) -> str:
        return self._data[2 * start : 2 * end].decode("utf-16-le", "replace")


def _between(
    text: _Units,
    bounds: tuple[int, int],
    spans: Sequence[MessageEntity],
    without: Collection[MessageEntity],
) -> str:
    """Rewrite the text between two offsets.

    `spans` may begin outside of it; outer spans precede inner ones.
    """
    written, (start, end) = "", bounds
    for index, span in enumerate(spans):
        if not start <= span.offset < end:
            continue
        stop = min(span.offset + span.length, end)
        inner = _between(text, (span.offset, stop), spans[index + 1 :], without)
        following = text.cut(stop, min(stop + 1, end))
        written += text.cut(start, span.offset)
        if span not in without:
            written += _marked(span, inner, written, following)
        elif following == " " and written[-1:] in {"", " ", "\n"}:
            stop += 1
        start = stop
    return written + text.cut(start, end)


def _marked(span: MessageEntity, text: str, before: str, following: str) -> str:
    if span.type in _BLOCKS:
        start = "" if before[-1:] in {"", "\n"} else "\n"
        return start + _block(span, text) + ("" if following in {"", "\n"} else "\n")
    if span.type == MessageEntity.CODE:
        ticks = _ticks(text, 1)
        space = " " if "`" in text else ""
        return f"{ticks}{space}{text}{space}{ticks}"
    core = text.strip()
    if not core:
        return text
    mark = _MARKS.get(span.type)
    marked = f"{mark}{core}{mark}" if mark else f"[{core}]({span.url})"
    # Emphasis does not open before a space: white space stays outside of the marks.
    return text.replace(core, marked, 1)


def _block(span: MessageEntity, text: str) -> str:
    if span.type in _QUOTES:
        return "\n".join(f"> {line}" for line in text.strip("\n").split("\n"))
    fence = _ticks(text, 3)
    code = text.strip("\n")
    return f"{fence}{span.language or ''}\n{code}\n{fence}"


def _ticks(text: str, least: int) -> str:
    """Return a row of backticks that is longer than any in the text."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)
