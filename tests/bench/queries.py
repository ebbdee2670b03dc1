"""The statements of a turn, counted while the bot runs in this process."""

import statistics as stats
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select, update
from sqlalchemy.util.concurrency import in_greenlet

from core import db, memory, models
from core.adapter import Address
from core.memory import IDS_PER_TURN, Marks
from core.messages import assistant, user
from core.turns import Question, Turn
from tests.bench.figures import Figure
from tests.bench.stage import NO_LIMIT, Person, Stage
from tests.bot import bot
from tests.records import eventually

TEXT = "say hello there my friend"
SENTENCE = "It is about as long as a short answer is when somebody asks for one in a chat."
NOW = datetime(2026, 3, 14, 9, 26, 30, tzinfo=UTC)
KEPT = 100
"""Messages that compaction leaves word for word."""
CHUNK = 2000

turns = models.turns
messages = models.messages


@dataclass(slots=True)
class Asked:
    """The statements and transactions that were counted."""

    statements: int = 0
    transactions: int = 0


@contextmanager
def counted() -> Iterator[Asked]:
    """Count what the bot asks, in a greenlet or in a thread; tests ask in neither."""
    asked = Asked()

    def execute(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if _is_the_bot_s() and not statement.startswith("BEGIN"):
            asked.statements += 1

    def begin(connection: Connection) -> None:
        asked.transactions += _is_the_bot_s()

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "begin", begin)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
        event.remove(Engine, "begin", begin)


def _is_the_bot_s() -> bool:
    return in_greenlet() or threading.current_thread().name == db.THREAD


async def plain_turn(person: Person, times: int = 3, enough: int = 0) -> Asked:
    """The least that one of some turns asked for: leases are renewed beside them.

    A turn that took no more than `enough` statements is the last one.
    """
    seen = []
    for _ in range(times):
        with counted() as asked:
            await person.ask(TEXT)
            await eventually(lambda: not person.stage.records.busy())
        seen.append(asked)
        if asked.statements <= enough:
            break
    return min(seen, key=lambda asked: asked.statements)


async def statements(stage: Stage) -> Iterator[Figure]:
    """Count the statements and transactions of a known person's plain turn."""
    [person] = stage.people(1)
    async with running(stage):
        await person.ask(TEXT)
        asked = await plain_turn(person)
    value = f"{asked.statements} in {asked.transactions} transactions"
    return iter([Figure("statements of a plain turn", stage.database, value)])


async def depth(stage: Stage, sizes: Sequence[int]) -> Iterator[Figure]:
    """Measure a turn at the n-th message of a conversation, as compaction leaves it."""
    [person] = stage.people(1)
    recalls, counts = [], []
    for size in sizes:
        async with running(stage):
            await plain_turn(person, times=1)
        fill(stage.url, size)
        recalls.append(await recall(stage.url))
        async with running(stage):
            counts.append((await plain_turn(person)).statements)
    times = " / ".join(f"{seconds * 1000:.1f}" for seconds in recalls)
    last = recalls[-1] / recalls[-2]
    numbers = " / ".join(f"{size:,}" for size in sizes)
    same = " / ".join(str(count) for count in counts)
    return iter(
        [
            Figure(f"to recall at message {numbers}", stage.database, f"{times} ms: {last:.2f} ×"),
            Figure(f"statements of a turn at message {numbers}", stage.database, same),
        ]
    )


def running(stage: Stage, **values: object) -> AbstractAsyncContextManager[None]:
    """The bot, in this process, with these settings on top."""
    return bot(
        "telegram",
        quota=NO_LIMIT,
        requests_per_minute=1_000_000,
        database_url=stage.url,
        model_api_key="test-key",
        model_api_url=stage.model.url,
        telegram_token=stage.telegram.token,
        telegram_api_url=stage.telegram.url,
        **values,
    )


async def recall(url: str, times: int = 50) -> float:
    """Return the median seconds of a recall in the only conversation."""
    now = datetime.now(UTC)
    address = Address("telegram", "1", "1")
    turn = Turn(0, "chat", 1, 1, 0, address, None, Question(TEXT), 1, created_at=now)
    sessions = db.connect(url)
    seconds: list[float] = []

    async def work(session: db.Session) -> None:
        for _ in range(times):
            began = time.perf_counter()
            await memory.recall(session, turn, Marks(12_000, 4_000), now=now)
            seconds.append(time.perf_counter() - began)

    await sessions.run(work)
    sessions.close()
    return stats.median(seconds)


def fill(url: str, number: int) -> None:
    """Let the one conversation there is have `number` messages more."""
    engine = create_engine(db.normal_url(url))
    with engine.begin() as connection:
        newest = connection.execute(select(turns).order_by(turns.c.id.desc()).limit(1)).one()
        written = [_turn(newest, newest.id + 1 + n) for n in range(number // 2)]
        said = [message for turn in written for message in _messages(turn)]
        for at in range(0, len(written), CHUNK):
            connection.execute(insert(turns), written[at : at + CHUNK])
            connection.execute(insert(messages), said[2 * at : 2 * (at + CHUNK)])
        if number > KEPT:
            cut = {"message_id": said[-KEPT - 1]["id"], "content": "", "created_at": NOW}
            connection.execute(insert(models.summaries), cut)
        head = update(models.conversations).values(head_id=said[-1]["id"])
        connection.execute(head)
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.setval("turns_id_seq", written[-1]["id"])))
    engine.dispose()


def _turn(newest: Any, turn_id: int) -> dict[str, Any]:
    return {**newest._mapping, "id": turn_id, "message_id": f"old {turn_id}", "created_at": NOW}


def _messages(turn: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A question of the turn before's answer, and its own answer."""
    first = turn["id"] * IDS_PER_TURN
    for place, said in enumerate((user(TEXT), assistant(f"Answer {turn['id']}. " + SENTENCE))):
        yield {
            "id": first + place,
            "conversation_id": turn["conversation_id"],
            "turn_id": turn["id"],
            "parent_id": first if place else first - IDS_PER_TURN + 1,
            "body": said,
            "tokens": 20,
            "total": 2000 if place else None,
            "created_at": NOW,
        }
