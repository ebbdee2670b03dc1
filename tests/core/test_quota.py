"""A quota is reserved whole or not at all, settled to the micro-dollar, and never overdrawn."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from core import inbox, models, quota
from core.adapter import Address, Author
from core.db import Session, Sessions
from core.errors import LeaseLost, QuotaExceeded
from core.messages import Usage
from core.models import allowances
from core.quota import DEPLOYMENT, Progress, Remaining, Reservation, Rules, Spending
from core.settings import Limit
from core.turns import Payer, Question, Turn
from tests.core import rows
from tests.core.rows import NOW, commit, later

MINUTE = Limit(3, "turns", "minute")
DAY = Limit(5, "turns", "day")
MONTH = Limit(1000, "usd", "month")
ALL = Limit(1500, "usd", "month")
RULES = Rules((MINUTE, DAY, MONTH), (ALL,))
USED = Usage(prompt_tokens=100, completion_tokens=20, cached_tokens=60)


async def turn_of(sessions: Sessions, author: Author = rows.ADA) -> Turn:
    """A running turn of a person."""
    home = Address(*rows.ACCOUNT, chat=author.account_id)
    who = await rows.speaker(sessions, author, home)
    turn_id = await rows.ask(sessions, who, author.name, address=home)
    return next(turn for turn in await rows.claim(sessions) if turn.id == turn_id)


@pytest.fixture
async def turn(sessions: Sessions) -> Turn:
    """A turn of Ada's."""
    return await turn_of(sessions)


@pytest.fixture
async def turn_on_postgres(postgres_sessions: Sessions) -> Turn:
    """A turn of Ada's where several processes may work."""
    return await turn_of(postgres_sessions)


async def reserve(
    sessions: Sessions,
    turn: Turn,
    cost: int = 100,
    *,
    turns: int = 1,
    rules: Rules = RULES,
    now: datetime = NOW,
) -> Reservation:
    return await commit(
        sessions,
        lambda s: quota.reserve(s, turn, rules, model="m", cost=cost, turns=turns, now=now),
    )


async def begin(sessions: Sessions, turn: Turn, attempt: int) -> Turn:
    """Another attempt at a turn."""
    async with rows.begin(sessions) as session:
        await session.execute(
            update(models.turns).where(models.turns.c.id == turn.id).values(attempt=attempt)
        )
    return replace(turn, attempt=attempt)


async def settle(
    sessions: Sessions, reservation: Reservation, cost: int, *, now: datetime = NOW
) -> None:
    await commit(sessions, lambda s: quota.settle(s, reservation, RULES, USED, cost, now=now))


async def release(sessions: Sessions, reservation: Reservation, *, now: datetime = NOW) -> None:
    await commit(sessions, lambda s: quota.release(s, reservation, RULES, now=now))


async def excuse(sessions: Sessions, reservation: Reservation, *, now: datetime = NOW) -> None:
    """Settle a call that cost nothing and counts nothing."""
    await commit(
        sessions,
        lambda s: quota.settle(s, reservation, RULES, USED, 0, excused=True, now=now),
    )


async def used(sessions: Sessions, owner_id: int) -> dict[str, int]:
    """Return the amounts of an owner's allowances, by window."""
    async with rows.begin(sessions) as session:
        found = await session.execute(select(allowances).where(allowances.c.owner_id == owner_id))
        return {row.window: row.used for row in found}


async def calls(sessions: Sessions) -> list[Any]:
    async with rows.begin(sessions) as session:
        return list(await session.execute(select(models.calls).order_by(models.calls.c.id)))


# Reserving


async def test_a_reservation_counts_in_every_limit_and_opens_a_call(
    sessions: Sessions, turn: Turn
) -> None:
    reservation = await reserve(sessions, turn)

    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 100}
    assert await used(sessions, DEPLOYMENT) == {"month": 100}
    [call] = await calls(sessions)
    assert reservation == Reservation(call.id, turn.user_id, turns=1, reserved=100, at=NOW)
    assert (call.turn_id, call.attempt, call.user_id) == (turn.id, turn.attempt, turn.user_id)
    assert (call.model, call.reserved, call.created_at, call.settled_at) == ("m", 100, NOW, None)


