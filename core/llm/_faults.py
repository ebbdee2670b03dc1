"""What went wrong, in the words of core's error tree."""

import asyncio
import json
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from core.errors import ModelBusy, ModelRejected, ModelUnavailable

WORDS = 200
"""Characters of a server's own words that a log line may hold."""
_BODY_BYTES = 16 * 1024
_BODY_SECONDS = 5.0

WRONG_KEY = "MODEL_API_KEY is missing or wrong: the model API does not accept it; set a valid key"
_NO_CREDIT = "the account behind MODEL_API_KEY is out of credits or not allowed to ask: top it up"
_WRONG_URL = "MODEL_API_URL is wrong: nothing there answers as a model API does"
UNUSABLE = "MODEL_API_URL or MODEL_API_KEY is wrong: no request can be made of them"
_ADVICE = {401: WRONG_KEY, 402: _NO_CREDIT, 403: _NO_CREDIT, 405: _WRONG_URL}


class NoSuchModel(ModelUnavailable):
    """The path or the model is unknown there; another model may be known."""


class TryOnce(ModelBusy):
    """Slow or dear to repeat, so that it is worth one more try only."""


class HungUp(ModelBusy):
    """The connection was lost before an answer began: most often it had been idle for too long."""


async def refuse_status(response: httpx.Response, model: str, secret: str) -> None:
    """Raise what a status calls for, unless it is an answer's."""
    status = response.status_code
    if 200 <= status < 300:
        return
    if status in _ADVICE or status < 400:
        raise ModelUnavailable(f"{_ADVICE.get(status, _WRONG_URL)} (status {status})")
    if status == 404:
        raise NoSuchModel(f"MODEL_API_URL or MODEL is wrong: {model!r} is not there (status 404)")
    if status == 504:
        raise TryOnce("status 504")
    if status in (408, 425, 429) or status >= 500:
        raise ModelBusy(f"status {status}", retry_after(response.headers.get("retry-after", "")))
    raise ModelRejected(f"status {status}: {words(await _body(response), secret)}")


async def _body(response: httpx.Response) -> object:
    """The body of an error as far as it comes in time: JSON, or else its text."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _BODY_BYTES:
                    break
    except (httpx.HTTPError, TimeoutError):
        pass  # the status alone has to do
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return value


def words(told: object, secret: str) -> str:
    """The message in an error that a server reports: one short line without the key."""
    for name in ("error", "message"):
        if isinstance(told, dict) and told.get(name):
            told = told[name]
    text = "no message" if isinstance(told, dict | list) else " ".join(str(told).split())
    if secret:
        text = text.replace(secret, "***")
    return text if len(text) <= WORDS else f"{text[:WORDS]}…"


def retry_after(value: str) -> float | None:
    """Seconds from a `Retry-After` header, written as seconds or as an HTTP date."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return math.nan
