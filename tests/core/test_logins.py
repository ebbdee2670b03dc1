"""The way into the dashboard: codes for operators alone, and visits that end."""

import re
from datetime import timedelta
from functools import partial
from operator import methodcaller

import pytest
from sqlalchemy import select

from core import logins, models
from core.db import Sessions
from core.logins import IDLE, LONGEST, MOST_WRONG, VALID
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import ADA, NOW, commit, later

ADMIN = ADA.platform, ADA.account_id
ADMINS = (ADMIN,)
HERE, THERE = "this browser", "another browser"


@pytest.fixture
async def chat(sessions: Sessions, ada: Speaker) -> Speaker:
    """An operator who has written to the bot."""
    await rows.ask(sessions, ada, "1")
    return ada


async def send(sessions: Sessions, browser: str = HERE, seconds: float = 0) -> str | None:
    """Ask for a code; return it as the chat shows it, None if none came."""
    sent = await commit(sessions, lambda s: logins.send_code(s, ADMIN, browser, now=later(seconds)))
    if not sent:
        return None
    newest = select(models.turns.c.answer).order_by(models.turns.c.id.desc()).limit(1)
    told = str(await commit(sessions, lambda s: s.scalar(newest)))
    found = re.search(r"\*\*(\S+)\*\*", told)
    assert found, told
    return found[1]


async def redeem(
    sessions: Sessions, code: str, browser: str = HERE, seconds: float = 0
) -> str | None:
    """Send a code back; return the secret of the visit."""
    entered = await commit(
        sessions, lambda s: logins.redeem(s, browser, code, ADMINS, now=later(seconds))
    )
    return entered[1] if entered else None


async def test_a_code_opens_a_visit_once(sessions: Sessions, chat: Speaker) -> None:
    code = await send(sessions)
    assert code
    token = await redeem(sessions, f" {code.lower().replace('-', ' ')} ")
    assert token
    assert await redeem(sessions, code) is None
    for operators, who in ((ADMINS, ADMIN), ((), None), ((("telegram", "1000"),), None)):
        visit = await commit(
            sessions, partial(logins.visitor, token=token, admins=operators, now=NOW)
        )
        assert visit == who


async def test_a_code_is_good_in_its_browser_and_for_minutes(
    sessions: Sessions, chat: Speaker
) -> None:
    code = await send(sessions)
    assert code
    assert await redeem(sessions, code, THERE) is None
    assert await redeem(sessions, code, seconds=VALID.total_seconds()) is None
    assert await redeem(sessions, code, seconds=VALID.total_seconds() - 1)


async def test_a_code_ends_after_a_few_guesses(sessions: Sessions, chat: Speaker) -> None:
    code = await send(sessions)
    assert code
    for guess in ("", "AAA-AAA-AAA", "x" * 100, "222-222-222", "ZZZ")[:MOST_WRONG]:
        assert await redeem(sessions, guess) is None
    assert await redeem(sessions, code) is None
    another = await send(sessions)
    assert another
    assert await redeem(sessions, another), "a new code has guesses of its own"


async def test_guesses_in_another_browser_end_nothing(sessions: Sessions, chat: Speaker) -> None:
    code = await send(sessions)
    assert code
    for _ in range(MOST_WRONG):
        assert await redeem(sessions, "222-222-222", THERE) is None
    assert await redeem(sessions, code)


async def test_nobody_floods_an_operator(sessions: Sessions, chat: Speaker) -> None:
    minutes = [0, 1, 2, 3, 9, 11, 12, 13, 22, 23, 24, 50, 59, 62]
    sent = [
        number
        for number in minutes
        if await send(sessions, f"browser {number}", 60 * number) is not None
    ]
    assert sent == [0, 1, 2, 11, 12, 13, 62]


async def test_codes_that_were_used_leave_room_for_more(sessions: Sessions, chat: Speaker) -> None:
    for number in range(8):
        code = await send(sessions, seconds=number)
        assert code
        assert await redeem(sessions, code, seconds=number)


async def test_an_operator_who_never_wrote_gets_no_code(sessions: Sessions) -> None:
    assert await send(sessions) is None


def test_an_account_is_named_whole_or_by_its_number() -> None:
    admins = (("telegram", "123"), ("discord", "456"))
    for text, found in {
        "telegram:123": admins[0],
        " Discord : 456 ": admins[1],
        "123": admins[0],
        "discord:123": None,
        "": None,
        ":123": None,
        "12": None,
    }.items():
        assert logins.account_of(text, admins) == found, text


async def test_a_visit_ends_when_it_is_idle_and_after_hours(
    sessions: Sessions, chat: Speaker
) -> None:
    async def begin() -> str:
        code = await send(sessions)
        assert code
        token = await redeem(sessions, code)
        assert token
        return token

    async def is_in(token: str, after: timedelta) -> bool:
        now = NOW + after
        found = await commit(sessions, lambda s: logins.visitor(s, token, ADMINS, now=now))
        return found is not None

    idle, busy = await begin(), await begin()
    assert await is_in(idle, IDLE - timedelta(seconds=1))
    assert not await is_in(idle, 2 * IDLE)
    step = IDLE - timedelta(minutes=1)
    at = step
    while at < LONGEST:
        assert await is_in(busy, at)
        at += step
    assert not await is_in(busy, LONGEST)


async def test_a_visit_can_be_ended(sessions: Sessions, chat: Speaker) -> None:
    code = await send(sessions)
    assert code
    token = await redeem(sessions, code)
    assert token
    await commit(sessions, lambda s: logins.end(s, token))
    assert await commit(sessions, lambda s: logins.visitor(s, token, ADMINS, now=NOW)) is None


async def test_no_secret_is_stored(sessions: Sessions, chat: Speaker) -> None:
    code = await send(sessions)
    assert code
    token = await redeem(sessions, code)
    assert token
    for table in (models.logins, models.visits):
        found = await commit(sessions, methodcaller("execute", select(table)))
        told = repr(found.all())
        for secret in (code, code.replace("-", ""), token, HERE):
            assert secret not in told