@pytest.mark.parametrize(
    ("spend", "limit", "resets_at"),
    [
        ([1, 1, 1], "3 turns/minute", datetime(2026, 3, 14, 9, 27, tzinfo=UTC)),
        ([998, 1], "0.001 usd/month", datetime(2026, 4, 1, tzinfo=UTC)),
    ],
)
async def test_exceeding_a_limit_is_refused_with_its_name_and_its_end(
    sessions: Sessions, turn: Turn, spend: list[int], limit: str, resets_at: datetime
) -> None:
    for cost in spend:
        await reserve(sessions, turn, cost)
    with pytest.raises(QuotaExceeded) as refused:
        await reserve(sessions, turn, 2)
    assert (refused.value.limit, refused.value.resets_at) == (limit, resets_at)
    assert refused.value.needed > refused.value.left
    assert refused.value.whose == "person"


async def test_a_day_s_limit_outlasts_a_minute_s(sessions: Sessions, turn: Turn) -> None:
    for number in range(DAY.amount):
        await reserve(sessions, turn, 1, now=later(60 * number))
    with pytest.raises(QuotaExceeded, match="5 turns/day"):
        await reserve(sessions, turn, 1, now=later(600))
    await reserve(sessions, turn, 1, now=later(24 * 3600))


async def test_the_budget_refuses_whoever_comes_last(sessions: Sessions, turn: Turn) -> None:
    bob = await turn_of(sessions, rows.BOB)
    await reserve(sessions, turn, 1000)
    await reserve(sessions, bob, 500)
    with pytest.raises(QuotaExceeded, match=r"0\.0015 usd/month") as refused:
        await reserve(sessions, bob, 1)
    assert (refused.value.needed, refused.value.left, refused.value.most) == (1, 0, 1500)
    assert refused.value.whose == "everybody"


async def test_the_last_micro_dollar_may_be_spent(sessions: Sessions, turn: Turn) -> None:
    await reserve(sessions, turn, MONTH.amount)
    await reserve(sessions, turn, 0)
    with pytest.raises(QuotaExceeded):
        await reserve(sessions, turn, 1)


async def test_a_refused_reservation_leaves_nothing(sessions: Sessions, turn: Turn) -> None:
    with pytest.raises(QuotaExceeded):
        await reserve(sessions, turn, MONTH.amount + 1)
    assert await used(sessions, turn.user_id) == {}
    assert await used(sessions, DEPLOYMENT) == {}
    await reserve(sessions, turn, 700)
    before = await used(sessions, turn.user_id)
    with pytest.raises(QuotaExceeded):
        await reserve(sessions, turn, 400)
    assert await used(sessions, turn.user_id) == before
    assert await used(sessions, DEPLOYMENT) == {"month": 700}
    assert len(await calls(sessions)) == 1


async def test_without_limits_a_call_is_written_all_the_same(
    sessions: Sessions, turn: Turn
) -> None:
    await reserve(sessions, turn, rules=Rules())
    assert len(await calls(sessions)) == 1
    assert await used(sessions, turn.user_id) == {}


async def test_a_limit_added_later_counts_earlier_calls(sessions: Sessions, turn: Turn) -> None:
    bob = await turn_of(sessions, rows.BOB)
    old = await reserve(sessions, turn, rules=Rules((DAY,)), now=later(-120))
    await commit(sessions, lambda s: quota.settle(s, old, Rules((DAY,)), USED, 42, now=NOW))
    await reserve(sessions, bob, 7, rules=Rules((DAY,)))

    left = await commit(sessions, lambda s: quota.remaining(s, Payer(turn.user_id), RULES, now=NOW))
    assert [item.left for item in left] == [3, 4, 958]
    await reserve(sessions, turn, rules=RULES)
    assert await used(sessions, turn.user_id) == {"day": 2, "minute": 1, "month": 142}
    assert await used(sessions, DEPLOYMENT) == {"month": 149}


