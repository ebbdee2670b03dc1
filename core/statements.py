"""The time that the database takes for each statement."""

import time
from typing import Any

from sqlalchemy import Connection, event

from core.db import Sessions
from core.signals import StatementDone, Tell

VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
OTHER = "OTHER"
_BEGAN = "began_at"


def time_statements(sessions: Sessions, tell: Tell) -> None:
    """Tell of every statement from now on, also in the threads of the database."""

    def begin(connection: Connection, *_: Any) -> None:
        connection.info[_BEGAN] = time.perf_counter()

    def end(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info[_BEGAN]
        tell(StatementDone(_verb(statement), seconds))

    event.listen(sessions.engine, "before_cursor_execute", begin)
    event.listen(sessions.engine, "after_cursor_execute", end)


def _verb(statement: str) -> str:
    """Return the kind of a statement."""
    verb = statement[:20].split(None, 1)[0].upper()
    return verb if verb in VERBS else OTHER
