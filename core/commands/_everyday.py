"""The commands that people use every day."""

from datetime import datetime

from core import inbox, memory, quota, words
from core.commands._call import Call, Result
from core.commands._style import BACK
from core.db import Session
from core.money import dollars, price
from core.settings import Limit
from core.words import count, until


async def start(session: Session, call: Call) -> Result:
    """Say hello, and what happens with what people write."""
    return Result(words.HELLO.format(privacy=call.offer.privacy))


async def help_(session: Session, call: Call) -> Result:
    """List the commands."""
    return Result(words.list_commands())


async def new(session: Session, call: Call) -> Result:
    """Begin a new conversation; what was said before stays stored."""
    kept = await memory.instructions(session, call.speaker.conversation_id)
    await memory.reset(session, call.speaker.conversation_id)
    kept = None if kept == BACK else kept
    return Result(words.NEW_CONVERSATION, instructions=kept)


async def stop(session: Session, call: Call) -> Result:
    """Stop what the person is waiting for in this conversation."""
    waiting = await inbox.unanswered(session, call.speaker)
    stopped = await inbox.cancel(session, waiting)
    return Result(words.STOPPED if stopped else words.NOTHING_TO_STOP, stopped)


async def usage(session: Session, call: Call) -> Result:
    """Tell what was used this month, and what is left."""
    month = Limit(0, "usd", "month")
    used = await quota.spent(session, call.speaker.user_id, since=month.start(call.now))
    left = await quota.remaining(session, call.speaker.user_id, call.offer.rules, now=call.now)
    answers = count(used.turns, "answer")
    lines = [words.USED.format(answers=answers, money=dollars(used.charged))]
    lines += [*(_left(item, call.now) for item in left), *_read(used)]
    return Result("\n".join(lines))


def _read(used: quota.Spending) -> list[str]:
    """Tell how much the model has read and written, which is what the money is for."""
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
        left, amount = str(item.left), count(limit.amount, "answer")
    begins = until(item.resets_at, now)
    return words.LEFT.format(left=left, amount=amount, window=limit.window, begins=begins)
