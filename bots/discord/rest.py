"""Calls to Discord's REST API; they raise the errors of the seam."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import aiohttp
import discord
from discord.http import Route

from core.errors import (
    MISSHAPEN,
    DeliveryError,
    MessageGone,
    Muted,
    RetryAfter,
    Undeliverable,
    Unreachable,
    place,
)
from core.plain import line, unquoted

Json = dict[str, Any]
T = TypeVar("T")

NO_PERMISSION = 50013
PAUSES = (0.2, 0.6)
"""The seconds before a call is repeated after a broken connection or a 503."""
NO_PINGS: Json = {"parse": []}
"""The mentions in a message that notify somebody: none."""
BAN = 60.0
"""The seconds without calls after a 429 from the network in front of Discord, which names none."""

TIMEOUT = aiohttp.ClientTimeout(total=10)
"""The time for one call."""
_UNKNOWN_MESSAGE = 10008
REFUSALS_TO_WRITE = {10003, 10004, 50001, 50007, NO_PERMISSION, 50083, 50278, 160005}
"""The codes for an unknown channel, an unknown server, no access, a closed private channel, no
permission, an archived thread and a locked one."""
_FAILURES = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError)


class Refused(Undeliverable):
    """Discord refused a call; `code` is its number for the reason."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Silenced(Refused, Muted):
    """Discord lets the bot write nothing in a channel."""


async def call(
    client: discord.Client,
    method: str,
    path: str,
    *,
    body: Any = None,
    query: Json | None = None,
    file: tuple[str, bytes] | None = None,
    **ids: Any,
) -> Any:
    """Make one call. `ids` fill the names in braces of `path`. Raises a DeliveryError.

    The library waits for rate limits and repeats a call after 500, 502 and 504. This repeats it
    after 503 and a broken connection, so a call must be safe to repeat.
    """
    if client.is_closed():
        raise Unreachable("the connection to Discord was closed")
    route = Route(method, path, **ids)
    content: Json = {} if body is None else {"json": body}
    if query is not None:
        content["params"] = query
    if file is not None:
        content = {"form": form_of(body, *file)}
    pauses = iter(PAUSES)
    while True:
        try:
            return await client.http.request(route, timeout=TIMEOUT, **content)
        except _FAILURES as failure:
            pause = next(pauses, None) if _is_fleeting(failure) else None
            if pause is None:
                raise translated(failure) from failure
        except MISSHAPEN as failure:
            raise misshapen(failure) from None
        await asyncio.sleep(pause)


def field(answer: Any, name: str, kind: type[T]) -> T:
    """Return a field of an answer; raises Unreachable if it is not there or of another type."""
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise Unreachable(f"an answer without a proper {name}")
    return value


def form_of(body: Any, name: str, data: bytes) -> list[Json]:
    """Return the fields of a message with a file."""
    return [
        {"name": "payload_json", "value": json.dumps(body)},
        {"name": "files[0]", "value": data, "filename": name},
    ]


def _is_fleeting(failure: Exception) -> bool:
    if isinstance(failure, discord.HTTPException):
        return failure.status == 503
    return isinstance(failure, (aiohttp.ClientError, OSError)) and not isinstance(
        failure, TimeoutError
    )


@contextmanager
def translating() -> Iterator[None]:
    """Raise the library's failures as errors of the seam."""
    try:
        yield
    except _FAILURES as failure:
        raise translated(failure) from failure
    except MISSHAPEN as failure:
        raise misshapen(failure) from None


def misshapen(failure: Exception) -> Unreachable:
    """Return the error for an answer of another shape; the call may have been done."""
    return Unreachable(f"an answer of another shape: {place(failure)}")


def translated(failure: Exception) -> DeliveryError:
    """Translate a failure of the library to an error of the seam."""
    if isinstance(failure, discord.RateLimited):
        return RetryAfter(failure.retry_after)
    told = line(unquoted(str(failure)))
    if not isinstance(failure, discord.HTTPException):
        return Unreachable(f"{type(failure).__name__}: {told}")
    if failure.status == 429:
        return RetryAfter(BAN)
    # A refused token is among these: the operator may replace it, and nothing is lost.
    if failure.status >= 500 or (failure.status == 401 and not failure.code):
        return Unreachable(told)
    if failure.code == _UNKNOWN_MESSAGE:
        return MessageGone(told)
    kind = Silenced if failure.code in REFUSALS_TO_WRITE else Refused
    return kind(told, failure.code)


def shorten_log() -> None:
    """Let the library log an error in one line: its place in place of a traceback."""
    for name in ("client", "gateway", "http", "shard", "state"):
        logging.getLogger(f"discord.{name}").addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and record.levelno >= logging.WARNING:
        record.msg, record.args = f"{record.getMessage()}: {place(error)}", ()
        record.exc_info = None
    return True
