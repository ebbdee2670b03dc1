"""The lines of a text, each with the block of code that it is in."""

import re
from bisect import bisect_right

from core.text import _spans
from core.text._spans import Span

_FENCE = re.compile(
    r"(?P<indent>[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?)"
    r"(?P<mark>`{3,64}|~{3,64})(?P<info>[^\n]*)"
)


class Lines:
    """The lines of a text with the code block that each is in, read as far as they are needed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        self._fences: list[re.Match[str] | None] = [None]
        self._contents = [""]
        self._spans: dict[tuple[int, int], list[Span]] = {}

    def index(self, position: int) -> int:
        """Return the index of the line that holds a position."""
        while self.starts[-1] <= position:
            start = self.starts[-1]
            stop = self.text.find("\n", start) + 1
            if not stop:
                break
            line = self.text[start:stop]
            self.starts.append(stop)
            self._fences.append(_after(line, self._fences[-1]))
            self._contents.append(self._contents[-1] if line.isspace() else line)
        return bisect_right(self.starts, position) - 1

    def line(self, index: int) -> str:
        """Return a line, with its end."""
        start = self.starts[index]
        stop = self.text.find("\n", start) + 1
        return self.text[start:stop] if stop else self.text[start:]

    def content(self, index: int) -> str:
        """Return the last line before a line that is not blank."""
        return self._contents[index]

    def fence(self, end: int) -> re.Match[str] | None:
        """Return the first line of the code block that is open if the text ends at `end`."""
        index = self.index(end)
        start, fence = self.starts[index], self._fences[index]
        return fence if start == end else _after(self.text[start:end], fence)

    def inside(self, index: int) -> re.Match[str] | None:
        """Return the first line of the code block that is open before a line."""
        return self._fences[index]

    def closed(self, end: int) -> str:
        """Return the text up to `end`, with its code block closed."""
        fence = self.fence(end)
        text = self.text[:end]
        return text.rstrip() + fence_end(fence) if fence else text

    def spans(self, position: int) -> list[Span]:
        """Return the links, inline code and emphasis in the paragraph around a position."""
        bounds = paragraph(self.text, position)
        if bounds not in self._spans:
            self._spans[bounds] = _spans.find(self.text, *bounds)
        return self._spans[bounds]


def paragraph(text: str, end: int) -> tuple[int, int]:
    """Return the bounds of the paragraph around a position, at most a quarter beyond it."""
    start = text.rfind("\n\n", 0, end) + 1
    stop = text.find("\n\n", end, end + end // 4)
    return start, stop if stop >= 0 else end + end // 4


def _after(line: str, fence: re.Match[str] | None) -> re.Match[str] | None:
    """Return the code block that is open after a line, given the one open before it."""
    if fence is None:
        return opens(line)
    left_quote = ">" in fence["indent"] and not line.lstrip().startswith(">")
    return None if left_quote or ends(line, fence) else fence


def opens(line: str) -> re.Match[str] | None:
    """Return the beginning of a block of code; None for any other line."""
    if "```" not in line and "~~~" not in line:
        return None
    fence = _FENCE.match(line)
    return None if fence is None or "`" in fence["info"] else fence


def ends(line: str, fence: re.Match[str]) -> bool:
    """Return True if a line ends the block of code that another one began."""
    bare = line.strip(" \t\r\n>")
    return bare.startswith(fence["mark"]) and not bare.strip(fence["mark"][0])


def fence_start(fence: re.Match[str]) -> str:
    language = fence["info"].split()[:1]
    return f"{_margin(fence)}{fence['mark']}{''.join(language)[:32]}\n"


def fence_end(fence: re.Match[str]) -> str:
    return f"\n{_margin(fence)}{fence['mark']}"


def _margin(fence: re.Match[str]) -> str:
    """Return the indentation of a code block, without the marker of its list item."""
    return re.sub(r"[^\s>]", " ", fence["indent"])
