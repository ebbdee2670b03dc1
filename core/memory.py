"""What was said: an append-only tree of messages, and the path through it that a turn sees.

What was sent once is sent again byte for byte, so that the provider's prompt cache pays.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    ScalarSelect,
    Select,
    bindparam,
    case,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from core.db import insert_missing, row_count
from core.messages import ChatMessage, Part, Usage, system
from core.models import Conversation, Message, Summary, table
from core.turns import Speaker, Turn

INSTRUCTED = "Instructions for this conversation: "
SUMMARY = "Summary of what was said before:\n"
FILE_TOKENS = 1500
"""About what an image or a page of a file takes."""
FILE_BYTES = 5
"""Bytes of a PDF for each of its tokens: a book without pictures has about six, a scan fifty."""
MOST_FILE_TOKENS = 1_000_000
"""No model reads more of a file."""
PLACES = 1024
"""How many messages one turn may add; a message's id is turn id × PLACES + place."""


_DENSE = re.compile(
    r"[A-Za-z0-9+/=_-]{32,}"  # hexadecimal, Base64, keys: longer than words
    r"|[0-9<>{}\[\]|\\/@#$%^&*+=~_`]+"  # figures, and the signs of code
    r"|[\U00010000-\U0010ffff]+"  # pictures, and rare scripts
)
"""What has up to a token for each byte."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the model will see before the question of a turn."""

    messages: tuple[ChatMessage, ...] = ()
    parent_id: int | None = None
    total: int | None = None
    """Tokens of `messages` and the system prompt as the API last counted them."""
    day: date | None = None
    """The day of the last question, so that the model is told only when it changed."""
    cut_id: int | None = None
    """The newest message that a summary may stand for: what follows it fits the low mark."""
    shortened: bool = False
    """What was said first is no longer word for word in `messages`."""
    cut: bool = False
    """It is so from this turn on, and no summary stands for it: nobody was told yet."""
    instructed: str = ""
    """The instructions that stand before the cut: a summary must keep them word for word."""
    since: datetime | None = None
    """When the oldest of what stands before the cut was said; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Between how many tokens a conversation is kept word for word."""

    high: int
    low: int


_messages = table(Message)
_conversations = table(Conversation)
_summaries = table(Summary)

# Nothing once `/new` began another epoch.
_IN_EPOCH = (
    _conversations.c.id == bindparam("conversation"),
    _conversations.c.epoch == bindparam("the_epoch"),
)
_HEAD = select(_conversations.c.head_id).where(*_IN_EPOCH)


def _path_from(message_id: ScalarSelect[Any]) -> Select[Any]:
    """The messages from one up to the root or the nearest summary, the oldest first."""
    columns = [_messages.c[name] for name in ("id", "parent_id", "body", "tokens", "total")]
    columns.append(_messages.c.created_at)
    summarised = _summaries.c.message_id == _messages.c.id
    newest = (
        select(
            *columns,
            _summaries.c.content.label("summary"),
            _summaries.c.created_at.label("summarised_at"),
            _summaries.c.since,
            literal(0).label("depth"),
        )
        .select_from(_messages.outerjoin(_summaries, summarised))
        .where(_messages.c.id == message_id)
        .cte("path", recursive=True)
    )
    older = (
        select(
            *columns,
            _summaries.c.content,
            _summaries.c.created_at,
            _summaries.c.since,
            newest.c.depth + 1,
        )
        .select_from(
            newest.join(_messages, _messages.c.id == newest.c.parent_id).outerjoin(
                _summaries, summarised
            )
        )
        .where(newest.c.summary.is_(None))
    )
    path = newest.union_all(older)
    return select(path).order_by(path.c.depth.desc())


