"""Alerts: each matter is told once an hour, by one process, and never about itself."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select, update

from core import fleet, models, words
from core.adapter import Account, Adapter, Address, Author
from core.alerts import Matter, Watch, end, tell
from core.db import Session, Sessions
from core.errors import CreditUsedUp, KeyRefused, QuotaExceeded
from core.llm import LLM
from core.models import NOWHERE
from core.quota import Rules
from core.settings import read_limits
from core.turns import Outcome, Speaker
from core.words import ALERTS, ALERTS_OVER
from tests.core import rows
from tests.core.rows import ACCOUNT, ADA, BOB, NOW, commit, later
from tests.memory.desk import Paper

OVER = ALERTS_OVER["deaf"].format(subject="telegram")
ADMINS: tuple[Account, ...] = (("telegram", "100"), ("discord", "9"))
_turns = models.turns


async def told(sessions: Sessions) -> list[str]:
    """Return the alerts in Ada's chat, in the order in which they follow each other."""
    query = select(_turns.c.answer).where(_turns.c.lane.like("alerts/%")).order_by(_turns.c.id)
    return list(await commit(sessions, lambda s: s.scalars(query)))


async def meet(sessions: Sessions) -> None:
    """Ada, an admin, and Bob, who is none, have spoken to the bot."""
    for author, chat in ((ADA, "100"), (BOB, "200")):
        address = replace(rows.HOME, chat=chat)
        who = await rows.speaker(sessions, author, address)
        await rows.ask(sessions, who, f"hello {chat}", address=address)
    for turn in await rows.claim(sessions):
        await rows.finish(sessions, turn)


@dataclass
class Models:
    """The models, as they tell of their own state."""

    answered_ago: float | None = None
    away_for: float | None = None


@dataclass
class Look:
    """A watch whose time is the test's."""

    sessions: Sessions
    now: datetime = NOW
    models: Models = field(default_factory=Models)
    radio: Paper = field(default_factory=lambda: Paper(name="telegram", bot_id="1"))
    platforms: tuple[str, ...] = ()
    budget: str = ""
    worker_id: str = "one"
    file: str | None = None

    def __post_init__(self) -> None:
        self.watch = Watch(
            self.sessions,
            self.worker_id,
            ADMINS,
            Rules(budget=read_limits(self.budget) if self.budget else ()),
            cast(LLM, self.models),
            adapters=lambda: {ACCOUNT: cast(Adapter, self.radio)},
            platforms=self.platforms,
            file=self.file,
            now=lambda: self.now,
            patience=0.1,
        )

    async def after(self, **time: float) -> list[str]:
        """Look once more after some time; return everything that was told so far."""
        self.now += timedelta(**time)
        await self.watch.look()
        return await told(self.sessions)


