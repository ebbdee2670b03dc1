"""The figures of each day are those of the rows, whenever and by whomever they are summed up."""

import asyncio
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from core import models, quota, tallies
from core.db import Session, Sessions
from core.messages import Usage
from core.models import actives, days_of_all, hours, spendings, waits
from core.quota import Rules
from core.tallies import LAG, STUCK, Sums
from core.tasks import repeat
from core.turns import Speaker, Turn
from tests.core import rows
from tests.core.rows import BOB, NOW, commit, later

CALLS, TURNS, POSTS = models.calls, models.turns, models.posts
HOUR, DAY = 3600.0, 86_400.0


async def sum_up(
    sessions: Sessions, now: datetime, zone: Any = UTC, names: tuple[str, ...] = ("calls", "turns")
) -> None:
    for name in names:

        async def step(session: Session, name: str = name) -> bool:
            return await tallies.sum_up(session, name, zone=zone, now=now)

        await repeat(sessions, step)


async def told(sessions: Sessions, zone: Any = UTC) -> Sums:
    """Everything that is summed up, and the rows behind it."""

    async def work(session: Session) -> Sums:
        sums, is_partial = await tallies.live(session, zone=zone)
        assert not is_partial
        for row in (await session.execute(select(days_of_all))).mappings():
            sums.days[row["day"]].update({name: row[name] for name in tallies.FIGURES})
        for row in (await session.execute(select(spendings))).mappings():
            key = row["span"], row["first"], row["user_id"]
            sums.people[key].update({name: row[name] for name in ("answers", "tokens", "cost")})
        for day, kind, step, number in await session.execute(select(waits)):
            sums.waits[day, kind, step] += number
        for name, hour, step, number in await session.execute(select(hours)):
            sums.hours[name, hour, step] += number
        for span, first, number in await session.execute(select(actives)):
            sums.actives[span, first] += number
        return sums

    return await commit(sessions, work)


async def stored(sessions: Sessions) -> dict[date, dict[str, int]]:
    found = await commit(sessions, lambda s: s.execute(select(days_of_all)))
    return {
        row["day"]: {name: row[name] for name in tallies.FIGURES if row[name]}
        for row in found.mappings()
    }


async def call(
    sessions: Sessions, user_id: int, at: datetime, cost: int, *, open_: bool = False
) -> int:
    values = {
        "turn_id": None,
        "attempt": 1,
        "user_id": user_id,
        "model": "m",
        "turns": 1,
        "reserved": 99,
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 5,
        "cost": cost,
        "charged": cost,
        "charged_tokens": 15,
        "estimated": False,
        "created_at": at,
        "settled_at": None if open_ else at,
    }
    made: Any = insert(CALLS).values(values).returning(CALLS.c.id)
    return int(await commit(sessions, lambda s: s.scalar(made)) or 0)


async def turn(sessions: Sessions, who: Speaker, name: str, at: datetime, **columns: Any) -> int:
    """A turn that ended two seconds after the question, with its first text a second before."""
    turn_id = await rows.ask(sessions, who, name, now=at, lane=None)
    ended = at + timedelta(seconds=2)
    changes = {"answered_at": ended, "delivered_at": ended, "outcome": "ok", **columns}
    posted = update(POSTS).where(POSTS.c.turn_id == turn_id, POSTS.c.part == 0)

    async def work(session: Session) -> None:
        await session.execute(update(TURNS).where(TURNS.c.id == turn_id).values(changes))
        await session.execute(posted.values(posted_at=at + timedelta(seconds=1)))

    await commit(sessions, work)
    return turn_id


async def test_calls_and_turns_are_counted_once_and_by_their_day(
    sessions: Sessions, ada: Speaker
) -> None:
    bob = await rows.speaker(sessions, BOB)
    for at in (NOW, later(HOUR), later(DAY)):
        await call(sessions, ada.user_id, at, 7)
    await turn(sessions, ada, "1", NOW)
    await turn(sessions, ada, "2", later(HOUR))
    await turn(sessions, bob, "3", later(HOUR))
    await turn(sessions, bob, "4", later(HOUR), outcome="failed")
    await turn(sessions, bob, "5", later(DAY), outcome="refused")
    await turn(sessions, bob, "6", later(DAY), kind="command")
    before = await told(sessions)
    for _ in range(2):
        await sum_up(sessions, later(2 * DAY))
        assert await told(sessions) == before
    first = {"people": 2, "answers": 3, "failures": 1, "calls": 2, "cost": 14}
    first |= {"prompt_tokens": 20, "cached_tokens": 8, "completion_tokens": 10}
    second = {"refusals": 1, "calls": 1, "cost": 7}
    second |= {"prompt_tokens": 10, "cached_tokens": 4, "completion_tokens": 5}
    assert await stored(sessions) == {NOW.date(): first, later(DAY).date(): second}
    day = NOW.date()
    assert before.waits == Counter(
        {(day, "first", tallies.step_of(1)): 3, (day, "whole", tallies.step_of(2)): 3}
    )
    month = before.people["month", day.replace(day=1), ada.user_id]
    assert month == Counter(answers=2, tokens=45, cost=21)


