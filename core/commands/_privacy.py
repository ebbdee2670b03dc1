"""The commands by which people keep what is stored about them in their own hands."""

from core import attachments, quota
from core import privacy as stored
from core.commands._call import Call, Result
from core.db import Session

CONFIRMED = "yes"
SURE = """\
This deletes our conversation for good: every message, file and summary. It cannot be undone. \
To do it, send /forget yes"""
FORGOTTEN = "Everything of this conversation is deleted. What would you like to talk about?"
EXPORTED = """\
This is all that is stored about you. Files are listed in it by kind, size and SHA-256, \
without their contents."""
NOT_HERE = "I send that only in a private chat with you."
ADMINS_ONLY = "Only the admins of this group can do that."
NOT_LEARNED = "I could not find out just now who the admins are here. Please try again in a moment."


def not_allowed(call: Call) -> Result:
    """Why somebody may not do what holds for everybody in a chat."""
    return Result(NOT_LEARNED if call.admin is None else ADMINS_ONLY)


async def privacy(session: Session, call: Call) -> Result:
    """Tell what is stored and where it is sent."""
    return Result(call.offer.privacy)


async def export(session: Session, call: Call) -> Result:
    """Give a person all that is stored about them as one file."""
    if not call.private:
        return Result(NOT_HERE)
    return Result(EXPORTED, export=True)


async def forget(session: Session, call: Call) -> Result:
    """Delete a conversation for good, after a confirmation."""
    if not call.admin:
        return not_allowed(call)
    if call.arguments.strip().lower() != CONFIRMED:
        return Result(SURE)
    cut_off = await stored.forget(session, call.speaker.conversation_id, now=call.now)
    await quota.abandon(session, cut_off, call.offer.rules, now=call.now)
    await attachments.sweep(session)
    return Result(FORGOTTEN, stopped=True, forgot=True)
