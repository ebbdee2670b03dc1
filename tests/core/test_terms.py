"""Terms of a person or a group: tiers, limits of their own, grants, and accounts that join or part.

That allowances equal the ledger in any order of these is tried in `test_any_order`.
"""

from dataclasses import replace
from datetime import UTC

import pytest
from sqlalchemy import update

from core import bookkeeping, identity, models, quota, words
from core.adapter import Address, Author
from core.db import Session, Sessions
from core.errors import QuotaExceeded, Whose
from core.quota import DEPLOYMENT, Group, Reservation, Rules, Spending, Whom
from core.settings import read_limits
from core.turns import Payer, Turn
from tests.core import rows
from tests.core.rows import ADA, BOB, GROUP, HOME, NOW, commit, later
from tests.core.test_quota import USED, used

EVE = Author("telegram", "300", "Eve")
CLUB = Group("telegram", GROUP.chat)
RULES = Rules(
    read_limits("10 turns/day, 0.001 usd/month"),
    read_limits("1 usd/month"),
    tiers={"vip": read_limits("100 turns/day"), "free": ()},
)


async def ask(sessions: Sessions, author: Author = ADA, address: Address = HOME) -> Turn:
    """A claimed turn of a person, in private or in a group."""
    private = address.chat == HOME.chat
    who = await rows.speaker(sessions, author, address, private=private)
    number = await rows.count(sessions, models.turns)
    turn_id = await rows.ask(sessions, who, f"{number}", address=address, lane=None)
    return next(turn for turn in await rows.claim(sessions) if turn.id == turn_id)


async def allow(sessions: Sessions, whom: Whom, terms: str, rules: Rules = RULES) -> str:
    return await commit(sessions, lambda s: quota.allow(s, whom, terms, rules))


async def grant(sessions: Sessions, whom: Whom, text: str, *, seconds: float = 0) -> None:
    await commit(sessions, lambda s: quota.grant(s, whom, text, RULES, now=later(seconds)))


async def reserve(
    sessions: Sessions, turn: Turn, cost: int = 10, *, seconds: float = 0, rules: Rules = RULES
) -> Reservation:
    return await commit(
        sessions,
        lambda s: quota.reserve(
            *(s, turn, rules), model="m", cost=cost, turns=1, now=later(seconds)
        ),
    )


async def settle(sessions: Sessions, call: Reservation, cost: int) -> None:
    await commit(sessions, lambda s: quota.settle(s, call, RULES, USED, cost, now=NOW))


async def left(
    sessions: Sessions, turn: Turn, rules: Rules = RULES, *, seconds: float = 0
) -> list[tuple[Whose, str, int]]:
    """Return whose limits there are for a turn, and what is left of each."""
    who = turn.user_id, turn.conversation_id

    async def work(session: Session) -> list[quota.Remaining]:
        payer = await quota.payer_of(session, *who)
        return await quota.remaining(session, payer, rules, now=later(seconds))

    return [(each.whose, str(each.limit), each.left) for each in await commit(sessions, work)]


# Terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ""),
        (" Default ", ""),
        ("VIP", "vip"),
        ("unlimited", "unlimited"),
        ("1  Turn/day,0.50usd / month", "1 turn/day, 0.5 usd/month"),
        ("200k tokens/week", "200000 tokens/week"),
    ],
)
def test_terms_are_read_as_they_are_stored(text: str, terms: str) -> None:
    assert RULES.read(text) == terms
    assert RULES.read(terms) == terms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gold", "there is no tier 'gold'; known are vip, free, unlimited, default"),
        ("5 turns/day,,", "at character 13: a limit is missing"),
        ("5 turns/year", "at character 1: '5 turns/year' is not of the form"),
    ],
)
def test_wrong_terms_are_told_at_their_place(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        RULES.read(text)


async def test_a_person_with_a_tier_has_its_limits_and_what_was_used_counts_on(
    sessions: Sessions,
) -> None:
    turn = await ask(sessions)
    await reserve(sessions, turn)
    assert await allow(sessions, turn.user_id, "VIP") == ""
    assert await left(sessions, turn) == [("person", "100 turns/day", 99)]

    again = await ask(sessions)
    assert again.payer == Payer(turn.user_id, "vip")
    await reserve(sessions, again, 5000)
    assert await used(sessions, turn.user_id) == {"day": 2}
    assert await used(sessions, DEPLOYMENT) == {"month": 5010}

    assert await allow(sessions, turn.user_id, "default") == "vip"
    assert [each[2] for each in await left(sessions, turn)] == [8, 0]
    with pytest.raises(QuotaExceeded, match=r"0\.001 usd/month"):
        await reserve(sessions, await ask(sessions), 1)
    assert await allow(sessions, turn.user_id, "free") == ""
    await reserve(sessions, await ask(sessions), 5000)


async def test_terms_that_change_under_way_let_no_call_be_missed(sessions: Sessions) -> None:
    """A turn reserves on the terms of its claim; all limits count it, the new ones too."""
    turn = await ask(sessions)
    call = await reserve(sessions, turn, 300)
    await allow(sessions, turn.user_id, "5 turns/week, 0.002 usd/month")
    new = await ask(sessions)
    await reserve(sessions, new, 200)
    await settle(sessions, call, 50)
    await reserve(sessions, turn, 400)
    assert await used(sessions, turn.user_id) == {"day": 3, "week": 3, "month": 650}
    assert await used(sessions, DEPLOYMENT) == {"month": 650}


async def test_a_tier_that_does_not_exist_any_more_is_the_default(sessions: Sessions) -> None:
    turn = await ask(sessions)
    await allow(sessions, turn.user_id, "vip")
    await allow(sessions, CLUB, "vip")
    without = replace(RULES, tiers={})
    assert await commit(sessions, lambda s: quota.unknown_terms(s, RULES)) == {}
    assert await commit(sessions, lambda s: quota.unknown_terms(s, without)) == {"vip": 2}
    assert [each[1] for each in await left(sessions, turn, without)] == [
        "10 turns/day",
        "0.001 usd/month",
    ]
    in_group = await ask(sessions, address=GROUP)
    assert {each[0] for each in await left(sessions, in_group, without)} == {"person"}
    await reserve(sessions, in_group, rules=without)


async def test_the_terms_of_a_deleted_person_are_gone(sessions: Sessions) -> None:
    bob = await ask(sessions, BOB, GROUP)
    await allow(sessions, CLUB, "5 turns/day")
    await allow(sessions, bob.user_id, "unlimited")
    gone = models.users.delete().where(models.users.c.id == bob.user_id)
    await commit(sessions, lambda s: s.execute(gone))
    for whom, terms in ((bob.user_id, ""), (CLUB, "5 turns/day")):
        assert await commit(sessions, lambda s, w=whom: quota.terms_of(s, w)) == terms  # type: ignore[misc]  # mypy cannot tell


async def test_at_the_start_only_the_allowances_of_terms_stay(sessions: Sessions) -> None:
    """The turns reserve on the terms of their claims."""
    default, vip, own = [await ask(sessions, each) for each in (ADA, BOB, EVE)]
    await allow(sessions, CLUB, "5 turns/day, 5 turns/week")
    club = await ask(sessions, address=GROUP)
    for whom, terms in ((CLUB, "7 turns/week"), (vip.user_id, "vip")):
        await allow(sessions, whom, terms)
    await allow(sessions, own.user_id, "3 turns/minute")
    everything = read_limits("9 turns/minute, 9 turns/day, 1 usd/week, 1 usd/month")
    for turn in (default, vip, own, club):
        await reserve(sessions, turn, rules=replace(RULES, quota=everything))
    await commit(sessions, lambda s: quota.prune(s, RULES))
    kept = {turn.user_id: set(await used(sessions, turn.user_id)) for turn in (default, vip, own)}
    assert kept == {
        default.user_id: {"day", "month"},
        vip.user_id: {"day"},
        own.user_id: {"minute"},
    }
    assert set(await used(sessions, -1)) == {"week"}


# Groups


async def test_members_of_a_group_share_its_limit_and_keep_their_own(sessions: Sessions) -> None:
    await allow(sessions, CLUB, "3 turns/day, 0.0005 usd/day")
    people = [await ask(sessions, each, GROUP) for each in (ADA, BOB, EVE)]
    assert [turn.payer.group_id for turn in people] == [1, 1, 1]
    for turn in people[:2]:
        await settle(sessions, await reserve(sessions, turn, 200), 150)
    assert await left(sessions, people[2]) == [
        ("person", "10 turns/day", 10),
        ("person", "0.001 usd/month", 1000),
        ("group", "3 turns/day", 1),
        ("group", "0.0005 usd/day", 200),
    ]
    with pytest.raises(QuotaExceeded) as refused:
        await reserve(sessions, people[2], 201)
    assert (refused.value.whose, refused.value.left) == ("group", 200)
    assert "the limit of this group is" in words.refused(refused.value, NOW)
    await reserve(sessions, people[2], 200)
    with pytest.raises(QuotaExceeded, match="3 turns/day"):
        await reserve(sessions, people[0], 0)
    private = await ask(sessions)
    assert private.payer.group_id is None
    await reserve(sessions, private, 800)
    assert await used(sessions, private.user_id) == {"day": 2, "month": 950}


async def test_what_a_crash_or_a_lost_message_costs_is_taken_from_no_group(
    sessions: Sessions,
) -> None:
    await allow(sessions, CLUB, "0.0005 usd/month")
    turn = await ask(sessions, address=GROUP)
    await reserve(sessions, turn, 200)
    again = replace(turn, attempt=2)
    is_it = models.turns.c.id == turn.id
    fenced = update(models.turns).where(is_it).values(attempt=2)
    await commit(sessions, lambda s: s.execute(fenced))
    await commit(sessions, lambda s: quota.recover(s, again, RULES, now=NOW))
    assert await used(sessions, -1) == {"month": 0}
    await settle(sessions, await reserve(sessions, again, 100), 60)
    assert await used(sessions, -1) == {"month": 60}
    await commit(sessions, lambda s: quota.excuse(s, again, RULES, now=NOW))
    assert await used(sessions, -1) == {"month": 0}
    assert await used(sessions, DEPLOYMENT) == {"month": 260}


async def test_a_group_keeps_what_it_used_when_its_calls_become_sums(sessions: Sessions) -> None:
    await allow(sessions, CLUB, "9 turns/month, 1 usd/month")
    turn = await ask(sessions, address=GROUP)
    await settle(sessions, await reserve(sessions, turn, 200), 150)
    before = await left(sessions, turn)
    await quota.sum_up(sessions, UTC, before=later(2 * 86_400))
    assert await rows.count(sessions, models.calls) == 0
    await commit(sessions, lambda s: s.execute(models.allowances.delete()))
    assert await left(sessions, turn) == before
    await reserve(sessions, turn, 0)
    assert await used(sessions, DEPLOYMENT) == {"month": 150}, "a group's days count once"


async def test_a_group_that_becomes_a_supergroup_keeps_its_limit_and_its_use(
    sessions: Sessions,
) -> None:
    await allow(sessions, CLUB, "2 turns/day")
    await reserve(sessions, await ask(sessions, address=GROUP))
    moved = replace(GROUP, chat="-100")

    async def move(session: Session) -> None:
        await identity.move(session, GROUP, moved.chat)
        await quota.move(session, GROUP, moved.chat)

    await commit(sessions, move)
    turn = await ask(sessions, address=moved)
    assert turn.payer.group_id == 1
    assert ("group", "2 turns/day", 1) in await left(sessions, turn)
    await allow(sessions, CLUB, "9 turns/day")
    await commit(sessions, move)
    kept = await commit(sessions, lambda s: quota.terms_of(s, Group("telegram", "-100")))
    assert kept == "2 turns/day", "those of the new chat stay"


async def test_a_group_s_limit_that_comes_back_remembers(sessions: Sessions) -> None:
    await allow(sessions, CLUB, "5 turns/day")
    await reserve(sessions, await ask(sessions, address=GROUP))
    assert await allow(sessions, CLUB, "") == "5 turns/day"
    turn = await ask(sessions, address=GROUP)
    await reserve(sessions, turn)
    assert {each[0] for each in await left(sessions, turn)} == {"person"}
    await allow(sessions, CLUB, "5 turns/day")
    assert ("group", "5 turns/day", 3) in await left(sessions, turn)


# Grants


async def test_a_grant_lets_a_person_spend_more_until_the_windows_end(sessions: Sessions) -> None:
    rules = replace(RULES, quota=read_limits("2 turns/minute, 10 turns/day, 0.001 usd/month"))
    turn = await ask(sessions)
    for _ in range(2):
        await reserve(sessions, turn, 500, rules=rules)
    with pytest.raises(QuotaExceeded):
        await reserve(sessions, turn, 0, rules=rules)
    await grant(sessions, turn.user_id, "50 turns")
    await grant(sessions, turn.user_id, "0.002 usd")
    assert [each[2] for each in await left(sessions, turn, rules)] == [50, 58, 2000]
    assert await used(sessions, turn.user_id) == {"minute": -48, "day": -48, "month": -1000}
    await reserve(sessions, turn, 2000, rules=rules)
    with pytest.raises(QuotaExceeded):
        await reserve(sessions, turn, 1, rules=rules)
    assert [each[2] for each in await left(sessions, turn, rules, seconds=30)] == [2, 57, 0]
    assert [each[2] for each in await left(sessions, turn, rules, seconds=86_400)] == [2, 10, 0]


async def test_a_grant_changes_neither_budget_nor_statistics(sessions: Sessions) -> None:
    turn = await ask(sessions)
    await settle(sessions, await reserve(sessions, turn, 500), 400)
    before = await spent(sessions, turn)
    await grant(sessions, turn.user_id, "50 turns")
    await grant(sessions, turn.user_id, "2 usd")
    await grant(sessions, turn.user_id, "100k tokens")
    assert await used(sessions, DEPLOYMENT) == {"month": 400}
    assert await spent(sessions, turn) == before
    await quota.sum_up(sessions, UTC, before=later(2 * 86_400))
    assert await spent(sessions, turn) == before


async def spent(sessions: Sessions, turn: Turn) -> Spending:
    return await commit(sessions, lambda s: quota.spent(s, turn.user_id, RULES, now=NOW))


async def test_a_grant_in_a_new_window_begins_it(sessions: Sessions) -> None:
    """The allowance still counts the day before."""
    turn = await ask(sessions)
    for _ in range(5):
        await reserve(sessions, turn, 0)
    await grant(sessions, turn.user_id, "1 turn", seconds=86_400)
    assert await used(sessions, turn.user_id) == {"day": -1, "month": 0}
    tomorrow = replace(turn, created_at=later(86_400))
    await reserve(sessions, tomorrow, seconds=86_400)
    assert [each[2] for each in await left(sessions, turn, seconds=86_400)] == [10, 990]


async def test_a_grant_can_be_taken_back(sessions: Sessions) -> None:
    turn = await ask(sessions)
    await grant(sessions, turn.user_id, "5 turns")
    await grant(sessions, turn.user_id, "-5 turns")
    assert [each[2] for each in await left(sessions, turn)] == [10, 1000]
    with pytest.raises(ValueError, match="is not of the form"):
        await grant(sessions, turn.user_id, "5 turns/day")


async def test_a_group_gets_a_grant_that_its_members_share(sessions: Sessions) -> None:
    await allow(sessions, CLUB, "1 turn/day")
    turn = await ask(sessions, address=GROUP)
    await reserve(sessions, turn)
    await grant(sessions, CLUB, "1 turn")
    await reserve(sessions, await ask(sessions, BOB, GROUP))
    with pytest.raises(QuotaExceeded, match="1 turn/day"):
        await reserve(sessions, turn)


async def test_old_corrections_and_old_allowances_of_groups_are_deleted(sessions: Sessions) -> None:
    await allow(sessions, CLUB, "1 turn/day")
    turn = await ask(sessions, address=GROUP)
    await reserve(sessions, turn)
    await grant(sessions, turn.user_id, "1 turn")
    await bookkeeping.prune(sessions, before=later(10 * 86_400))
    assert await rows.count(sessions, models.corrections) == 1, "the month may not be over"
    await bookkeeping.prune(sessions, before=later(40 * 86_400))
    assert await rows.count(sessions, models.corrections) == 0
    assert await rows.count(sessions, models.allowances) == 0


# One person


async def link(sessions: Sessions, into: int, gone: int) -> str:
    """Join two users as one transaction does that also moves their turns."""

    async def work(session: Session) -> str:
        terms = await quota.merge(session, into, gone, RULES, now=NOW)
        for table in (models.turns, models.identities):
            theirs = update(table).where(table.c.user_id == gone).values(user_id=into)
            await session.execute(theirs)
        return terms

    return await commit(sessions, work)


async def test_two_accounts_that_join_have_used_the_sum(sessions: Sessions) -> None:
    ada, bob = await ask(sessions), await ask(sessions, BOB, GROUP)
    await settle(sessions, await reserve(sessions, ada, 500), 300)
    await settle(sessions, await reserve(sessions, bob, 200), 200)
    await quota.sum_up(sessions, UTC, before=later(2 * 86_400))
    await grant(sessions, bob.user_id, "0.0001 usd")
    await settle(sessions, await reserve(sessions, bob, 50), 50)
    assert await link(sessions, ada.user_id, bob.user_id) == ""
    assert [each[2] for each in await left(sessions, ada)] == [7, 550]
    assert (await spent(sessions, ada)).charged == 550
    await reserve(sessions, ada, 0)
    assert await used(sessions, ada.user_id) == {"day": 4, "month": 450}
    assert await used(sessions, bob.user_id) == {}
    assert await used(sessions, DEPLOYMENT) == {"month": 550}


async def test_a_call_in_flight_is_settled_for_the_person_who_was_joined(
    sessions: Sessions,
) -> None:
    ada, bob = await ask(sessions), await ask(sessions, BOB, GROUP)
    call = await reserve(sessions, bob, 500)
    await link(sessions, ada.user_id, bob.user_id)
    await reserve(sessions, ada, 100)
    assert await used(sessions, ada.user_id) == {"day": 2, "month": 600}
    await settle(sessions, call, 30)
    assert await used(sessions, ada.user_id) == {"day": 2, "month": 130}
    more = await reserve(sessions, bob, 200)
    assert more.user_id == ada.user_id, "its worker knows only the user of the claim"
    assert await used(sessions, ada.user_id) == {"day": 3, "month": 330}
    assert await used(sessions, bob.user_id) == {}


async def test_a_turn_without_limits_follows_its_person_too(sessions: Sessions) -> None:
    ada, bob = await ask(sessions), await ask(sessions, BOB, GROUP)
    await link(sessions, ada.user_id, bob.user_id)
    assert (await reserve(sessions, bob, rules=Rules())).user_id == ada.user_id


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("", "", ""),
        ("vip", "", "10 turns/day, 0.001 usd/month"),
        ("", "free", ""),
        ("vip", "free", "vip"),
        ("unlimited", "vip", "vip"),
        ("5 turns/day, 0.001 usd/month", "", "5 turns/day, 0.001 usd/month"),
        ("5 turns/day", "3 turns/day, 2 usd/month", "3 turns/day, 2 usd/month"),
        ("5 turns/day", "9 turns/minute", "5 turns/day, 9 turns/minute"),
        ("gone", "vip", "10 turns/day, 0.001 usd/month"),
    ],
)
async def test_nobody_gains_by_a_link(
    sqlite_sessions: Sessions, first: str, second: str, joined: str
) -> None:
    sessions = sqlite_sessions
    every = replace(RULES, tiers={**RULES.tiers, "gone": ()})
    ada, bob = await ask(sessions), await ask(sessions, BOB, GROUP)
    for turn, terms in ((ada, first), (bob, second)):
        await allow(sessions, turn.user_id, terms, every)
    told = await link(sessions, ada.user_id, bob.user_id)
    assert RULES.of_person(told) == RULES.of_person(joined)
    assert await commit(sessions, lambda s: quota.terms_of(s, ada.user_id)) == told