_FROM_HEAD = _path_from(_HEAD.scalar_subquery())
_FROM_PARENT = _path_from(
    select(_messages.c.parent_id.label("start"))
    .where(_messages.c.id == bindparam("first"))
    .scalar_subquery()
)
# The last message of a turn has the highest id of those in its range. A turn that left none (a
# command, one that failed) is no place to go on from: then it is the head.
_FROM_ANSWER = _path_from(
    select(func.coalesce(func.max(_messages.c.id), _HEAD.scalar_subquery()))
    .where(
        _messages.c.id.between(bindparam("low"), bindparam("high")),
        # Whatever a platform lets people reply to: a conversation never sees another one's.
        _messages.c.conversation_id == bindparam("conversation"),
    )
    .scalar_subquery()
)
# Answers written side by side follow each other: the lock makes the second see the first. One from
# before `/new` stays below what it saw.
_REMEMBER = insert(_messages).values(
    parent_id=func.coalesce(
        case((bindparam("below_head", type_=Boolean), _HEAD.with_for_update().scalar_subquery())),
        bindparam("parent", type_=BigInteger),
    )
)
_MOVE_HEAD = update(_conversations).where(*_IN_EPOCH).values(head_id=bindparam("head"))
_MOVE_HEAD_FROM = _MOVE_HEAD.where(
    func.coalesce(_conversations.c.head_id, 0).between(bindparam("low"), bindparam("high"))
)


async def recall(session: AsyncSession, turn: Turn, marks: Marks, *, now: datetime) -> Context:
    """The path from the turn's parent to the root, or to the nearest summary; one statement.

    A path of more than twice the high mark is cut down to the low one, and the cut is stored: the
    next prompts begin alike. For a summary nothing is cut: it sees all that no cut hides already.
    """
    path = whole = await _path(session, turn)
    if _length(path) > 2 * marks.high and turn.kind != "summary":
        path = await _cut(session, turn, path, marks.low, now)
    place = _place(path, marks.low)
    return Context(
        messages=tuple(_words(path)),
        parent_id=path[-1].id if path else None,
        total=_total(path),
        day=next((_day(row) for row in reversed(path) if row.body["role"] == "user"), None),
        cut_id=path[place - 1].id if place else None,
        shortened=_is_shortened(path),
        cut=_is_shortened(path) and not _is_shortened(whole),
        instructed=_instructed(path[:place]),
        since=_since(path, place, now),
    )


async def _path(session: AsyncSession, turn: Turn) -> Sequence[Any]:
    if turn.replaces_id is not None:
        found = await session.execute(_FROM_PARENT, {"first": turn.replaces_id * PLACES})
    elif turn.follows_id is not None:
        low, high = _places(turn.follows_id)
        values = {"low": low, "high": high, **_in_epoch(turn)}
        found = await session.execute(_FROM_ANSWER, values)
    else:
        found = await session.execute(_FROM_HEAD, _in_epoch(turn))
    path: Sequence[Any] = found.all()
    return path


def _in_epoch(turn: Turn) -> dict[str, int]:
    return {"conversation": turn.conversation_id, "the_epoch": turn.epoch}


def _places(turn_id: int) -> tuple[int, int]:
    return turn_id * PLACES, (turn_id + 1) * PLACES - 1


def _total(path: Sequence[Any]) -> int | None:
    """What the API counted at the last answer, unless that may still have seen what a summary
    stands for now."""
    last = next((at for at in reversed(range(len(path))) if path[at].total is not None), None)
    if last is None:
        return None
    questions = (row for row in reversed(path[1 : last + 1]) if row.body["role"] == "user")
    asked = next(questions, None)
    since = path[0].summarised_at
    if since is not None and (asked is None or asked.created_at < since):
        return None
    return int(path[last].total)


def _length(path: Sequence[Any]) -> int:
    """Tokens of a path: as the API counted, else what its messages come to."""
    total = _total(path)
    return sum(row.tokens or 0 for row in path) if total is None else total


def _place(path: Sequence[Any], low: int) -> int:
    """Where in a path the newest exchanges begin that together have at most `low` tokens.

    One exchange stays in any case; 0 when there is nothing before it.
    """
    kept, place = 0, 0
    for candidate in range(len(path) - 1, 0, -1):
        kept += path[candidate].tokens or 0
        if place and kept > low:
            break
        if path[candidate].body["role"] == "user":
            place = candidate
    return place


