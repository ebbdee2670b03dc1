"""Errors of a database, and whether they may pass: an outage is waited out, a fault is not."""

import sqlite3

from sqlalchemy import ExceptionContext
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.plain import line, unquoted

TRANSIENT = (OperationalError, InternalError, InterfaceError, PoolTimeoutError, ConnectionError)
"""The errors of a database that is away, locked or full; `may_pass` tells whether one may pass."""
_TIMED_OUT = "57014"
_MAY_PASS_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,  # as for want of file descriptors
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
}
_READ_ONLY, _REVOKED = "25006", "42501"

_MAY_PASS_POSTGRESQL = (
    "08",  # the connection
    _READ_ONLY,
    "40001",  # serialization
    "40P01",  # deadlock
    _REVOKED,
    "53",  # disk, memory or connections used up
    "55P03",  # a lock
    "57P",  # shut down, starting
    "58030",  # input or output
)
"""SQLSTATEs, or the beginnings of some."""

_BROKEN_SQLITE = {
    sqlite3.SQLITE_ERROR,  # as for a missing table
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
}
_BROKEN_POSTGRESQL = (
    "42",  # a missing table or column
    "0A",  # as for a plan that a migration has outdated
    "3D",  # the database
    "3F",  # the schema
    "XX",  # a corrupt file
)

_ADVICE: dict[str | int, str] = {
    _READ_ONLY: "DATABASE_URL must lead to the server that takes writes",
    _REVOKED: "grant the role in DATABASE_URL its rights again",
    "53100": "make room on the server's disk",
    "53300": "lower DATABASE_CONNECTIONS, or let the server take more",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_READONLY: "give this process the right to write the file and its folder",
    sqlite3.SQLITE_NOTADB: "name another file in DATABASE_URL, or put the right one back",
    sqlite3.SQLITE_CANTOPEN: "give this process the right to open the file and its folder",
}
"""The remedies of an operator, by SQLSTATE or by SQLite's code."""


def judge(context: ExceptionContext) -> BaseException | None:
    """Make what an operator can undo on the server an error that may pass."""
    state = getattr(context.original_exception, "sqlstate", None)
    if state == _READ_ONLY:
        # After a failover all connections still lead to the server that takes no writes.
        context.is_disconnect = True
    if state == _REVOKED:
        orig = context.original_exception
        return OperationalError(context.statement, None, orig, hide_parameters=True)
    return None


def may_pass(error: Exception) -> bool:
    """Return whether the same work may succeed later without a change of the code or the schema."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        # The lower bits are the code; the upper ones tell details.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _MAY_PASS_SQLITE
    state = _state(error)
    if state is None:
        # The server gave no code: it was not reached, or it went away.
        return isinstance(error, (OperationalError, InterfaceError))
    return state == _TIMED_OUT or state.startswith(_MAY_PASS_POSTGRESQL)


def timed_out(error: Exception) -> bool:
    """Return whether the server ended a statement because it took too long."""
    return _state(error) == _TIMED_OUT


def is_full(error: Exception) -> bool:
    """Return whether the disk of the database is full."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or _state(error) == "53100"


def is_broken(error: Exception) -> bool:
    """Return whether the tables or the file are at fault, and not what was to be stored."""
    orig = getattr(error, "orig", None)
    if isinstance(orig, sqlite3.Error):
        return getattr(orig, "sqlite_errorcode", 0) & 0xFF in _BROKEN_SQLITE
    return not may_pass(error) and (_state(error) or "").startswith(_BROKEN_POSTGRESQL)


def advice(error: Exception) -> str:
    """Return what an operator can do, in parentheses; "" if that is to wait."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0) & 0xFF
    told = _ADVICE.get(_state(error) or code)
    return f" ({told})" if told else ""


def _state(error: Exception) -> str | None:
    """Return PostgreSQL's code of an error; None if there is none."""
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state


def reason(error: Exception) -> str:
    """Return an error in one line, in the driver's words, without the values that it quotes."""
    told = str(getattr(error, "orig", error)).strip().partition("\n")[0]
    return line(unquoted(told, names=not isinstance(error, DataError))) or "no reason given"
