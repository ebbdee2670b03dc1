"""The commands that people use every day."""

from datetime import datetime

from core import inbox, memory, quota, words
from core.commands._request import Request, Result
from core.commands._style import BACK
from core.db import Session


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
    """Stop all answers that the person is waiting for in this conversation."""
    waiting = await inbox.unanswered(session, request.speaker)
    stopped = await inbox.cancel(session, waiting)
    return Result(words.STOPPED if stopped else words.NOTHING_TO_STOP, stopped)


async def usage(session: Session, request: Request) -> Result:
    """Tell the use of this month and the rest of each limit."""
    speaker, rules = request.speaker, request.offer.rules
    used = await quota.spent(session, speaker.user_id, rules, now=request.now)
    payer = await quota.payer_of(session, speaker.user_id, speaker.conversation_id)
    left = await quota.remaining(session, payer, rules, now=request.now)
    lines = [words.USED.format(used.turns, money=words.dollars(used.charged))]
    lines += [*(_left(item, request.now) for item in left), *_read(used)]
    return Result("\n".join(lines))


def _read(used: quota.Spending) -> list[str]:
    """Return lines on the tokens that the model has read and written; none without tokens."""
    tokens = used.prompt_tokens + used.completion_tokens
    if not tokens:
        return []
    cached = min(100 * used.cached_tokens // max(used.prompt_tokens, 1), 100)
    return ["", words.READ.format(tokens, cached=words.percent(cached))]


def _left(item: quota.Remaining, now: datetime) -> str:
    set_, is_money = item.limit, item.limit.unit == "usd"
    left = words.dollars(item.left) if is_money else words.number(item.left)
    limit = words.limit(set_.amount, set_.unit, set_.window)
    return words.LEFT.format(left=left, limit=limit, begins=words.until(item.resets_at, now))
