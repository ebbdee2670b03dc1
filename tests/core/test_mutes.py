"""Marks of addresses where the bot may not write, on either database."""

from dataclasses import replace
from datetime import datetime, timedelta

from core import inbox, models, mutes, posts, quota
from core.adapter import Address
from core.db import Sessions
from core.messages import Usage
from core.mutes import FIRST, KEPT, LONGEST
from core.posts import FILE, Part
from core.quota import DEPLOYMENT, Rules
from core.settings import Limit
from core.turns import Outcome, Payer, Speaker, Turn
from tests.core import rows
from tests.core.rows import GROUP, HOME, NOW, commit, later

RULES = Rules(
    (Limit(5, "turns", "day"), Limit(1000, "usd", "month")), (Limit(9000, "usd", "month"),)
)


async def mute(sessions: Sessions, now: datetime, address: Address = HOME) -> None:
    await commit(sessions, lambda s: mutes.mute(s, address, now=now))


async def claimed(
    sessions: Sessions, who: Speaker, message_id: str, address: Address = HOME
) -> Turn:
    """Ask and claim the question."""
    await rows.ask(sessions, who, message_id, lane=message_id, address=address)
    return await rows.claimed(sessions)


async def test_the_pauses_grow_and_a_running_one_is_not_prolonged(
    sessions: Sessions, ada: Speaker
) -> None:
    assert (await claimed(sessions, ada, "1")).muted_until is None
    now, pauses = NOW, []
    for number in range(9):
        await mute(sessions, now)
        until = (await claimed(sessions, ada, f"more {number}")).muted_until
        assert until is not None
        await mute(sessions, until - timedelta(seconds=1))
        pauses.append(until - now)
        now = until
    assert pauses[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert pauses[-2:] == [LONGEST, LONGEST]


async def test_a_mark_is_that_of_an_address(sessions: Sessions, ada: Speaker) -> None:
    topic = replace(GROUP, thread="7")
    await mute(sessions, NOW, topic)
    assert (await claimed(sessions, ada, "1", address=GROUP)).muted_until is None
    assert (await claimed(sessions, ada, "2", address=topic)).muted_until is not None
    await commit(sessions, lambda s: mutes.unmute(s, GROUP))
    assert await rows.count(sessions, models.mutes) == 1
    await commit(sessions, lambda s: mutes.relax(s, replace(GROUP, thread="8"), now=later(1)))
    assert (await claimed(sessions, ada, "3", address=topic)).muted_until == NOW + FIRST
    await commit(sessions, lambda s: mutes.relax(s, GROUP, now=later(1)))
    assert (await claimed(sessions, ada, "4", address=topic)).muted_until == later(1)
    await commit(sessions, lambda s: mutes.unmute(s, topic))
    assert await rows.count(sessions, models.mutes) == 0


async def test_old_marks_go(sessions: Sessions) -> None:
    await mute(sessions, NOW)
    await mute(sessions, NOW + KEPT + LONGEST, GROUP)
    assert await rows.count(sessions, models.mutes) == 1


async def test_a_turn_is_given_up_whether_it_is_answered_or_not(
    sessions: Sessions, ada: Speaker
) -> None:
    one, two = await claimed(sessions, ada, "1"), await claimed(sessions, ada, "2")
    await rows.answer(sessions, two)
    for turn in (one, two):
        async with rows.begin(sessions) as session:
            await inbox.give_up(session, turn, now=later(1))
    stored = [await rows.stored(sessions, turn.id) for turn in (one, two)]
    assert [each.answer for each in stored] == ["", f"answer {two.id}"]
    assert [each.answered_at for each in stored] == [later(1), NOW]
    assert {each.outcome for each in stored} == {Outcome.UNDELIVERABLE}
    assert {each.delivered_at for each in stored} == {later(1)}


async def test_a_turn_that_is_given_back_costs_its_person_nothing(
    sessions: Sessions, ada: Speaker
) -> None:
    turn, other = await claimed(sessions, ada, "1"), await claimed(sessions, ada, "2")

    async def call(turn: Turn, *, turns: int, settled: int | None) -> None:
        async with rows.begin(sessions) as session:
            opened = await quota.reserve(
                session, turn, RULES, model="m", cost=100, turns=turns, now=NOW
            )
            if settled is not None:
                await quota.settle(session, opened, RULES, Usage(10, 10), settled, now=NOW)

    await call(other, turns=1, settled=5)
    await call(turn, turns=1, settled=40)
    await call(turn, turns=0, settled=None)
    for _ in range(2):
        await commit(sessions, lambda s: quota.excuse(s, turn, RULES, now=later(9)))
    left = await commit(sessions, lambda s: quota.remaining(s, Payer(ada.user_id), RULES, now=NOW))
    assert [item.left for item in left] == [4, 995]
    async with rows.begin(sessions) as session:
        budget = await session.get(models.allowances, DEPLOYMENT, "usd", "month")
    assert budget.used == 145


# Posts whose fate is unknown


async def test_a_part_is_doubtful_until_its_double_was_looked_for(
    sessions: Sessions, ada: Speaker
) -> None:
    turn = await claimed(sessions, ada, "1")
    await commit(sessions, lambda s: posts.doubt(s, turn, 0, doubtful=True))
    await commit(sessions, lambda s: posts.intend(s, turn, FILE))
    await commit(sessions, lambda s: posts.confirm(s, turn, 0, "9", doubtful=True, now=NOW))
    found = await commit(sessions, lambda s: posts.parts(s, turn.id))
    assert found == {FILE: Part(), 0: Part("9", doubtful=True)}
    assert await commit(sessions, lambda s: posts.of(s, turn.id)) == ("9",)
    stale = replace(turn, attempt=0)
    await commit(sessions, lambda s: posts.doubt(s, stale, 0, doubtful=False))
    assert (await commit(sessions, lambda s: posts.parts(s, turn.id)))[0].doubtful
    await commit(sessions, lambda s: posts.doubt(s, turn, 0, doubtful=False))
    assert not (await commit(sessions, lambda s: posts.parts(s, turn.id)))[0].doubtful


async def test_known_messages_are_those_of_a_chat_and_recent_ones_those_of_an_account(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1", lane="1")
    await rows.ask(sessions, ada, "2", lane="2", address=GROUP)
    await rows.ask(sessions, ada, "3", lane="3", address=replace(HOME, bot_id="2"))
    known = await commit(sessions, lambda s: posts.known(s, HOME, ["1", "2", "3", "4"]))
    assert known == {"1"}
    recent = await commit(sessions, lambda s: posts.recent(s, HOME))
    assert sorted(recent) == sorted([(HOME.chat, "1"), (GROUP.chat, "2")])
