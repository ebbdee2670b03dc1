"""What was said is appended to the tree, and never changed there."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, bindparam, case, func, insert, select, update

from core.db import Session
from core.memory._context import Context
from core.memory._estimate import estimate
from core.memory._path import HEAD, IN_EPOCH, PLACES, conversations, in_epoch, places
from core.memory._path import messages as messages_table
from core.memory._summaries import INSTRUCTED
from core.messages import ChatMessage, Usage, system
from core.turns import Speaker, Turn

# Answers written side by side follow each other: the lock makes the second see the first. One from
# before `/new` stays below what it saw.
_REMEMBER = insert(messages_table).values(
    parent_id=func.coalesce(
        case((bindparam("below_head", type_=Boolean), HEAD.with_for_update().scalar_subquery())),
        bindparam("parent", type_=BigInteger),
    )
)
_MOVE_HEAD = update(conversations).where(*IN_EPOCH).values(head_id=bindparam("head"))
_MOVE_HEAD_FROM = _MOVE_HEAD.where(
    func.coalesce(conversations.c.head_id, 0).between(bindparam("low"), bindparam("high"))
)


async def remember(
    session: Session,
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
            **in_epoch(turn),
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


async def _move_head(session: Session, turn: Turn, context: Context, head_id: int) -> None:
    """A branch from an older message leaves the head; so does a turn from before `/new`."""
    values = {**in_epoch(turn), "head": head_id}
    if turn.replaces_id is not None:
        low, high = places(turn.replaces_id)
        await session.execute(_MOVE_HEAD_FROM, {**values, "low": low, "high": high})
    elif turn.follows_id is not None:
        parent = context.parent_id or 0
        await session.execute(_MOVE_HEAD_FROM, {**values, "low": parent, "high": parent})
    else:
        await session.execute(_MOVE_HEAD, values)


async def instruct(
    session: Session, speaker: Speaker, turn_id: int, instructions: str, *, now: datetime
) -> None:
    """Append instructions at the head: what was sent before stays as it was."""
    message_id = turn_id * PLACES
    # `/new` takes the instructions along into the epoch that it has just begun.
    epoch = select(conversations.c.epoch).where(conversations.c.id == speaker.conversation_id)
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
