"""Copies that take the place of people's messages: a turn goes on with the copy as its question."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, select, update

from core import posts
from core.adapter import Attachment, Copy
from core.db import LOOK, Session, notify
from core.inbox._records import amend
from core.inbox._tables import turns
from core.turns import Outcome, Question

_COPIED = (
    select(turns.c.input, turns.c.worker_id, turns.c.attempt, turns.c.outcome, turns.c.forgotten)
    .where(turns.c.id == bindparam("the_turn"))
    .with_for_update()
)
_OPEN = (None, Outcome.FAILED, Outcome.REFUSED)


async def copied(session: Session, turn_id: int, copy: Copy, *, now: datetime) -> bool:
    """Let the copy of a message take its place in a turn; return whether the turn starts again.

    A turn that nobody has begun gets the copy's text and name. Any other goes on as it is; it only
    starts again if it needs the files, which were deleted with the message. Then the caller has to
    settle its open call by `quota.abandon`.
    """
    turn = (await session.execute(_COPIED, {"the_turn": turn_id})).one()
    await posts.add(session, copy.address, turn_id, copy.copy_id)
    is_its = turns.c.id == turn_id, turns.c.message_id == copy.message_id
    await session.execute(update(turns).where(*is_its).values(message_id=copy.copy_id))
    await notify(session, LOOK)
    if turn.forgotten or turn.outcome not in _OPEN:
        return False
    question, is_begun = Question.load(turn.input), turn.attempt > 0
    told = question if is_begun or question.pieces > 1 else _in_the_words_of(copy, question)
    fresh = replace(told, attachments=_with_files_of(copy, told))
    if is_begun and fresh.attachments != question.attachments:
        await amend(session, turn_id, fresh, now=now)
        return True
    if not is_begun:
        await session.execute(update(turns).where(turns.c.id == turn_id).values(input=fresh.dump()))
    return False


def _in_the_words_of(copy: Copy, question: Question) -> Question:
    return replace(question, text=copy.text, name=copy.author.name)


def _with_files_of(copy: Copy, question: Question) -> tuple[Attachment, ...]:
    gone = {file.reference for file in copy.gone}
    left = tuple(file for file in question.attachments if file.reference not in gone)
    return question.attachments if len(left) == len(question.attachments) else copy.files + left
