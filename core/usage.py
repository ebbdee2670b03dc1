"""The account that a person gets of their limits and their use: a text and a picture."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from core import charts, quota, words
from core.charts import Bar, Columns, Series, Sign
from core.db import Session, Sessions, transact
from core.money import MICRO
from core.quota import Daily, Remaining, Rules, Spending
from core.turns import Payer, Speaker

DAYS = 30
"""The days in the charts of the picture, the current one included."""

_SIGNS = {"turns": Sign.ANSWERS, "tokens": Sign.TOKENS, "usd": Sign.MONEY}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
"""The seconds of units that have one symbol in every language."""


async def account(
    session: Session, speaker: Speaker, rules: Rules, *, confidential: bool, now: datetime
) -> str:
    """Return the use of this month and the rest of each limit.

    Where others read along, only the rest of the limits.
    """
    payer = await quota.payer_of(session, speaker.user_id, speaker.conversation_id)
    left = await quota.remaining(session, payer, rules, now=now)
    rest = [_left(item, now) for item in left]
    if not confidential:
        return "\n".join([*rest, words.USED_IN_PRIVATE])
    used = await quota.spent(session, speaker.user_id, rules, now=now)
    spent = words.USED.format(used.turns, money=words.dollars(used.charged))
    return "\n".join([spent, *rest, *_read(used)])


def warning(item: Remaining, now: datetime) -> str:
    """Return the note for a person who has used most of a limit."""
    is_group = item.whose == "group"
    return _told(words.NEARLY_USED_GROUP if is_group else words.NEARLY_USED, item, now)


def _left(item: Remaining, now: datetime) -> str:
    return _told(words.LEFT_GROUP if item.whose == "group" else words.LEFT, item, now)


def _told(sentence: str, item: Remaining, now: datetime) -> str:
    set_, is_money = item.limit, item.limit.unit == "usd"
    left = words.dollars(item.left) if is_money else words.number(item.left)
    limit = words.limit(set_.amount, set_.unit, set_.window)
    return sentence.format(left=left, limit=limit, begins=words.until(item.resets_at, now))


def _read(used: Spending) -> list[str]:
    """Return lines on the tokens that the model has read and written; none without tokens."""
    tokens = used.prompt_tokens + used.completion_tokens
    if not tokens:
        return []
    cached = min(100 * used.cached_tokens // max(used.prompt_tokens, 1), 100)
    return ["", words.READ.format(tokens, cached=words.percent(cached))]


async def picture(sessions: Sessions, payer: Payer, rules: Rules, *, now: datetime) -> bytes:
    """Draw a bar for each limit, and the cost and the answers of the last days; return the PNG.

    Raises ImportError, OSError or ValueError where nothing can be drawn.
    """

    async def work(session: Session) -> tuple[list[Remaining], list[Daily]]:
        left = await quota.remaining(session, payer, rules, now=now)
        return left, await quota.by_day(session, payer.user_id, rules, days=DAYS, now=now)

    left, days = await transact(sessions, work)
    return await charts.picture([[_bar(item, now) for item in left], _columns(days)])


def _bar(item: Remaining, now: datetime) -> Bar:
    limit = item.limit
    write = _money if limit.unit == "usd" else "{:,}".format
    window = limit.resets_at(now) - limit.start(now)
    return Bar(
        _SIGNS[limit.unit],
        f"{write(item.left)} / {write(limit.amount)}",
        _span(window.total_seconds(), most=1),
        item.left / limit.amount,
        _span((item.resets_at - now).total_seconds()),
        shared=item.whose == "group",
    )


def _columns(days: Sequence[Daily]) -> Columns:
    charged = [day.charged for day in days]
    turns = [day.turns for day in days]
    cost = Series(Sign.MONEY, charged, lambda value: _money(int(value)), _money(sum(charged)))
    answers = Series(Sign.ANSWERS, turns, "{:,.4g}".format, f"{sum(turns):,}")
    return Columns([day.day for day in days], [cost, answers])


def _money(amount: int) -> str:
    """Return micro-dollars with the digits that tell something: "$12.50", "$0.0041", "$3"."""
    value = Decimal(amount) / MICRO
    digits = 2 if value >= 1 or not value else max(1 - value.adjusted(), 2)
    text = f"${value:,.{min(digits, 6)}f}"
    return text.removesuffix(".00")


def _span(seconds: float, *, most: int = 2) -> str:
    """Return a length of time in the largest unit of which it has at least `most`, rounded."""
    for size, unit in _UNITS:
        if seconds >= most * size:
            return f"{round(seconds / size)} {unit}"
    return f"{max(round(seconds), 1)} s"
