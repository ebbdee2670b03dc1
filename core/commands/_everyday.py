"""The commands that people use every day."""

from core import inbox, memory, quota, words
from core.commands._request import Request, Result
from core.commands._style import BACK
from core.db import Session
from core.turns import Enclosure
from core.usage import account


async def start(session: Session, request: Request) -> Result:
    """Say hello and tell about privacy."""
    return Result(words.hello(request.offer.recipients, request.offer.retention_days))


async def help_(session: Session, request: Request) -> Result:
    """List the commands."""
    return Result(words.list_commands())


async def new(session: Session, request: Request) -> Result:
    """Begin a new conversation; older messages stay stored."""
    kept = await memory.instructions(session, request.speaker.conversation_id)
    epoch = await memory.reset(session, request.speaker.conversation_id)
    kept = None if kept == BACK else kept
    return Result(words.NEW_CONVERSATION, instructions=kept, epoch=epoch)


async def stop(session: Session, request: Request) -> Result:
    """Stop all answers that the person is waiting for in this conversation, now or later."""
    speaker = request.speaker
    stopped = await inbox.cancel(session, await inbox.unanswered(session, speaker))
    refused = await quota.awaited(session, speaker.user_id, speaker.conversation_id)
    let_go = await inbox.let_go(session, refused)
    return Result(words.STOPPED if stopped or let_go else words.NOTHING_TO_STOP, stopped)


async def usage(session: Session, request: Request) -> Result:
    """Tell the use of this month and the rest of each limit, with a picture of both."""
    text = await account(
        session,
        request.speaker,
        request.offer.rules,
        confidential=request.confidential,
        now=request.now,
    )
    enclosed = Enclosure.USAGE if request.confidential else None
    return Result(text, encloses=enclosed, whispered=not request.private)