async def test_a_limit_that_was_added_while_a_call_was_open_blocks_nobody(
    sessions: Sessions, turn: Turn
) -> None:
    await reserve(sessions, turn, rules=Rules())
    await commit(sessions, lambda s: quota.recover(s, turn, RULES, now=later(1)))
    await reserve(sessions, turn, 5, now=later(1))
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 5}
    assert await used(sessions, DEPLOYMENT) == {"month": 105}


async def test_a_limit_that_returns_counts_the_calls_made_meanwhile(
    sessions: Sessions, turn: Turn
) -> None:
    await reserve(sessions, turn, 30)
    await commit(sessions, lambda s: quota.prune(s, Rules((DAY,))))
    assert await used(sessions, turn.user_id) == {"day": 1}
    assert await used(sessions, DEPLOYMENT) == {}
    await reserve(sessions, turn, 12, rules=Rules((DAY,)))
    await commit(sessions, lambda s: quota.prune(s, RULES))
    await reserve(sessions, turn, 1)
    assert await used(sessions, turn.user_id) == {"day": 3, "minute": 3, "month": 43}
    assert await used(sessions, DEPLOYMENT) == {"month": 43}


async def test_a_limit_counts_what_another_process_takes_without_it(
    sessions: Sessions, turn: Turn
) -> None:
    """While other limits are rolled out, or after a change of terms, both reserve side by side."""
    await reserve(sessions, turn, 10)
    other = await reserve(sessions, turn, 2000, rules=Rules())
    assert await used(sessions, turn.user_id) == {"minute": 2, "day": 2, "month": 2010}
    await excuse(sessions, other)
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 10}


async def test_a_new_limit_misses_no_call_that_is_closed_at_that_moment(
    postgres_sessions: Sessions, turn_on_postgres: Turn
) -> None:
    sessions, turn, month = postgres_sessions, turn_on_postgres, Rules((MONTH,))
    old = await reserve(sessions, turn, 300, rules=Rules())
    async with rows.begin(sessions) as session:
        # The row is begun, and not yet to be seen.
        await quota.reserve(session, turn, month, model="m", cost=1, turns=0, now=NOW)
        closing = asyncio.create_task(
            commit(sessions, lambda s: quota.settle(s, old, month, USED, 20, now=NOW))
        )
        done, _ = await asyncio.wait([closing], timeout=0.3)
        assert not done, "it has to wait for the row"
    await closing
    assert await used(sessions, turn.user_id) == {"month": 21}


# Windows


async def test_a_new_window_begins_empty(sessions: Sessions, turn: Turn) -> None:
    for _ in range(MINUTE.amount):
        await reserve(sessions, turn, now=later(29.9))
    await reserve(sessions, turn, now=later(30))
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 4, "month": 400}


async def test_a_call_that_outlasts_its_window_leaves_the_next_one_alone(
    sessions: Sessions, turn: Turn
) -> None:
    old = await reserve(sessions, turn)
    await reserve(sessions, replace(turn, created_at=later(60)), now=later(60))
    await excuse(sessions, old, now=later(61))
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 100}


async def test_a_clock_that_is_late_reserves_in_the_window_that_has_begun(
    sessions: Sessions, turn: Turn
) -> None:
    """Two calls may take their time before a boundary, and the row's lock after it."""
    turn = replace(turn, created_at=later(30))
    await reserve(sessions, turn, now=later(30))
    late = await reserve(sessions, turn, now=later(29.9))
    assert late.at == later(30)
    assert [call.created_at for call in await calls(sessions)] == [later(30), later(30)]
    await excuse(sessions, late, now=later(31))
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 100}


# Settling, releasing, recovering


async def test_a_settled_call_counts_its_cost(sessions: Sessions, turn: Turn) -> None:
    reservation = await reserve(sessions, turn)
    await settle(sessions, reservation, 42, now=later(7))

    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 42}
    assert await used(sessions, DEPLOYMENT) == {"month": 42}
    [call] = await calls(sessions)
    assert (call.cost, call.charged, call.settled_at) == (42, 42, later(7))
    assert (call.prompt_tokens, call.completion_tokens, call.cached_tokens) == (100, 20, 60)
    assert not call.estimated


