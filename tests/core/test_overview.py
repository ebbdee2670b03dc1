"""The desk of the dashboard: its figures are those of the rows, and they cost little."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import methodcaller
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, text

from core import bookkeeping, models, quota, tallies
from core.db import Session, Sessions
from core.desk import Away, Span
from core.overview import Dashboard
from core.quota import Rules
from core.settings import read_limits
from core.tasks import repeat
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import ADA, BOB, NOW, commit, later, statements
from tests.core.test_tallies import call, turn

RULES = Rules(read_limits("10 turns/day, 1 usd/month"), read_limits("20 usd/month"))
ADMIN = ADA.platform, ADA.account_id
HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no database for one that is away because it is slow."""
    monkeypatch.setattr("core.overview._desk.PATIENCE", 60.0)


def desk(
    sessions: Sessions, now: Callable[[], datetime] = lambda: NOW, rules: Rules = RULES
) -> Dashboard:
    return Dashboard(sessions, "here", rules, (ADMIN,), dict, now, lambda: None)


async def sum_up(sessions: Sessions, now: datetime) -> None:
    for name in tallies.SOURCES:

        async def step(session: Session, name: str = name) -> bool:
            return await tallies.sum_up(session, name, zone=RULES.zone, now=now)

        await repeat(sessions, step)


@pytest.mark.parametrize("is_summed", [False, True])
async def test_points_have_what_happened_in_their_hour_or_day(
    sessions: Sessions, ada: Speaker, *, is_summed: bool
) -> None:
    bob = await rows.speaker(sessions, BOB)
    await turn(sessions, ada, "1", later(-HOUR), model_ms=250)
    await turn(sessions, ada, "2", later(-HOUR), outcome="refused")
    await turn(sessions, bob, "3", later(-2 * DAY), model_ms=750)
    await turn(sessions, bob, "4", later(-2 * DAY), outcome="failed", reason="ModelBusy")
    await call(sessions, ada.user_id, later(-HOUR), 700)
    await call(sessions, bob.user_id, later(-2 * DAY), 300)
    if is_summed:
        await sum_up(sessions, NOW)
    hours = await desk(sessions).overview(Span.HOURS)
    assert len(hours.points) == 48
    last = hours.points[-2]
    assert last.at == tallies.hour_of(later(-HOUR))
    assert (last.answers, last.refused, last.failed, last.cost) == (1, 1, 0, 700)
    assert (last.prompt_tokens, last.cached_tokens) == (10, 4)
    assert (last.first_ms, last.model_ms) == (1000, 250)
    assert last.half == pytest.approx(1, rel=0.2)
    assert (hours.whole.answers, hours.errors) == (1, ())
    days = await desk(sessions).overview(Span.DAYS)
    assert len(days.points) == 30
    told = {point.at.date(): point for point in days.points if point.people}
    assert [told[later(-ago * DAY).date()].answers for ago in (2, 0)] == [1, 1]
    assert told[later(-2 * DAY).date()].failed == 1
    assert (days.whole.first_ms, days.whole.model_ms) == (2000, 1000)
    assert days.errors == (("ModelBusy", 1),)
    assert (days.people.today, days.people.month) == (1, 2)
    assert [each.cost for each in days.top] == [700, 300]


async def test_days_are_those_of_the_operator(sessions: Sessions, ada: Speaker) -> None:
    zone = ZoneInfo("Pacific/Auckland")
    await turn(sessions, ada, "1", later(-HOUR))
    told = await desk(sessions, rules=Rules(zone=zone)).overview(Span.DAYS)
    assert told.points[-1].at.tzinfo == zone
    assert told.points[-1].at.date() == NOW.astimezone(zone).date()
    assert told.points[-1].answers == 1


