"""A message as a client lays it out: blocks of styled text, whatever the platform."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["text", "pre", "quote", "title", "section", "topic", "small", "item"]
"""A paragraph, code, a quote, three sizes of headings, small print, an item of a list."""


@dataclass(frozen=True)
class Run:
    """A stretch of text in one style."""

    text: str
    styles: frozenset[str] = frozenset()


READER = "Ada"
"""The person whose phone is drawn."""

Line: TypeAlias = list[Run]


@dataclass(frozen=True)
class Block:
    """Lines that are laid out together."""

    kind: Kind
    lines: list[Line] = field(default_factory=list)
    label: str = ""
    """The language above code, or the sign before an item."""
    level: int = 0
    """The depth of an item, from 0."""
    inside: "list[Block]" = field(default_factory=list)
    """The blocks of a quote."""


@dataclass(frozen=True)
class Post:
    """A message in a chat."""

    author: str
    is_bot: bool
    is_mine: bool
    """Whether the person whose phone it is wrote it."""
    blocks: list[Block]
    reply: str = ""
    """The first words of the message that it replies to, with their author."""
    files: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()


def lines_of(runs: list[Run]) -> list[Line]:
    """Return runs as lines, cut at every line break; a run never holds one."""
    lines: list[Line] = [[]]
    for run in runs:
        first, *rest = run.text.split("\n")
        for number, text in enumerate([first, *rest]):
            if number:
                lines.append([])
            if text:
                lines[-1].append(Run(text, run.styles))
    return lines
