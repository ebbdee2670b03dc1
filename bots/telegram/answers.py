"""The Bot API's answers, checked before anybody uses them: no body can surprise the library."""

import json
from http import HTTPStatus
from typing import Any, TypeAlias

from telegram.error import NetworkError

from core.errors import LONGEST_WAIT

Json: TypeAlias = dict[str, Any]

LONGEST_DESCRIPTION = 300
"""The most characters of a refusal that are kept."""
UNTOLD_WAIT = 5
"""The seconds to wait for a flood limit that does not tell its end."""


def checked(status: int, body: bytes) -> bytes:
    """Return a body that the library can read; raises NetworkError for one of another shape."""
    answer = parsed(body)
    if 200 <= status < 300 and answer and answer["ok"] and "result" in answer:
        return body
    if status >= 500 or status in _IN_FRONT or (answer and not answer["ok"]):
        return json.dumps(_refusal(status, answer or {})).encode()
    raise NetworkError(unreadable(status, body))


_IN_FRONT = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS}
"""Refusals that may come from a proxy, with a page of its own."""


def parsed(body: bytes) -> Json | None:
    """Return the answer in a body, with an `ok` that is False for a refusal; None if it is none."""
    value = value_in(body)
    return value if isinstance(value, dict) and isinstance(value.get("ok"), bool) else None


def value_in(body: bytes) -> object:
    """Return the JSON value in a body; None if there is none."""
    try:
        return json.loads(body.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def unreadable(status: int, body: bytes) -> str:
    """Describe an answer of another shape without quoting it."""
    return f"status {status} with {len(body)} bytes that are no answer of the Bot API"


def description(answer: Json) -> str:
    """Return the words of a refusal; "" if there are none."""
    told = answer.get("description")
    return told[:LONGEST_DESCRIPTION] if isinstance(told, str) else ""


def retry_after(answer: Json) -> int:
    """Return the seconds that a flood limit tells to wait, at least one."""
    told = _parameters(answer).get("retry_after")
    if isinstance(told, bool) or not isinstance(told, int | float):
        return UNTOLD_WAIT
    return int(max(1, min(told, LONGEST_WAIT)))


def _refusal(status: int, answer: Json) -> Json:
    """Return a refusal with nothing but what the library reads, in the types that it expects."""
    refusal: Json = {"ok": False, "description": description(answer)}
    chat = _parameters(answer).get("migrate_to_chat_id")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        refusal["parameters"] = {"retry_after": retry_after(answer)}
    elif isinstance(chat, int):
        refusal["parameters"] = {"migrate_to_chat_id": chat}
    return refusal


def _parameters(answer: Json) -> Json:
    parameters = answer.get("parameters")
    return parameters if isinstance(parameters, dict) else {}
