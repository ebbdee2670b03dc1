"""A turn counts for its person in the windows in which it was asked, however long it waited."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core import quota
from core.db import Sessions
from core.errors import QuotaExceeded
from core.inbox import amend, requeue
from core.models import calls
from core.quota import DEPLOYMENT, Reservation, Rules, sum_up
from core.quota._allowances import ledger_sum
from core.quota._reserving import LATE
from core.settings import Limit
from core.turns import Outcome, Payer, Question, Speaker, Turn
from tests.core import rows
from tests.core.rows import NOW, commit, later
from tests.core.test_quota import USED, used

MINUTE, DAY = Limit(2, "turns", "minute"), Limit(100, "turns", "day")
RULES = Rules((MINUTE, DAY), (Limit(9000, "usd", "day"),))
BUDGET = DEPLOYMENT, RULES.budget[0]
HOUR = 3600


async def asked(
    sessions: Sessions, who: Speaker, *sent: datetime, now: datetime | None = None
) -> list[Turn]:
    """Accept questions that were sent at these times, all `now` or each at its time; claim them."""
    for number, time in enumerate(sent):
        how = {"lane": None, "sent_at": time}
        await rows.ask(sessions, who, f"{number} {time}", now=now or time, **how)
    return await rows.claim(sessions, now=now or sent[-1])


async def reserve(
    sessions: Sessions, turn: Turn, now: datetime, rules: Rules = RULES
) -> Reservation:
    return await commit(
        sessions, lambda s: quota.reserve(s, turn, rules, model="m", cost=100, turns=1, now=now)
    )


async def spent(sessions: Sessions, owner: int, limit: Limit, at: datetime) -> int:
    """Return the sum of the ledger in the window around a time."""
    return await commit(sessions, lambda s: ledger_sum(s, owner, limit, at))


@pytest.mark.parametrize("was_away", [False, True], ids=["the model was away", "the bot was away"])
async def test_questions_that_waited_for_an_hour_are_all_answered(
    sessions: Sessions, ada: Speaker, *, was_away: bool
) -> None:
    now = later(HOUR)
    turns = await asked(
        sessions, ada, *(later(60 * (n // 2)) for n in range(14)), now=now if was_away else None
    )
    assert len(turns) == 14
    for turn in turns:
        await reserve(sessions, turn, now)
    left = await commit(sessions, lambda s: quota.remaining(s, Payer(ada.user_id), RULES, now=now))
    assert [each.left for each in left] == [2, 86], "the minute of the answers is free"
    assert await used(sessions, DEPLOYMENT) == {"day": 1400}


async def test_a_window_that_is_over_gives_no_more_than_it_had(
    sessions: Sessions, ada: Speaker
) -> None:
    """Of five questions of one minute, two count in it, two in the current one, one nowhere."""
    now = later(HOUR)
    turns = await asked(sessions, ada, *[NOW] * 5, later(HOUR), now=now)
    for turn in turns[:4]:
        await reserve(sessions, turn, now)
    for turn in turns[4:]:
        with pytest.raises(QuotaExceeded) as refused:
            await reserve(sessions, turn, now)
        assert refused.value.resets_at > now
    made = await commit(
        sessions, lambda s: s.scalars(select(calls.c.created_at).order_by(calls.c.id))
    )
    assert [*made] == [NOW, NOW, now, now]


async def test_a_window_that_is_over_is_settled_in_the_ledger_alone(
    sessions: Sessions, ada: Speaker
) -> None:
    now = later(HOUR)
    rules = Rules((Limit(100, "usd", "minute"), Limit(500, "usd", "month")), RULES.budget)
    first, second, new = await asked(sessions, ada, NOW, NOW, now, now=now)
    await reserve(sessions, new, now, rules)
    call = await reserve(sessions, first, now, rules)
    assert (call.at, call.spent_at) == (NOW, now)
    with pytest.raises(QuotaExceeded):
        await reserve(sessions, second, now, rules)
    await commit(sessions, lambda s: quota.settle(s, call, rules, USED, 0, now=now))
    assert await used(sessions, ada.user_id) == {"minute": 100, "month": 100}
    assert await used(sessions, DEPLOYMENT) == {"day": 100}
    assert (await reserve(sessions, second, now, rules)).at == NOW, "its window has room again"


async def test_the_deployment_pays_on_the_day_of_the_answer(
    sessions: Sessions, ada: Speaker
) -> None:
    tomorrow = datetime(2026, 3, 15, 0, 30, tzinfo=UTC)
    [turn] = await asked(sessions, ada, NOW, now=tomorrow)
    call = await reserve(sessions, turn, tomorrow)
    await commit(sessions, lambda s: quota.settle(s, call, RULES, USED, 70, now=tomorrow))
    days = (tomorrow - timedelta(days=1), tomorrow)
    keys = [(o, limit, day) for o, limit in ((ada.user_id, DAY), BUDGET) for day in days]
    for _ in range(2):
        sums = [await spent(sessions, *key) for key in keys]
        assert sums == [1, 0, 0, 70]
        await sum_up(sessions, UTC, before=tomorrow + timedelta(days=90))
    assert await rows.count(sessions, calls) == 0


async def test_a_question_from_long_ago_counts_now(sessions: Sessions, ada: Speaker) -> None:
    now = NOW + LATE + timedelta(minutes=2)
    old, _ = await asked(sessions, ada, NOW, now - LATE, now=now)
    assert (await reserve(sessions, old, now)).at == now
    ahead = replace(old, asked_at=now + timedelta(minutes=2))
    assert (await reserve(sessions, ahead, now)).at == now, "a platform's clock may be ahead"


async def test_a_question_that_is_asked_again_counts_now(sessions: Sessions, ada: Speaker) -> None:
    now = later(HOUR)
    failed, edited = await asked(sessions, ada, NOW, NOW, now=now)
    assert {failed.asked_at, edited.asked_at} == {NOW}
    await rows.answer(sessions, failed, Outcome.FAILED, now=now)
    await commit(sessions, lambda s: requeue(s, failed.id, now=now))
    await commit(sessions, lambda s: amend(s, edited.id, Question("other"), now=now))
    again = await rows.claim(sessions, now=now)
    assert [turn.asked_at for turn in again] == [None, None]
    assert [(await reserve(sessions, turn, now)).at for turn in again] == [now, now]
