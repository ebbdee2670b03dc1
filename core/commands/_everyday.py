"""The commands that people use every day."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from core import inbox, memory, quota
from core.commands._call import Call, Result
from core.commands._style import BACK
from core.settings import Limit
from core.words import count, dollars, price, until

HELP = """\
Write to me and I answer. In a group, mention me or reply to one of my messages.

/new – start a new conversation
/stop – stop the answer I am writing
/retry – answer your last message again
/usage – what you have used and what is left
/persona – how I should behave in this conversation
/model – which language model answers here
/privacy – what is stored, and where it is sent
/export – all that is stored about you, as a file
/forget – delete this conversation for good
/help – this list"""

START = """\
Hello! I am Parley. Ask me anything, in any language.

{privacy}

/new starts a new conversation, /help lists what else I can do."""


async def start(session: AsyncSession, call: Call) -> Result:
    """Say hello, and what happens with what people write."""
    return Result(START.format(privacy=call.offer.privacy))


async def help_(session: AsyncSession, call: Call) -> Result:
    """List the commands."""
    return Result(HELP)


async def new(session: AsyncSession, call: Call) -> Result:
    """Begin a new conversation; what was said before stays stored."""
    kept = await memory.instructions(session, call.speaker.conversation_id)
    await memory.reset(session, call.speaker.conversation_id)
    kept = None if kept == BACK else kept
    return Result("A new conversation. What would you like to talk about?", instructions=kept)


async def stop(session: AsyncSession, call: Call) -> Result:
    """Stop what the person is waiting for in this conversation."""
    waiting = await inbox.unanswered(session, call.speaker)
    stopped = await inbox.cancel(session, waiting)
    return Result("Stopped." if stopped else "There is nothing to stop.", stopped)


async def usage(session: AsyncSession, call: Call) -> Result:
    """Tell what was used this month, and what is left."""
    month = Limit(0, "usd", "month")
    used = await quota.spent(session, call.speaker.user_id, since=month.start(call.now))
    left = await quota.remaining(session, call.speaker.user_id, call.offer.rules, now=call.now)
    answers = f"This month: {count(used.turns, 'answer')}, for {dollars(used.charged)}."
    lines = [answers, *(_left(item, call.now) for item in left), *_read(used)]
    return Result("\n".join(lines))


def _read(used: quota.Spending) -> list[str]:
    """How much the model has read and written, for who wants to know what the money is for."""
    tokens = used.prompt_tokens + used.completion_tokens
    if not tokens:
        return []
    cached = min(100 * used.cached_tokens // max(used.prompt_tokens, 1), 100)
    return [
        "",
        f"For these answers I read and wrote {count(tokens, 'token')}, which are pieces of words."
        f" {cached} % of what I read was still cached from before, which costs less.",
    ]


def _left(item: quota.Remaining, now: datetime) -> str:
    limit = item.limit
    if limit.unit == "usd":
        left, amount = dollars(item.left), price(limit.amount)
    else:
        left, amount = str(item.left), count(limit.amount, "answer")
    begins = f"the next {limit.window} begins {until(item.resets_at, now)}"
    return f"Left: {left} of {amount} a {limit.window}; {begins}."
