"""`docs/deploy.md` as data: its sections, their blocks of commands, and why one is not run."""

import re
from dataclasses import dataclass

from tests.bot import ROOT

_BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]+) -->\n)?```console\n(?P<text>.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that stand together."""

    section: str
    commands: tuple[str, ...]
    note: str
    """The reason why this page's tests do not run them, or who does; "" if they do."""


def blocks() -> list[Block]:
    """Return the blocks of commands, in the order of the page."""
    found = []
    for text in (ROOT / "docs" / "deploy.md").read_text().split("\n## ")[1:]:
        title = text.partition("\n")[0]
        for block in _BLOCK.finditer(text):
            lines = block["text"].splitlines()
            assert all(line.startswith(("$ ", "# ")) for line in lines), block["text"]
            commands = tuple(line[2:] for line in lines)
            found.append(Block(title, commands, block["note"] or ""))
    return found


def commands(section: str) -> list[tuple[str, ...]]:
    """Return the blocks of a section that its test has to run."""
    return [block.commands for block in blocks() if block.section == section and not block.note]
