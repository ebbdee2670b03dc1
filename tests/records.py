"""Records: reading the database from outside while the bot works on it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from core.db import normal_url

PATH = """
WITH RECURSIVE path AS (
    SELECT m.id, m.parent_id, m.body, 0 AS depth FROM messages m
    JOIN conversations c ON c.head_id = m.id WHERE c.id = :conversation
    UNION ALL
    SELECT m.id, m.parent_id, m.body, path.depth + 1 FROM messages m
    JOIN path ON m.id = path.parent_id
)
SELECT body FROM path ORDER BY depth DESC
"""


PATIENCE = 120
"""The seconds after which what a test waits for is taken to be lost: a bound, no assertion."""


_engines: dict[str, Engine] = {}
"""The engines of the databases that were read: to make one takes longer than most queries."""


def _engine(url: str) -> Engine:
    """Return the engine of a database.

    A server starts a process for each connection, so one is kept. None to a file is, because it may
    be moved or deleted.
    """
    if url not in _engines:
        made = make_url(normal_url(url))
        pool: dict[str, Any] = {"pool_size": 1, "max_overflow": -1, "pool_pre_ping": True}
        pool["connect_args"] = {"prepare_threshold": None}  # it may lead through a pooler
        if made.get_backend_name() == "sqlite":
            pool = {"poolclass": NullPool}
        _engines.setdefault(url, create_engine(made, **pool))
    return _engines[url]


def leave(database: str) -> None:
    """Close the connections that are kept to a database of the server."""
    for url in [url for url, engine in _engines.items() if engine.url.database == database]:
        _engines.pop(url).dispose()


@dataclass(frozen=True)
class Records:
    """Read access to a database, by plain SQL and a connection of its own each time."""

    url: str

    def all(self, query: str, **values: object) -> list[Any]:
        """The rows of a query."""
        with _engine(self.url).connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            return list(connection.execute(text(query), values))

    async def write(self, statement: str, **values: object) -> None:
        """Change something behind the bot's back, who may be in the middle of a transaction."""
        await asyncio.to_thread(self._write, statement, values)

    def _write(self, statement: str, values: dict[str, object]) -> None:
        with _engine(self.url).begin() as connection:
            connection.execute(text(statement), values)

    @contextmanager
    def held(self) -> Iterator[None]:
        """An SQLite file that nobody else can write to meanwhile."""
        with _engine(self.url).connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE"))
            yield

    def one(self, query: str, **values: object) -> Any:
        """The one value of a query."""
        [[value]] = self.all(query, **values)
        return value

    def turns(self) -> int:
        """Count the turns."""
        return int(self.one("SELECT count(*) FROM turns"))

    def busy(self) -> int:
        """Count the turns that are not delivered."""
        return int(self.one("SELECT count(*) FROM turns WHERE delivered_at IS NULL"))

    def memory(self, conversation: int = 1) -> list[tuple[str, str]]:
        """Return the roles and texts on the path to a conversation's head."""
        return [_said(row.body) for row in self.all(PATH, conversation=conversation)]

    def drift(self) -> list[str]:
        """Return the differences between the allowances of the running windows and the ledger."""
        return [str(row) for row in self.all(DRIFT) if row.used != row.spent]

    async def posted(self) -> None:
        """Wait until the bot knows a message that an answer grows in."""
        known = "SELECT count(*) FROM posts WHERE part = 0 AND message_id IS NOT NULL"
        await eventually(lambda: self.one(known) > 0)

    async def idle(self, turns: int, within: float = PATIENCE) -> None:
        """Wait until there are so many turns and nothing is left to do."""
        counts = "SELECT count(*), count(delivered_at) FROM turns"

        with self._reader() as read:

            def is_idle() -> bool:
                [(every, delivered)] = read(counts)
                return bool(every >= turns and every == delivered)

            await eventually(is_idle, within)

    @contextmanager
    def _reader(self) -> Iterator[Callable[[str], list[Any]]]:
        """Yield a function that reads again and again: by the driver, in a tenth of the time."""
        with _engine(self.url).connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            cursor = connection.connection.cursor()

            def read(query: str) -> list[Any]:
                try:
                    cursor.execute(query)
                    return list(cursor.fetchall())
                except psycopg.OperationalError:  # the server was started again
                    connection.invalidate()
                    return self.all(query)

            yield read


DRIFT = """
SELECT a.owner_id, a.unit, a."window", a.used, (
    SELECT coalesce(sum(CASE
        WHEN a.unit = 'turns' THEN c.turns
        WHEN a.unit = 'tokens' AND c.settled_at IS NULL THEN c.reserved_tokens
        WHEN a.unit = 'tokens' AND a.owner_id = 0 THEN c.prompt_tokens + c.completion_tokens
        WHEN a.unit = 'tokens' THEN c.charged_tokens
        WHEN c.settled_at IS NULL THEN c.reserved
        WHEN a.owner_id = 0 THEN c.cost
        ELSE c.charged END), 0)
    FROM calls c
    WHERE CASE WHEN a.owner_id = 0 THEN coalesce(c.spent_at, c.created_at) >= a.window_start
        WHEN a.owner_id < 0 THEN c.group_id = -a.owner_id AND c.created_at >= a.window_start
        ELSE c.user_id = a.owner_id AND c.created_at >= a.window_start END
) + (
    SELECT coalesce(sum(CASE
        WHEN a.unit = 'turns' THEN o.turns
        WHEN a.unit = 'tokens' THEN o.charged_tokens
        ELSE o.charged END), 0)
    FROM corrections o
    WHERE o.owner_id = a.owner_id AND o.created_at >= a.window_start
) AS spent FROM allowances a
"""


def _said(body: Any) -> tuple[str, str]:
    message = json.loads(body) if isinstance(body, str) else body
    return message["role"], message["content"]


async def eventually(condition: Callable[[], bool], within: float = PATIENCE) -> None:
    """Wait until something outside this process holds; TimeoutError when it does not in time."""
    pause = 0.01
    async with asyncio.timeout(within):
        while not condition():  # another process has no events for us
            await asyncio.sleep(pause)
            pause = min(1.1 * pause, 0.05)  # whoever waits for long may wait a little longer


def on_disk(url: str) -> bytes:
    """Return the bytes of SQLite's file and its log, as a copy would hold them."""
    path = Path(make_url(url).database or "")
    return path.read_bytes() + Path(f"{path}-wal").read_bytes()
