"""The tables refuse wrong rows and keep time in UTC."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Executable, delete, func, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from core import memory, models, quota
from core.db import Sessions
from core.memory import Context
from core.messages import Usage, assistant, user
from core.models import allowances, conversations, exceptions, metadata, turns, users
from core.quota import Rules
from core.settings import Limit
from core.turns import Speaker
from tests.core import rows
from tests.core.conftest import connected
from tests.core.rows import NOW, commit

INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.fixture
async def eastern_sessions(postgres_url: str) -> AsyncIterator[Sessions]:
    """Sessions on a PostgreSQL whose own clock is far from UTC."""
    async with connected(postgres_url) as sessions, rows.begin(sessions) as session:
        database = await session.scalar(text("SELECT current_database()"))
        await session.execute(text(f"ALTER DATABASE {database} SET timezone = 'Asia/Kolkata'"))
    async with connected(postgres_url) as sessions:
        yield sessions


# Time


async def stored_times(sessions: Sessions, time: datetime) -> tuple[datetime | None, bool]:
    """A time after its way through the database, and whether the database finds it equal."""
    async with rows.begin(sessions) as session:
        added = insert(users).values(created_at=time).returning(users.c.id)
        user_id = await session.scalar(added)
        found = await session.scalar(select(users.c.created_at).where(users.c.id == user_id))
        equal = await session.scalar(select(func.count()).where(users.c.created_at == time))
    return found, bool(equal)


@pytest.mark.parametrize("zone", [UTC, INDIA], ids=str)
async def test_a_time_comes_back_aware_and_in_utc(sessions: Sessions, zone: timezone) -> None:
    time = NOW.replace(microsecond=123456)
    found, equal = await stored_times(sessions, time.astimezone(zone))
    assert (found, equal) == (time, True)
    assert found is not None
    assert found.tzinfo is UTC


async def test_the_server_s_own_zone_changes_no_time(eastern_sessions: Sessions) -> None:
    assert await stored_times(eastern_sessions, NOW) == (NOW, True)


async def test_the_server_s_own_zone_moves_no_window(eastern_sessions: Sessions) -> None:
    """A window's start is computed in the database when a new one begins."""
    who = await rows.speaker(eastern_sessions)
    await rows.ask(eastern_sessions, who, "1")
    turn = await rows.claimed(eastern_sessions)
    rules = Rules((Limit(5, "turns", "day"),))
    for day in range(2):
        now = NOW + timedelta(days=day)
        async with rows.begin(eastern_sessions) as session:
            asked = replace(turn, created_at=now)
            call = await quota.reserve(session, asked, rules, model="m", cost=0, turns=1, now=now)
    await commit(eastern_sessions, lambda s: quota.release(s, call, rules, now=now))
    async with rows.begin(eastern_sessions) as session:
        row = (await session.execute(select(allowances))).one()
    assert (row.window_start, row.used) == (datetime(2026, 3, 15, tzinfo=UTC), 1)


async def test_a_time_without_zone_is_refused(sessions: Sessions) -> None:
    with pytest.raises(StatementError, match="a time without zone"):
        await stored_times(sessions, NOW.replace(tzinfo=None))


# Constraints


async def refused(sessions: Sessions, statement: Executable) -> None:
    with pytest.raises(IntegrityError):
        await commit(sessions, lambda s: s.execute(statement))


async def test_a_conversation_is_a_person_s_or_an_address_s(
    sessions: Sessions, ada: Speaker
) -> None:
    other = await rows.speaker(sessions, rows.BOB)
    group = {"platform": "p", "bot_id": "1", "chat": "c", "thread": ""}
    conversation = insert(conversations).values(epoch=0, created_at=NOW)
    of_group = conversation.values(group)
    await refused(sessions, conversation)
    await refused(sessions, of_group.values(user_id=other.user_id))
    await refused(sessions, conversation.values(user_id=ada.user_id))
    await commit(sessions, lambda s: s.execute(of_group))
    await refused(sessions, of_group)


async def test_a_turn_is_of_a_known_kind_and_is_delivered_after_its_answer(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    for values in ({"kind": "poem"}, {"delivered_at": NOW}):
        await refused(sessions, turns.update().values(values))


async def test_terms_are_those_of_a_person_or_of_a_group(sessions: Sessions, ada: Speaker) -> None:
    terms = insert(exceptions).values(terms="5 turns/day")
    whole = {"platform": "p", "chat": "c"}
    for wrong in ({}, {"chat": "c"}, {"user_id": ada.user_id, **whole}, {"user_id": 999}):
        await refused(sessions, terms.values(wrong))
    for right in ({"user_id": ada.user_id}, whole):
        statement = terms.values(right)
        async with rows.begin(sessions) as session:
            await session.execute(statement)
        await refused(sessions, statement)


async def test_nobody_is_left_of_a_person_who_was_deleted_but_the_ledger(
    sessions: Sessions, ada: Speaker
) -> None:
    await rows.ask(sessions, ada, "1")
    turn = await rows.claimed(sessions)
    rules = Rules((Limit(5, "turns", "day"),))
    said = user("1?"), assistant("1!")
    async with rows.begin(sessions) as session:
        call = await quota.reserve(session, turn, rules, model="m", cost=5, turns=1, now=NOW)
        await memory.remember(session, turn, Context(), said, None, now=NOW)
        await quota.settle(session, call, rules, Usage(1, 1), 5, now=NOW)

    await commit(sessions, lambda s: s.execute(delete(users).where(users.c.id == ada.user_id)))

    async with rows.begin(sessions) as session:
        left = {
            name
            for name, table in metadata.tables.items()
            if await session.scalar(select(func.count()).select_from(table))
        }
        assert left == {"calls", "allowances", "tally_marks"}
        found = (await session.execute(select(models.calls))).one()
        assert (found.turn_id, found.cost) == (None, 5)


async def test_big_ids_fit(sessions: Sessions) -> None:
    """Message ids are turn ids times 1024; those of platforms are text anyway."""
    key = {"unit": "usd", "window": "day", "window_start": NOW}
    async with rows.begin(sessions) as session:
        await session.execute(insert(allowances), {"owner_id": 2**53, "used": 2**53, **key})
    async with rows.begin(sessions) as session:
        row = (await session.execute(select(allowances))).one()
    assert (row.owner_id, row.used) == (2**53, 2**53)
