"""SQL that is compiled once in a run of the tests, not once in each test.

A test has a database of its own, and so an engine; each engine would compile the bot's statements
anew. That was a fifth of all that the tests compute.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import LRUCache


class Statements(LRUCache[Any, Any]):
    """The compiled statements of all engines of a process, by the name of their dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_any_engine(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_any_engine(key), value)


def _of_any_engine(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    return dialect.name, *rest


def share_compiled() -> None:
    """Let all engines of this process share their compiled statements."""
    statements = Statements(2000)

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        connection.engine._compiled_cache = statements