async def test_a_call_is_settled_once(sessions: Sessions, turn: Turn) -> None:
    reservation = await reserve(sessions, turn)
    await settle(sessions, reservation, 42)
    await settle(sessions, reservation, 99)
    await release(sessions, reservation)
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 42}


async def test_a_released_call_costs_nothing_but_counts_as_a_turn(
    sessions: Sessions, turn: Turn
) -> None:
    await settle(sessions, await reserve(sessions, turn), 10)
    await release(sessions, await reserve(sessions, turn))
    assert await used(sessions, turn.user_id) == {"minute": 2, "day": 2, "month": 10}
    assert await used(sessions, DEPLOYMENT) == {"month": 10}


async def test_a_call_that_died_costs_the_budget_its_estimate_and_the_person_nothing(
    sessions: Sessions, turn: Turn
) -> None:
    await reserve(sessions, turn)
    await reserve(sessions, await begin(sessions, turn, 2), 50, turns=0)
    own = await reserve(sessions, await begin(sessions, turn, 3), 7)

    again = replace(turn, attempt=2)
    await commit(sessions, lambda s: quota.recover(s, again, RULES, now=later(20)))

    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 7}
    assert await used(sessions, DEPLOYMENT) == {"month": 157}
    died = await calls(sessions)
    assert [(call.cost, call.charged, call.estimated) for call in died] == [
        (100, 0, True),
        (50, 0, True),
        (0, 0, False),
    ]
    assert [call.settled_at for call in died] == [later(20), later(20), None]
    # The attempt that was thought dead comes back, and knows what was spent.
    await settle(sessions, Reservation(died[0].id, turn.user_id, 1, 100, NOW), 80)
    await settle(sessions, own, 5)
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 5}
    assert await used(sessions, DEPLOYMENT) == {"month": 135}


async def cut_off(
    sessions: Sessions, turn: Turn, *, now: datetime = NOW, question: str = "another"
) -> Turn:
    """A person edits the question of a turn; return the turn as its next attempt has it."""

    async def work(session: Session) -> None:
        await inbox.amend(session, turn.id, Question(question), now=now)
        await quota.abandon(session, [turn.id], RULES, now=now)

    await commit(sessions, work)
    return await rows.claimed(sessions, now=now)


async def note(sessions: Sessions, reservation: Reservation, cost: int) -> None:
    news = [Progress(reservation.call_id, 20, cost)]
    await commit(sessions, lambda s: quota.note(s, news))


async def is_counted(sessions: Sessions, turn: Turn) -> bool:
    return await commit(sessions, lambda s: quota.is_counted(s, turn))


async def test_a_call_that_a_person_cuts_off_costs_what_is_known_to_have_come(
    sessions: Sessions, turn: Turn
) -> None:
    """The process may crash right after the edit, so that nobody ever knows better."""
    reservation = await reserve(sessions, turn)
    await note(sessions, reservation, 30)
    again = await cut_off(sessions, turn)

    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 30}
    assert await used(sessions, DEPLOYMENT) == {"month": 30}
    [call] = await calls(sessions)
    assert (call.cost, call.charged, call.estimated, call.settled_at) == (30, 30, True, NOW)
    assert not await is_counted(sessions, again), "what the person asks now counts anew"
    await commit(sessions, lambda s: quota.recover(s, again, RULES, now=NOW))
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 30}


@pytest.mark.parametrize("cost", [7, 80], ids=["less", "more"])
async def test_the_attempt_that_was_cut_off_corrects_the_figure(
    sessions: Sessions, turn: Turn, cost: int
) -> None:
    reservation = await reserve(sessions, turn)
    await note(sessions, reservation, 30)
    await cut_off(sessions, turn)
    for _ in range(2):  # a commit may be unheard
        await commit(
            sessions,
            lambda s: quota.settle(s, reservation, RULES, USED, cost, excused=True, now=later(1)),
        )
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": cost}
    assert await used(sessions, DEPLOYMENT) == {"month": cost}
    await note(sessions, reservation, 99)
    assert [(call.cost, call.completion_tokens) for call in await calls(sessions)] == [(cost, 20)]