async def _cut(
    session: AsyncSession, turn: Turn, path: Sequence[Any], low: int, now: datetime
) -> Sequence[Any]:
    """Keep the newest exchanges; store for the rest what an older summary told, nothing new."""
    if not (place := _place(path, low)):
        return path
    content = _content(_instructed(path[:place]), _told(path[0]))
    row = {
        "message_id": path[place - 1].id,
        "content": content,
        "since": path[0].since if _told(path[0]) else now,
        "created_at": now,
    }
    await session.execute(insert_missing(session, Summary).values(row))
    return await _path(session, turn)


def _is_shortened(path: Sequence[Any]) -> bool:
    return bool(path) and path[0].summary is not None


def _instructed(path: Sequence[Any]) -> str:
    """The newest instructions on a path, as the model was told them."""
    for row in reversed(path):
        if row.summary is not None:
            kept: str = row.summary.partition(SUMMARY)[0].rstrip()
            return kept if kept.startswith(INSTRUCTED) else ""
        if row.body["role"] == "system":
            return str(row.body["content"])
    return ""


def _since(path: Sequence[Any], place: int, now: datetime) -> datetime | None:
    """When the oldest was said of what stands before a place; the current instructions have no
    age, since they hold until there are others."""
    if not place:
        return None
    systems = [row.id for row in path if row.body["role"] == "system"]
    times = [
        row.created_at for row in path[:place] if row.summary is None and row.id not in systems[-1:]
    ]
    if _told(path[0]):
        if path[0].since is None:
            return None
        times.append(path[0].since)
    return min(times, default=now)


def _told(row: Any) -> str:
    """What the summary at a message says, without instructions."""
    return str((row.summary or "").partition(SUMMARY)[2])


def _content(instructed: str, words: str) -> str:
    """A summary as the model is told it; empty where there is nothing to tell."""
    return "\n\n".join(filter(None, (instructed, words and f"{SUMMARY}{words}")))


async def summarise(
    session: AsyncSession, context: Context, content: str, *, now: datetime
) -> bool:
    """Let a summary stand for the path up to the context's cut; whether it is the first one."""
    words = content.strip()
    if context.cut_id is None or not words:
        return False
    content = _content(context.instructed, words)
    values = {"content": content, "since": context.since}
    # A plain cut may stand there already: words are better.
    replaced = await session.execute(
        update(_summaries).where(_summaries.c.message_id == context.cut_id).values(values)
    )
    new = insert_missing(session, Summary)
    await session.execute(new.values(message_id=context.cut_id, created_at=now, **values))
    return not (context.shortened or row_count(replaced))


def _words(path: Sequence[Any]) -> list[ChatMessage]:
    if path and path[0].summary is not None:
        summary = [system(path[0].summary)] if path[0].summary else []
        return [*summary, *(row.body for row in path[1:])]
    return [row.body for row in path]


def _day(row: Any) -> date:
    return cast("datetime", row.created_at).date()


async def remember(
    session: AsyncSession,
    turn: Turn,
    context: Context,
    messages: Sequence[ChatMessage],
    usage: Usage | None,
    *,
    now: datetime,
) -> None:
    """Append what a turn said and was answered, and move the conversation's head there."""
    assert len(messages) <= PLACES, "they would take the places of the next turn"
    first = turn.id * PLACES
    sizes = _sizes(context, messages, usage)
    is_branch = turn.replaces_id is not None or turn.follows_id is not None
    rows = [
        {
            "id": first + place,
            "conversation_id": turn.conversation_id,
            "turn_id": turn.id,
            "parent": first + place - 1 if place else context.parent_id,
            "below_head": not place and not is_branch,
            "body": message,
            "tokens": sizes[place],
            "total": None,
            "created_at": turn.created_at if message["role"] == "user" else now,
            **_in_epoch(turn),
        }
        for place, message in enumerate(messages)
    ]
    if usage is not None:
        rows[-1]["total"] = usage.prompt_tokens + usage.completion_tokens
    await session.execute(_REMEMBER, rows)
    await _move_head(session, turn, context, first + len(rows) - 1)


