"""Rows to test with: people, their questions, and the steps of a turn, at times of the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import CursorResult, Executable, Table, event, func, select, text

from core import identity, inbox, models
from core.adapter import Account, Address, Author, InboundMessage
from core.db import Session, Sessions, Values
from core.lines import FIRST, LATER, ONCE, TWICE
from core.turns import Outcome, Question, Speaker, Turn

T = TypeVar("T")

NOW = datetime(2026, 3, 14, 9, 26, 30, tzinfo=UTC)
LEASE = timedelta(seconds=15)
ACCOUNT = ("telegram", "1")
ADA = Author("telegram", "100", "Ada")
BOB = Author("telegram", "200", "Bob")
HOME = Address(*ACCOUNT, chat="100")
GROUP = Address(*ACCOUNT, chat="-1")


def later(seconds: float) -> datetime:
    """The time `seconds` after NOW."""
    return NOW + timedelta(seconds=seconds)


async def commit(sessions: Sessions, work: Callable[[Session], Awaitable[T]]) -> T:
    """Run `work` in one transaction and return its result; unlike `transact`, never try again."""
    return await sessions.run(work)


class Talk(Session):
    """A transaction that a test carries out beside others, one statement at a time."""

    async def execute(
        self, statement: Executable, values: Values | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement while the loop goes on: it may wait for another transaction."""
        return await asyncio.to_thread(self.connection.execute, statement, values)

    async def get(self, table: Table, *key: object) -> Any:
        """Return a row by its primary key, as it is now."""
        is_it = [column == value for column, value in zip(table.primary_key, key, strict=True)]
        return (await self.execute(select(table).where(*is_it))).one()


@asynccontextmanager
async def begin(sessions: Sessions) -> AsyncIterator[Talk]:
    """Begin a transaction that ends with the block: committed, or rolled back by an error."""
    with ExitStack() as ends:
        connection = await asyncio.to_thread(ends.enter_context, sessions.lend())
        ends.enter_context(await asyncio.to_thread(connection.begin))
        yield Talk(connection)


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another task or process does, but not for ever."""
    async with asyncio.timeout(60):
        while not await happened():  # noqa: ASYNC110 - a database raises no event
            await asyncio.sleep(0.01)


async def locked(sessions: Sessions, statements: int = 1) -> None:
    """Wait until so many statements on this PostgreSQL database wait for somebody's lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    async def so_many_wait() -> bool:
        found: int = await commit(sessions, lambda s: s.scalar(waiting))
        return found == statements

    await until(so_many_wait)


async def speaker(
    sessions: Sessions, author: Author = ADA, address: Address = HOME, *, private: bool = True
) -> Speaker:
    """A person in a conversation."""
    return await commit(
        sessions, lambda s: identity.resolve(s, author, address, private=private, now=NOW)
    )


def entry(speaker: Speaker, message_id: str, **changes: Any) -> inbox.Entry:
    """A question of a person in a private chat with the bot."""
    standard = inbox.Entry(
        kind="chat",
        address=HOME,
        message_id=message_id,
        user_id=speaker.user_id,
        conversation_id=speaker.conversation_id,
        epoch=speaker.epoch,
        lane=str(speaker.conversation_id),
        question=Question(f"question {message_id}"),
        ready_at=NOW,
    )
    return replace(standard, **changes)


async def ask(
    sessions: Sessions,
    speaker: Speaker,
    message_id: str,
    *,
    now: datetime = NOW,
    **changes: Any,
) -> int:
    """Accept a question; return its turn's id."""
    question = entry(speaker, message_id, **changes)
    turn_id = await commit(
        sessions, lambda s: inbox.accept(s, f"event {message_id}", question, now=now)
    )
    assert turn_id is not None
    return turn_id


async def ask_in_group(sessions: Sessions, author: Author, message_id: str, **changes: Any) -> int:
    """Accept a question in a group, in a lane of its author."""
    who = await speaker(sessions, author, GROUP, private=False)
    lane = f"{who.conversation_id}/{who.user_id}"
    return await ask(sessions, who, message_id, **{"address": GROUP, "lane": lane, **changes})


def message(message_id: str, **changes: Any) -> InboundMessage:
    """Return a message of Ada's to the bot."""
    standard = InboundMessage(
        event_id=f"event {message_id}",
        address=HOME,
        author=ADA,
        message_id=message_id,
        text=f"question {message_id}",
        private=True,
        sent_at=NOW,
    )
    return replace(standard, **changes)


async def claim(
    sessions: Sessions,
    worker_id: str = "worker",
    *,
    now: datetime = NOW,
    limit: int = 20,
    accounts: Collection[Account] = (ACCOUNT,),
    kept: Collection[int] = (),
    lines: tuple[int, ...] = (FIRST, LATER, ONCE, TWICE),
) -> list[Turn]:
    """Claim as a worker does that takes turns over from dead ones, but for those that run alone."""

    async def work(session: Session) -> list[Turn]:
        await inbox.bury(session, now=now, ended_at=now, kept=kept)
        return await inbox.claim(
            session,
            worker_id,
            accounts,
            now=now,
            lease_until=now + LEASE,
            limit=limit,
            lines=lines,
        )

    return await commit(sessions, work)


async def claimed(sessions: Sessions, worker_id: str = "worker", *, now: datetime = NOW) -> Turn:
    """Claim and return the one turn that can be claimed."""
    [turn] = await claim(sessions, worker_id, now=now)
    return turn


async def ids(sessions: Sessions, worker_id: str = "worker", **how: Any) -> list[int]:
    """Claim turns and return their ids."""
    return [turn.id for turn in await claim(sessions, worker_id, **how)]


async def answer(
    sessions: Sessions, turn: Turn, outcome: Outcome = Outcome.OK, *, now: datetime = NOW
) -> None:
    """Store an answer."""
    await commit(sessions, lambda s: inbox.answered(s, turn, f"answer {turn.id}", outcome, now=now))


async def deliver(
    sessions: Sessions, turn: Turn, outcome: Outcome = Outcome.OK, *, now: datetime = NOW
) -> bool:
    """Note that the answer stands on the platform; return whether another turn may wait for it."""
    return await commit(sessions, lambda s: inbox.delivered(s, turn, outcome, now=now))


async def finish(sessions: Sessions, turn: Turn, outcome: Outcome = Outcome.OK) -> None:
    """Take both steps of a claimed turn."""
    await answer(sessions, turn, outcome)
    await deliver(sessions, turn, outcome)


async def put_back(sessions: Sessions, turn: Turn, until: datetime, *, fault: bool = False) -> None:
    """Put a turn back until a time."""
    await commit(sessions, lambda s: inbox.retry(s, turn, ready_at=until, fault=fault))


async def stored(sessions: Sessions, turn_id: int) -> Any:
    """Return the row of a turn."""
    async with begin(sessions) as session:
        return await session.get(models.turns, turn_id)


async def count(sessions: Sessions, table: Table) -> int:
    """Count the rows of a table."""
    return await commit(sessions, lambda s: s.scalar(select(func.count()).select_from(table))) or 0


@contextmanager
def statements(sessions: Sessions) -> Iterator[list[tuple[str, Any]]]:
    """Record the statements that are executed inside this context, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def see(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append((statement, parameters))

    engine = sessions.engine
    event.listen(engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", see)
