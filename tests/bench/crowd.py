"""A database of a large deployment: many people, and what they asked over a year."""

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import create_engine, text

from core import db

PEOPLE, TURNS = 100_000, 1_000_000
KEPT = timedelta(days=90)
"""The age up to which turns and calls are kept one by one; older ones are sums by day."""
SUMMED = 9
"""The days of each person that are kept as sums, before that."""
BUSIEST, SHARE = 1, 0.02
"""The id of the busiest person, and their share of all turns."""
MODELS = ("x-ai/grok-4-fast-non-reasoning", "openai/gpt-5-nano")
OUTCOMES = ("ok",) * 97 + ("failed", "refused", "stopped")

BATCH = 10_000
"""The rows that SQLite takes at a time."""

Row = tuple[Any, ...]


def fill(
    url: str, *, people: int = PEOPLE, turns: int = TURNS, now: datetime | None = None
) -> None:
    """Fill an empty database that has the schema; a million turns take a minute or two.

    Person `n` has the user id `n`, the name "Person n", an account on one of two platforms and a
    private conversation with the same id.
    """
    now, lot = now or datetime.now(UTC), random.Random(people)
    asked = list(_asked(lot, people, turns, now))
    names = ("id", "user_id", "platform", "account_id", "name")
    _copy(url, "users", ("id", "created_at"), ((n, now - KEPT) for n in range(1, people + 1)))
    _copy(url, "identities", names, (_identity(n) for n in range(1, people + 1)))
    columns = ("id", "user_id", "epoch", "created_at")
    _copy(url, "conversations", columns, ((n, n, 0, now - KEPT) for n in range(1, people + 1)))
    _copy(url, "turns", _TURN, (_turn(*each) for each in enumerate(asked, 1)))
    _copy(url, "calls", _CALL, (_call(*each) for each in enumerate(asked, 1)))
    _copy(url, "days", _DAY, _days(lot, people, (now - KEPT).date()))
    engine = create_engine(db.normal_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            for name in ("users", "identities", "conversations", "turns", "calls"):
                newest = f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))"  # noqa: S608
                connection.execute(text(newest))
        connection.execute(text("ANALYZE"))
    engine.dispose()


class Asked:
    """A question of a person, with what became of it."""

    __slots__ = ("at", "completion", "cost", "model", "outcome", "prompt", "seconds", "user_id")

    def __init__(self, lot: random.Random, user_id: int, at: datetime) -> None:
        self.user_id, self.at = user_id, at
        self.outcome = OUTCOMES[int(lot.random() * 100)]
        self.model = MODELS[lot.random() < 0.1]
        self.seconds = 0.5 + 9 * lot.random() ** 3
        self.prompt, self.completion = int(4000 * lot.random()), int(600 * lot.random())
        self.cost = self.prompt // 5 + self.completion // 2


def _asked(lot: random.Random, people: int, turns: int, now: datetime) -> Iterator[Asked]:
    step = KEPT / turns
    for number in range(turns):
        user_id = BUSIEST if lot.random() < SHARE else 1 + int(people * lot.random())
        yield Asked(lot, user_id, now - KEPT + (number + 0.5) * step)


def _platform(user_id: int) -> str:
    return "telegram" if user_id % 3 else "discord"


def _identity(number: int) -> Row:
    return number, number, _platform(number), str(10_000 + number), f"Person {number}"


_TURN = (
    *("id", "kind", "lane", "conversation_id", "user_id", "epoch", "platform", "bot_id", "chat"),
    *("thread", "message_id", "input", "attempt", "faults", "line", "ready_at", "cancel", "draft"),
    *("outcome", "created_at", "answered_at", "delivered_at"),
)


def _turn(number: int, asked: Asked) -> Row:
    whose, end = asked.user_id, asked.at + timedelta(seconds=asked.seconds)
    chat = str(10_000 + whose)
    where = (_platform(whose), "1", chat, "")
    lane = f"{whose}/{where[0]}/1"
    started = (str(number), '{"text": ""}', 1, 0, None, asked.at, False, "")
    ended = (asked.outcome, asked.at, end, end)
    return (number, "chat", lane, whose, whose, 0, *where, *started, *ended)


_CALL = (
    *("id", "turn_id", "attempt", "user_id", "model", "turns", "reserved", "reserved_tokens"),
    *("prompt_tokens", "cached_tokens", "completion_tokens", "cost", "charged", "charged_tokens"),
    *("estimated", "created_at", "settled_at"),
)


def _call(number: int, asked: Asked) -> Row:
    tokens = asked.prompt + asked.completion
    opened = (number, number, 1, asked.user_id, asked.model, 1, 2 * asked.cost, 2 * tokens)
    used = (asked.prompt, asked.prompt * 3 // 4, asked.completion, asked.cost, asked.cost, tokens)
    return (*opened, *used, False, asked.at, asked.at + timedelta(seconds=asked.seconds))


_DAY = (
    *("user_id", "day", "turns", "prompt_tokens", "cached_tokens", "completion_tokens"),
    *("cost", "charged", "charged_tokens"),
)


def _days(lot: random.Random, people: int, end: date) -> Iterator[Row]:
    for user_id in range(1, people + 1):
        for number in range(SUMMED):
            day = end - timedelta(days=1 + 30 * number + user_id % 30)
            turns = 1 + int(20 * lot.random())
            yield user_id, day, turns, 2000 * turns, 1500 * turns, 300 * turns, *_paid(turns)


def _paid(turns: int) -> tuple[int, int, int]:
    return 550 * turns, 550 * turns, 2300 * turns


def _copy(url: str, name: str, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Insert rows by the fastest way that an engine has."""
    engine = create_engine(db.normal_url(url))
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        names = ", ".join(columns)
        if connection.dialect.name == "postgresql":
            with cursor.copy(f"COPY {name} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(columns))
            insert = f"INSERT INTO {name} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
            plain = map(_plain, rows)
            while batch := list(islice(plain, BATCH)):
                cursor.executemany(insert, batch)
    engine.dispose()


def _plain(row: Row) -> Row:
    """Return a row as SQLite stores it: times in UTC and without a zone."""
    return tuple(_stored(value) if isinstance(value, date) else value for value in row)


def _stored(value: date) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return value.isoformat()
