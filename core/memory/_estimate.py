"""About how many tokens something has, for where the API has not told yet."""

import json
import re
from collections.abc import Mapping
from typing import Any

from core.messages import ChatMessage, Part

FILE_TOKENS = 1500
"""About what an image or a page of a file takes."""
FILE_BYTES = 5
"""Bytes of a PDF for each of its tokens: a book without pictures has about six, a scan fifty."""
MOST_FILE_TOKENS = 1_000_000
"""No model reads more of a file."""

_DENSE = re.compile(
    r"[A-Za-z0-9+/=_-]{32,}"  # hexadecimal, Base64, keys: longer than words
    r"|[0-9<>{}\[\]|\\/@#$%^&*+=~_`]+"  # figures, and the signs of code
    r"|[\U00010000-\U0010ffff]+"  # pictures, and rare scripts
)
"""What has up to a token for each byte."""


def estimate(message: ChatMessage) -> int:
    """About how many tokens a message has, from above, for where the API has not told yet."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return _text_tokens(content) + sum(map(_call_tokens, message.get("tool_calls", ())))
    return sum(map(_part_tokens, content))


def _part_tokens(part: Part) -> int:
    if "text" in part:
        return _text_tokens(part["text"])
    if "file" not in part:
        return FILE_TOKENS
    size = str(part["file"]["file_data"]).rpartition(":")[2]
    tokens = int(size) // FILE_BYTES if size.isdecimal() else 0
    return min(max(FILE_TOKENS, tokens), MOST_FILE_TOKENS)


def _call_tokens(call: Mapping[str, Any]) -> int:
    return _text_tokens(json.dumps(call, ensure_ascii=False))


def _text_tokens(text: str) -> int:
    """A third of the bytes, as no language has more; where no words are, all of them."""
    dense = sum(len(found.encode()) for found in _DENSE.findall(text))
    return (len(text.encode(errors="replace")) + 2 * dense) // 3 + 8