async def part(sessions: Sessions, user_id: int) -> Turn:
    """Let Bob's account leave a user; return a turn of the new one."""
    theirs = models.identities.c.account_id == BOB.account_id

    async def work(session: Session) -> None:
        made = models.users.insert().values(created_at=NOW).returning(models.users.c.id)
        new = await session.scalar(made)
        await session.execute(update(models.identities).where(theirs).values(user_id=new))
        await quota.split(session, user_id, new, RULES, now=NOW)

    await commit(sessions, work)
    return await ask(sessions, BOB, replace(HOME, chat="200"))


async def test_an_account_that_leaves_has_used_what_both_have(sessions: Sessions) -> None:
    ada, bob = await ask(sessions), await ask(sessions, BOB, GROUP)
    await link(sessions, ada.user_id, bob.user_id)
    await allow(sessions, ada.user_id, "5 turns/minute, 0.001 usd/month")
    old = replace(ada, created_at=later(-86_400))
    await reserve(sessions, old, 300, seconds=-86_400)
    await reserve(sessions, ada, 200)
    await grant(sessions, ada.user_id, "0.0005 usd")
    paid = await used(sessions, DEPLOYMENT)

    new = await part(sessions, ada.user_id)
    assert new.user_id not in (ada.user_id, bob.user_id)
    assert [each[1:] for each in await left(sessions, new)] == [
        ("5 turns/minute", 4),
        ("0.001 usd/month", 500),
    ], "a grant is for one"
    assert await spent(sessions, new) == Spending(0, 0, 0, 0, 0)
    await reserve(sessions, new, 500)
    assert await used(sessions, new.user_id) == {"minute": 2, "month": 1000}
    assert await used(sessions, DEPLOYMENT) == {"month": paid["month"] + 500}
    assert [each[2] for each in await left(sessions, new, seconds=60)] == [5, 0]


async def test_to_part_and_join_again_changes_nothing(sessions: Sessions) -> None:
    ada, bob = await ask(sessions), await ask(sessions, BOB, GROUP)
    await link(sessions, ada.user_id, bob.user_id)
    await reserve(sessions, ada, 300)
    before = await left(sessions, ada)
    for _ in range(3):
        new = await part(sessions, ada.user_id)
        assert await left(sessions, new) == before
        await link(sessions, ada.user_id, new.user_id)
    assert await left(sessions, ada) == before
    assert await rows.count(sessions, models.corrections) == 0