async def test_an_edit_after_the_answer_changes_no_call(sessions: Sessions, turn: Turn) -> None:
    await settle(sessions, await reserve(sessions, turn), 42)
    await cut_off(sessions, turn)
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 42}


async def test_an_edit_after_a_crash_costs_the_person_nothing(
    sessions: Sessions, turn: Turn
) -> None:
    reservation = await reserve(sessions, turn)
    await note(sessions, reservation, 30)
    await cut_off(sessions, turn, now=NOW + rows.LEASE)
    assert await used(sessions, turn.user_id) == {"minute": 0, "day": 0, "month": 0}
    assert await used(sessions, DEPLOYMENT) == {"month": 30}


async def test_a_call_without_a_price_that_a_crash_cut_off_takes_no_tokens(
    sessions: Sessions, turn: Turn
) -> None:
    rules = Rules((Limit(1000, "tokens", "month"),))

    async def reserve(session: Session) -> Reservation:
        return await quota.reserve(
            session, turn, rules, model="m", cost=0, turns=1, tokens=500, prompt_tokens=90, now=NOW
        )

    mine = await commit(sessions, reserve)
    again = await begin(sessions, turn, 2)
    await commit(sessions, lambda s: quota.recover(s, again, rules, now=NOW))
    assert await used(sessions, turn.user_id) == {"month": 0}
    # The attempt that was thought dead comes back, and knows what was used.
    await commit(sessions, lambda s: quota.settle(s, mine, rules, USED, 0, now=later(1)))
    assert await used(sessions, turn.user_id) == {"month": 0}
    [call] = await calls(sessions)
    assert (call.prompt_tokens, call.charged_tokens) == (100, 0)


async def test_an_edit_does_not_pay_for_an_older_crash(sessions: Sessions, turn: Turn) -> None:
    await reserve(sessions, turn)
    await reserve(sessions, await begin(sessions, turn, 2), 50, turns=1)
    await cut_off(sessions, turn)
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 50}
    assert await used(sessions, DEPLOYMENT) == {"month": 150}


async def test_an_edit_waits_for_a_reservation_and_finds_it(
    postgres_sessions: Sessions, turn_on_postgres: Turn
) -> None:
    sessions, turn = postgres_sessions, turn_on_postgres
    async with rows.begin(sessions) as session:
        await quota.reserve(session, turn, RULES, model="m", cost=100, turns=1, least=5, now=NOW)
        editing = asyncio.create_task(cut_off(sessions, turn))
        await rows.locked(sessions)
    await editing
    assert await used(sessions, turn.user_id) == {"minute": 1, "day": 1, "month": 5}


async def test_a_reservation_waits_for_an_edit_and_opens_nothing(
    postgres_sessions: Sessions, turn_on_postgres: Turn
) -> None:
    sessions, turn = postgres_sessions, turn_on_postgres
    async with rows.begin(sessions) as session:
        await inbox.amend(session, turn.id, Question("another"), now=NOW)
        await quota.abandon(session, [turn.id], RULES, now=NOW)
        reserving = asyncio.create_task(reserve(sessions, turn))
        await rows.locked(sessions)
    with pytest.raises(LeaseLost):
        await reserving
    assert await calls(sessions) == []


async def test_what_is_excused_costs_the_deployment_alone(sessions: Sessions, turn: Turn) -> None:
    await settle(sessions, await reserve(sessions, turn), 42)
    await note(sessions, await reserve(sessions, turn, turns=0), 30)
    bob = await turn_of(sessions, rows.BOB)
    await settle(sessions, await reserve(sessions, bob), 7)
    for _ in range(2):
        await commit(sessions, lambda s: quota.excuse(s, turn, RULES, now=later(60)))
    assert await used(sessions, turn.user_id) == {"minute": 0, "day": 0, "month": 0}
    assert await used(sessions, bob.user_id) == {"minute": 1, "day": 1, "month": 7}
    assert await used(sessions, DEPLOYMENT) == {"month": 79}