async def test_the_days_are_those_of_the_operator(sessions: Sessions, ada: Speaker) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    await call(sessions, ada.user_id, NOW.replace(hour=16), 7)
    await sum_up(sessions, later(2 * DAY), zone)
    assert list(await stored(sessions)) == [later(DAY).date()]


async def test_what_is_not_over_for_long_waits_and_so_does_all_after_it(
    sessions: Sessions, ada: Speaker
) -> None:
    await call(sessions, ada.user_id, NOW, 1)
    held = await call(sessions, ada.user_id, NOW, 2, open_=True)
    await call(sessions, ada.user_id, NOW, 4)
    await sum_up(sessions, NOW + LAG / 2)
    assert await stored(sessions) == {}
    await sum_up(sessions, NOW + LAG)
    assert (await stored(sessions))[NOW.date()]["cost"] == 1
    assert (await told(sessions)).days[NOW.date()]["cost"] == 5, "an open call costs nothing yet"
    settled = update(CALLS).where(CALLS.c.id == held).values(settled_at=later(HOUR))
    await commit(sessions, lambda s: s.execute(settled))
    await sum_up(sessions, later(2 * HOUR))
    assert (await stored(sessions))[NOW.date()]["cost"] == 7


async def test_a_turn_that_does_not_end_holds_nothing_up_for_ever(
    sessions: Sessions, ada: Speaker
) -> None:
    await turn(sessions, ada, "1", NOW, delivered_at=None)
    await turn(sessions, ada, "2", later(HOUR))
    await sum_up(sessions, later(2 * HOUR))
    assert await stored(sessions) == {}
    await sum_up(sessions, NOW + STUCK)
    assert (await stored(sessions))[NOW.date()] == {"people": 1, "answers": 1}


async def test_a_step_that_dies_changes_nothing(sessions: Sessions, ada: Speaker) -> None:
    await call(sessions, ada.user_id, NOW, 1)

    async def die(session: Session) -> None:
        await tallies.sum_up(session, "calls", zone=UTC, now=later(DAY))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await commit(sessions, die)
    assert await stored(sessions) == {}
    await sum_up(sessions, later(DAY))
    assert (await stored(sessions))[NOW.date()]["cost"] == 1


async def test_several_processes_at_once_count_once(sessions: Sessions, ada: Speaker) -> None:
    for number in range(60):
        await call(sessions, ada.user_id, later(number * HOUR), number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "BATCH", 7)
        await asyncio.gather(*(sum_up(sessions, later(9 * DAY), names=("calls",)) for _ in "1234"))
    assert sum(day["cost"] for day in (await stored(sessions)).values()) == sum(range(60))


@pytest.mark.slow
async def test_a_correction_before_or_after_the_sum_is_counted_once(
    sessions: Sessions, ada: Speaker
) -> None:
    """Any order of calls, sums, corrections and gifts leaves the ledger's own figures."""
    choice, rules = random.Random(5), Rules()
    now = NOW
    for number in range(25):
        now += timedelta(minutes=choice.randint(1, 30))
        question = await rows.ask(sessions, ada, f"q{number}", now=now)
        asked = await rows.claimed(sessions, now=now)
        at = now

        async def open_(session: Session, asked: Any = asked, at: datetime = at) -> Any:
            return await quota.reserve(
                session, asked, rules, model="m", cost=90, turns=1, least=30, tokens=9, now=at
            )

        opened = await commit(sessions, open_)
        if choice.random() < 0.5:  # a person ends it, and its own attempt knows better

            async def cut(session: Session, turn_id: int = question, at: datetime = at) -> None:
                await quota.abandon(session, [turn_id], rules, now=at)

            await commit(sessions, cut)
        if choice.random() < 0.7:
            await sum_up(sessions, now + choice.choice((LAG / 2, LAG, 3 * LAG)))

        async def settle(
            session: Session, opened: Any = opened, at: datetime = at, cost: int = number
        ) -> None:
            await quota.settle(session, opened, rules, Usage(5, cost, 2), cost, now=at)

        await commit(sessions, settle)
        await excuse(sessions, asked, now)
        found = await told(sessions)
        every = (await commit(sessions, lambda s: s.execute(select(CALLS)))).all()
        for name in ("cost", "prompt_tokens", "cached_tokens", "completion_tokens"):
            ledger = sum(getattr(row, name) for row in every)
            assert sum(day[name] for day in found.days.values()) == ledger
        spent = [each["cost"] for (span, *_), each in found.people.items() if span == "month"]
        assert sum(spent) == sum(row.cost for row in every)


