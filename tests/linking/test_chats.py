"""The private chats of a person, which they are told of before accounts are unlinked."""

from dataclasses import replace

from sqlalchemy import insert, text, update

from core import linking
from core.adapter import Address
from core.db import Session, Sessions
from core.models import posts, turns, users
from tests.core import rows
from tests.core.rows import ADA, BOB, HOME, NOW, commit
from tests.core.test_claim_cost import FEW, MANY, turn_row, work_of

ELSEWHERE = Address("discord", "9", "900")


async def test_a_chat_in_which_somebody_else_spoke_last_is_not_theirs(sessions: Sessions) -> None:
    ada = await rows.speaker(sessions, ADA, HOME)
    bob = await rows.speaker(sessions, BOB, replace(HOME, chat="200"))
    await rows.ask(sessions, ada, "1")
    assert await chats(sessions, ada.user_id) == [HOME]
    turn_id = await rows.ask(sessions, bob, "2")
    assert await chats(sessions, ada.user_id) == []
    await commit(
        sessions,
        lambda s: s.execute(update(turns).where(turns.c.id == turn_id).values(user_id=ada.user_id)),
    )
    assert await chats(sessions, ada.user_id) == [HOME]


async def test_what_others_said_elsewhere_is_not_read(sessions: Sessions) -> None:
    ada = await rows.speaker(sessions, ADA, HOME)
    await rows.ask(sessions, ada, "1")

    async def fill(first: int, last: int) -> None:
        people = [{"id": 100 + n // 20, "created_at": NOW} for n in range(first, last, 20)]
        await commit(sessions, lambda s: s.execute(insert(users), people))
        new = [turn_row(ada, number, chat=f"#{number}", line=None) for number in range(first, last)]
        await commit(sessions, lambda s: s.execute(insert(turns), new))
        names = ("platform", "bot_id", "chat", "message_id")
        seen = [{"turn_id": row["id"], **{name: row[name] for name in names}} for row in new]
        await commit(sessions, lambda s: s.execute(insert(posts), seen))
        if sessions.engine.dialect.name == "postgresql":  # which does so by itself
            await commit(sessions, lambda s: s.execute(text("ANALYZE turns, posts")))

    async def look(session: Session) -> None:
        assert await linking.chats(session, ada.user_id, but=ELSEWHERE) == [HOME]

    await fill(0, FEW)
    before = work_of(sessions, look)
    await fill(FEW, MANY)
    assert work_of(sessions, look) < 1.5 * before


async def chats(sessions: Sessions, user_id: int) -> list[Address]:
    return list(await commit(sessions, lambda s: linking.chats(s, user_id, but=ELSEWHERE)))