def _sizes(
    context: Context, messages: Sequence[ChatMessage], usage: Usage | None
) -> list[int | None]:
    """Tokens of each message: the API's figures where they tell, else a share of the text."""
    sizes: list[int | None] = [estimate(message) for message in messages]
    if usage is not None:
        sizes[-1] = usage.completion_tokens
        if context.total is not None and usage.prompt_tokens > context.total:
            sizes[0] = usage.prompt_tokens - context.total - sum(s or 0 for s in sizes[1:-1])
        sizes[0] = min(sizes[0] or 0, usage.prompt_tokens)
    return sizes


async def _move_head(session: AsyncSession, turn: Turn, context: Context, head_id: int) -> None:
    """A branch from an older message leaves the head; so does a turn from before `/new`."""
    values = {**_in_epoch(turn), "head": head_id}
    if turn.replaces_id is not None:
        low, high = _places(turn.replaces_id)
        await session.execute(_MOVE_HEAD_FROM, {**values, "low": low, "high": high})
    elif turn.follows_id is not None:
        parent = context.parent_id or 0
        await session.execute(_MOVE_HEAD_FROM, {**values, "low": parent, "high": parent})
    else:
        await session.execute(_MOVE_HEAD, values)


async def instruct(
    session: AsyncSession, speaker: Speaker, turn_id: int, instructions: str, *, now: datetime
) -> None:
    """Append instructions at the head: what was sent before stays as it was."""
    message_id = turn_id * PLACES
    # `/new` takes the instructions along into the epoch that it has just begun.
    epoch = select(_conversations.c.epoch).where(_conversations.c.id == speaker.conversation_id)
    here = {
        "conversation": speaker.conversation_id,
        "the_epoch": await session.scalar(epoch),
    }
    body = system(f"{INSTRUCTED}{instructions}")
    row = {
        "id": message_id,
        "conversation_id": speaker.conversation_id,
        "turn_id": turn_id,
        "parent": None,
        "below_head": True,
        "body": body,
        "tokens": estimate(body),
        "total": None,
        "created_at": now,
    }
    await session.execute(_REMEMBER, [row | here])
    current = _MOVE_HEAD.values(instructed_id=message_id)
    await session.execute(current, here | {"head": message_id})


async def instructions(session: AsyncSession, conversation_id: int) -> str | None:
    """The newest instructions of a conversation since its last new beginning."""
    head = select(_conversations.c.head_id).where(_conversations.c.id == conversation_id)
    path = _path_from(head.scalar_subquery())
    rows = (await session.execute(path)).all()
    return _instructed(rows).removeprefix(INSTRUCTED) or None


async def model_of(session: AsyncSession, conversation_id: int) -> str | None:
    """The model that was chosen for a conversation."""
    chosen: str | None = await session.scalar(
        select(_conversations.c.model).where(_conversations.c.id == conversation_id)
    )
    return chosen


async def choose_model(session: AsyncSession, conversation_id: int, model: str) -> None:
    """Let a model answer in a conversation."""
    await session.execute(
        update(_conversations).where(_conversations.c.id == conversation_id).values(model=model)
    )


async def reset(session: AsyncSession, conversation_id: int) -> None:
    """Begin a new epoch without a head; what was said before stays stored."""
    await session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(epoch=Conversation.epoch + 1, head_id=null(), instructed_id=null())
    )


async def is_head(session: AsyncSession, conversation_id: int, turn_id: int) -> bool:
    """Whether the conversation has not moved on since a turn's answer."""
    head = await session.scalar(
        select(Conversation.head_id).where(Conversation.id == conversation_id)
    )
    low, high = _places(turn_id)
    return head is not None and low <= head <= high


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
