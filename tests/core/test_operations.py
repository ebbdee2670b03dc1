"""What operators order is done and recorded, and what they ask costs little."""

import re
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from sqlalchemy import select

from core import access, models, operations, quota
from core.adapter import VERBS, Author
from core.db import Session, Sessions
from core.operations import Answer, Order
from core.quota import Group, Rules
from core.settings import read_limits
from core.turns import Outcome, Payer, Speaker
from tests.core import rows
from tests.core.rows import ADA, BOB, GROUP, NOW, commit, later

RULES = Rules(
    read_limits("10 turns/day, 1 usd/month"), tiers={"vip": read_limits("99 turns/day")}, zone=UTC
)
ORDER = Order("telegram:9", RULES, NOW, admins=frozenset({("telegram", "200")}))


async def give(sessions: Sessions, text: str, **how: Any) -> Answer:
    """Give an order."""
    order = replace(ORDER, **how)
    return await commit(sessions, lambda s: operations.carry_out(s, text, order))


async def done(sessions: Sessions, text: str) -> str:
    """Give an order that asks first, and confirm it."""
    before = await audits(sessions)
    assert (await give(sessions, text)).asks
    assert await audits(sessions) == before, "nothing is done before it is confirmed"
    answer = await give(sessions, text, confirmed=True)
    assert (answer.asks, answer.failed) == (False, False)
    return answer.text


async def audits(sessions: Sessions) -> list[tuple[str, ...]]:
    columns = [models.audits.c[name] for name in ("verb", "subject", "before", "after")]
    found = await commit(sessions, lambda s: s.execute(select(*columns).order_by("id")))
    return [tuple(row) for row in found]


async def terms(sessions: Sessions, whom: Any) -> str:
    return await commit(sessions, lambda s: quota.terms_of(s, whom))


def test_every_verb_has_a_command_and_parameters() -> None:
    assert list(operations.CATALOGUE) == [verb.name for verb in VERBS]
    assert operations.CATALOGUE["limit"].usage == "limit WHO LIMITS"


async def test_people_are_found_by_part_of_a_name_in_any_case(sessions: Sessions) -> None:
    for number, name in enumerate(("Алёна Б", "Zoë", "Ada Lovelace", "100%_sure"), 1):
        await rows.speaker(sessions, Author("telegram", f"7{number}", name))
    for text, found in {"алёна": 1, "LOVE": 3, "zoë": 2, "0%_S": 4}.items():
        assert f"number {found}" in (await give(sessions, f"user {text}")).text
    assert (await give(sessions, "user e")).failed, "two fit"
    assert "Several" in (await give(sessions, "user e")).text
    assert (await give(sessions, "user %")).text.startswith("**100")
    assert (await give(sessions, "user nobody")).failed


async def test_a_name_is_shown_as_it_is(sessions: Sessions) -> None:
    name = "*A* [x](http://evil) `c` <b>\u202e\n# /stop"
    await rows.speaker(sessions, Author("telegram", "7", name))
    told = (await give(sessions, "user 1")).text
    assert "\u202e" not in told
    assert r"\*A\* \[x\]\(http://evil\)" in told


async def test_a_tier_is_given_after_a_question(sessions: Sessions, ada: Speaker) -> None:
    told = await done(sessions, "tier ada VIP")
    assert "default → vip" in told
    assert await terms(sessions, ada.user_id) == "vip"
    assert not (await give(sessions, "tier 1 vip")).asks, "it changes nothing"
    await done(sessions, "tier 1 default")
    assert await terms(sessions, ada.user_id) == ""
    assert await audits(sessions) == [
        ("tier", "1", "default", "vip"),
        ("tier", "1", "vip", "default"),
    ]
    wrong = await give(sessions, "tier 1 gold")
    assert wrong.failed
    assert "vip, unlimited, default" in wrong.text


