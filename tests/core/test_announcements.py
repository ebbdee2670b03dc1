"""Announcements in the database: who gets one, where, and that no other turn waits for it."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from core import announcements, identity, inbox, models, mutes, places
from core.adapter import Account, Address, Author
from core.announcements import Announcer
from core.db import Session, Sessions
from core.lines import FIRST, LAST, LATER
from core.turns import Outcome, Speaker, Turn
from tests.core import rows
from tests.core.rows import ADA, BOB, HOME, NOW, commit, later

TELEGRAM, DISCORD = ("telegram", "1"), ("discord", "2")
EVE = Author("telegram", "300", "Eve")


async def say(sessions: Sessions, author: Author, address: Address, name: str) -> Speaker:
    """Somebody says something in private and gets an answer; return them."""
    who = await rows.speaker(sessions, author, address)
    await rows.ask(sessions, who, name, address=address, lane=name)
    for turn in await rows.claim(sessions, accounts=[(address.platform, address.bot_id)]):
        await rows.finish(sessions, turn)
    return who


async def begin(sessions: Sessions, by: int | None = None, **how: str) -> int:
    return await commit(sessions, lambda s: announcements.begin(s, "Hear!", by, NOW, **how))


async def feed(sessions: Sessions, seconds: float, *accounts: Account, rate: float = 10) -> None:
    """Let a process take a step with its accounts at a time."""
    rates = dict.fromkeys(accounts or (TELEGRAM, DISCORD), rate)
    await Announcer(sessions, lambda: rates, now=lambda: later(seconds)).round()


async def fed(sessions: Sessions, *lines: int) -> list[Turn]:
    """Claim the turns of announcements; return them by their chats."""
    found = await rows.claim(
        sessions,
        accounts=[TELEGRAM, DISCORD],
        lines=lines or (LAST,),
        now=later(99_999),
        limit=1000,
    )
    return sorted(found, key=lambda turn: turn.address.chat)


async def progress(sessions: Sessions, announcement_id: int) -> announcements.Progress:
    found = await commit(sessions, lambda s: announcements.progress(s, announcement_id))
    assert found is not None
    return found


async def test_it_goes_to_private_chats_alone(sessions: Sessions) -> None:
    await say(sessions, ADA, HOME, "a")
    await rows.ask_in_group(sessions, BOB, "b")
    await begin(sessions)
    await feed(sessions, 0)
    await feed(sessions, 3)
    assert [turn.address for turn in await fed(sessions)] == [HOME]


async def test_people_who_come_later_do_not_get_it(sessions: Sessions) -> None:
    await say(sessions, ADA, HOME, "a")
    begun = await begin(sessions)
    await say(sessions, BOB, replace(HOME, chat="200"), "b")
    await feed(sessions, 0)
    await feed(sessions, 3)
    assert [turn.address.chat for turn in await fed(sessions)] == ["100"]
    assert (await progress(sessions, begun)).people == 1


async def test_a_person_with_two_accounts_gets_it_once_in_the_newest_chat(
    sessions: Sessions,
) -> None:
    ada = await say(sessions, ADA, HOME, "a")
    there = Address(*DISCORD, chat="7")
    other = Author("discord", "7", "Ada")
    row = {"user_id": ada.user_id, "platform": "discord", "account_id": "7", "name": "Ada"}
    await commit(sessions, lambda s: s.execute(models.identities.insert().values(row)))
    await say(sessions, other, there, "b")
    await begin(sessions)
    for seconds in (0, 3, 6):
        await feed(sessions, seconds)
    assert [turn.address for turn in await fed(sessions)] == [there]


async def test_who_has_blocked_the_bot_is_left_out(sessions: Sessions) -> None:
    for author in (ADA, BOB, EVE):
        await say(sessions, author, replace(HOME, chat=author.account_id), author.name)
    await commit(sessions, lambda s: mutes.mute(s, replace(HOME, chat="200"), now=NOW))
    begun = await begin(sessions)
    for seconds in (0, 3):
        await feed(sessions, seconds)
    ada, eve = await fed(sessions)
    await rows.deliver(sessions, ada)
    await commit(sessions, lambda s: inbox.give_up(s, eve, now=NOW))
    found = await progress(sessions, begun)
    figures = found.people, found.sent, found.refused, found.left_out, found.waiting
    assert figures == (3, 1, 1, 1, 0)


@pytest.mark.slow
async def test_a_step_keeps_the_pace_and_waits_for_what_is_on_its_way(sessions: Sessions) -> None:
    for number in range(70):
        author = Author("telegram", str(number), "P")
        await rows.speaker(sessions, author, replace(HOME, chat=str(number)))
    await commit(sessions, write_to_all)
    await begin(sessions)
    await feed(sessions, 0)
    assert len(await waiting(sessions)) == 0
    await feed(sessions, 1)
    assert len(await waiting(sessions)) == 10
    await feed(sessions, 1.5)
    assert len(await waiting(sessions)) == 15
    await feed(sessions, 100)
    assert len(await waiting(sessions)) == 30, "three seconds of its pace"
    await feed(sessions, 101)
    assert len(await waiting(sessions)) == 30
    for turn in await fed(sessions):
        await rows.deliver(sessions, turn)
    await feed(sessions, 102)
    assert len(await waiting(sessions)) == 30, "the gates of the process keep the pace"


async def write_to_all(session: Session) -> None:
    """Give everybody a delivered turn in their chat."""
    for row in (await session.execute(select(models.conversations))).all():
        place = places.Place(row.user_id, row.id, 0, replace(HOME, chat=str(row.user_id)))
        await inbox.inform(session, place, "Hello!", now=NOW)
    await session.execute(update(models.turns).values(delivered_at=NOW))


async def waiting(sessions: Sessions) -> list[int]:
    query = select(models.turns.c.id).where(
        models.turns.c.line == LAST, models.turns.c.delivered_at.is_(None)
    )
    return list(await commit(sessions, lambda s: s.scalars(query)))


async def test_two_processes_together_keep_the_pace_of_one(sessions: Sessions) -> None:
    for number in range(30):
        author = Author("telegram", str(number), "P")
        await rows.speaker(sessions, author, replace(HOME, chat=str(number)))
    await commit(sessions, write_to_all)
    await begin(sessions)
    for seconds in (0, 1):
        for _ in range(2):
            await feed(sessions, seconds)
    assert len(await waiting(sessions)) == 10


async def test_a_persons_own_turns_go_as_if_it_was_not_there(
    sessions: Sessions, ada: Speaker
) -> None:
    await say(sessions, ADA, HOME, "a")
    await begin(sessions)
    await feed(sessions, 0)
    await feed(sessions, 3)
    own = await rows.ask(sessions, ada, "own")
    assert (await rows.stored(sessions, own)).line == FIRST
    found = await commit(sessions, lambda s: identity.activity(s, ADA, now=NOW))
    assert found is not None
    assert found[1].pending == 1
    assert await fed(sessions) == [], "it does not step between a question and its answer"
    [turn] = await rows.claim(sessions, lines=(FIRST, LATER))
    await rows.finish(sessions, turn)
    [announced] = await fed(sessions)
    assert announced.question.announced


async def test_the_operator_is_told_when_it_is_done(sessions: Sessions) -> None:
    ada = await say(sessions, ADA, HOME, "a")
    await say(sessions, BOB, replace(HOME, chat="200"), "b")
    begun = await begin(sessions, ada.user_id)
    for seconds in (0, 3, 6):
        await feed(sessions, seconds)
    for turn in await fed(sessions):
        await rows.deliver(sessions, turn)
    await feed(sessions, 9)
    assert (await progress(sessions, begun)).state == "running", "others may have to begin yet"
    await feed(sessions, 20)
    await feed(sessions, 21)
    assert (await progress(sessions, begun)).state == "done"
    [turn] = await fed(sessions, FIRST)
    assert (turn.address, turn.outcome) == (HOME, Outcome.OK)
    assert turn.answer is not None
    assert turn.answer.startswith("Your announcement is out. Delivered to: 2.")


async def test_an_account_that_was_away_begins_late(sessions: Sessions) -> None:
    await say(sessions, ADA, HOME, "a")
    await say(sessions, Author("discord", "7", "Bob"), Address(*DISCORD, chat="7"), "b")
    begun = await begin(sessions)
    for seconds in (0, 3):
        await feed(sessions, seconds, TELEGRAM)
    for turn in await fed(sessions):
        await rows.deliver(sessions, turn)
    await feed(sessions, 30, TELEGRAM)
    assert (await progress(sessions, begun)).state == "done"
    for seconds in (7200, 7203):
        await feed(sessions, seconds, TELEGRAM, DISCORD)
    [turn] = await fed(sessions)
    assert turn.address.platform == "discord"


async def test_an_announcement_for_one_platform_goes_there_alone(sessions: Sessions) -> None:
    await say(sessions, ADA, HOME, "a")
    await say(sessions, Author("discord", "7", "Bob"), Address(*DISCORD, chat="7"), "b")
    begun = await begin(sessions, platform="discord")
    for seconds in (0, 3):
        await feed(sessions, seconds)
    assert [turn.address.platform for turn in await fed(sessions)] == ["discord"]
    assert (await progress(sessions, begun)).people == 1


async def test_whom_an_operator_has_blocked_is_left_out(sessions: Sessions) -> None:
    ada = await say(sessions, ADA, HOME, "a")
    await say(sessions, BOB, replace(HOME, chat="200"), "b")
    row = {"user_id": ada.user_id, "blocked_at": NOW}
    await commit(sessions, lambda s: s.execute(models.standings.insert().values(row)))
    begun = await begin(sessions)
    for seconds in (0, 3):
        await feed(sessions, seconds)
    assert [turn.address.chat for turn in await fed(sessions)] == ["200"]
    assert (await progress(sessions, begun)).left_out == 1
