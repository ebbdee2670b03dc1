"""The commands by which people see and delete their stored data."""

from core import privacy as stored
from core import quota, words
from core.commands._request import Request, Result
from core.db import Session
from core.turns import Enclosure

CONFIRMED = "yes"


async def privacy(session: Session, request: Request) -> Result:
    """Tell which data is stored and who receives it."""
    return Result(words.privacy(request.offer.recipients, request.offer.retention_days))


async def export(session: Session, request: Request) -> Result:
    """Send a person everything that is stored about them, as one file, at most once an hour."""
    if not request.private:
        return Result(words.NOT_IN_A_GROUP)
    again_at = await stored.begin_export(session, request.speaker.user_id, now=request.now)
    if again_at is not None:
        return Result(words.EXPORTED_LATELY.format(when=words.until(again_at, request.now)))
    return Result(words.EXPORTED, encloses=Enclosure.EXPORT)


async def forget(session: Session, request: Request) -> Result:
    """Delete a conversation for good, after a confirmation."""
    if request.refusal:
        return Result(request.refusal)
    if request.arguments.strip().lower() != CONFIRMED:
        return Result(words.SURE, asks="forget")
    cut_off = await stored.forget(session, request.speaker.conversation_id, now=request.now)
    await quota.abandon(session, cut_off, request.offer.rules, now=request.now)
    return Result(words.ALL_FORGOTTEN, stopped=True, forgot=True)