async def test_a_person_and_a_group_get_limits_of_their_own(
    sessions: Sessions, ada: Speaker
) -> None:
    await done(sessions, "limit 1 50 turns/day, 2 usd/month")
    assert await terms(sessions, ada.user_id) == "50 turns/day, 2 usd/month"
    await rows.speaker(sessions, ADA, GROUP, private=False)
    await done(sessions, "limit telegram:-1 7 turns/hour")
    assert await terms(sessions, Group("telegram", "-1")) == "7 turns/hour"
    wrong = await give(sessions, "limit 1 50 turns/dax")
    assert wrong.failed
    assert "at character 1" in wrong.text.replace("\\", "")


async def test_a_grant_adds_to_what_is_left(sessions: Sessions, ada: Speaker) -> None:
    told = await done(sessions, "grant 1 2 usd")
    assert "3 of 1 usd/month" in told.replace("\\", "")
    left = await commit(sessions, lambda s: quota.remaining(s, Payer(1), RULES, now=NOW))
    assert [each.left for each in left] == [10, 3_000_000]
    assert await audits(sessions) == [
        ("grant 2 usd", "1", "1 of 1 usd/month", "3 of 1 usd/month"),
    ]
    assert (await give(sessions, "grant 1 9 tokens")).failed
    assert (await give(sessions, "grant 1 much")).failed


async def test_a_blocked_person_is_shown_as_one_and_let_speak_again(
    sessions: Sessions, ada: Speaker
) -> None:
    await done(sessions, "block 1")
    assert (await commit(sessions, lambda s: access.standing_of(s, 1))).blocked
    assert "**Blocked**" in (await give(sessions, "user 1")).text
    assert not (await give(sessions, "unblock 1")).failed
    assert not (await commit(sessions, lambda s: access.standing_of(s, 1))).blocked
    assert [verb for verb, *_ in await audits(sessions)] == ["block", "unblock"]


async def test_nobody_blocks_an_operator(sessions: Sessions) -> None:
    await rows.speaker(sessions, BOB)
    assert (await give(sessions, "block 1", confirmed=True)).failed
    assert await audits(sessions) == []


async def test_an_invite_is_made_listed_and_ended(sessions: Sessions, ada: Speaker) -> None:
    made = (await give(sessions, "invite vip 7d 5", links=lambda code: [f"x.test/{code}"])).text
    assert "5 people" in made
    assert "vip" in made
    found = re.search(r"`(.+)`", made)
    assert found
    assert f"x.test/{found[1]}" in made
    assert found[1] not in str(await audits(sessions)), "a code is a secret"
    redeemed = await commit(sessions, lambda s: access.redeem(s, found[1], 1, RULES, now=NOW))
    assert redeemed is not None
    assert redeemed.tier == "vip"
    assert "1 of 5 used" in (await give(sessions, "invite list")).text
    assert "Came with the invite" in (await give(sessions, "user 1")).text
    await give(sessions, "invite end 1")
    assert (await give(sessions, "invite list")).text == "No invite is open."
    assert (await give(sessions, "invite gold")).failed


async def test_an_announcement_is_shown_before_it_goes_out(
    sessions: Sessions, ada: Speaker
) -> None:
    asked = (await give(sessions, "announce We are *back*.")).text
    assert asked.startswith("We are *back*.")
    assert "1 person" in asked
    await done(sessions, "announce We are *back*.")
    assert "on its way" in (await give(sessions, "announce")).text
    assert "stopped" in (await give(sessions, "announce stop")).text
    assert "on its way" in (await give(sessions, "announce resume")).text
    assert [verb for verb, *_ in await audits(sessions)] == [
        *("announce", "announce stop", "announce resume")
    ]


async def test_an_order_that_dies_leaves_no_deed_and_no_record(
    sessions: Sessions, ada: Speaker
) -> None:
    async def die(session: Session) -> None:
        sure = replace(ORDER, confirmed=True)
        await operations.carry_out(session, "tier 1 vip", sure)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await commit(sessions, die)
    assert (await terms(sessions, 1), await audits(sessions)) == ("", [])


