"""Full-text search in one conversation: the head's past, all branches, all epochs.

With a person's own go those of accounts that were linked with theirs.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, case, column, func, literal_column, or_, select
from sqlalchemy import table as plain_table

from core import models
from core.db import Session, Sessions, transact
from core.messages import Role

WIDTH = 300
"""The length of an excerpt in characters, about."""
READ = 100_000
"""The characters of a message that are read for an excerpt; the index holds as many."""
LONGEST = 1_000
"""The characters of a query that count; the rest is ignored."""
WORDS = 12
"""The number of its words that count."""
PAIRS = 6
"""The number of pairs of characters that count, of words in scripts without spaces."""
OWNED = 20
"""The number of conversations of one person that are searched, if accounts were linked."""
RANKED = 500
"""The number of messages with a word that are ranked, the newest ones."""
SCANNED = 5_000
"""The number of messages that are read for a word of a script without spaces, the newest ones."""
STEP = 250
"""The number of messages that one transaction reads."""
LENGTH = 10_000
"""The number of characters of each message that are read for such a word."""

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


_messages = models.messages
_conversations = models.conversations
_index = plain_table("search", column("rowid"), column("search"), column("text"))
"""The full-text index of SQLite."""
_vector: ColumnElement[Any] = literal_column("messages.search")
"""The words of a message on PostgreSQL."""


async def find(sessions: Sessions, conversation_id: int, query: str, limit: int = 5) -> list[Found]:
    """Find the messages with any of the query's words; the best first, then the newest.

    A word also finds longer words that begin with it. Case and accents do not matter; SQLite
    ignores only the accents of Latin letters. Words of scripts without spaces are found in the
    newest `SCANNED` messages, of one conversation after the other.

    The work has a bound for every query and every size of the conversation, and it is done in
    transactions of some milliseconds each.
    """
    words = _words(query[:LONGEST])[:WORDS]
    pairs = _pairs(words)
    here = await transact(sessions, partial(_with_owned, conversation_id=conversation_id))
    if not here:
        return []
    ids = await _with_words(sessions, here, words, limit)
    if pairs and len(ids) < limit:
        found = await _with_pairs(sessions, here, pairs, limit)
        ids = list(dict.fromkeys([*ids, *found]))[:limit]
    if not ids:
        return []
    return await transact(sessions, partial(_read, ids=ids, sought=[*words, *pairs]))


async def _with_owned(session: Session, *, conversation_id: int) -> Sequence[int]:
    """Return a conversation and the others of its person, the newest first."""
    person = (
        select(func.coalesce(_conversations.c.user_id, _conversations.c.owner_id))
        .where(_conversations.c.id == conversation_id)
        .scalar_subquery()
    )
    its = or_(
        _conversations.c.id == conversation_id,
        _conversations.c.user_id == person,
        _conversations.c.owner_id == person,
    )
    every = select(_conversations.c.id).where(its)
    live_first = _conversations.c.owner_id.is_not(None), _conversations.c.id.desc()
    return (await session.scalars(every.order_by(*live_first).limit(OWNED))).all()


async def _with_words(
    sessions: Sessions, here: Sequence[int], words: Sequence[str], limit: int
) -> list[int]:
    """Return the messages with most of the words, of which a rare one counts more.

    Only the newest `RANKED` messages with a word count for it, and those with all words.
    """
    scores: Counter[int] = Counter()
    alternatives = [[word] for word in words]
    if len(words) > 1:
        alternatives.append(list(words))
    for wanted in alternatives:
        with_all = partial(_indexed, here=here, words=wanted)
        ids = await transact(sessions, with_all)
        scores.update({message_id: len(wanted) / len(ids) for message_id in ids})
    return sorted(scores, key=lambda each: (-scores[each], -each))[:limit]


async def _indexed(session: Session, *, here: Sequence[int], words: Sequence[str]) -> Sequence[int]:
    """Return the newest messages that have all these words, by the index."""
    if session.dialect == "postgresql":
        match = " & ".join(f"'{_folded(word)}'{_star(word, ':*')}" for word in words)
        statement = select(_messages.c.id).where(
            _messages.c.conversation_id.in_(here),
            _vector.op("@@")(func.to_tsquery("simple", match)),
        )
        newest = _messages.c.id.desc()
    else:
        every = " AND ".join(f'"{word}"{_star(word, "*")}' for word in words)
        # The match names the conversations. Without it SQLite would read everybody's messages.
        where = " OR ".join(f'"{conversation_id}"' for conversation_id in here)
        match = f"conversation : ({where}) AND text : ({every})"
        statement = select(_index.c.rowid).where(_index.c.search.op("MATCH")(match))
        newest = _index.c.rowid.desc()
    return (await session.scalars(statement.order_by(newest).limit(RANKED))).all()


async def _with_pairs(
    sessions: Sessions, here: Sequence[int], pairs: Sequence[str], limit: int
) -> list[int]:
    """Return the messages with most of the pairs; no index can find them inside longer words."""
    scores: dict[int, int] = {}
    left, before = list(here), None
    for _ in range(SCANNED // STEP):
        step = partial(_scanned, conversation_id=left[0], pairs=pairs, before=before)
        rows = await transact(sessions, step)
        scores.update((row.id, row.score) for row in rows if row.score)
        if sum(score == len(pairs) for score in scores.values()) >= limit:
            break
        before = rows[-1].id if len(rows) == STEP else None
        if before is None:
            del left[0]
        if not left:
            break
    return sorted(scores, key=lambda each: (-scores[each], -each))[:limit]


async def _scanned(
    session: Session, *, conversation_id: int, pairs: Sequence[str], before: int | None
) -> Sequence[Any]:
    """Return the next older messages of a conversation, with the number of pairs in each."""
    found_in: Any = _messages
    text: ColumnElement[str] = func.search_text(_messages.c.body)
    position: Any = func.strpos
    if session.dialect == "sqlite":
        found_in = _messages.outerjoin(_index, _index.c.rowid == _messages.c.id)
        text, position = _index.c.text, func.instr
    here = [_messages.c.conversation_id == conversation_id]
    if before is not None:
        here.append(_messages.c.id < before)
    newest = (
        select(_messages.c.id, func.substr(text, 1, LENGTH).label("text"))
        .select_from(found_in)
        .where(*here)
        .order_by(_messages.c.id.desc())
        .limit(STEP)
        .subquery()
    )
    score: Any = sum(case((position(newest.c.text, pair) > 0, 1), else_=0) for pair in pairs)
    found = await session.execute(
        select(newest.c.id, score.label("score")).order_by(newest.c.id.desc())
    )
    return found.all()


async def _read(session: Session, *, ids: Sequence[int], sought: Sequence[str]) -> list[Found]:
    """Read messages, but none of a conversation that was forgotten meanwhile."""
    known = (
        select(_messages.c.id, _messages.c.body, _messages.c.created_at)
        .join(_conversations, _conversations.c.id == _messages.c.conversation_id)
        .where(_messages.c.id.in_(ids), _conversations.c.forgotten_at.is_(None))
    )
    rows = {row.id: row for row in await session.execute(known)}
    return [_found(rows[each], sought) for each in ids if each in rows]


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
    return [pair for pair in dict.fromkeys(pairs) if _folded(pair)][:PAIRS]


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
