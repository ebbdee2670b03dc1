"""Catching up costs the same, however much was said in the chats of an account."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, text

from core import models, posts
from core.adapter import Account
from core.db import Session, Sessions
from core.turns import Speaker
from tests.core import rows
from tests.core.rows import ACCOUNT, GROUP, HOME, commit
from tests.core.test_claim_cost import work_of

FEW, MANY = 3_000, 30_000
PEOPLE = 200
IDLE: Account = ("telegram", "2")
UNHEARD = "never seen"


async def fill(sessions: Sessions, turn_id: int, first: int, last: int) -> None:
    """Let people say much in a group."""
    platform, bot_id = ACCOUNT
    said: list[dict[str, Any]] = [
        {
            "platform": platform,
            "bot_id": bot_id,
            "chat": GROUP.chat,
            "message_id": f"{number}",
            "turn_id": turn_id,
        }
        for number in range(first, last)
    ]
    async with rows.begin(sessions) as session:
        await session.execute(insert(models.posts), said)
        if session.dialect == "postgresql":
            await session.execute(text("ANALYZE posts"))


@pytest.fixture
async def turn_id(sessions: Sessions, ada: Speaker) -> int:
    """A turn in whose name everything is said; an account that heard something long ago.

    Many people have written once.
    """
    turn_id = await rows.ask(sessions, ada, "1")
    await rows.ask_in_group(sessions, rows.BOB, "2")
    said = {"platform": ACCOUNT[0], "turn_id": turn_id}
    old = {**said, "bot_id": IDLE[1], "chat": "7", "message_id": "old"}
    once = [
        {**said, "bot_id": ACCOUNT[1], "chat": f"p{number}", "message_id": f"{number}"}
        for number in range(PEOPLE)
    ]
    async with rows.begin(sessions) as session:
        await session.execute(insert(models.posts), [old, *once])
    return turn_id


ASKED: dict[str, Callable[[Session], Awaitable[Any]]] = {
    "the newest of a chat": partial(posts.newest, account=ACCOUNT, chat=GROUP.chat),
    "the newest where nothing was said": partial(posts.newest, account=ACCOUNT, chat=UNHEARD),
    "the newest of an idle account": partial(posts.newest, account=IDLE, chat=UNHEARD),
    "the newest of an unknown account": partial(posts.newest, account=("x", "1"), chat=UNHEARD),
    "all chats": partial(posts.chats, account=ACCOUNT),
    "private chats": partial(posts.private_chats, account=ACCOUNT),
}


@pytest.mark.slow
async def test_the_cost_does_not_grow_with_what_was_said(sessions: Sessions, turn_id: int) -> None:
    async def ask(session: Session, what: str) -> None:
        await ASKED[what](session)

    await fill(sessions, turn_id, 10, FEW)
    before = {what: work_of(sessions, partial(ask, what=what)) for what in ASKED}
    await fill(sessions, turn_id, FEW, MANY)
    after = {what: work_of(sessions, partial(ask, what=what)) for what in ASKED}
    for what, work in before.items():
        assert after[what] < 1.5 * work + 10, what


async def test_the_newest_message_of_an_idle_account_is_known(
    sessions: Sessions, turn_id: int
) -> None:
    await fill(sessions, turn_id, 10, FEW)
    assert await commit(sessions, lambda s: posts.newest(s, IDLE, UNHEARD)) == "old"
    assert await commit(sessions, lambda s: posts.newest(s, ACCOUNT, UNHEARD)) == f"{FEW - 1}"
    assert await commit(sessions, lambda s: posts.newest(s, ("x", "1"), UNHEARD)) is None


async def test_private_chats_are_told_from_the_latest_on(sessions: Sessions, turn_id: int) -> None:
    for chat in ("8", "9", "8"):
        post = {"platform": ACCOUNT[0], "bot_id": ACCOUNT[1], "chat": chat, "turn_id": turn_id}
        async with rows.begin(sessions) as session:
            await session.execute(insert(models.posts), [post])
    chats = await commit(sessions, lambda s: posts.private_chats(s, ACCOUNT))
    assert (chats[:3], chats[-1]) == (["8", "9", f"p{PEOPLE - 1}"], HOME.chat)
    assert GROUP.chat not in chats, "a group has a conversation of its own"
    assert len(chats) == PEOPLE + 3
    assert await commit(sessions, lambda s: posts.private_chats(s, ACCOUNT, 2)) == ["8", "9"]