@pytest.mark.parametrize("sure", ["--yes", "—yes"])
async def test_who_is_sure_says_so_at_once(sessions: Sessions, ada: Speaker, sure: str) -> None:
    assert not (await give(sessions, f"tier 1 vip {sure}")).asks
    assert await terms(sessions, 1) == "vip"


async def test_a_discarded_turn_lets_the_next_one_of_its_lane_go_on(
    sessions: Sessions, ada: Speaker
) -> None:
    stuck = await rows.ask(sessions, ada, "1")
    after = await rows.ask(sessions, ada, "2")
    assert await rows.ids(sessions) == [stuck]
    await done(sessions, "turns discard 1-1")
    assert (await rows.stored(sessions, stuck)).outcome == Outcome.UNDELIVERABLE
    assert await rows.ids(sessions, now=later(60)) == [after]


async def test_a_turn_that_waits_for_its_next_attempt_waits_no_longer(
    sessions: Sessions, ada: Speaker
) -> None:
    waiting = await rows.ask(sessions, ada, "1", ready_at=later(3600))
    assert await rows.ids(sessions) == []
    assert not (await give(sessions, "turns retry 1")).failed
    assert await rows.ids(sessions) == [waiting]
    assert (await give(sessions, "turns retry 1")).failed, "now it is running"


# Strange words


HUGE = ("9" * 20, "9" * 5000, "²", "0", "-1")


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    "order", ["invite", "invite end", "turns show", "turns retry", "user", "audit", "stats"]
)
async def test_no_number_is_an_error(sessions: Sessions, order: str, number: str) -> None:
    assert (await give(sessions, f"{order} {number}")).failed


@pytest.mark.parametrize("space", [" ", "\n", "\n\n", "\t", "\N{NO-BREAK SPACE}"])
async def test_words_are_apart_by_any_space(sessions: Sessions, space: str) -> None:
    await rows.speaker(sessions)
    message = rows.message("1", text=f"/grant{space}1{space}5{space}turns")
    wish = operations.wish_in(message)
    assert wish is not None
    answer = await give(sessions, f"{wish}{space}--yes")
    assert not answer.failed, answer.text
    assert not answer.asks


async def test_an_announcement_may_begin_on_the_next_line() -> None:
    message = rows.message("1", text="/announce\nHello,\n\nall!")
    assert operations.wish_in(message) == "announce Hello,\n\nall!"


# The cost of questions: every statement goes by an index


TURNS = ("turns", *(f"turns {state}" for state in operations.STATES))
ASKED = ("user 1", "user 7001", "user 1-1", "top", "top today", "stats 365", "audit", "users")
SMALL = {"tally_marks", "days_of_all", "waits", "audits"}
"""Tables that grow by days, or by what operators do."""


@pytest.mark.parametrize("asked", [*ASKED, *TURNS])
async def test_a_question_reads_no_large_table_whole(sessions: Sessions, asked: str) -> None:
    await rows.speaker(sessions, Author("telegram", "7001", "Ada"))
    with rows.statements(sessions) as seen:
        await give(sessions, asked)
    for statement, parameters in seen:
        if "FROM users" in statement and ("count(*)" in statement or "LIMIT" in statement):
            continue  # the number of people, and the newest few of them
        assert await whole(sessions, statement, parameters) <= SMALL, statement


async def whole(sessions: Sessions, statement: str, parameters: Any) -> set[str]:
    """Return the tables that a statement reads from end to end."""

    async def explain(session: Session) -> list[str]:
        connection = session.connection
        if session.dialect == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return [str(row[3]) for row in plan]
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return [str(row[0]) for row in plan]

    found = set()
    for line in await commit(sessions, explain):
        table = re.search(r"SCAN (\w+)$|Seq Scan on (\w+)", line)
        if table:
            found.add(table[1] or table[2])
    return found
