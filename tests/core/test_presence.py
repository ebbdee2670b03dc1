"""The session of a process: its end tells of a death, and a living process survives it."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, make_url, text

from core import db, fleet, models
from core.db import Session, Sessions
from core.presence import GRACE, SILENCE
from tests.chaos.proxy import proxy
from tests.core import rows
from tests.core.crews import Member, Quiet, is_registered, number_of, present
from tests.core.rows import commit

CUT = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
    " WHERE locktype = 'advisory' AND objid = :number"
)


async def cut(sessions: Sessions, worker_id: str) -> None:
    """Let the server end the session of a process."""
    number = await number_of(sessions, worker_id)
    assert number is not None
    await commit(sessions, lambda s: s.execute(CUT, {"number": number}))


async def until(member: Member, dead: str) -> None:
    """Wait until a process is told of a death."""
    await rows.until(lambda: asyncio.sleep(0, dead in member.crew.dead))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no session for lost because its server is slow."""
    monkeypatch.setattr("core.presence.SILENCE", 60.0)


@pytest.mark.usefixtures("patient")
async def test_a_death_is_seen_once_the_lock_was_free_for_a_while(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    async with present(postgres_sessions, postgres_url, "one") as one:
        async with present(postgres_sessions, postgres_url, "two"):
            began = asyncio.get_running_loop().time()
        # Its task has ended without a good-bye, and its session with it.
        await until(one, "two")
        assert asyncio.get_running_loop().time() - began >= GRACE - 0.1
        assert "one" not in one.crew.dead
        number = await number_of(postgres_sessions, "two")
        assert number is not None
        for is_first in (True, False):
            pronounced = await commit(
                postgres_sessions, lambda s: fleet.pronounce(s, "two", number)
            )
            assert pronounced is is_first, "only one process takes over"


@pytest.mark.usefixtures("patient")
async def test_a_process_that_has_just_begun_sees_the_deaths_before_it(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    async with present(postgres_sessions, postgres_url, "one"):
        pass
    async with present(postgres_sessions, postgres_url, "two") as two:
        await until(two, "one")


async def test_a_process_that_could_not_run_for_a_while_keeps_its_session(
    postgres_sessions: Sessions, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.presence.SECOND_LOOK", 30.0)
    async with present(postgres_sessions, postgres_url, "one") as one:
        before = await number_of(postgres_sessions, "one")
        for _ in range(3):  # one of them falls into a beat
            await asyncio.sleep(0.3)
            time.sleep(SILENCE + 0.2)  # noqa: ASYNC251 - nothing runs in the process
        await rows.until(lambda: asyncio.sleep(0, one.presence.is_sure()))
        assert await number_of(postgres_sessions, "one") == before
        assert one.crew.confirmed == 0


@pytest.mark.usefixtures("patient")
async def test_a_living_process_that_loses_its_session_is_not_taken_for_dead(
    postgres_sessions: Sessions, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        present(postgres_sessions, postgres_url, "one") as one,
        present(postgres_sessions, postgres_url, "two") as two,
    ):
        numbers = {await number_of(postgres_sessions, "two"), None}

        async def has_another() -> bool:
            return await number_of(postgres_sessions, "two") not in numbers

        for times in range(1, 4):
            await cut(postgres_sessions, "two")
            await rows.until(has_another)
            assert two.crew.confirmed == times
            numbers.add(await number_of(postgres_sessions, "two"))
        assert "its session is lost" in caplog.text
        async with present(postgres_sessions, postgres_url, "three"):
            pass
        await until(one, "three")  # a later death is seen, and none before
        assert one.crew.dead == {"three"}
        # One look that took long on a busy machine makes it unsure until the next one.
        await rows.until(lambda: asyncio.sleep(0, two.presence.is_sure()))


@pytest.mark.usefixtures("patient")
async def test_who_lost_a_session_judges_only_those_that_it_has_seen_since(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    """The server may have ended all sessions, and the others may live."""
    async with present(postgres_sessions, postgres_url, "one") as one:
        await cut(postgres_sessions, "one")
        await rows.until(lambda: asyncio.sleep(0, one.crew.confirmed == 1))
        await rows.until(lambda: is_registered(postgres_sessions, "one"))
        ended = insert(models.workers).values(id="two", seen_at=datetime.now(UTC), session=2)
        await commit(postgres_sessions, lambda s: s.execute(ended))
        async with present(postgres_sessions, postgres_url, "three"):
            await rows.until(
                lambda: asyncio.sleep(0, any(name == "three" for name, _ in one.presence._held))
            )
        await until(one, "three")
        assert one.crew.dead == {"three"}


async def test_a_process_that_is_cut_off_is_not_sure_before_another_takes_over(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    here = make_url(postgres_url)
    async with proxy(f"{here.query['host']}/.s.PGSQL.5432") as between:
        there = here.set(host="127.0.0.1", port=between.port, query={})
        far = db.connect(there.render_as_string(hide_password=False))
        async with (
            present(postgres_sessions, postgres_url, "one") as one,
            present(far, there.render_as_string(hide_password=False), "two") as two,
        ):
            between.silence()
            await cut(postgres_sessions, "two")
            await until(one, "two")
            assert not two.presence.is_sure()
            await asyncio.wait_for(two.presence.until_lost(), 60)
            number = await number_of(postgres_sessions, "two")
            assert number is not None
            await commit(postgres_sessions, lambda s: fleet.pronounce(s, "two", number))
            between.heal()
            between.reset()
            await two.presence.until_safe()
            assert two.crew.confirmed == 1
            assert not await is_registered(postgres_sessions, "two")
        far.close()


async def test_a_session_without_an_answer_counts_as_lost(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    here = make_url(postgres_url)
    async with proxy(f"{here.query['host']}/.s.PGSQL.5432") as between:
        there = here.set(host="127.0.0.1", port=between.port, query={})
        url = there.render_as_string(hide_password=False)
        async with present(postgres_sessions, url, "one") as one:
            before = await number_of(postgres_sessions, "one")
            between.freeze()
            async with asyncio.timeout(60 + SILENCE):
                await rows.until(lambda: asyncio.sleep(0, one.crew.confirmed == 1))
            await rows.until(lambda: is_registered(postgres_sessions, "one"))
            assert await number_of(postgres_sessions, "one") != before
            await rows.until(lambda: asyncio.sleep(0, one.presence.is_sure()))


async def test_a_process_that_has_left_writes_no_row(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    async with present(postgres_sessions, postgres_url, "one"):
        await commit(postgres_sessions, lambda s: fleet.leave(s, "one"))
        async with present(postgres_sessions, postgres_url, "two"):
            pass  # takes several beats
        query = text("SELECT count(*) FROM workers WHERE id = 'one'")
        assert await commit(postgres_sessions, lambda s: s.scalar(query)) == 0


@pytest.mark.usefixtures("patient")
async def test_processes_hear_hints_of_others_even_after_a_cut(
    postgres_sessions: Sessions, postgres_url: str
) -> None:
    async def tell(what: str, crew: Quiet) -> None:
        await rows.until(lambda: is_registered(postgres_sessions, "one"))
        await commit(postgres_sessions, lambda s: db.notify(s, what))
        await rows.until(lambda: asyncio.sleep(0, what in crew.hints))

    async def take_back(session: Session) -> None:
        await db.notify(session, "rolled back")
        session.connection.rollback()

    async with present(postgres_sessions, postgres_url, "one") as one:
        await tell("first", one.crew)
        async with rows.begin(postgres_sessions) as session:
            await take_back(session)
        await tell("second", one.crew)
        await cut(postgres_sessions, "one")
        await rows.until(lambda: asyncio.sleep(0, one.crew.confirmed == 1))
        await tell("third", one.crew)
        assert one.crew.hints == ["first", "second", "third"]
