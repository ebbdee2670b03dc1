"""Full-text search in one conversation: the head's past, all branches, all epochs."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, column, func, literal_column, select
from sqlalchemy import table as plain_table

from core.db import Session
from core.messages import Role
from core.models import Message, table

WIDTH = 300
"""The length of an excerpt in characters, about."""
READ = 100_000
"""The characters of a message that are read for an excerpt; the index holds as many."""
WORDS = 32
"""The number of words of a query that count; the rest is ignored."""

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Letters of scripts without spaces: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True)
class Found:
    """A message that matches: its role, its time, and the text around the match."""

    role: Role
    said_at: datetime
    excerpt: str


_messages = table(Message)
_index = plain_table("search", column("rowid"), column("search"), column("text"), column("rank"))
"""The full-text index of SQLite."""
_vector: ColumnElement[Any] = literal_column("messages.search")
"""The words of a message on PostgreSQL."""


async def find(session: Session, conversation_id: int, query: str, limit: int = 5) -> list[Found]:
    """Find the messages with any of the query's words; the best first, then the newest.

    A word also finds longer words that begin with it. Case and accents do not matter; SQLite
    ignores only the accents of Latin letters.
    """
    words = _words(query)[:WORDS]
    if not words:
        return []
    postgresql = session.dialect == "postgresql"
    ranked = _ranked_postgresql(words) if postgresql else _ranked_sqlite(words, conversation_id)
    statements = [ranked]
    if pairs := _pairs(words):
        statements.append(_containing(pairs, postgresql=postgresql))
    rows: dict[int, Row[Any]] = {}
    for statement in statements:
        here = statement.where(_messages.c.conversation_id == conversation_id).limit(limit)
        for row in await session.execute(here):
            rows.setdefault(row.id, row)
    return [_found(row, [*words, *pairs]) for row in list(rows.values())[:limit]]


def _ranked_sqlite(words: Sequence[str], conversation_id: int) -> Select[Any]:
    any_word = " OR ".join(f'"{word}"{_star(word, "*")}' for word in words)
    # The match names the conversation. Without it SQLite would rank everybody's messages.
    match = f'conversation : "{conversation_id}" AND text : ({any_word})'
    return (
        select(_messages.c.id, _messages.c.body, _messages.c.created_at)
        .join(_index, _index.c.rowid == _messages.c.id)
        .where(_index.c.search.op("MATCH")(match))
        .order_by(_index.c.rank, _messages.c.id.desc())
    )


def _ranked_postgresql(words: Sequence[str]) -> Select[Any]:
    match = " | ".join(f"'{_folded(word)}'{_star(word, ':*')}" for word in words)
    query = func.to_tsquery("simple", match)
    return (
        select(_messages.c.id, _messages.c.body, _messages.c.created_at)
        .where(_vector.op("@@")(query))
        .order_by(func.ts_rank(_vector, query).desc(), _messages.c.id.desc())
    )


def _containing(pairs: Sequence[str], *, postgresql: bool) -> Select[Any]:
    """Select the messages that contain most of these pairs; the index cannot find such words."""
    messages: Any = _messages
    text: ColumnElement[str] = func.search_text(_messages.c.body)
    if not postgresql:
        messages = _messages.join(_index, _index.c.rowid == _messages.c.id)
        text = _index.c.text
    score: Any = sum(case((text.contains(pair), 1), else_=0) for pair in pairs)
    return (
        select(_messages.c.id, _messages.c.body, _messages.c.created_at)
        .select_from(messages)
        .where(score > 0)
        .order_by(score.desc(), _messages.c.id.desc())
    )


def _words(text: str) -> list[str]:
    """Split a text into words of letters, marks and digits, so that none can be an operator."""
    composed = unicodedata.normalize("NFC", text)
    spaced = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in composed)
    # Folding removes accents: nothing is left of an accent that stands alone.
    return [word for word in dict.fromkeys(spaced.split()) if _folded(word)]


def _star(word: str, star: str) -> str:
    """Return the star that lets a word find longer ones, or "" for a short word.

    As a prefix, "a" would find everything. Two letters are long enough outside of ASCII.
    """
    return star if len(word) > 2 or not word.isascii() else ""


def _pairs(words: Sequence[str]) -> list[str]:
    """Return each two neighbouring characters of the words in scripts without spaces."""
    unspaced = [word for word in words if UNSPACED.search(word)]
    pairs = (word[at : at + 2] for word in unspaced for at in range(max(1, len(word) - 1)))
    return list(dict.fromkeys(pairs))[:WORDS]


def _found(row: Row[Any], words: Sequence[str]) -> Found:
    content = row.body["content"]
    if not isinstance(content, str):
        content = "\n".join(block["text"] for block in content if block["type"] == "text")
    return Found(row.body["role"], row.created_at, _excerpt(content, words))


def _excerpt(text: str, words: Sequence[str]) -> str:
    """Return the text around the first match, on one line."""
    sought = re.compile("|".join(re.escape(_folded(word)) for word in words))
    for line in text[:READ].splitlines():
        folded = _folded(line)
        if match := sought.search(folded):
            # Folding may change the line's length, so this is only near the word.
            at = match.start() * len(line) // len(folded)
            return _window(line, max(0, at - WIDTH // 3))
    return _window(" ".join(text[: 2 * WIDTH].split()), 0)


def _window(line: str, start: int) -> str:
    end = start + WIDTH
    return f"{'…' * (start > 0)}{line[start:end].strip()}{'…' * (end < len(line))}"


def _folded(text: str) -> str:
    """Remove accents and case, as the index of PostgreSQL does; SQLite does it by itself."""
    return ACCENTS.sub("", unicodedata.normalize("NFKD", text)).lower()
