"""Telegram's HTML, read as strictly as TDLib reads it (`parse_html`)."""

import html
import re

from tests.fakes.telegram.markup import Open, Reader, emoji, link, refused
from tests.fakes.telegram.spans import Json, Span

TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("tg-spoiler", "span"), "spoiler"),
    "tg-emoji": "custom_emoji",
    "a": "text_link",
    "pre": "pre",
    "code": "code",
    "blockquote": "blockquote",
}
TAG = re.compile(r"<(/?)([^\s>]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
ATTRIBUTE = re.compile(r"([^\s=>/\"']+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([\w.-]*)))?")
CHARACTER = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#[xX][0-9a-fA-F]+);")


def read_html(source: str) -> tuple[str, list[Span]]:
    """Read Telegram's HTML (TDLib: `parse_html`)."""
    reader = Reader(source)
    while reader.at < len(source):
        following = source.find("<", reader.at)
        following = len(source) if following < 0 else following
        reader.put(_characters(source[reader.at : following]))
        reader.at = following
        if following < len(source):
            _tag(reader)
    if reader.open:
        tag = reader.open[-1].more["tag"]
        raise refused(f'Can\'t find end tag corresponding to start tag "{tag}"')
    return "".join(reader.text), _coded(reader.spans)


def _characters(text: str) -> str:
    return CHARACTER.sub(lambda found: html.unescape(found[0]), text)


def _tag(reader: Reader) -> None:
    tag = TAG.match(reader.source, reader.at)
    if tag is None:
        side = "end" if reader.source.startswith("</", reader.at) else "start"
        raise refused(f"Unclosed {side} tag at byte offset {reader.place()}")
    (_end_tag if tag[1] else _start_tag)(reader, tag[2].lower(), tag[3])
    reader.at = tag.end()


def _start_tag(reader: Reader, name: str, rest: str) -> None:
    if name not in TAGS:
        raise refused(f'Unsupported start tag "{name}" at byte offset {reader.place()}')
    attributes = {
        found[1].lower(): _characters(found[2] or found[3] or found[4] or "")
        for found in ATTRIBUTE.finditer(rest)
    }
    if name == "span" and attributes.get("class") != "tg-spoiler":
        place = reader.place()
        raise refused(f'Tag "span" must have class "tg-spoiler" at byte offset {place}')
    expandable = name == "blockquote" and "expandable" in attributes
    kind = "expandable_blockquote" if expandable else TAGS[name]
    reader.begin(kind, {**attributes, "tag": name})


def _end_tag(reader: Reader, name: str, _rest: str) -> None:
    if not reader.open:
        raise refused(f"Unexpected end tag at byte offset {reader.place()}")
    span = reader.open.pop()
    if name and name != span.more["tag"]:
        place, tag = reader.place(), span.more["tag"]
        raise refused(
            f'Unmatched end tag at byte offset {place}, expected "</{tag}>", found "</{name}>"'
        )
    more = _html_more(reader, span)
    if more is not None:
        reader.end(span.kind, span.start, more)


def _html_more(reader: Reader, span: Open) -> Json | None:
    if span.kind == "text_link":
        return link(span.kind, span.more.get("href") or reader.since(span.start))
    if span.kind == "custom_emoji":
        return emoji(f"tg://emoji?id={span.more.get('emoji-id', '')}")
    language = span.more.get("class", "").removeprefix("language-")
    return {"language": language} if span.kind == "code" and language else {}


def _coded(spans: list[Span]) -> list[Span]:
    """Code that fills a `pre` gives it its language; code elsewhere has none."""
    filling = {(s.start, s.end): s.more for s in spans if s.kind == "code"}
    blocks = {(s.start, s.end) for s in spans if s.kind == "pre"}
    coded = []
    for span in spans:
        extent = (span.start, span.end)
        if span.kind == "pre":
            coded.append(Span("pre", *extent, filling.get(extent, {})))
        elif span.kind == "code" and extent not in blocks:
            coded.append(Span("code", *extent))
        elif span.kind != "code":
            coded.append(span)
    return coded
