"""The width of text in common fonts, and lines that fit into it.

A picture cannot ask which font draws it. It tells the renderer how wide each stretch is, by the
widths of Helvetica and its kin, so that a different font moves nothing.
"""

# ruff: noqa: RUF001 - signs of Chinese texts

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from wcwidth import iter_graphemes, wcswidth

from tests.pictures.posts import Line, Run

_WIDTHS = {
    0.22: "'ijl|",
    0.28: " !,./:;I[\\]ft",
    0.35: '()-`r{}"',
    0.4: "*",
    0.5: "Jcksvxyz^",
    0.56: "#$0123456789?L_abdeghnopqu+<=>~",
    0.64: "FTZ&ABEKPSVXY",
    0.72: "CDHNRUw",
    0.8: "GOQMm",
    0.94: "%W@",
}
_WIDTH = {char: width for width, chars in _WIDTHS.items() for char in chars}
SLACK = 0.5
"""The pixels by which a line may be wider, because sums of widths are not exact."""
_OTHER, _WIDE, _EMOJI = 0.56, 1.0, 1.25
_MONO = 0.6


def width(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """Return the pixels that a text takes at a size of the font in pixels."""
    if mono:
        return size * _MONO * max(wcswidth(text), 0)
    em = sum(_width(grapheme) for grapheme in iter_graphemes(text))
    return size * em * (1.08 if bold else 1)


def _width(grapheme: str) -> float:
    if grapheme in _WIDTH:
        return _WIDTH[grapheme]
    columns = wcswidth(grapheme)
    if columns < 2:
        return _OTHER * max(columns, 0)
    is_emoji = ord(grapheme[0]) >= 0x1F000 or "\ufe0f" in grapheme
    return _EMOJI if is_emoji else _WIDE


@dataclass(frozen=True)
class Font:
    """The font of a paragraph; code inside of it has its own size."""

    size: float
    code: float
    bold: bool = False

    def width(self, run: Run) -> float:
        """Return the pixels that a run takes."""
        if "code" in run.styles:
            return width(run.text, self.code, mono=True)
        bold = self.bold or "bold" in run.styles
        return width(run.text, self.size, bold=bold)


def wrap(line: Line, font: Font, room: float) -> list[Line]:
    """Return a line as lines that are no wider than the room in pixels."""
    lines: list[Line] = [[]]
    used = 0.0
    for word in _words(line, font, room):
        wide = sum(font.width(replace(run, text=run.text.rstrip())) for run in word)
        if used and used + wide > room + SLACK:
            lines.append([])
            used = 0.0
        lines[-1] += word
        used += sum(font.width(run) for run in word)
    merged = [list(_merged(one)) for one in lines]
    for one in merged[:-1]:
        if one:
            one[-1] = replace(one[-1], text=one[-1].text.rstrip())
    return merged


def _words(line: Line, font: Font, room: float) -> Iterator[Line]:
    """Cut a line where it may break: behind spaces, between wide signs, in words without end."""
    word: Line = []
    used = 0.0
    for run in line:
        for grapheme in iter_graphemes(run.text):
            is_wide = wcswidth(grapheme) == 2 and grapheme not in _CLOSING
            one = Run(grapheme, run.styles)
            after = bool(word) and word[-1].text == " " and grapheme != " "
            between = bool(word) and (is_wide or wcswidth(word[-1].text) == 2)
            if (
                after
                or (between and grapheme not in _CLOSING)
                or used + font.width(one) > room + SLACK
            ):
                yield word
                word, used = [], 0.0
            word.append(one)
            used += font.width(one)
    if word:
        yield word


_CLOSING = "。，、！？：；」』）】》”’.,:;!?) "
"""Signs that begin no line."""


def _merged(line: Line) -> Iterator[Run]:
    """Join neighbours of one style."""
    text = ""
    styles: frozenset[str] = frozenset()
    for run in line:
        if text and run.styles != styles:
            yield Run(text, styles)
            text = ""
        text, styles = text + run.text, run.styles
    if text:
        yield Run(text, styles)


def is_right_to_left(lines: Iterable[Line]) -> bool:
    """Return whether the first letter of a text is Arabic, Hebrew or the like."""
    for line in lines:
        for run in line:
            for char in run.text:
                direction = unicodedata.bidirectional(char)
                if direction in ("R", "AL", "L"):
                    return direction != "L"
    return False


def columns(text: str) -> Iterator[tuple[int, str]]:
    """Cut a line of code where the width of its signs changes, each part with its column."""
    part, start, at, widest = "", 0, 0, 0
    for grapheme in iter_graphemes(text):
        wide = max(wcswidth(grapheme), 0)
        if part and (wide == 2) != (widest == 2):
            yield start, part
            part, start = "", at
        part += grapheme
        at, widest = at + wide, wide
    if part:
        yield start, part
