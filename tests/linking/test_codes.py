"""Codes are easy to read, and nobody guesses them."""

import random
from datetime import datetime, timedelta

import pytest

from core import linking
from core.adapter import Author
from core.db import Sessions
from core.linking import VALID, Refused, Side
from core.linking._codes import LETTERS, draw
from core.linking._offers import MOST_WRONG
from tests.core import rows
from tests.core.rows import ADA, BOB, HOME, NOW, commit

CARL = Author("telegram", "300", "Carl")


async def side(sessions: Sessions, who: Author) -> Side:
    """An account, which has spoken."""
    await rows.speaker(sessions, who)
    found = await commit(sessions, lambda s: linking.side_of(s, who))
    assert found is not None
    return found


async def offer(sessions: Sessions, host: Side, seed: int = 0) -> str:
    """A code that an account gets."""
    choose = random.Random(seed).choice
    return await commit(sessions, lambda s: linking.offer(s, host, HOME, now=NOW, choose=choose))


async def claim(sessions: Sessions, guest: Side, code: str, now: datetime = NOW) -> int | Refused:
    """Let an account send a code; return the user who got it, or the refusal."""
    found = await commit(sessions, lambda s: linking.claim(s, guest, HOME, code, now=now))
    return found if isinstance(found, Refused) else found.host.user_id


def other(code: str) -> str:
    """A code with the same name and another secret."""
    last = LETTERS[(LETTERS.index(code[-1]) + 1) % len(LETTERS)]
    return code[:-1] + last


@pytest.mark.parametrize("written", ["{}", "{} ", "{}\n", "`{}`", "“{}”", "{}."])
@pytest.mark.parametrize("between", ["-", "", " ", "—", "_"])
def test_a_code_is_read_as_people_write_it(written: str, between: str) -> None:
    code = draw(random.Random(1).choice)
    for each in (code, code.lower()):
        shown = linking.shown(each).replace("-", between)
        assert linking.normal(written.format(shown)) == code


@pytest.mark.parametrize(
    "given", ["", "yes", "K7Q", "K7Q-3MD-FX0", "K7Q-3MD-FXRR", "hello there you"]
)
def test_anything_else_is_no_code(given: str) -> None:
    assert linking.normal(given) == ""


def test_no_sign_looks_like_another() -> None:
    assert not set(LETTERS) & set("0O1ILSBZ")
    assert len(LETTERS) ** 6 > 480_000_000


async def test_a_code_is_used_once_and_ends(sessions: Sessions) -> None:
    ada, bob, carl = [await side(sessions, who) for who in (ADA, BOB, CARL)]
    code = await offer(sessions, ada)
    assert await claim(sessions, ada, code) is Refused.OWN
    assert await claim(sessions, carl, code, NOW + VALID) is Refused.EXPIRED
    assert await claim(sessions, bob, code) == ada.user_id
    assert await claim(sessions, bob, code) == ada.user_id
    assert await claim(sessions, carl, code) is Refused.USED
    again = await offer(sessions, ada, seed=1)
    assert await claim(sessions, carl, code) is Refused.WRONG
    assert await claim(sessions, carl, again) == ada.user_id


async def test_a_code_ends_after_a_few_wrong_guesses_of_anybody(sessions: Sessions) -> None:
    ada = await side(sessions, ADA)
    code = await offer(sessions, ada)
    for number in range(MOST_WRONG):
        guest = await side(sessions, Author("telegram", f"4{number}", "Mallory"))
        assert await claim(sessions, guest, other(code)) is Refused.WRONG
    assert await claim(sessions, await side(sessions, BOB), code) is Refused.WRONG


async def test_an_account_guesses_a_few_times_and_waits(sessions: Sessions) -> None:
    bob = await side(sessions, BOB)
    choose = random.Random(2).choice

    async def until(now: datetime = NOW) -> datetime | None:
        return await commit(sessions, lambda s: linking.waits(s, bob.user_id, now=now))

    for _ in range(MOST_WRONG):
        assert await until() is None
        await claim(sessions, bob, draw(choose))
    assert await until() == NOW + VALID
    later = NOW + VALID + timedelta(seconds=1)
    assert await until(later) is None
    await claim(sessions, bob, draw(choose), later)
    assert await until(later) is None


async def test_two_codes_never_have_one_name(sessions: Sessions) -> None:
    ada, bob = await side(sessions, ADA), await side(sessions, BOB)
    first = await offer(sessions, ada, seed=3)
    second = await offer(sessions, bob, seed=3)
    assert first[:3] != second[:3]
