"""The account behind the key: whether the endpoint accepts it, and what is left in it."""

import asyncio
import json
import re
from dataclasses import dataclass

import httpx

from core.llm._chunk import CREDITS
from core.llm._exchange import Endpoint
from core.llm._faults import WRONG_KEY
from core.llm._page import get

NO_SERVER = "MODEL_API_URL is wrong or its server is down: no connection"
LONGEST = 64 * 1024
"""The most bytes that are read of what an endpoint tells of an account."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of a key, as its endpoint tells it."""

    complaint: str | None = None
    """A sentence for the operator if the key or the URL is wrong."""
    is_told: bool = False
    """True if the endpoint has accepted the key; many have no billing to ask about."""
    balance: int | None = None
    """The micro-dollars that are left; None if nobody tells."""


async def read(way: httpx.AsyncBaseTransport, endpoint: Endpoint, *, seconds: float) -> KeyState:
    """Return the state of the key; asking costs nothing.

    Many endpoints have no billing, but do not list their models for a wrong key either.
    """
    billing = re.sub(r"/v\d+$", "", endpoint.url) + "/v2/billing"
    try:
        async with asyncio.timeout(seconds):
            status, body = await get(way, endpoint, billing, most=LONGEST)
            if status == 404:
                listed, _ = await get(way, endpoint, f"{endpoint.url}/models", most=LONGEST)
                status = 401 if listed == 401 else status
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
        return KeyState(NO_SERVER)
    except (httpx.HTTPError, TimeoutError, UnicodeEncodeError):
        return KeyState()
    if status == 401:
        return KeyState(WRONG_KEY)
    return KeyState(is_told=status == 200, balance=_balance(body))


def _balance(body: bytes) -> int | None:
    """Return the micro-dollars of an account that is counted in credits; None for another body."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = told.get("balance") if isinstance(told, dict) else None
    if isinstance(found, bool) or not isinstance(found, int):
        return None
    return found // CREDITS
