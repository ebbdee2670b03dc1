"""The base of the readers of both markup languages: the text so far, its spans, its refusals."""

import re
from dataclasses import dataclass

from tests.fakes.telegram.errors import Refused, bad_request
from tests.fakes.telegram.links import checked
from tests.fakes.telegram.spans import Json, Span, units


def refused(problem: str) -> Refused:
    """The refusal of broken markup."""
    return bad_request(f"can't parse entities: {problem}")


def link(kind: str, url: str) -> Json | None:
    """Return the extra fields of a link span, or None for an address that makes no link."""
    if user := re.fullmatch(r"tg://user\?id=(\d+)", url):
        return {"user": {"id": int(user[1]), "is_bot": False, "first_name": "User"}}
    if kind == "custom_emoji":
        return emoji(url)
    try:
        return {"url": checked(url)}
    except ValueError:
        return None


def emoji(url: str) -> Json:
    """Return the extra fields of a custom emoji."""
    found = re.fullmatch(r"tg://emoji\?id=(\d+)", url)
    if found is None:
        raise refused("Invalid tg://emoji or tg://time URL specified")
    return {"custom_emoji_id": found[1]}


@dataclass(slots=True)
class Open:
    """A span whose end has not been read yet."""

    kind: str
    start: int
    place: int
    """The position of its mark in the source."""
    more: Json


class Reader:
    """The text read so far, its spans, and the spans still open."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.text: list[str] = []
        self.length = 0
        self.open: list[Open] = []
        self.spans: list[Span] = []

    def put(self, text: str) -> None:
        """Add plain text."""
        self.text.append(text)
        self.length += units(text)

    def begin(self, kind: str, more: Json) -> None:
        """Open a span here."""
        self.open.append(Open(kind, self.length, self.place(), more))

    def end(self, kind: str, start: int, more: Json) -> None:
        """Close a span here; an empty one is none."""
        if "user" in more:
            kind = "text_mention"
        if start < self.length:
            self.spans.append(Span(kind, start, self.length, more))

    def place(self) -> int:
        """Return the reader's position in the source, in UTF-8 bytes, as refusals count."""
        return len(self.source[: self.at].encode())

    def since(self, start: int) -> str:
        """The text from a unit on."""
        whole = "".join(self.text).encode("utf-16-le")
        return whole[2 * start :].decode("utf-16-le")
