"""The commands by which people keep what is stored about them in their own hands."""

from core import attachments, quota, words
from core import privacy as stored
from core.commands._call import Call, Result
from core.db import Session

CONFIRMED = "yes"


async def privacy(session: Session, call: Call) -> Result:
    """Tell what is stored and where it is sent."""
    return Result(call.offer.privacy)


async def export(session: Session, call: Call) -> Result:
    """Give a person all that is stored about them as one file."""
    if not call.private:
        return Result(words.NOT_IN_A_GROUP)
    return Result(words.EXPORTED, export=True)


async def forget(session: Session, call: Call) -> Result:
    """Delete a conversation for good, after a confirmation."""
    if call.refusal:
        return Result(call.refusal)
    if call.arguments.strip().lower() != CONFIRMED:
        return Result(words.SURE)
    cut_off = await stored.forget(session, call.speaker.conversation_id, now=call.now)
    await quota.abandon(session, cut_off, call.offer.rules, now=call.now)
    await attachments.sweep(session)
    return Result(words.ALL_FORGOTTEN, stopped=True, forgot=True)
