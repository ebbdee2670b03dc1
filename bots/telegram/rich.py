"""The words of a rich message, which comes as blocks instead of a text.

The library hands it over as it is on the wire. Every field `text` is a line: a string, a run of
formatted text, or a list of both.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from telegram import Message

from bots import quotes

DEEPEST = 40
"""The most levels that are read; Telegram allows 16 levels of blocks."""
MOST_LINES = 2000
"""The most lines that are read; Telegram allows 500 blocks, and 20 cells in a row."""


def rich_text(message: Message) -> str:
    """Return the words of a rich message, a line for each block; "" for another message."""
    blocks = message.api_kwargs.get("rich_message")
    lines = islice(_lines(blocks, DEEPEST), MOST_LINES)
    return quotes.cut("\n".join(line for line in lines if line.strip()))


def _lines(node: Any, levels: int) -> Iterator[str]:
    if not levels:
        return
    if isinstance(node, list):
        for each in node:
            yield from _lines(each, levels - 1)
    elif isinstance(node, dict):
        if "text" in node:
            yield "".join(_runs(node["text"], levels))
        for name, value in node.items():
            if name != "text":
                yield from _lines(value, levels - 1)


def _runs(text: Any, levels: int) -> Iterator[str]:
    if isinstance(text, str):
        yield text
    elif isinstance(text, list) and levels:
        for each in text:
            yield from _runs(each, levels - 1)
    elif isinstance(text, dict) and levels:
        yield from _runs(text.get("text"), levels - 1)