async def test_an_attempt_that_lost_its_turn_opens_nothing(sessions: Sessions, turn: Turn) -> None:
    await begin(sessions, turn, 2)
    with pytest.raises(LeaseLost):
        await reserve(sessions, turn)
    assert await calls(sessions) == []
    assert await used(sessions, turn.user_id) == {}


async def test_no_attempt_begins_between_a_reservation_and_its_commit(
    postgres_sessions: Sessions, turn_on_postgres: Turn
) -> None:
    """It would look for open calls, and not see this one."""
    sessions, turn = postgres_sessions, turn_on_postgres
    async with rows.begin(sessions) as session:
        await quota.reserve(session, turn, RULES, model="m", cost=1, turns=1, now=NOW)
        beginning = asyncio.create_task(begin(sessions, turn, 2))
        done, _ = await asyncio.wait([beginning], timeout=0.3)
        assert not done
    again = await beginning
    await commit(sessions, lambda s: quota.recover(s, again, RULES, now=NOW))
    assert [call.settled_at for call in await calls(sessions)] == [NOW]


async def test_calls_of_other_turns_are_left_open(sessions: Sessions, turn: Turn) -> None:
    other = await turn_of(sessions, rows.BOB)
    await reserve(sessions, other)
    await commit(sessions, lambda s: quota.recover(s, replace(turn, attempt=9), RULES, now=NOW))
    assert await used(sessions, other.user_id) == {"minute": 1, "day": 1, "month": 100}


# Figures for people


async def test_remaining_tells_the_rest_of_each_limit(sessions: Sessions, turn: Turn) -> None:
    async def left(now: datetime) -> list[Remaining]:
        return await commit(
            sessions, lambda s: quota.remaining(s, Payer(turn.user_id), RULES, now=now)
        )

    minute, day = NOW.replace(second=0), NOW.replace(hour=0, minute=0, second=0)
    month = datetime(2026, 4, 1, tzinfo=UTC)
    assert [item.left for item in await left(NOW)] == [3, 5, 1000]
    await settle(sessions, await reserve(sessions, turn), 42)
    assert await left(NOW) == [
        Remaining(MINUTE, 2, minute + timedelta(minutes=1)),
        Remaining(DAY, 4, day + timedelta(days=1)),
        Remaining(MONTH, 958, month),
    ]
    assert [item.left for item in await left(later(30))] == [3, 4, 958]
    smaller = Rules((Limit(0, "turns", "day"),))
    async with rows.begin(sessions) as session:
        [item] = await quota.remaining(session, Payer(turn.user_id), smaller, now=NOW)
    assert item.left == 0


async def test_what_is_short_resumes_when_the_longest_window_of_it_ends(
    sessions: Sessions, turn: Turn
) -> None:
    async def resumes(needed: int, rules: Rules = RULES) -> datetime | None:
        payer = Payer(turn.user_id)
        return await commit(
            sessions, lambda s: quota.resumes_at(s, payer, rules, "usd", needed, now=NOW)
        )

    month = datetime(2026, 4, 1, tzinfo=UTC)
    await settle(sessions, await reserve(sessions, turn), 42)
    assert await resumes(958) is None
    assert await resumes(959) == month, "something is left of it, but too little"
    await commit(sessions, lambda s: quota.grant(s, turn.user_id, "1 usd", RULES, now=NOW))
    assert await resumes(959) is None
    whole = Rules(RULES.quota, budget=(Limit(1, "turns", "minute"),))
    assert await resumes(1, whole) == NOW.replace(second=0) + timedelta(minutes=1)


