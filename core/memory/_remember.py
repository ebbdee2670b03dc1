"""Appending messages to the tree."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Integer, bindparam, case, func, insert, select, update

from core.db import Session, row_count
from core.memory._context import Context
from core.memory._estimate import estimate
from core.memory._path import HEAD, IN_EPOCH, ids_of, in_epoch
from core.memory._summaries import INSTRUCTED
from core.messages import ChatMessage, Usage, system
from core.models import conversations
from core.models import messages as messages_table
from core.turns import IDS_PER_TURN, Speaker, Turn

_first = messages_table.alias("first")
_parent_of_first = select(func.coalesce(_first.c.parent_id, 0)).where(
    _first.c.id == bindparam("first")
)
# Retention may delete the parent while the model answers. The lock keeps it until the commit.
_PARENT = (
    select(messages_table.c.id)
    .where(messages_table.c.id == bindparam("parent", type_=BigInteger))
    .with_for_update(read=True, key_share=True)
)
_REMEMBER = insert(messages_table).values(
    # The lock on the head makes answers that are stored side by side follow each other. An answer
    # from before `/new` finds no head and stays below its own parent.
    parent_id=func.coalesce(
        case((bindparam("below_head", type_=Boolean), HEAD.with_for_update().scalar_subquery())),
        _PARENT.scalar_subquery(),
    ),
    # The API counted the path that the turn recalled. If others were stored meanwhile, this turn's
    # messages stand below them, and nobody has counted that path yet.
    total=case(
        (
            _parent_of_first.scalar_subquery() == bindparam("recalled", type_=BigInteger),
            bindparam("counted", type_=Integer),
        )
    ),
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
) -> bool:
    """Append a turn's question and answer, and move the conversation's head to the last message.

    Return whether the head moved.
    """
    assert len(messages) <= IDS_PER_TURN, "they would take the ids of the next turn"
    first = turn.id * IDS_PER_TURN
    sizes = _sizes(context, messages, usage)
    is_branch = turn.replaces_id is not None or turn.follows_id is not None
    rows = [
        {
            "id": first + index,
            "conversation_id": turn.conversation_id,
            "turn_id": turn.id,
            "parent": first + index - 1 if index else context.parent_id,
            "below_head": not index and not is_branch,
            "body": message,
            "tokens": sizes[index],
            "counted": None,
            "first": first,
            "recalled": context.parent_id or 0,
            "created_at": turn.created_at if message["role"] == "user" else now,
            **in_epoch(turn),
        }
        for index, message in enumerate(messages)
    ]
    if usage is not None:
        beyond = sum(sizes[_answer_at(messages) + 1 :])
        rows[-1]["counted"] = usage.prompt_tokens + usage.completion_tokens + beyond
    await session.execute(_REMEMBER, rows)
    return await _move_head(session, turn, context, first + len(rows) - 1)


def _sizes(context: Context, messages: Sequence[ChatMessage], usage: Usage | None) -> list[int]:
    """Return the tokens of each message: the API's figures if there are any, else estimates.

    The API counts all messages before the answer together: each gets its share of that.
    """
    sizes = [estimate(message) for message in messages]
    if usage is None:
        return sizes
    answer_at = _answer_at(messages)
    sizes[answer_at] = usage.completion_tokens
    before = sizes[:answer_at]
    recalled = None if context.beyond else context.total
    if recalled is not None and usage.prompt_tokens > recalled:
        counted = usage.prompt_tokens - recalled
        before = [size * counted // sum(before) for size in before]
        before[0] += counted - sum(before)
    before[0] = min(before[0], usage.prompt_tokens)
    return before + sizes[answer_at:]


def _answer_at(messages: Sequence[ChatMessage]) -> int:
    """Return the index of the answer that the API counted last; tool results may follow it."""
    at = range(len(messages))
    return max((n for n in at if messages[n]["role"] == "assistant"), default=len(messages) - 1)


async def _move_head(session: Session, turn: Turn, context: Context, head_id: int) -> bool:
    """Move the head, but not for a branch from an older message or a turn from before `/new`."""
    values = {**in_epoch(turn), "head": head_id}
    if turn.replaces_id is not None:
        low, high = ids_of(turn.replaces_id)
        moved = await session.execute(_MOVE_HEAD_FROM, {**values, "low": low, "high": high})
    elif turn.follows_id is not None:
        parent = context.parent_id or 0
        moved = await session.execute(_MOVE_HEAD_FROM, {**values, "low": parent, "high": parent})
    else:
        moved = await session.execute(_MOVE_HEAD, values)
    return row_count(moved) > 0


async def instruct(
    session: Session, speaker: Speaker, turn_id: int, instructions: str, *, now: datetime
) -> None:
    """Append instructions at the head, so that the earlier messages stay as they were sent."""
    message_id = turn_id * IDS_PER_TURN
    # The epoch is read here, because `/new` has just begun another one and keeps the instructions.
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
        "counted": None,
        "first": message_id,
        "recalled": 0,
        "created_at": now,
    }
    await session.execute(_REMEMBER, [row | here])
    current = _MOVE_HEAD.values(instructed_id=message_id)
    await session.execute(current, here | {"head": message_id})
