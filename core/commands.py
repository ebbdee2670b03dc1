"""The commands: each makes a text, inside the transaction in which it was accepted."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from core import inbox, memory, quota
from core.settings import MICRO, Limit
from core.turns import Speaker

HELP = """\
Write to me and I answer. In a group, mention me or reply to one of my messages.

/new – start a new conversation
/stop – stop the answer I am writing
/retry – answer your last message again
/usage – what you have used and what is left
/help – this list"""

START = """\
Hello! I am Parley. Ask me anything, in any language.

What you write to me and what I answer is kept, so that I remember our conversation, and is sent \
to the language model that writes my answers.

/new starts a new conversation, /help lists what else I can do."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command as somebody gave it."""

    speaker: Speaker
    arguments: str
    rules: quota.Rules
    now: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What is answered, and whether a turn was stopped."""

    text: str
    stopped: bool = False


Command = Callable[[AsyncSession, Call], Awaitable[Result]]


async def start(session: AsyncSession, call: Call) -> Result:
    """Say hello, and what happens with what people write."""
    return Result(START)


async def help_(session: AsyncSession, call: Call) -> Result:
    """List the commands."""
    return Result(HELP)


async def new(session: AsyncSession, call: Call) -> Result:
    """Begin a new conversation; what was said before stays stored."""
    await memory.reset(session, call.speaker.conversation_id)
    return Result("A new conversation. What would you like to talk about?")


async def stop(session: AsyncSession, call: Call) -> Result:
    """Stop what the person is waiting for in this conversation."""
    waiting = await inbox.unanswered(session, call.speaker)
    stopped = await inbox.cancel(session, waiting)
    return Result("Stopped." if stopped else "There is nothing to stop.", stopped)


async def usage(session: AsyncSession, call: Call) -> Result:
    """Tell what was used this month, and what is left."""
    month = Limit(0, "usd", "month")
    used = await quota.spent(session, call.speaker.user_id, since=month.start(call.now))
    left = await quota.remaining(session, call.speaker.user_id, call.rules, now=call.now)
    lines = [_used(used), *(_left(item, call.now) for item in left)]
    return Result("\n".join(lines))


def _used(used: quota.Spent) -> str:
    tokens = used.prompt_tokens + used.completion_tokens
    cached = min(100 * used.cached_tokens // max(used.prompt_tokens, 1), 100)
    return (
        f"This month: {_count(used.calls, 'answer')}, {tokens:,} tokens"
        f" ({cached} % of what was read came from the cache), {dollars(used.charged)}."
    )


def _left(item: quota.Remaining, now: datetime) -> str:
    limit = item.limit
    if limit.unit == "usd":
        left, amount = dollars(item.left), dollars(limit.amount)
    else:
        left, amount = str(item.left), _count(limit.amount, "answer")
    return f"Left: {left} of {amount} a {limit.window}, whole again {until(item.resets_at, now)}."


COMMANDS: Mapping[str, Command] = {
    "start": start,
    "help": help_,
    "new": new,
    "stop": stop,
    "usage": usage,
}


async def run(session: AsyncSession, name: str, call: Call) -> Result:
    """Carry out a command by its name; an unknown one is answered too."""
    command = COMMANDS.get(name)
    if command is None:
        return Result(f"I do not know /{name}. /help lists what I can do.")
    return await command(session, call)


def dollars(amount: int) -> str:
    """Micro-dollars as people write money."""
    value = Decimal(amount) / MICRO
    return f"${value:.2f}" if value >= 1 or not amount else f"${value:.4f}"


def until(moment: datetime, now: datetime) -> str:
    """How long it is until a moment, in words: "in 40 seconds"."""
    seconds = max(int((moment - now).total_seconds()) + 1, 1)
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"in {_count(round(seconds / size), unit)}"
    return f"in {_count(seconds, 'second')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