async def test_the_forecast_goes_on_as_the_last_week_did(sessions: Sessions, ada: Speaker) -> None:
    for ago in range(1, 8):
        await call(sessions, ada.user_id, later(-ago * DAY), 1000)
    await call(sessions, ada.user_id, NOW, 400)
    money = (await desk(sessions).overview(Span.HOURS)).money
    assert (money.today, money.month) == (400, 7400)
    assert money.forecast == 7400 + 600 + 17 * 1000, "today as other days, and 17 more of March"
    assert money.has_budget
    assert money.budget == (), "no allowance counts yet, and no call is read for it"


async def test_the_budget_is_the_rest_of_what_is_counted(sessions: Sessions, ada: Speaker) -> None:
    spent = {"owner_id": 0, "unit": "usd", "window": "month", "used": 5_000_000}
    start = RULES.month.start(NOW)
    await commit(
        sessions, lambda s: s.execute(insert(models.allowances).values(window_start=start, **spent))
    )
    [left] = (await desk(sessions).overview(Span.HOURS)).money.budget
    assert (left.limit, left.left) == ("20 usd/month", 15_000_000)


async def test_failures_are_the_newest_and_what_does_not_end(
    sessions: Sessions, ada: Speaker
) -> None:
    old = await rows.ask(sessions, ada, "1", now=later(-HOUR))
    await turn(sessions, ada, "2", NOW)
    await turn(sessions, ada, "3", NOW, outcome="refused", reason="PromptTooLong")
    failed = await turn(sessions, ada, "4", NOW, outcome="failed", reason="KeyRefused")
    lost = await turn(sessions, ada, "5", NOW, outcome="undeliverable", reason="Muted")
    young = await rows.ask(sessions, ada, "6", now=NOW, lane=None)
    found = await desk(sessions).failures()
    assert [(each.id, each.outcome, each.reason) for each in found] == [
        (lost, "undeliverable", "Muted"),
        (failed, "failed", "KeyRefused"),
        (old, "", ""),
    ]
    queue = (await desk(sessions).overview(Span.HOURS)).queue
    assert (queue.waiting, queue.running, queue.oldest_at) == (2, 0, later(-HOUR))
    assert young


async def test_the_account_of_another_process_is_heard_while_its_lease_lasts(
    sessions: Sessions, ada: Speaker
) -> None:
    await turn(sessions, ada, "1", later(-60))
    lease = {"platform": "telegram", "bot_id": "1", "worker_id": "there", "lease_until": later(5)}
    await commit(sessions, lambda s: s.execute(insert(models.listeners).values(lease)))
    now = NOW
    counter = desk(sessions, lambda: now)
    told = await counter.overview(Span.HOURS)
    [account] = told.listening
    assert (account.is_heard, account.is_here) == (True, False)
    assert account.heard_at == later(-60)
    assert told.is_well
    now = later(6)
    told = await desk(sessions, lambda: now).overview(Span.HOURS)
    assert not told.is_well


async def test_open_matters_are_told(sessions: Sessions) -> None:
    matter = {"subject": "", "since": later(-60), "until": later(60)}
    for kind, over in (("key", None), ("credit", NOW), ("round", None)):
        values = matter | {"matter": kind, "over_at": over}
        await commit(sessions, methodcaller("execute", insert(models.alerts).values(values)))
    told = await desk(sessions).overview(Span.HOURS)
    assert [each.kind for each in told.matters] == ["key"]


async def test_many_operators_cost_as_much_as_one(sessions: Sessions, ada: Speaker) -> None:
    counter = desk(sessions)
    with statements(sessions) as seen:
        await counter.overview(Span.HOURS)
    one = len(seen)
    assert one <= 30
    with statements(sessions) as seen:
        await asyncio.gather(*(counter.overview(Span.HOURS) for _ in range(20)))
    assert seen == []
    other = desk(sessions)
    with statements(sessions) as seen:
        await asyncio.gather(*(other.overview(Span.HOURS) for _ in range(20)))
    assert len(seen) == one, "those who come meanwhile wait for the first"