async def test_a_matter_is_told_once_an_hour_and_once_when_it_is_over(sessions: Sessions) -> None:
    await meet(sessions)
    matter = Matter("deaf", NOW, "telegram", {"platform": "telegram"})

    async def again(minutes: float) -> bool:
        now = later(60 * minutes)
        return await commit(sessions, lambda s: tell(s, ADMINS, matter, now=now))

    assert [await again(minutes) for minutes in (0, 1, 59, 60, 61)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    for _ in range(2):
        await commit(sessions, lambda s: end(s, ADMINS, matter.key, now=later(4000)))
    assert not await again(70), "it came back within the hour"
    sentence = matter.sentence
    assert await told(sessions) == [
        sentence,
        sentence,
        OVER,
    ]


async def test_of_many_processes_one_tells(sessions: Sessions) -> None:
    await meet(sessions)
    matter = Matter("key", NOW)
    each = [commit(sessions, lambda s: tell(s, ADMINS, matter, now=NOW)) for _ in range(20)]
    assert sum(await asyncio.gather(*each)) == 1
    assert len(await told(sessions)) == 1


async def test_an_alert_goes_to_admins_alone_and_is_delivered_like_an_answer(
    sessions: Sessions,
) -> None:
    await meet(sessions)
    await commit(sessions, lambda s: tell(s, ADMINS, Matter("credit", NOW), now=NOW))
    [turn] = await rows.claim(sessions)
    assert (turn.address.chat, turn.answer, turn.outcome) == (
        "100",
        Matter("credit", NOW).sentence,
        Outcome.OK,
    )


async def test_without_an_admin_who_ever_wrote_there_is_the_log_alone(
    sessions: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        await commit(sessions, lambda s: tell(s, ADMINS, Matter("credit", NOW), now=NOW))
    assert await told(sessions) == []
    assert "alert, in no chat: Since 2026-03-14 09:26 UTC the account" in caplog.text


async def test_a_refused_key_is_told_until_a_model_answers(sessions: Sessions) -> None:
    await meet(sessions)
    look = Look(sessions)
    assert await look.after() == []
    look.watch.notice(KeyRefused("no"))
    [first] = await look.after(seconds=30)
    assert "refuses my key" in first
    assert len(await look.after(seconds=30)) == 1
    look.models.answered_ago = 5.0
    assert (await look.after(seconds=30))[1:] == [ALERTS_OVER["key"]]
    look.models.answered_ago = 3605.0
    assert len(await look.after(hours=1)) == 2, "nothing new has happened"


async def test_a_refusal_that_nobody_meets_again_is_not_repeated(sessions: Sessions) -> None:
    await meet(sessions)
    look = Look(sessions)
    look.watch.notice(CreditUsedUp("no"))
    assert len(await look.after(seconds=30)) == 1
    assert len(await look.after(hours=2)) == 1


async def test_models_that_are_away_for_long_are_told_of(sessions: Sessions) -> None:
    await meet(sessions)
    look = Look(sessions, models=Models(away_for=60))
    assert await look.after() == []
    look.models.away_for = 130
    [first] = await look.after(seconds=70)
    assert first.startswith("Since [2026-03-14 09:25 UTC]")


async def test_the_budget_is_told_of_once_in_its_window(sessions: Sessions, ada: Speaker) -> None:
    await meet(sessions)
    look = Look(sessions, budget="10 turns/day")
    await spend(sessions, ada, 7)
    assert await look.after() == []
    await spend(sessions, ada, 1)
    [low] = await look.after(seconds=30)
    assert low.startswith(
        "Most of the budget is used up: 10 turns/day. It begins anew on [2026-03-15"
    )
    look.watch.notice(
        QuotaExceeded("10 turns/day", later(52_410), needed=1, left=0, most=10, whose="everybody")
    )
    assert len(await look.after(seconds=30)) == 2
    assert len(await look.after(hours=3)) == 2, "once in its window"


async def spend(sessions: Sessions, who: Speaker, turns: int) -> None:
    """Let the deployment use up some turns of today's budget."""
    row = {"user_id": who.user_id, "attempt": 1, "model": "m", "turns": turns, "reserved": 0}
    row |= {"prompt_tokens": 0, "cached_tokens": 0, "completion_tokens": 0, "cost": 0}
    row |= {"charged": 0, "estimated": False, "created_at": NOW, "settled_at": NOW}
    calls = models.calls
    await commit(sessions, lambda s: s.execute(calls.insert().values(row)))


async def listen(sessions: Sessions, worker_id: str, until: datetime, now: datetime) -> None:
    assert await commit(
        sessions,
        lambda s: fleet.may_listen(s, ACCOUNT, worker_id, now=now, lease_until=until),
    )


async def test_a_platform_that_nobody_hears_for_two_minutes_is_told_of(sessions: Sessions) -> None:
    await meet(sessions)
    look = Look(sessions, platforms=("telegram",))
    await listen(sessions, "one", later(8), NOW)
    assert await look.after() == []
    assert await look.after(seconds=30) == [], "the lease has ended"
    assert await look.after(seconds=90) == []
    [deaf] = await look.after(seconds=30)
    assert deaf.startswith(
        "Since [2026-03-14 09:27 UTC](when:1773480420) I am not connected to telegram"
    )
    await listen(sessions, "two", look.now + timedelta(seconds=38), look.now)
    other = Look(sessions, now=look.now, platforms=("telegram",), worker_id="two")
    assert await look.after(seconds=30) == [deaf]
    assert await other.after(seconds=30) == [deaf, OVER]


async def test_a_listener_whose_connection_is_down_is_deaf(sessions: Sessions) -> None:
    await meet(sessions)
    look = Look(sessions, platforms=("telegram",))
    await listen(sessions, "one", later(10_000), NOW)
    look.radio.hears = False
    assert await look.after() == []
    assert len(await look.after(seconds=120)) == 1
    look.radio.hears = True
    assert len(await look.after(seconds=30)) == 2


async def test_who_stands_by_does_not_end_the_matter_of_a_deaf_listener(
    sessions: Sessions,
) -> None:
    await meet(sessions)
    listener = Look(sessions, platforms=("telegram",))
    other = Look(sessions, platforms=("telegram",), worker_id="two")
    await listen(sessions, "one", later(10_000), NOW)
    listener.radio.hears = other.radio.hears = False
    for _ in range(6):
        await listener.after(seconds=30)
        await other.after(seconds=30)
    [deaf] = await told(sessions)
    listener.radio.hears = True
    await other.after(seconds=30)
    assert await told(sessions) == [deaf]
    assert await listener.after(seconds=30) == [deaf, OVER]


async def test_another_process_is_trusted_to_tell_of_its_own_connection(sessions: Sessions) -> None:
    await meet(sessions)
    look = Look(sessions, platforms=("telegram",), worker_id="two")
    await listen(sessions, "one", later(10_000), NOW)
    look.radio.hears = False
    await look.after()
    assert await look.after(seconds=600) == []


async def test_answers_that_are_stuck_are_told_of_but_no_alert_about_an_alert(
    sessions: Sessions, ada: Speaker
) -> None:
    await meet(sessions)
    look = Look(sessions)
    await rows.ask(sessions, ada, "stuck", now=NOW)
    turn = await rows.claimed(sessions)
    await rows.answer(sessions, turn)
    await rows.put_back(sessions, turn, later(100))
    assert await look.after(minutes=4) == []
    [stuck] = await look.after(minutes=2)
    assert "cannot deliver answers on telegram; waiting: 1." in stuck
    [alert, again] = await rows.claim(sessions, now=look.now)
    await rows.deliver(sessions, min(alert, again, key=lambda each: each.id), now=look.now)
    over = ALERTS_OVER["stuck"].format(subject="telegram")
    assert await look.after(seconds=30) == [stuck, over]
    await rows.put_back(sessions, max(alert, again, key=lambda each: each.id), later(10_000))
    assert await look.after(hours=2) == [stuck, over], "the alert itself is stuck"


async def test_failing_questions_are_told_of_when_they_pile_up(
    sessions: Sessions, ada: Speaker
) -> None:
    await meet(sessions)
    look = Look(sessions)
    for number in range(5):
        assert await look.after() == []
        await rows.ask(sessions, ada, f"fails {number}")
        await rows.finish(sessions, await rows.claimed(sessions), Outcome.FAILED)
        look.now += timedelta(seconds=30)
    [errors] = await look.after()
    assert "5 of the last 7." in errors
    assert (await look.after(minutes=20))[1:] == [ALERTS_OVER["errors"]]


async def test_failing_questions_with_a_known_reason_are_told_of_by_the_reason(
    sessions: Sessions, ada: Speaker
) -> None:
    await meet(sessions)
    look = Look(sessions)
    for number in range(8):
        await rows.ask(sessions, ada, f"fails {number}")
        await rows.finish(sessions, await rows.claimed(sessions), Outcome.FAILED)
        look.watch.notice(KeyRefused("no"))
    [first] = await look.after(seconds=30)
    assert "refuses my key" in first
    assert len(await look.after(seconds=60)) == 1


async def test_a_database_that_takes_nothing_is_told_of_by_its_listener(
    sqlite_sessions: Sessions,
) -> None:
    sessions = sqlite_sessions
    await meet(sessions)
    look = Look(sessions, platforms=("telegram",))
    await listen(sessions, "one", later(10_000), NOW)
    await look.after()
    forbid(sessions, "ON")
    await look.watch.look()
    look.now += timedelta(seconds=130)
    await look.watch.look()
    await look.watch.look()
    [(address, sentence)] = look.radio.posts.values()
    assert address.chat == "100"
    assert "my database takes nothing" in sentence
    forbid(sessions, "OFF")
    [past] = await look.after(seconds=30)
    assert past.startswith("My database takes everything again.")
    forbid(sessions, "ON")
    await look.watch.look()
    look.now += timedelta(seconds=130)
    await look.watch.look()
    assert len(look.radio.posts) == 2
    forbid(sessions, "OFF")
    [_, again] = await look.after(seconds=30)
    assert again.startswith("My database takes everything again.")
    assert again != past


async def test_of_many_processes_one_tells_that_an_outage_is_over(
    sqlite_sessions: Sessions,
) -> None:
    sessions = sqlite_sessions
    await meet(sessions)
    looks = [Look(sessions, worker_id=name) for name in ("one", "two")]
    forbid(sessions, "ON")
    for look in looks:
        await look.watch.look()
        look.now += timedelta(seconds=130)
        await look.watch.look()
    forbid(sessions, "OFF")
    for seconds, look in zip((5, 40), looks, strict=True):
        assert len(await look.after(seconds=seconds)) == 1


def forbid(sessions: Sessions, state: str) -> None:
    """Let an SQLite database take no writes, or take them again."""
    with sessions.lend() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA query_only = {state}")


def test_every_sentence_can_be_told() -> None:
    names = "limit when model on instead platform number failed megabytes until"
    facts = dict.fromkeys(names.split(), 7)
    for kind in ALERTS:
        assert Matter(kind, NOW, facts=facts).sentence
    assert ALERTS_OVER.keys() <= ALERTS.keys()


async def test_a_linked_operator_is_told_in_the_newest_chat_and_in_all_of_a_deaf_platform(
    sessions: Sessions,
) -> None:
    """Ada is one person on both platforms; what she said on Discord is another conversation."""
    await meet(sessions)
    there = Address("discord", "2", chat="9")
    who = await rows.speaker(sessions, Author("discord", "9", "Ada"), there)
    await rows.ask(sessions, who, "hello there", address=there, lane="there")
    [turn] = await rows.claim(sessions, accounts=[("discord", "2")])
    await rows.finish(sessions, turn)
    ada = await rows.speaker(sessions)
    await commit(sessions, lambda s: linked(s, ada.user_id, who))
    deaf = Matter("deaf", NOW, "telegram", {"platform": "telegram"})
    for matter in (Matter("credit", NOW), deaf):
        await commit(sessions, lambda s: tell(s, ADMINS, matter, now=NOW))  # noqa: B023
    query = select(_turns.c.platform).where(_turns.c.lane.like("alerts/%")).order_by(_turns.c.id)
    found = list(await commit(sessions, lambda s: s.scalars(query)))
    assert found == ["telegram", "telegram", "discord"]


async def linked(session: Session, user_id: int, gone: Speaker) -> None:
    """Let the accounts of another person be those of a person, as a link does."""
    is_theirs = models.conversations.c.id == gone.conversation_id
    left = {"user_id": None, "chat": NOWHERE, "owner_id": user_id}
    await session.execute(update(models.conversations).where(is_theirs).values(left))
    for which in (models.identities, models.turns):
        theirs = update(which).where(which.c.user_id == gone.user_id)
        await session.execute(theirs.values(user_id=user_id))


async def test_an_operator_is_told_in_their_language(sessions: Sessions) -> None:
    await meet(sessions)
    await commit(sessions, lambda s: s.execute(update(models.users).values(language="de")))
    await commit(sessions, lambda s: tell(s, ADMINS, Matter("credit", NOW), now=NOW))
    with words.spoken_in("de"):
        assert await told(sessions) == [Matter("credit", NOW).sentence]