async def excuse(sessions: Sessions, asked: Turn, now: datetime) -> None:
    """Let an answer be undeliverable, so that its person pays nothing; the deployment does."""
    await commit(sessions, lambda s: quota.excuse(s, asked, Rules(), now=now))
    await rows.finish(sessions, asked)


async def test_old_days_of_people_go_and_their_months_stay(
    sessions: Sessions, ada: Speaker
) -> None:
    await call(sessions, ada.user_id, NOW, 7)
    await sum_up(sessions, later(DAY))
    await commit(sessions, lambda s: tallies.prune(s, now=later(20 * DAY)))
    left = (await commit(sessions, lambda s: s.execute(select(spendings.c.span)))).all()
    assert left == [("month",)]
    assert (await stored(sessions))[NOW.date()]["cost"] == 7


async def test_hours_have_outcomes_errors_and_the_part_of_the_model(
    sessions: Sessions, ada: Speaker
) -> None:
    await turn(sessions, ada, "1", NOW, model_ms=600)
    await turn(sessions, ada, "2", NOW, model_ms=5000)
    await turn(sessions, ada, "3", NOW)
    await turn(sessions, ada, "4", later(HOUR), outcome="failed", reason="KeyRefused")
    await turn(sessions, ada, "5", later(HOUR), outcome="refused", reason="ContentRefused")
    await turn(sessions, ada, "6", later(HOUR), outcome="stopped")
    for _ in range(2):
        await commit(sessions, lambda s: tallies.count(s, "flood telegram", now=NOW))
    await sum_up(sessions, later(DAY))
    found = (await told(sessions)).hours
    begin = tallies.hour_of(NOW)
    first = {name: number for (name, hour, step), number in found.items() if hour == begin}
    assert first == {
        "ok": 3,
        "first": 3,
        "whole": 3,
        "first_ms": 2000,
        "model_ms": 1600,
        "flood telegram": 2,
    }
    second = {name: number for (name, hour, _), number in found.items() if hour > begin}
    errors = {"error KeyRefused": 1, "error ContentRefused": 1}
    assert second == {"failed": 1, "refused": 1, "stopped": 1, "first": 1, "whole": 1, **errors}


async def test_people_count_once_in_a_week_and_a_month(sessions: Sessions, ada: Speaker) -> None:
    bob = await rows.speaker(sessions, BOB)
    await turn(sessions, ada, "1", NOW)  # a Saturday
    await turn(sessions, bob, "2", NOW)
    await sum_up(sessions, later(HOUR))
    await turn(sessions, ada, "3", later(2 * HOUR))
    await turn(sessions, ada, "4", later(3 * DAY))
    found = await commit(sessions, lambda s: tallies.live(s, zone=UTC))
    assert +found[0].actives == {("week", date(2026, 3, 16)): 1}
    await sum_up(sessions, later(4 * DAY))
    rows_ = (await commit(sessions, lambda s: s.execute(select(actives)))).all()
    assert {(row.span, row.first): row.people for row in rows_} == {
        ("week", date(2026, 3, 9)): 2,
        ("week", date(2026, 3, 16)): 1,
        ("month", date(2026, 3, 1)): 2,
    }


async def test_old_hours_go(sessions: Sessions, ada: Speaker) -> None:
    await commit(sessions, lambda s: tallies.weigh(s, now=NOW))
    await commit(sessions, lambda s: tallies.weigh(s, now=later(20 * DAY)))
    await commit(sessions, lambda s: tallies.prune(s, now=later(33 * DAY)))
    left = (await commit(sessions, lambda s: s.scalars(select(hours.c.hour)))).all()
    assert left == [tallies.hour_of(later(20 * DAY))]


async def test_the_size_is_that_of_the_database(sessions: Sessions) -> None:
    await commit(sessions, lambda s: tallies.weigh(s, now=NOW))
    [(name, number)] = await commit(
        sessions, lambda s: s.execute(select(hours.c.name, hours.c.number))
    )
    assert name == "bytes"
    assert 100_000 < number < 100_000_000


async def test_two_people_who_become_one_have_spent_both_sums(
    sessions: Sessions, ada: Speaker
) -> None:
    bob = await rows.speaker(sessions, BOB)
    await call(sessions, ada.user_id, NOW, 7)
    await call(sessions, bob.user_id, NOW, 5)
    await sum_up(sessions, later(HOUR))
    await commit(sessions, lambda s: tallies.join(s, ada.user_id, bob.user_id, now=later(2 * HOUR)))
    found = (await told(sessions)).people
    month = "month", NOW.date().replace(day=1)
    assert {key: each["cost"] for key, each in found.items() if key[:2] == month} == {
        (*month, ada.user_id): 12
    }
    assert (await stored(sessions))[NOW.date()]["cost"] == 12
