"""A month of a small deployment, as the dashboard shows it in tests and in its picture."""

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from bots.web import Pages, Ports, answering, dashboard
from bots.web.pulse import Pulse
from core import db, models, tallies
from core.adapter import Address, Author
from core.overview import Dashboard
from core.quota import Rules
from core.settings import read_limits
from core.tallies import FIRST, FIRST_MS, MODEL_MS
from tests.core import rows
from tests.web.ports import free_port

NOW = datetime(2026, 11, 27, 15, 42, 10, tzinfo=UTC)
ADMIN = "telegram", "100"
RULES = Rules(
    read_limits("200 turns/day, 1 usd/month"),
    read_limits("20 usd/month"),
    tiers={"vip": read_limits("5 usd/month")},
)
NAMES = (
    *("Ada", "Grace", "Alan", "Hedy", "Katherine", "Edsger", "Radia", "Donald", "Barbara", "Tim"),
    *("Margaret", "Ken"),
)
PEOPLE = [
    Author("telegram" if number % 3 != 1 else "discord", str(100 + number), name)
    for number, name in enumerate(NAMES)
]
DAYS = 31
TOKEN = "a-secret-of-a-visit"
ERRORS = (("ModelBusy", 5), ("ModelBroke", 2), ("KeyRefused", 1))
FAILURES = (
    ("failed", "ModelBusy", 95),
    ("undeliverable", "Muted", 240),
    ("failed", "ModelBroke", 560),
    ("failed", "KeyRefused", 1700),
)
"""The outcome and reason of turns in trouble, and how many minutes ago they were asked."""


async def fill(sessions: db.Sessions, now: datetime = NOW) -> None:
    """Fill a database with this month, always the same."""
    lot = random.Random(7)
    for author in PEOPLE:
        address = Address(author.platform, "1", chat=author.account_id)
        await rows.speaker(sessions, author, address)
    await db.transact(sessions, lambda s: _figures(s, lot, now))
    await db.transact(sessions, lambda s: _state(s, now))
    for number, (outcome, reason, minutes) in enumerate(FAILURES, 1):
        await _failed(sessions, number, outcome, reason, now - timedelta(minutes=minutes))


