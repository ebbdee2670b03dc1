"""A worker claims the oldest turns with free lanes, and no two workers claim the same."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from core import fleet, inbox, models
from core.adapter import Address, Author
from core.db import Sessions
from core.lines import ALONE, FATAL, FIRST, LATER, ONCE, REST, SUSPECT, TWICE
from core.turns import Outcome, Speaker, Turn
from tests.core import rows
from tests.core.rows import ACCOUNT, ADA, BOB, GROUP, NOW, ask, ask_in_group, commit, ids, later

# Lanes


async def test_a_lane_is_answered_in_its_order(sessions: Sessions, ada: Speaker) -> None:
    first, second, third = [await ask(sessions, ada, str(number)) for number in range(3)]
    turn = await rows.claimed(sessions)
    assert turn.id == first
    assert await ids(sessions) == []
    # The lane is taken until the answer stands.
    await rows.answer(sessions, turn)
    assert await ids(sessions) == []
    await rows.deliver(sessions, turn)
    assert await ids(sessions) == [second]
    assert await ids(sessions) == []
    assert third not in await ids(sessions, now=later(5))


async def test_a_lane_waits_for_a_delivery_that_is_put_off(
    sessions: Sessions, ada: Speaker
) -> None:
    first, second = [await ask(sessions, ada, str(number)) for number in range(2)]
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    await rows.put_back(sessions, turn, later(60))
    assert await ids(sessions, now=later(59)) == []
    turn = await rows.claimed(sessions, now=later(60))
    assert (turn.id, turn.answer) == (first, f"answer {first}")
    await rows.deliver(sessions, turn)
    assert await ids(sessions, now=later(60)) == [second]


async def test_in_a_group_nobody_waits_for_somebody_else(sessions: Sessions) -> None:
    """A running answer holds nobody else up, nor does a delivery that is put off, nor a command."""
    first = await ask_in_group(sessions, ADA, "1")
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    await rows.put_back(sessions, turn, later(60))
    await ask_in_group(sessions, ADA, "2")
    for number in range(3):
        await ask_in_group(sessions, ADA, f"c{number}", kind="command", lane=None, answer="text")
    bobs = await ask_in_group(sessions, BOB, "3")
    assert turn.id == first
    assert await ids(sessions, limit=10) == [bobs - 3, bobs - 2, bobs - 1, bobs]


async def test_a_delivery_tells_whether_another_turn_may_wait_for_it(
    sessions: Sessions,
) -> None:
    first = await ask_in_group(sessions, ADA, "1")
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    assert not await rows.deliver(sessions, turn)
    second = await ask_in_group(sessions, ADA, "2", follows_id=first)
    third = await ask_in_group(sessions, BOB, "3", follows_id=second)
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    assert await rows.deliver(sessions, turn)
    assert await ids(sessions) == [third]


async def test_the_second_of_a_lane_waits_while_the_first_is_put_back(
    sessions: Sessions, ada: Speaker
) -> None:
    first, _ = [await ask(sessions, ada, str(number)) for number in range(2)]
    await rows.put_back(sessions, await rows.claimed(sessions), later(60))
    assert await ids(sessions, now=later(59)) == []
    assert await ids(sessions, now=later(60)) == [first]


async def test_the_second_of_a_lane_waits_for_the_first_over_a_dead_worker(
    sessions: Sessions, ada: Speaker
) -> None:
    first, second = [await ask(sessions, ada, str(number)) for number in range(2)]
    assert await ids(sessions, "dead") == [first]
    assert await ids(sessions, "alive", now=later(14.9)) == []
    turn = await rows.claimed(sessions, "alive", now=later(15))
    assert turn.id == first
    await rows.finish(sessions, turn)
    assert await ids(sessions, "alive", now=later(15)) == [second]


async def test_lanes_and_turns_without_one_go_side_by_side(
    sessions: Sessions, ada: Speaker
) -> None:
    private = await ask(sessions, ada, "1")
    in_group = [await ask_in_group(sessions, who, who.name) for who in (ADA, BOB)]
    await ask(sessions, ada, "2")
    free = [await ask(sessions, ada, f"free {number}", lane=None) for number in range(2)]
    assert await ids(sessions) == [private, *in_group, *free]


async def test_a_turn_that_is_queued_again_waits_for_the_one_that_runs(
    sessions: Sessions, ada: Speaker
) -> None:
    first, second, third = [await ask(sessions, ada, str(number)) for number in range(3)]
    await rows.finish(sessions, await rows.claimed(sessions), Outcome.FAILED)
    running = await rows.claimed(sessions)

    await commit(sessions, lambda s: inbox.requeue(s, first, now=NOW))

    assert running.id == second
    assert await ids(sessions) == []
    await rows.finish(sessions, running)
    again = await rows.claimed(sessions)
    assert again.id == first
    await rows.finish(sessions, again)
    assert await ids(sessions) == [third]


@pytest.mark.parametrize("follows", [False, True], ids=["in its lane", "and what it follows"])
async def test_a_lane_goes_on_in_order_when_a_worker_dies_after_an_older_turn_was_queued_again(
    sessions: Sessions, ada: Speaker, follows: bool
) -> None:
    first = await ask(sessions, ada, "1")
    second = await ask(sessions, ada, "2", follows_id=first if follows else None)
    await rows.finish(sessions, await rows.claimed(sessions), Outcome.FAILED)
    assert await ids(sessions, "dead") == [second]
    await commit(sessions, lambda s: inbox.requeue(s, first, now=NOW))

    turn = await rows.claimed(sessions, "alive", now=later(20))

    assert turn.id == first
    await rows.finish(sessions, turn)
    assert await ids(sessions, "alive", now=later(20)) == [second]


async def test_a_reply_to_an_unfinished_answer_waits_for_it(sessions: Sessions) -> None:
    first = await ask_in_group(sessions, ADA, "1")
    reply = await ask_in_group(sessions, BOB, "2", follows_id=first)
    turn = await rows.claimed(sessions)
    assert turn.id == first
    await rows.put_back(sessions, turn, later(5))
    assert await ids(sessions) == []
    turn = await rows.claimed(sessions, now=later(5))
    await rows.answer(sessions, turn)
    assert await ids(sessions) == []
    await rows.deliver(sessions, turn)
    assert await ids(sessions) == [reply]


async def test_a_reply_to_a_deleted_turn_waits_for_nothing(sessions: Sessions) -> None:
    reply = await ask_in_group(sessions, BOB, "1", follows_id=99)
    assert await ids(sessions) == [reply]


# Time, number, accounts


async def test_a_turn_waits_until_it_is_ready_and_holds_its_lane_meanwhile(
    sessions: Sessions, ada: Speaker
) -> None:
    album = await ask(sessions, ada, "1", ready_at=later(0.6))
    await ask(sessions, ada, "2")
    assert await ids(sessions, now=later(0.5)) == []
    assert await ids(sessions, now=later(0.6)) == [album]


async def test_a_claim_takes_the_oldest_up_to_its_limit(sessions: Sessions, ada: Speaker) -> None:
    turns = [await ask(sessions, ada, str(number), lane=None) for number in range(5)]
    assert await ids(sessions, limit=2) == turns[:2]
    assert await ids(sessions, limit=2) == turns[2:4]
    assert await ids(sessions, limit=2) == turns[4:]


async def test_a_claim_takes_only_turns_of_its_accounts(sessions: Sessions, ada: Speaker) -> None:
    others = [("telegram", "2"), ("discord", "1")]
    elsewhere = [
        await ask(sessions, ada, "m", now=NOW, address=Address(*account, "100"), lane=None)
        for account in others
    ]
    here = await ask(sessions, ada, "m", lane=None)
    assert await ids(sessions, accounts=[]) == []
    assert await ids(sessions) == [here]
    assert await commit(sessions, lambda s: inbox.is_busy(s, [("discord", "1")]))
    assert not await commit(sessions, lambda s: inbox.is_busy(s, [("discord", "2")]))
    assert await ids(sessions, accounts=[*others, ACCOUNT]) == elsewhere


async def test_the_inbox_is_busy_until_the_last_delivery(sessions: Sessions, ada: Speaker) -> None:
    async def is_busy() -> bool:
        return await commit(sessions, lambda s: inbox.is_busy(s, [ACCOUNT]))

    assert not await is_busy()
    await ask(sessions, ada, "1", ready_at=later(60))
    assert await is_busy()
    turn = await rows.claimed(sessions, now=later(60))
    await rows.answer(sessions, turn)
    assert await is_busy()
    await rows.deliver(sessions, turn)
    assert not await is_busy()


# People in turn


async def test_people_are_served_in_turn_whoever_asked_first(sessions: Sessions) -> None:
    bob = await rows.speaker(sessions, BOB, replace(rows.HOME, chat="200"))
    ada = await rows.speaker(sessions)
    adas = [await ask(sessions, ada, f"a{number}") for number in range(3)]
    bobs = [await ask(sessions, bob, f"b{number}") for number in range(3)]
    served = []
    for second in range(1, 7):
        [turn] = await rows.claim(sessions, now=later(second), limit=1)
        served.append(turn.id)
        await rows.answer(sessions, turn)
        assert await rows.deliver(sessions, turn, now=later(second)) == (second < 5)
    assert served == [turn for both in zip(adas, bobs, strict=True) for turn in both]


async def test_a_person_in_many_groups_has_one_turn_before_those_of_others(
    sessions: Sessions,
) -> None:
    groups = [replace(GROUP, chat=f"-{number}") for number in range(1, 6)]
    adas = []
    for group in groups:
        who = await rows.speaker(sessions, ADA, group, private=False)
        adas.append(await ask(sessions, who, group.chat, address=group, lane=group.chat))
    bobs = await ask_in_group(sessions, BOB, "1")
    [first, second] = await rows.claim(sessions, limit=2)
    assert [first.id, second.id] == [adas[0], bobs]
    await rows.finish(sessions, first)
    [third] = await rows.claim(sessions, limit=1)
    assert third.id == adas[1]
    assert await ids(sessions) == adas[2:], "nobody else waits"


async def test_a_turn_that_missed_its_call_is_found(sessions: Sessions, ada: Speaker) -> None:
    first, second = [await ask(sessions, ada, str(number)) for number in range(2)]
    assert (await rows.stored(sessions, second)).line is None
    ended = update(models.turns).where(models.turns.c.id == first)
    by_hand = ended.values(answered_at=NOW, outcome="ok", delivered_at=NOW)
    await commit(sessions, lambda s: s.execute(by_hand))
    assert await ids(sessions) == []
    await commit(sessions, inbox.unblock)
    assert await ids(sessions) == [second]


async def test_a_new_turn_that_comes_while_the_one_before_ends_is_found(
    postgres_sessions: Sessions,
) -> None:
    ada = await rows.speaker(postgres_sessions)
    await ask(postgres_sessions, ada, "1")
    turn = await rows.claimed(postgres_sessions)
    await rows.answer(postgres_sessions, turn)
    async with rows.begin(postgres_sessions) as session:
        second = await inbox.accept(session, "event 2", rows.entry(ada, "2"), now=NOW)
        delivering = asyncio.create_task(rows.deliver(postgres_sessions, turn))
        await rows.locked(postgres_sessions)
    await delivering
    await commit(postgres_sessions, inbox.unblock)
    assert await ids(postgres_sessions) == [second]


# Deaths


async def test_a_turn_moves_to_the_last_line_by_deaths_and_rests_between_those_alone(
    sessions: Sessions, ada: Speaker
) -> None:
    """Many turns of a process that died run few at a time, and at last one by one."""
    now = NOW
    turn_id = await ask(sessions, ada, "1")
    for deaths, line in enumerate((FIRST, ONCE, TWICE, ALONE, ALONE, ALONE, ALONE)):
        others = tuple(each for each in (FIRST, LATER, ONCE, TWICE, ALONE) if each != line)
        assert await ids(sessions, now=now, lines=others) == []
        rest = timedelta(seconds=REST.get(deaths, 0.0))
        if rest:
            assert await ids(sessions, now=now + rest / 2, lines=(line,)) == []
        now += rest
        [turn] = await rows.claim(sessions, now=now, lines=(line,))
        assert (turn.id, turn.deaths) == (turn_id, deaths)
        now += rows.LEASE
    assert deaths == FATAL


async def test_a_turn_that_is_asked_again_after_deaths_still_runs_alone(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await ask(sessions, ada, "1")
    row = update(models.turns).values(deaths=FATAL, line=ALONE)
    await commit(sessions, lambda s: s.execute(row))
    [turn] = await rows.claim(sessions, lines=(ALONE,))
    await rows.finish(sessions, turn, Outcome.FAILED)
    await commit(sessions, lambda s: inbox.requeue(s, turn_id, now=NOW))
    assert await ids(sessions) == []
    [turn] = await rows.claim(sessions, lines=(ALONE,))
    assert turn.deaths == SUSPECT


# Attempts, faults, leases


async def test_every_claim_is_an_attempt_and_faults_and_deaths_are_counted_apart(
    sessions: Sessions, ada: Speaker
) -> None:
    def figures(turn: Turn) -> tuple[int, int, int]:
        return turn.attempt, turn.faults, turn.deaths

    await ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    assert figures(turn) == (1, 0, 0)
    await rows.put_back(sessions, turn, NOW)
    turn = await rows.claimed(sessions)
    assert figures(turn) == (2, 0, 0)
    await rows.put_back(sessions, turn, NOW, fault=True)
    assert figures(await rows.claimed(sessions)) == (3, 1, 0)
    turn = await rows.claimed(sessions, now=later(15))
    assert figures(turn) == (4, 1, 1)
    await rows.answer(sessions, turn)
    assert figures(await rows.claimed(sessions, now=later(30))) == (5, 0, 2)


async def test_a_renewed_lease_keeps_others_out(sessions: Sessions, ada: Speaker) -> None:
    turn_id = await ask(sessions, ada, "1")
    await rows.claimed(sessions, "slow")
    await commit(sessions, lambda s: inbox.renew(s, "slow", [turn_id], lease_until=later(30)))
    assert await ids(sessions, "other", now=later(29)) == []
    assert await ids(sessions, "other", now=later(30)) == [turn_id]


async def test_a_worker_does_not_claim_its_own_running_turns_again(
    sessions: Sessions, ada: Speaker
) -> None:
    turn_id = await ask(sessions, ada, "1")
    assert await ids(sessions) == [turn_id]
    assert await ids(sessions, now=later(20), kept=[turn_id]) == []
    assert await ids(sessions, now=later(20)) == [turn_id]


async def test_a_turn_that_is_handed_back_is_claimed_at_once_without_a_fault(
    sessions: Sessions, ada: Speaker
) -> None:
    answered, running, kept = [
        await ask(sessions, ada, str(number), lane=None) for number in range(3)
    ]
    turns = await rows.claim(sessions, "stops", limit=2)
    await rows.answer(sessions, turns[0])
    assert await ids(sessions, "stops on") == []

    await commit(sessions, lambda s: inbox.hand_back(s, "stops"))

    found = await rows.claim(sessions, "other", limit=2)
    assert [(turn.id, turn.attempt, turn.deaths) for turn in found] == [
        (answered, 2, 0),
        (running, 2, 0),
    ]
    await commit(sessions, lambda s: inbox.hand_back(s, "stops"))
    assert await ids(sessions, "other") == [kept]


async def test_the_only_process_frees_turns_of_the_one_before(
    sessions: Sessions, ada: Speaker
) -> None:
    answered, running, waiting = [
        await ask(sessions, ada, str(number), lane=None) for number in range(3)
    ]
    turns = await rows.claim(sessions, "before", limit=2)
    await rows.answer(sessions, turns[0])

    await commit(sessions, lambda s: inbox.free(s, now=NOW))

    found = await rows.claim(sessions, "after")
    assert [(turn.id, turn.attempt, turn.deaths) for turn in found] == [
        (answered, 2, 1),
        (running, 2, 1),
        (waiting, 1, 0),
    ]


# Deliveries


async def test_a_lane_goes_on_with_the_delivery_of_a_dead_worker(
    sessions: Sessions, ada: Speaker
) -> None:
    first, second = [await ask(sessions, ada, str(number)) for number in range(2)]
    await rows.answer(sessions, await rows.claimed(sessions, "dead"))
    assert await ids(sessions, now=later(14)) == []
    turn = await rows.claimed(sessions, now=later(20))
    assert (turn.id, turn.answer) == (first, f"answer {first}")
    assert await ids(sessions, now=later(20)) == []
    await rows.deliver(sessions, turn)
    assert await ids(sessions, now=later(20)) == [second]


async def test_a_command_that_is_put_off_holds_back_nothing(
    sessions: Sessions, ada: Speaker
) -> None:
    _, second = [
        await ask(sessions, ada, str(number), kind="command", lane=None, answer="text")
        for number in range(2)
    ]
    [turn] = await rows.claim(sessions, limit=1)
    await rows.put_back(sessions, turn, later(60))
    question = await ask(sessions, ada, "question")
    assert await ids(sessions, now=later(59)) == [second, question]


async def test_a_command_waits_for_no_answer_that_is_not_ready(
    sessions: Sessions, ada: Speaker
) -> None:
    await ask(sessions, ada, "1")
    await rows.claimed(sessions)
    command = await ask(sessions, ada, "2", kind="command", lane=None, answer="text")
    assert await ids(sessions) == [command]


# Pauses


async def test_a_claim_tells_until_when_its_chat_is_paused(
    sessions: Sessions, ada: Speaker
) -> None:
    elsewhere = replace(GROUP, chat="-2")
    for address, until in ((elsewhere, 5), (GROUP, 30), (GROUP, 20)):
        async with rows.begin(sessions) as session:
            await fleet.pause(session, address, until=later(until))
    await ask(sessions, ada, "1")
    await ask_in_group(sessions, ADA, "2")

    free, paused = await rows.claim(sessions)

    assert free.paused_until is None
    assert paused.paused_until == later(30)


async def test_a_stopped_turn_does_not_wait_for_its_time(sessions: Sessions, ada: Speaker) -> None:
    await ask(sessions, ada, "1")
    first = await rows.claimed(sessions)
    await commit(sessions, lambda s: inbox.retry(s, first, ready_at=later(3600), fault=False))
    second = await ask(sessions, ada, "2")
    assert await ids(sessions) == []

    await commit(sessions, lambda s: inbox.cancel(s, [first.id]))

    stopped = await rows.claimed(sessions)
    assert (stopped.id, stopped.cancel) == (first.id, True)
    await rows.finish(sessions, stopped, Outcome.STOPPED)
    assert await ids(sessions) == [second]


# Several workers


async def test_a_chat_that_another_live_worker_answers_is_left_to_it(sessions: Sessions) -> None:
    first = await ask_in_group(sessions, ADA, "1")
    assert await ids(sessions, "one") == [first]
    second = await ask_in_group(sessions, BOB, "2")
    elsewhere = await ask(sessions, await rows.speaker(sessions), "3")

    assert await ids(sessions, "two") == [elsewhere]
    assert await ids(sessions, "one") == [second]
    # It is not left to a worker that is dead.
    assert await ids(sessions, "two", now=later(15)) == [first, second, elsewhere]


@pytest.mark.slow
async def test_many_workers_take_each_turn_once_and_never_two_of_a_lane(
    postgres_sessions: Sessions,
) -> None:
    lanes, of_each = 50, 4
    for number in range(lanes):
        author = Author("telegram", str(number), f"Person {number}")
        home = Address(*ACCOUNT, chat=str(number))
        who = await rows.speaker(postgres_sessions, author, home)
        for question in range(of_each):
            await ask(postgres_sessions, who, f"{number}-{question}", address=home)
    seen: list[int] = []
    running: set[int] = set()

    async def work(worker_id: str) -> None:
        while await commit(postgres_sessions, lambda s: inbox.is_busy(s, [ACCOUNT])):
            try:
                turns = await rows.claim(postgres_sessions, worker_id, limit=3)
            except IntegrityError:
                continue
            for turn in turns:
                assert turn.conversation_id not in running
                running.add(turn.conversation_id)
                seen.append(turn.id)
            for turn in turns:
                running.discard(turn.conversation_id)
                await rows.finish(postgres_sessions, turn)

    async with asyncio.timeout(120):
        await asyncio.gather(*(work(f"worker {number}") for number in range(20)))

    assert len(seen) == len(set(seen)) == lanes * of_each


@pytest.mark.parametrize("is_answered", [False, True], ids=["that run", "in hand"])
async def test_the_database_itself_refuses_two_turns_in_a_lane(
    sessions: Sessions, ada: Speaker, is_answered: bool
) -> None:
    _, second = [await ask(sessions, ada, str(number)) for number in range(2)]
    turn = await rows.claimed(sessions)
    if is_answered:
        await rows.answer(sessions, turn)
    taken = update(models.turns).where(models.turns.c.id == second).values(worker_id="another")
    with pytest.raises(IntegrityError):
        await commit(sessions, lambda s: s.execute(taken))
