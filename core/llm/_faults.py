"""Translation of HTTP errors to core's error tree."""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from core.errors import ModelBusy, ModelRejected, ModelUnavailable
from core.plain import line, unquoted

WORDS = 200
"""The longest message of a server in a log line, in characters."""
_MOST = 2000
_KIND = ("type", "code", "param")
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)
_BODY_BYTES = 16 * 1024
_BODY_SECONDS = 5.0

WRONG_KEY = "MODEL_API_KEY is missing or wrong: the model API does not accept it; set a valid key"
_NO_CREDIT = "the account behind MODEL_API_KEY is out of credits or not allowed to ask: top it up"
_WRONG_URL = "MODEL_API_URL is wrong: there is no model API"
UNUSABLE = "MODEL_API_URL or MODEL_API_KEY is wrong: they make no valid request"
_ADVICE = {401: WRONG_KEY, 402: _NO_CREDIT, 403: _NO_CREDIT, 405: _WRONG_URL}


class NoSuchModel(ModelUnavailable):
    """The server does not know the path or the model; it may know another model."""


class TryOnce(ModelBusy):
    """A fault that is slow or expensive to repeat, so that only one more try pays."""


class HungUp(ModelBusy):
    """The connection was lost before the answer began, most often after being idle too long."""


async def refuse_status(response: httpx.Response, model: str, secret: str) -> None:
    """Raise the ModelError for a status, unless it is 2xx."""
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
    told = words(await _body(response), secret, said_in(response.request))
    raise ModelRejected(f"status {status}: {told}")


def is_compressed(response: httpx.Response) -> bool:
    """Return whether a body is compressed, which nobody asked for: it may unpack to gigabytes."""
    return str(response.headers.get("content-encoding", "identity")).lower() != "identity"


async def _body(response: httpx.Response) -> object:
    """Return the body of an error, as much as comes in time: JSON, or else its text."""
    if is_compressed(response):
        return {}
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _BODY_BYTES:
                    break
    except (httpx.HTTPError, TimeoutError):
        pass  # the status has to be enough
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return value


def words(told: object, secret: str, said: str = "") -> str:
    """Return the kind and the message of an error that a server reports, as one short line.

    It has neither the key nor what people said: `said` is what the request told, and what the
    message quotes of it is cut.
    """
    names: list[str] = []
    for name in ("error", "message"):
        if isinstance(told, dict) and told.get(name):
            names += [str(told[each]) for each in _KIND if told.get(each)]
            told = told[name]
    text = "no message" if isinstance(told, dict | list) else str(told)[:_MOST]
    if secret:
        text = text.replace(secret, "***")
    kind = ", ".join(name for name in names if _NAME.fullmatch(name))
    return line(f"{kind}: {unquoted(text, said)}" if kind else unquoted(text, said), WORDS)


def said_in(request: httpx.Request) -> str:
    """Return all texts of a request to the model, without pictures and files."""
    try:
        return "\n".join(_texts(json.loads(request.content).get("messages")))
    except (ValueError, RecursionError, AttributeError, httpx.RequestNotRead):
        return ""


def _texts(value: object) -> Iterator[str]:
    match value:
        case str() if not value.startswith("data:"):
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)


def retry_after(value: str) -> float | None:
    """Return the seconds of a `Retry-After` header, which is a number or an HTTP date."""
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