async def test_no_page_reads_a_big_table(sessions: Sessions, ada: Speaker) -> None:
    """The engines are to look up what they need: no plan goes through all turns, calls or posts."""
    counter = desk(sessions)
    with statements(sessions) as seen:
        await counter.overview(Span.HOURS)
        await counter.overview(Span.DAYS)
        await counter.failures()
        await counter.turn(1, words=False)
        await counter.person(ada.user_id)
    for statement, parameters in seen:
        plan = await explain(sessions, statement, parameters)
        for table in ("turns", "calls", "posts", "messages"):
            assert f"Seq Scan on {table}" not in plan, statement
            scans = [line for line in plan.splitlines() if line.startswith(f"SCAN {table}")]
            assert all("USING" in line for line in scans) or "LIMIT" in statement, statement


async def explain(sessions: Sessions, statement: str, parameters: Any) -> str:
    """Return the plan of a statement, as the engine would choose it for large tables."""

    async def work(session: Session) -> str:
        connection = session.connection
        if session.dialect == "sqlite":
            found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return "\n".join(row[3] for row in found)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return "\n".join(row[0] for row in found)

    return await commit(sessions, work)


async def test_orders_are_those_of_the_operators(sessions: Sessions, ada: Speaker) -> None:
    changes: list[bool] = []
    counter = Dashboard(
        sessions, "here", RULES, (ADMIN,), dict, lambda: NOW, lambda: changes.append(True)
    )
    who = str(ada.user_id)
    asked = await counter.order(ADMIN, "limit", {"who": who, "limits": "5 turns/day"}, sure=False)
    assert asked.asks
    assert changes == []
    said = await counter.order(ADMIN, "limit", {"who": who, "limits": "5 turns/day"}, sure=True)
    assert (said.asks, said.failed) == (False, False)
    assert changes == [True]
    assert await commit(sessions, lambda s: quota.terms_of(s, ada.user_id)) == "5 turns/day"
    [deed] = await counter.deeds()
    assert (deed.operator, deed.verb, deed.subject) == ("telegram:100", "limit", who)
    assert (await counter.order(ADMIN, "limit", {"who": who, "limits": "x"}, sure=True)).failed


async def test_what_was_said_is_shown_only_if_wanted(sessions: Sessions, ada: Speaker) -> None:
    turn_id = await turn(
        sessions, ada, "1", NOW, outcome="failed", reason="KeyRefused", answer="No."
    )
    told = await desk(sessions).turn(turn_id, words=False)
    assert told is not None
    assert (told.question, told.answer) == ("", "")
    told = await desk(sessions).turn(turn_id, words=True)
    assert told is not None
    assert (told.question, told.answer) == ("question 1", "No.")
    assert await desk(sessions).turn(99, words=True) is None


async def test_a_database_that_is_away_is_told(
    sqlite_sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.overview._desk.PATIENCE", 0.1)
    await commit(sqlite_sessions, lambda s: s.execute(text("DROP TABLE alerts")))
    with pytest.raises(Away):
        await desk(sqlite_sessions).overview(Span.HOURS)


async def test_old_visits_and_codes_go(sessions: Sessions) -> None:
    visit = {"digest": b"x", "platform": "telegram", "account_id": "1"}
    await commit(
        sessions,
        lambda s: s.execute(insert(models.visits).values(began_at=NOW, seen_at=NOW, **visit)),
    )
    await bookkeeping.prune(sessions, before=later(-DAY))
    assert await rows.count(sessions, models.visits) == 1
    await bookkeeping.prune(sessions, before=NOW + timedelta(seconds=1))
    assert await rows.count(sessions, models.visits) == 0


async def test_a_replayed_turn_has_no_reason(sessions: Sessions, ada: Speaker) -> None:
    turn_id = await turn(sessions, ada, "1", NOW, outcome="failed", reason="KeyRefused")
    given = {"action": "retry", "numbers": str(turn_id)}
    said = await desk(sessions).order(ADMIN, "turns", given, sure=False)
    assert "queued" in said.text
    assert await desk(sessions).failures() == ()
    row = await rows.stored(sessions, turn_id)
    assert (row.reason, row.model_ms, row.outcome) == (None, None, None)
