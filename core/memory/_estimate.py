"""Estimates of tokens from above, for messages that the API has not counted yet."""

import json
import re
from collections.abc import Mapping
from operator import add
from typing import Any

from core.memory._pieces import GROWING, RARE, SCRIPTS, WORDS
from core.messages import Block, ChatMessage

FILE_TOKENS = 1500
"""The tokens of an image or of a page of a file, about."""
FILE_BYTES = 5
"""The bytes of a PDF per token: a book without pictures has about six, a scan fifty."""
MOST_FILE_TOKENS = 1_000_000
"""The most tokens of a file; no model reads more."""

OVERHEAD = 8
"""The tokens that a message has besides its text."""

PIECE = 10_000
"""The characters of a text that are counted at a time."""

_WORD = re.compile(r" [a-zà-ÿ]+(?![\w'’\u0300-\u036f])")
_RUN = re.compile(r" ?[A-Z]?[a-z]+")
_SPACES = re.compile(r" {2,}(?= )")
_LETTERS = re.compile("|".join(f"[{letters}]+" for letters in SCRIPTS))
_GROWING = re.compile(f"[{GROWING}]+")


def estimate(message: ChatMessage) -> int:
    """Estimate the tokens of a message, from above."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return _text_tokens(content) + sum(map(_call_tokens, message.get("tool_calls", ())))
    return sum(map(_block_tokens, content))


def _block_tokens(block: Block) -> int:
    if "text" in block:
        return _text_tokens(block["text"])
    if "file" not in block:
        return FILE_TOKENS
    tokens = block["file"].get("tokens")
    if tokens is None:  # stored by an older release
        size = str(block["file"]["file_data"]).rpartition(":")[2]
        tokens = int(size) // FILE_BYTES if size.isdecimal() else 0
    return min(max(FILE_TOKENS, int(tokens)), MOST_FILE_TOKENS)


def _call_tokens(call: Mapping[str, Any]) -> int:
    return _text_tokens(json.dumps(call, ensure_ascii=False))


def _text_tokens(text: str) -> int:
    """Count the tokens of a text, from above."""
    # Piece by piece, so that a long text in a thread does not hold all others up.
    pieces = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
    return OVERHEAD + sum(map(_piece_tokens, pieces))


def _piece_tokens(text: str) -> int:
    """Count tokens as bytes, less what every tokenizer saves by what it knows.

    It knows frequent words, letters of other alphabets, and pairs of letters. It never leaves two
    letters alone beside each other that are a pair, so that three letters have at most two tokens.
    """
    rest = _WORD.sub(_one_byte, text)
    runs, spaces = _RUN.findall(rest), _SPACES.findall(rest)
    growing = "".join(_GROWING.findall(rest))
    size: int = sum(map(len, runs))
    # Each break begins another row of pairs: a capital, and two letters that are no pair.
    rows = len(runs) + sum(run.lstrip()[0].isupper() for run in runs) + _rare(rest)
    saved = size - -(-(2 * size + rows) // 3)
    saved += sum(len(run) - 1 - len(run) // 8 for run in spaces)
    return int(_size(rest) + 2 * _size(growing) - saved - _saved_by_letters(rest))


def _saved_by_letters(text: str) -> int:
    """Return the bytes of known letters less their number; where scripts meet, nothing is sure."""
    saved = end = 0
    for found in _LETTERS.finditer(text):
        letters = found[0]
        saved += _size(letters) - len(letters) - 2 * (0 < end == found.start())
        end = found.end()
    return saved


def _one_byte(found: re.Match[str]) -> str:
    """Return something of one byte for a word that is one token, and other words as they are."""
    return "\0" if found[0] in WORDS else found[0]


def _size(text: str) -> int:
    """Return the bytes of a text."""
    return len(text.encode(errors="replace"))


def _rare(text: str) -> int:
    """Count the neighbouring letters that are no pair."""
    return sum(map(RARE.__contains__, map(add, text, text[1:])))
