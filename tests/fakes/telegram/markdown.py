"""MarkdownV2, read as strictly as TDLib reads it (`do_parse_markdown_v2`)."""

import re

from tests.fakes.telegram.errors import Refused
from tests.fakes.telegram.markup import Open, Reader, link, refused
from tests.fakes.telegram.spans import Span

MARKS = {
    "```": "pre",
    "`": "code",
    "__": "underline",
    "_": "italic",
    "||": "spoiler",
    "*": "bold",
    "~": "strikethrough",
    "![": "custom_emoji",
    "[": "text_link",
}
"""The marks that begin a span in MarkdownV2; a longer mark precedes its prefix."""
ENDS = {kind: mark for mark, kind in MARKS.items()} | {"text_link": "]", "custom_emoji": "]"}
RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")


def read_markdown(source: str) -> tuple[str, list[Span]]:
    """Read MarkdownV2."""
    return _Markdown(source).read()


class _Markdown(Reader):
    """MarkdownV2 under the reader's eye (TDLib: `do_parse_markdown_v2`)."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.quoting = False
        self.line_begins = True
        """Only here may a quote begin."""

    def read(self) -> tuple[str, list[Span]]:
        """Read it to its end."""
        while self.at < len(self.source):
            self._step(self.source[self.at])
        if self.quoting:
            self._end_quote()
        if self.open:
            raise self._endless()
        return "".join(self.text), self.spans

    def _step(self, char: str) -> None:
        if char == "\\" and "\x01" <= self._next() <= "\x7e":
            self._copy(self._next(), 2)
        elif char != "`" and (char not in RESERVED or self._raw()):
            self._copy(char, 1)
        elif self.quoting and char == "\n" and self._next() != ">":
            self._end_quote()
        elif self._ends():
            self._end(self.open.pop())
        else:
            self._begin(char)

    def _next(self) -> str:
        return self.source[self.at + 1 : self.at + 2]

    def _copy(self, char: str, width: int) -> None:
        self.put(char)
        self.at += width
        self.line_begins = char == "\n" or (char == "\r" and self.line_begins)

    def _raw(self) -> bool:
        return bool(self.open) and self.open[-1].kind in {"code", "pre"}

    def _ends(self) -> bool:
        if not self.open or self.open[-1].kind == "blockquote":
            return False
        kind = self.open[-1].kind
        if kind == "italic" and self._next() == "_":
            return False
        return self.source.startswith(ENDS[kind], self.at)

    def _begin(self, char: str) -> None:
        mark = next((mark for mark in MARKS if self.source.startswith(mark, self.at)), None)
        if mark is not None:
            self.begin(MARKS[mark], {})
            self.at += len(mark)
            if mark == "```":
                self._language()
        elif char == "\n":
            self._copy(char, 1)
        elif char == ">" and self.line_begins:
            self._quote()
        else:
            raise refused(
                f"Character '{char}' is reserved and must be escaped with the preceding '\\'"
            )

    def _language(self) -> None:
        """The word after the fence, unless the fence ends right behind it, and a line end."""
        word = re.compile(r"([^\s`]*)(?=\s)").match(self.source, self.at)
        if word is not None and word[1]:
            self.open[-1].more["language"] = word[1]
            self.at = word.end()
        line_end = re.compile(r"\r\n|\n\r|\n|\r").match(self.source, self.at)
        if line_end is not None:
            self.at = line_end.end()

    def _quote(self) -> None:
        if not self.quoting:
            self.begin("blockquote", {})
            self.quoting = True
        self.at += 1

    def _end_quote(self) -> None:
        kind, top = "blockquote", self.open[-1]
        if top.kind == "spoiler" and self.source[: self.at].endswith("||"):
            kind = "expandable_blockquote"
            self.open.pop()
        if self.open[-1].kind != "blockquote":
            raise self._endless()
        start = self.open.pop().start
        if self.at < len(self.source):
            self._copy("\n", 1)
        self.end(kind, start, {})
        self.quoting = False

    def _end(self, span: Open) -> None:
        self.at += len(ENDS[span.kind])
        if span.kind not in {"text_link", "custom_emoji"}:
            self.end(span.kind, span.start, span.more)
            return
        more = link(span.kind, self._url() or self.since(span.start))
        if more is not None:
            self.end(span.kind, span.start, more)

    def _url(self) -> str:
        if not self.source.startswith("(", self.at):
            return ""
        url = re.compile(r"\(((?:\\[\x01-\x7e]|[^)])*)\)", re.S).match(self.source, self.at)
        if url is None:
            self.at += 1
            raise refused(f"Can't find end of a URL at byte offset {self.place()}")
        self.at = url.end()
        return re.sub(r"\\([\x01-\x7e])", r"\1", url[1])

    def _endless(self) -> Refused:
        span = self.open[-1]
        kind = span.kind.title().replace("_", "")
        return refused(f"Can't find end of {kind} entity at byte offset {span.place}")
