"""The envelope of an answer: parsing a body, headers, and the body of an error."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.fakes.model.script import Fault
from tests.fakes.model.usage import credits_for
from tests.fakes.model.wording import Wording

EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


def parse(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object; one that is none is as good as an empty one."""
    try:
        body = json.loads(raw, parse_constant=refuse_constant)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def refuse_constant(name: str) -> None:
    """NaN and Infinity are Python's, not JSON's."""
    raise ValueError(name)


def traced(headers: Mapping[str, str]) -> str | None:
    """The client's id of the request; a malformed one is dropped without a word."""
    sent = headers.get("X-Client-Request-Id", "")
    return sent if re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", sent) else None


def error(fault: Fault, path: str, headers: Mapping[str, str]) -> web.Response:
    """An error as the service words it, or as a proxy in front of it would."""
    headers = {**headers, **retry_headers(fault)}
    if fault.html:
        page = f"<html><body><h1>{fault.status}</h1>{fault.message}</body></html>"
        return web.Response(
            status=fault.status, text=page, content_type="text/html", headers=headers
        )
    if fault.body is not None:
        return web.Response(
            status=fault.status,
            body=fault.body,
            content_type="application/json",
            headers=headers,
        )
    body = {
        "message": fault.message,
        "path": path,
        "requestId": headers["x-inference-id"],
        "statusCode": fault.status,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return web.json_response(body, status=fault.status, headers=headers)


def retry_headers(fault: Fault) -> dict[str, str]:
    """Return the `Retry-After` header, in seconds or as a date."""
    if fault.retry_after is not None:
        return {"Retry-After": f"{fault.retry_after:g}"}
    at = fault.retry_after_date
    if at is None:
        return {}
    if not isinstance(at, datetime):
        # A date has whole seconds: round up, for nobody may come back early.
        at = datetime.now(UTC) + timedelta(seconds=at + 1, microseconds=-1)
    return {"Retry-After": format_datetime(at.astimezone(UTC), usegmt=True)}


def cost_headers(wording: Wording) -> dict[str, str]:
    """Return the headers with the cost of the answer."""
    if wording.meta is None:
        return {}
    spent = wording.usd_spent
    return {
        "x-aimlapi-credits-used": str(credits_for(spent)),
        "x-aimlapi-usd-spent": f"{spent:f}",
    }
