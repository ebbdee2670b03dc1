"""The way of a text to a chat: read, checked, cleaned, trimmed, untangled."""

import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Any

from tests.fakes.telegram.errors import Refused, bad_request
from tests.fakes.telegram.hypertext import read_html
from tests.fakes.telegram.links import checked
from tests.fakes.telegram.markdown import read_markdown
from tests.fakes.telegram.spans import (
    FOUND,
    GIVEN,
    QUOTES,
    SOFT,
    Json,
    Span,
    discover,
    units,
    untangle,
)

MOST_ENTITIES = 100
BLANKS = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f]")
REMOVED = re.compile("[\r\u2028-\u202e\u030a\u0333\u033f]")
"""Characters that Telegram takes out of every text."""
MOMENT = re.compile("r|w?[dD]?[tT]?")
EXTRAS = {"text_link": "url", "text_mention": "user", "custom_emoji": "custom_emoji_id"}


@dataclass(frozen=True, slots=True)
class FormattedText:
    """A text as it stands in a chat."""

    text: str
    entities: list[Json]
    lost: list[str]
    """Kinds of given entities that the service silently dropped."""


def compose(text: str, parse_mode: str, entities: object) -> FormattedText:
    """The text a message gets, or the refusal of it; its length is not judged here."""
    text, given = _read(text, parse_mode, entities)
    _check_places(text, given)
    text, given = _cleaned(text, given)
    kept = untangle(given)
    lost = _lost(given, kept)
    text, kept = _trimmed(text, kept)
    found = [span for span in discover(text) if not _taken(span, kept)]
    if found:
        kept = untangle([*kept, *found])
    lost += [span.kind for span in kept[MOST_ENTITIES:]]
    return FormattedText(text, [span.json() for span in kept[:MOST_ENTITIES]], lost)


def _taken(found: Span, kept: list[Span]) -> bool:
    return any(span.kind not in SOFT | QUOTES and span.meets(found) for span in kept)


def _lost(given: list[Span], kept: list[Span]) -> list[str]:
    places = {(span.kind, span.start) for span in kept}
    missing = [span for span in given if (span.kind, span.start) not in places]
    return [s.kind for s in missing if not any(k.kind == s.kind and k.meets(s) for k in kept)]


def _read(text: str, parse_mode: str, entities: object) -> tuple[str, list[Span]]:
    match parse_mode.lower():
        case "markdownv2":
            return read_markdown(_utf8(text))
        case "html":
            return read_html(_utf8(text))
        case "" | "none":
            return _utf8(text), _given(entities)
        case _:
            raise bad_request("unsupported parse_mode")


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise bad_request("strings must be encoded in UTF-8") from error
    return text


def _given(entities: object) -> list[Span]:
    given = [_span(entity) for entity in entities] if isinstance(entities, list) else []
    return [span for span in given if span is not None and span.start < span.end]


def _span(entity: object) -> Span | None:
    if not isinstance(entity, dict):
        raise _unreadable("expected an Object")
    offset, length = _number(entity, "offset"), _number(entity, "length")
    kind = entity.get("type")
    if kind in FOUND:
        return None
    if kind not in GIVEN:
        raise _unreadable("Unsupported type specified")
    if offset < 0:
        raise bad_request(f"receive an entity with incorrect offset {offset}")
    if length < 0:
        raise bad_request(f"receive an entity with incorrect length {length}")
    return Span(kind, offset, offset + length, _extra(kind, entity))


def _unreadable(problem: str) -> Refused:
    return bad_request(f"can't parse MessageEntity: {problem}")


def _number(entity: Json, name: str) -> int:
    value: Any = entity.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unreadable(f'Field "{name}" must be of type Number')
    return value


def _extra(kind: str, entity: Json) -> Json:
    if kind == "pre":
        return {"language": entity["language"]} if entity.get("language") else {}
    if kind == "date_time":
        return _moment(entity)
    name = EXTRAS.get(kind)
    if name is None:
        return {}
    if name not in entity:
        raise _unreadable(f'Can\'t find field "{name}"')
    return {name: _url(entity["url"]) if name == "url" else entity[name]}


def _moment(entity: Json) -> Json:
    """The time of an entity that clients show in the reader's own zone and language."""
    form = entity.get("date_time_format", "")
    if not isinstance(form, str) or not MOMENT.fullmatch(form):
        raise _unreadable("Invalid date-time format specified")
    more = {"date_time_format": form} if form else {}
    return {"unix_time": _number(entity, "unix_time"), **more}


def _url(url: str) -> str:
    try:
        return checked(url)
    except ValueError as error:
        raise bad_request(f"entity URL '{url}' is invalid: {error}") from error


def _check_places(text: str, spans: list[Span]) -> None:
    """Refuse a span that leaves the text or begins or ends inside a surrogate pair."""
    if not spans:
        return
    data = text.encode("utf-16-le")
    for span in spans:
        begins = f"entity beginning at UTF-16 offset {span.start} ends"
        if 2 * span.start > len(data):
            raise bad_request(
                f"entity begins after the end of the text at UTF-16 offset {span.start}"
            )
        if 2 * span.end > len(data):
            place = f"after the end of the text at UTF-16 offset {span.end}"
            raise bad_request(f"{begins} {place}")
        if _inside_pair(data, span.start):
            raise bad_request("entity begins in a middle of a UTF-16 symbol")
        if _inside_pair(data, span.end):
            raise bad_request(f"{begins} in a middle of a UTF-16 symbol")


def _inside_pair(data: bytes, offset: int) -> bool:
    return 0xDC <= int.from_bytes(data[2 * offset + 1 : 2 * offset + 2]) <= 0xDF


def _cleaned(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    text = BLANKS.sub(" ", text)
    gone = [units(text[: found.start()]) for found in REMOVED.finditer(text)]
    if gone:
        text = REMOVED.sub("", text)
        spans = [
            replace(
                span,
                start=span.start - bisect_left(gone, span.start),
                end=span.end - bisect_left(gone, span.end),
            )
            for span in spans
        ]
    return text, [span for span in spans if span.start < span.end]


def _trimmed(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """Without white space around it; in front only as far as no span covers it."""
    text = text.rstrip(" \n")
    if not text.strip(" \n\u200b\u200c\u200d\u2060\ufeff\u00a0"):
        raise bad_request("text must be non-empty")
    end = units(text)
    spans = [replace(span, end=min(span.end, end)) for span in spans if span.start < end]
    blank = len(text) - len(text.lstrip(" \n"))
    cut = min([blank, *(span.start for span in spans)])
    spans = [replace(span, start=span.start - cut, end=span.end - cut) for span in spans]
    return text[cut:], spans
