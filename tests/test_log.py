"""The log: one line for an event, whatever was said in it, and no secret."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from bots.log import LONGEST, Lines
from core import db

TOKEN = "123456:ABC-DEF_secret"
FORGED = "gone\n2026-01-01 00:00:00,000 INFO parley: forged\x1b[2J\u202e"


def written(message: str, *args: object, error: BaseException | None = None) -> str:
    """Return what the log shows of an event."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("core.chat", logging.INFO, "", 0, message, args, info)
    return Lines(["model-key-1", "abc"]).format(record)


def raised(error: Exception) -> Exception:
    """Return an error with a traceback."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - any
        return caught


def test_an_event_is_one_line() -> None:
    told = written("turn %s: %s", 7, FORGED)
    assert "\n" not in told
    assert told.isprintable()
    assert "forged\\x1b[2J\\u202e" in told


@pytest.mark.parametrize(
    "address",
    [
        f"https://api.telegram.org/bot{TOKEN}/getFile",
        f"https://api.telegram.org/file/bot{TOKEN}/documents/1",
        f"POST /api/v10/webhooks/1234567890123456/{TOKEN}/messages/@original",
        f"/interactions/1234567890123456/{TOKEN}/callback",
        f"a bucket of 1234567890123456+{TOKEN}",
        f"postgresql://parley:{TOKEN}@host/db",
        f"postgresql://parley:{TOKEN}/more@host/db",
        f"redis://:{TOKEN}@host",
        f"http://person:12?{TOKEN}@proxy:8081",
        "Authorization: Bearer model-key-1",
    ],
)
def test_a_secret_is_in_no_line(address: str) -> None:
    for told in (
        written("cannot reach %s", address),
        written("failed", error=raised(RuntimeError(f"cannot reach {address}"))),
    ):
        assert "secret" not in told
        assert "model-key-1" not in told
        assert "***" in told
    assert "abc" in written("abc"), "a short setting is no secret"


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8081",
        "http://localhost:8081/v1?x=1",
        "(https://api.example:8443)",
        "no answer from http://[::1]:8081 (why?)",
    ],
)
def test_a_port_is_no_secret(address: str) -> None:
    assert written("cannot reach %s", address).endswith(f"cannot reach {address}")


def test_a_line_is_bounded() -> None:
    assert len(written("%s", "x" * 10 * LONGEST)) == LONGEST + 1


def test_a_traceback_tells_where_and_not_what_was_said() -> None:
    error = raised(ValueError("not a number: 'my own words'\n" + FORGED))
    outer = raised(ExceptionGroup("both", [error, raised(KeyError("more of them"))]))
    outer.__cause__ = error
    head, *below = written("it failed", error=outer).split("\n")
    assert head.endswith("it failed")
    assert all(each.startswith("  ") for each in below)
    told = "\n".join(below)
    assert "in raised" in told
    assert "ValueError: not a number: '…'" in told
    assert "| KeyError: '…'" in told
    for word in ("own words", "more of them", "forged"):
        assert word not in told


def test_errors_that_cause_each_other_end() -> None:
    first, second = raised(ValueError("one")), raised(ValueError("two"))
    first.__cause__, second.__cause__ = second, first
    assert written("it failed", error=first).count("ValueError") == 2


def test_the_error_of_a_lost_task_is_told_without_its_values() -> None:
    told = "Task exception was never retrieved\nfuture: <Task exception=ValueError('own words')>"
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, told, (), None)
    assert Lines().format(record).endswith("asyncio: Task exception was never retrieved")


def test_what_a_callback_was_called_with_is_in_no_line() -> None:
    told = "Exception in callback <bound method say of Text('own words')>"
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, told, (), None)
    assert "own words" not in Lines().format(record)


def as_json(message: str, error: BaseException | None = None, **fields: object) -> dict[str, Any]:
    """Return the line of an event with some fields, as a collector of logs reads it."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("core.chat", logging.ERROR, "", 0, message, (), info)
    record.__dict__.update(fields)
    told = Lines(["model-key-1"], as_json=True).format(record)
    assert "\n" not in told
    assert told.isprintable()
    return dict(json.loads(told))


def test_in_json_a_line_has_fields() -> None:
    told = as_json("turn 1-1 answered", turn="1-1", cost=17, first_text=0.3, model=None)
    at = datetime.fromisoformat(told.pop("time"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert list(told) == ["level", "logger", "event", "turn", "cost", "first_text", "model"]
    assert (told["level"], told["cost"], told["model"]) == ("error", 17, None)


def test_in_json_an_error_is_one_line_without_what_was_said() -> None:
    told = as_json(f"failed: {FORGED}", error=raised(ValueError("no number: 'my own words'")))
    assert "forged\\x1b" in told["event"]
    assert told["exception"][-1] == "ValueError: no number: '…'"
    assert "own words" not in json.dumps(told)


def test_no_field_shows_a_secret() -> None:
    told = as_json(
        "failed", address=f"https://x/bot{TOKEN}/getMe", keys=["model-key-1"], long="x" * 9999
    )
    assert told["keys"] == ["***"]
    assert "secret" not in told["address"]
    assert len(told["long"]) == LONGEST + 1


def test_for_a_terminal_fields_stand_behind_the_event() -> None:
    record = logging.LogRecord("core.turns", logging.INFO, "", 0, "turn 1-1 answered", (), None)
    record.cost = 17
    assert Lines().format(record).endswith("INFO core.turns: turn 1-1 answered cost=17")


def test_a_database_error_quotes_no_value(postgres_url: str) -> None:
    """PostgreSQL quotes the value in its first line, and the row below it."""
    engine = create_engine(postgres_url, hide_parameters=True)
    said = {"said": '{"pin": hunter2}'}
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text("SELECT CAST(:said AS json)"), said)
    engine.dispose()
    assert "hunter2" in str(caught.value)
    assert "hunter2" not in db.reason(caught.value)
    assert "invalid input syntax for type json" in db.reason(caught.value)
    assert "hunter2" not in written("failed", error=caught.value)
