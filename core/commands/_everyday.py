"""The commands that people use every day."""

from datetime import datetime

from core import inbox, memory, quota, words
from core.commands._request import Request, Result
from core.commands._style import BACK
from core.db import Session
from core.money import dollars, price
from core.words import count, until


async def start(session: Session, request: Request) -> Result:
    """Say hello and tell about privacy."""
    return Result(words.HELLO.format(privacy=request.offer.privacy))


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
    answers = count(used.turns, "answer")
    lines = [words.USED.format(answers=answers, money=dollars(used.charged))]
    lines += [*(_left(item, request.now) for item in left), *_read(used)]
    return Result("\n".join(lines))


def _read(used: quota.Spending) -> list[str]:
    """Return lines on the tokens that the model has read and written; none without tokens."""
    tokens = used.prompt_tokens + used.completion_tokens
    if not tokens:
        return []
    cached = min(100 * used.cached_tokens // max(used.prompt_tokens, 1), 100)
    return ["", words.READ.format(tokens=count(tokens, "token"), cached=cached)]


def _left(item: quota.Remaining, now: datetime) -> str:
    limit = item.limit
    if limit.unit == "usd":
        left, amount = dollars(item.left), price(limit.amount)
    else:
        noun = "answer" if limit.unit == "turns" else "token"
        left, amount = f"{item.left:,}", count(limit.amount, noun)
    begins = until(item.resets_at, now)
    return words.LEFT.format(left=left, amount=amount, window=limit.window, begins=begins)
