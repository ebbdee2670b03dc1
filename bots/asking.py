"""Single questions to servers, for setting the bot up: one request, one answer, bounded in time."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from bots import transport
from bots.downloads import PLAIN
from core.errors import Unreachable

SECONDS = 8.0
"""The most seconds for one answer."""
LONGEST = 1024 * 1024
"""The most bytes of an answer that are read."""
_LIMITS = httpx.Limits(max_connections=8)


@dataclass(frozen=True, slots=True)
class Told:
    """The answer of a server; `body` is None if it is no JSON."""

    status: int
    body: Any
    date: datetime | None = None
    """The server's time, if it told it."""

    def field(self, name: str, default: Any = None) -> Any:
        """Return a field of the body, or `default` if there is none or it is of another type."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return value if default is None or isinstance(value, type(default)) else default


@asynccontextmanager
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client for one server; raises SettingsError if a proxy or a certificate is wrong."""
    way = transport.to(url, _LIMITS)
    async with httpx.AsyncClient(transport=way, trust_env=False, timeout=SECONDS) as opened:
        yield opened


async def ask(
    opened: httpx.AsyncClient,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str | int] | None = None,
) -> Told:
    """Return the answer to a GET request.

    Raises Unreachable if none comes in time. Its message repeats no URL, which may hold a token.
    """
    body = bytearray()
    try:
        async with (
            asyncio.timeout(SECONDS),
            opened.stream(
                "GET", url, headers={**PLAIN, **(headers or {})}, params=dict(query or {})
            ) as response,
        ):
            date = _date(response.headers.get("Date", ""))
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LONGEST:
                    break
    except TimeoutError:
        raise Unreachable(f"no answer within {SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"no connection ({type(error).__name__})") from None
    try:
        return Told(response.status_code, json.loads(body), date)
    except (ValueError, RecursionError):
        return Told(response.status_code, None, date)


def _date(told: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(told)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
