"""Blocks of HTML in the model's Markdown, rewritten as Markdown (pure, in linear time).

A tag in the middle of a sentence is what the sentence is about; one at the edge of a line is taken
off, or becomes a heading, an item of a list, a line or a paragraph. Code stays as it is.
"""

import re
from collections.abc import Iterator

from core.text import AHEAD, Fence, after, opens

_NAMES = "article|center|details|div|h[1-6]|hr|li|ol|p|section|summary|ul"
_FIRST = re.compile(
    rf"[ \t]*+<(?P<shut>/?)(?P<name>{_NAMES})(?>(?:\s[^<>\n]{{0,300}}+)?)/?>[ \t]*+", re.IGNORECASE
)
_LAST = re.compile(rf"</(?P<name>{_NAMES})>[ \t]*+\Z", re.IGNORECASE)
_MAY_HAVE = re.compile(rf"</?(?:{_NAMES})\b", re.IGNORECASE)
_NEXT = re.compile(r"(?<!^)(?=</?(?:h[1-6]|hr|li|ol|p|ul)\b)|(?<=</summary>)", re.IGNORECASE)
_ENDED = re.compile(rf"</({_NAMES})>", re.IGNORECASE)
_BEGUN = re.compile(rf"<({_NAMES})\b", re.IGNORECASE)
_PARAGRAPHS = frozenset(("details", "div", "p"))
_DEEPEST = 8
"""The deepest nesting of lists."""
_MOST = 16
"""The most tags at the beginning and at the end of a line."""


def flattened(markdown: str) -> str:
    """Return Markdown without tags of blocks."""
    if "<" not in markdown or not _MAY_HAVE.search(markdown):
        return markdown
    return "\n".join(_Writer(markdown).lines())


class _Writer:
    """A writer of the lines of a text, from the first to the last."""

    def __init__(self, markdown: str) -> None:
        self._source = markdown.split("\n")
        self._ended = {name.lower() for name in _ENDED.findall(markdown)}
        self._begun = {name.lower() for name in _BEGUN.findall(markdown)}
        self._lists: list[int] = []
        self._blank = True

    def lines(self) -> Iterator[str]:
        """Yield the lines as Markdown."""
        fence: Fence | None = None
        for number, line in enumerate(self._source, start=1):
            texts = [line]
            if fence and not fence.is_left(line):
                fence = after(line, fence)
            elif fence := opens(line):
                fence = opens(line, self._source[number : number + AHEAD]) or fence
            elif "<" in line:
                texts = [text for block in self._cut(line) for text in self._written(block)]
            for text in texts:
                if text.strip() or not self._blank:
                    yield text
                self._blank = not text.strip() and fence is None

    def _cut(self, line: str) -> list[str]:
        """Return a line cut before each block, if it begins with one."""
        found = _FIRST.match(line)
        if found is None or not self._is_tag(found) or "`" in line:
            return [line]
        return [block for block in _NEXT.split(line) if block.strip()]

    def _is_tag(self, found: re.Match[str]) -> bool:
        """Return False for a word about a tag: no other ends it, and a sentence follows."""
        name = found["name"].lower()
        return name in self._ended or name == "hr" or found.end() == len(found.string)

    def _written(self, line: str) -> Iterator[str]:
        """Yield the lines for one line, with a blank one where a paragraph begins or ends."""
        lead, rest, names = self._begin(line)
        rest, ended = self._end(rest, within=bool(names))
        if not names and not ended:
            yield line
            return
        apart = any(name in _PARAGRAPHS or name[0] == "h" for name in names + ended)
        if apart and not self._blank:
            yield ""
        if text := f"{lead}{rest}".rstrip():
            yield text
        if apart and text:
            yield ""

    def _begin(self, line: str) -> tuple[str, str, list[str]]:
        """Return the signs for the tags at the beginning of a line, the rest, and their names."""
        lead, names = "", list[str]()
        while len(names) < _MOST and (found := _FIRST.match(line)) and self._is_tag(found):
            name = found["name"].lower()
            if name == "summary" and line[found.end() :]:
                break
            names.append(name)
            lead += self._lead(name, shut=bool(found["shut"]))
            line = line[found.end() :]
        return lead, line, names

    def _end(self, line: str, *, within: bool) -> tuple[str, list[str]]:
        """Return a line without the tags at its end, and their names."""
        names = list[str]()
        while len(names) < _MOST and (found := _LAST.search(line)):
            name = found["name"].lower()
            in_sentence = not within and not names and f"<{name}" in line.lower()
            if name == "summary" or name not in self._begun or in_sentence:
                break
            names.append(name)
            line = line[: found.start()].rstrip()
        return line, names

    def _lead(self, name: str, *, shut: bool) -> str:
        """Return the signs with which a block begins."""
        if name in ("ol", "ul"):
            if shut:
                del self._lists[-1:]
            else:
                self._lists = [*self._lists[-_DEEPEST:], 1 if name == "ol" else 0]
        if shut:
            return ""
        if name == "li":
            return self._item()
        if name == "hr":
            return "---"
        return f"{'#' * int(name[1])} " if name[0] == "h" else ""

    def _item(self) -> str:
        margin = "  " * (len(self._lists) - 1)
        number = self._lists[-1] if self._lists else 0
        if number:
            self._lists[-1] += 1
        return f"{margin}{number}. " if number else f"{margin}- "