async def _figures(session: db.Session, lot: random.Random, now: datetime) -> None:
    hours: Counter[tuple[str, datetime, int]] = Counter()
    days: dict[date, Counter[str]] = defaultdict(Counter)
    for ago in range(24 * DAYS):
        hour = tallies.hour_of(now - timedelta(hours=ago))
        busy = 46 * (1.15 - math.cos((hour.hour - 3) * math.pi / 12)) / 2
        busy *= 0.6 if hour.weekday() > 4 else 1
        answers = round(busy * lot.uniform(0.75, 1.25) * (0.7 if ago == 0 else 1))
        _add(hours, days[hour.date()], lot, hour, answers, is_bad=ago in (26, 27))
    for figures in days.values():
        figures["people"] = 8 + round(figures["answers"] / 30)
    names = tallies.FIGURES
    await _insert(
        session,
        models.days_of_all,
        [{"day": day, **{name: each[name] for name in names}} for day, each in days.items()],
    )
    steps: Counter[tuple[date, int]] = Counter()
    for (name, hour, step), number in hours.items():
        if name == FIRST:
            steps[hour.date(), step] += number
    waits = [
        {"day": day, "kind": FIRST, "step": step, "number": number}
        for (day, step), number in steps.items()
    ]
    await _insert(session, models.waits, waits)
    for ago in range(DAYS):
        size = 1_720_000 - 14_000 * ago - 90_000 * (ago // 9)
        hours[tallies.SIZE, tallies.hour_of(now - timedelta(days=ago)), 0] = size
    hourly = [
        {"name": name, "hour": hour, "step": step, "number": number}
        for (name, hour, step), number in hours.items()
        if number
    ]
    await _insert(session, models.hours, hourly)


def _add(
    hours: Counter[tuple[str, datetime, int]],
    day: Counter[str],
    lot: random.Random,
    hour: datetime,
    answers: int,
    *,
    is_bad: bool,
) -> None:
    """Add an hour with so many answers; in a bad one the model is slow and fails often."""
    failed = round(answers * 0.3) if is_bad else int(lot.random() < 0.07)
    refused = int(lot.random() < 0.3) + answers // 30
    prompt = answers * lot.randint(2200, 3200)
    cached = int(prompt * lot.uniform(0.66, 0.82))
    cost = (prompt - cached) // 5 + cached // 20 + answers * lot.randint(320, 480)
    figures = {"cost": cost, "prompt_tokens": prompt, "cached_tokens": cached}
    for name, number in (("ok", answers), ("failed", failed), ("refused", refused)):
        hours[name, hour, 0] += number
    for name, number in figures.items():
        hours[name, hour, 0] += number
    kinds = [kind for kind, often in ERRORS for _ in range(often)]
    for _ in range(failed):
        hours[f"{tallies.ERROR}{lot.choice(kinds)}", hour, 0] += 1
    if lot.random() < 0.03:
        hours[f"{tallies.FLOOD}telegram", hour, 0] += 1
    for _ in range(answers):
        model = lot.lognormvariate(-0.55, 0.35) * (3 if is_bad else 1)
        seconds = model + lot.uniform(0.05, 0.16)
        hours[FIRST, hour, tallies.step_of(seconds)] += 1
        hours[FIRST_MS, hour, 0] += round(1000 * seconds)
        hours[MODEL_MS, hour, 0] += round(1000 * model)
    day.update({"answers": answers, "failures": failed, "refusals": refused, **figures})


async def _state(session: db.Session, now: datetime) -> None:
    first = now.date().replace(day=1)
    spent = [
        {
            **{"span": "month", "first": first, "user_id": number, "answers": 900 // number},
            **{"tokens": 2_400_000 // number, "cost": 1_150_000 // (number + 1)},
        }
        for number in range(1, len(PEOPLE) + 1)
    ]
    await _insert(session, models.spendings, spent)
    active = (("month", first, 31), ("week", tallies.monday(now.date()), 26))
    await _insert(
        session,
        models.actives,
        [{"span": span, "first": day, "people": number} for span, day, number in active],
    )
    month = {"unit": "usd", "window": "month", "window_start": RULES.month.start(now)}
    costs = select(func.sum(models.days_of_all.c.cost)).where(models.days_of_all.c.day >= first)
    used = int(await session.scalar(costs) or 0)
    await _insert(session, models.allowances, [{"owner_id": 0, "used": used, **month}])
    lease = {"worker_id": "another", "lease_until": now + timedelta(days=1)}
    accounts = [{"platform": name, "bot_id": "1", **lease} for name in ("telegram", "discord")]
    await _insert(session, models.listeners, accounts)
    await _insert(
        session, models.exceptions, [{"user_id": 3, "terms": "vip", "platform": None, "chat": None}]
    )
    deed = {"before": "", "after": "", "subject": ""}
    deeds = [
        {"at": now - timedelta(hours=9), "operator": "command line (ada)", "verb": "backup"},
        {"at": now - timedelta(hours=1), "operator": ":".join(ADMIN), "verb": "tier"},
    ]
    deeds[1] |= {"subject": "3", "before": "default", "after": "vip"}
    await _insert(session, models.audits, [deed | each for each in deeds])


async def _insert(session: db.Session, table: Any, values: list[dict[str, Any]]) -> None:
    await session.execute(insert(table), values)


async def _failed(
    sessions: db.Sessions, number: int, outcome: str, reason: str, at: datetime
) -> None:
    author = PEOPLE[number]
    address = Address(author.platform, "1", chat=author.account_id)
    who = await rows.speaker(sessions, author, address)
    turn_id = await rows.ask(sessions, who, str(number), now=at, lane=None, address=address)
    ended = {"outcome": outcome, "reason": reason, "answered_at": at, "delivered_at": at}
    its = models.turns.c.id == turn_id
    changed = models.turns.update().where(its).values(**ended, attempt=number % 3 + 1)
    await db.transact(sessions, lambda s: s.execute(changed))


@asynccontextmanager
async def shown(url: str, now: datetime = NOW) -> AsyncIterator[str]:
    """The address of the dashboard of a database at a moment, with an open visit."""
    sessions = db.connect(url)
    desk = Dashboard(sessions, "here", RULES, (ADMIN,), dict, lambda: now, lambda: None)
    port = free_port()
    try:
        visit = {"platform": ADMIN[0], "account_id": ADMIN[1], "began_at": now, "seen_at": now}
        visit["digest"] = hashlib.sha256(TOKEN.encode()).digest()
        await db.transact(sessions, lambda s: _insert(s, models.visits, [visit]))
        pages = Pages(beneath={dashboard.PATH: dashboard.application(desk, Pulse())})
        async with answering(Ports(port, None, "127.0.0.1"), pages):
            yield f"http://127.0.0.1:{port}{dashboard.PATH}"
    finally:
        sessions.close()
