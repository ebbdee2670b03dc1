"""The account behind the key: whether the endpoint accepts it, and what is left in it."""

import asyncio
import json
import re
from dataclasses import dataclass

import httpx

from core.llm._chunk import CREDITS
from core.llm._exchange import Endpoint
from core.llm._faults import WRONG_KEY, is_compressed

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


async def read(client: httpx.AsyncClient, endpoint: Endpoint, *, seconds: float) -> KeyState:
    """Return the state of the key; asking costs nothing."""
    url = re.sub(r"/v\d+$", "", endpoint.url) + "/v2/billing"
    headers = {"Accept-Encoding": "identity", **endpoint.authorization}
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            request = client.build_request("GET", url, headers=headers, timeout=None)
            response = await client.send(request, stream=True)
            try:
                if response.status_code == 200 and not is_compressed(response):
                    async for piece in response.aiter_raw():
                        body += piece
                        if len(body) > LONGEST:
                            break
            finally:
                await response.aclose()
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
        return KeyState(NO_SERVER)
    except (httpx.HTTPError, TimeoutError, UnicodeEncodeError):
        return KeyState()
    if response.status_code == 401:
        return KeyState(WRONG_KEY)
    return KeyState(is_told=response.status_code == 200, balance=_balance(bytes(body)))


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