async def test_spent_is_the_sum_of_the_settled_calls(sessions: Sessions, turn: Turn) -> None:
    bob = await turn_of(sessions, rows.BOB)
    last_of_march = datetime(2026, 3, 31, 12, tzinfo=UTC)  # on Samoa the first of April begins
    for who, now in ((turn, NOW), (turn, last_of_march), (bob, NOW)):
        asked = replace(who, created_at=now)
        await settle(sessions, await reserve(sessions, asked, now=now), 42, now=now)
    await reserve(sessions, replace(turn, created_at=last_of_march), now=last_of_march)

    async def spent(now: datetime, zone: str = "UTC") -> Spending:
        rules = Rules(zone=ZoneInfo(zone))
        return await commit(sessions, lambda s: quota.spent(s, turn.user_id, rules, now=now))

    assert await spent(last_of_march) == Spending(2, 200, 120, 40, 84)
    assert await spent(last_of_march, "Pacific/Apia") == Spending(1, 100, 60, 20, 42)
    assert await spent(last_of_march + timedelta(hours=12)) == Spending(0, 0, 0, 0, 0)


# Many at once


async def race(
    sessions: Sessions, turns: list[Turn], rules: Rules, cost: int
) -> list[Reservation | QuotaExceeded]:
    """Many reservations at once; those that were refused as their errors."""

    async def one(turn: Turn) -> Reservation | QuotaExceeded:
        try:
            return await reserve(sessions, turn, cost, rules=rules)
        except QuotaExceeded as refusal:
            return refusal

    return await asyncio.gather(*(one(turn) for turn in turns))


@pytest.mark.parametrize("limit", [Limit(1, "turns", "day"), Limit(150, "usd", "month")], ids=str)
@pytest.mark.parametrize("shared", [False, True], ids=["quota", "budget"])
async def test_of_fifty_that_race_for_the_last_unit_one_wins(
    sessions: Sessions, turn: Turn, limit: Limit, shared: bool
) -> None:
    rules = Rules(budget=(limit,)) if shared else Rules(quota=(limit,))
    ends = await race(sessions, [turn] * 50, rules, 100)
    assert sum(isinstance(end, Reservation) for end in ends) == 1
    assert len(await calls(sessions)) == 1


@pytest.mark.slow
async def test_people_with_one_budget_never_lock_each_other_out(
    postgres_sessions: Sessions,
) -> None:
    people = [Author("telegram", str(number), str(number)) for number in range(8)]
    turns = [await turn_of(postgres_sessions, who) for who in people]
    limits = (Limit(1000, "turns", "minute"), Limit(10**6, "usd", "month"))
    rules = Rules(quota=limits, budget=limits)

    async def spend(turn: Turn) -> None:
        for _ in range(10):
            call = await reserve(postgres_sessions, turn, rules=rules)
            async with rows.begin(postgres_sessions) as session:
                odd = bool(call.call_id % 2)
                await quota.settle(session, call, rules, USED, int(not odd), excused=odd, now=NOW)

    # A deadlock would be an error here. Each person has two conversations.
    await asyncio.gather(*(spend(turn) for turn in turns for _ in range(2)))

    odd = [call for call in await calls(postgres_sessions) if call.id % 2]
    assert await used(postgres_sessions, DEPLOYMENT) == {
        "minute": 160 - len(odd),
        "month": 160 - len(odd),
    }


async def test_a_refusal_is_told_once_for_each_limit_window_and_conversation(
    sessions: Sessions, turn: Turn
) -> None:
    in_private = turn
    in_group = replace(
        in_private,
        conversation_id=(
            await rows.speaker(sessions, rows.ADA, rows.GROUP, private=False)
        ).conversation_id,
    )
    minute, day = (
        QuotaExceeded(each, later(30), needed=1, left=0, most=9)
        for each in ("9 turns/minute", "9 turns/day")
    )

    async def told(turn: Turn, refusal: QuotaExceeded, seconds: float = 0) -> bool:
        return await commit(sessions, lambda s: quota.tell(s, turn, refusal, now=later(seconds)))

    assert [await told(in_private, minute) for _ in range(3)] == [True, False, False]
    assert await told(in_private, day)
    assert [await told(in_group, minute) for _ in range(2)] == [True, False]
    assert not await told(in_private, minute, 29)
    assert await told(in_private, minute, 30)
    too_large = QuotaExceeded("1 usd/day", later(30), needed=10, left=0, most=9)
    assert [await told(in_private, too_large) for _ in range(2)] == [True, True]
