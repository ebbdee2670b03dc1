"""The lines of a text, each with the block of code that it is in."""

from bisect import bisect_right

from core.text import _spans
from core.text._fences import AHEAD, Fence, after, opens
from core.text._formulas import formula, formula_block
from core.text._spans import Span


class Lines:
    """The lines of a text with the code block that each is in, read as far as they are needed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        self._fences: list[Fence | None] = [None]
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
            self._fences.append(self._after(start, stop, self._fences[-1]))
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

    def fence(self, end: int) -> Fence | None:
        """Return the first line of the code block that is open if the text ends at `end`."""
        index = self.index(end)
        start, fence = self.starts[index], self._fences[index]
        return fence if start == end else self._after(start, end, fence)

    def inside(self, index: int) -> Fence | None:
        """Return the first line of the code block that is open before a line."""
        return self._fences[index]

    def closed(self, end: int) -> str:
        """Return the text up to `end`, with its code block closed."""
        fence = self.fence(end)
        text = self.text[:end]
        return text.rstrip() + fence_end(fence) if fence else text

    def _after(self, start: int, end: int, fence: Fence | None) -> Fence | None:
        """Return the block that is open after a line, given the one open before it."""
        line = self.text[start:end]
        if fence is None:
            opened = opens(line)
            if opened and not opened.nests and not opened.info.strip():
                opened = opens(line, self._following(end))
            return opened or _formula(self.text, start, end)
        return None if fence.is_left(line) else after(line, fence)

    def _following(self, at: int) -> list[str]:
        return self.text[at : at + 40 * AHEAD].split("\n")

    def spans(self, position: int) -> list[Span]:
        """Return the links, inline code and emphasis in the paragraph around a position."""
        bounds = paragraph(self.text, position)
        if bounds not in self._spans:
            self._spans[bounds] = _spans.find(self.text, *bounds)
        return self._spans[bounds]


def _formula(text: str, start: int, end: int) -> Fence | None:
    """Return the formula that a line begins, if it does not end there."""
    found = formula_block(text, start)
    if found is None or found.end() <= end or formula(found["formula"]) is None:
        return None
    if name := found["name"]:
        return Fence(found["indent"], f"\\begin{{{name}}}", "", closing=f"\\end{{{name}}}")
    mark = found["formula"][:2]
    return Fence(found["indent"], mark, "", closing="$$" if mark == "$$" else "\\]")


def paragraph(text: str, end: int) -> tuple[int, int]:
    """Return the bounds of the paragraph around a position, at most a quarter beyond it."""
    start = text.rfind("\n\n", 0, end) + 1
    stop = text.find("\n\n", end, end + end // 4)
    return start, stop if stop >= 0 else end + end // 4


def fence_start(fence: Fence) -> str:
    """Return the lines that open a block again, with the blocks inside it."""
    return "".join(
        f"{each.margin}{each.mark}{each.language[:32]}\n" for each in (fence, *fence.inner)
    )


def fence_end(fence: Fence) -> str:
    """Return the lines that close a block, with the line end before them."""
    return "".join(
        f"\n{each.margin}{each.closing or each.mark}" for each in (*fence.inner[::-1], fence)
    )
