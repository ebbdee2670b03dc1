"""What a plain turn asks of the database: few statements, in few transactions."""

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from core import db, identity, inbox, memory, quota
from core.db import Sessions
from core.memory import Marks
from core.messages import Usage, assistant, user
from core.quota import Rules
from core.settings import parse_limits
from core.turns import Outcome
from tests.core import rows
from tests.core.rows import ACCOUNT, ADA, HOME, NOW, later

RULES = Rules(parse_limits("10 turns/minute, 200 turns/day, 1 usd/month"))  # type: ignore[arg-type]  # the parser is typed for any input
MARKS = Marks(12_000, 4_000)


async def plain_turn(sessions: Sessions, message_id: str) -> None:
    """A turn of a person who is known, as intake, chat, reply and worker carry it out."""

    async def accept(session: AsyncSession) -> None:
        who = await identity.resolve(session, ADA, HOME, private=True, now=NOW)
        await inbox.accept(session, f"e{message_id}", rows.entry(who, message_id), now=NOW)

    await db.transact(sessions, accept)
    turn = await rows.claimed(sessions)

    async def prepare(session: AsyncSession) -> tuple[memory.Context, quota.Reservation]:
        context = await memory.recall(session, turn, MARKS, now=NOW)
        call = await quota.reserve(session, turn, RULES, model="m", cost=9, turns=1, now=NOW)
        return context, call

    context, call = await db.transact(sessions, prepare)
    await db.transact(sessions, lambda s: inbox.posted(s, turn, 0, f"answer {message_id}"))

    async def finish(session: AsyncSession) -> None:
        await inbox.answered(session, turn, "answer", Outcome.OK, now=NOW)
        said = user("question"), assistant("answer")
        await memory.remember(session, turn, context, said, Usage(9, 9), now=NOW)
        await quota.settle(session, call, RULES, Usage(9, 9), 5, now=NOW)

    await db.transact(sessions, finish)
    await db.transact(sessions, lambda s: inbox.delivered(s, turn, Outcome.OK, now=NOW))


async def test_a_plain_turn_takes_few_statements_and_transactions(sessions: Sessions) -> None:
    await plain_turn(sessions, "1")
    transactions: list[object] = []
    engine = sessions.kw["bind"].sync_engine
    event.listen(engine, "begin", transactions.append)

    with rows.statements(sessions) as seen:
        await plain_turn(sessions, "2")

    assert len(transactions) == 6
    assert len(seen) <= 16, "\n".join(statement for statement, _ in seen)
    assert await rows.claim(sessions, accounts=[ACCOUNT], now=later(99)) == []
