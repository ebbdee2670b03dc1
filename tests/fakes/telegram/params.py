"""The parameters of a call, from every form in which they can be sent."""

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from aiohttp import web

from tests.fakes.telegram.errors import bad_request
from tests.fakes.uploads import read_multipart

Params: TypeAlias = dict[str, Any]

STRUCTURED = frozenset(
    {"allowed_updates", "caption_entities", "commands", "entities", "link_preview_options"}
    | {"reply_markup", "reply_parameters", "scope", "ephemeral_message_parameters"}
)
NUMBERS = frozenset(
    {"cache_time", "chat_id", "limit", "message_id", "message_thread_id", "offset"}
    | {"max_connections"}
    | {"reply_to_message_id", "timeout", "user_id"}
    | {"receiver_user_id", "ephemeral_message_id"}
)
FLAGS = frozenset({"allow_sending_without_reply", "drop_pending_updates", "show_alert"})


async def read_params(request: web.Request) -> Params:
    """Parameters from the query and a JSON, form or multipart body; known ones in their types.

    An uploaded file becomes an `Upload`.
    """
    fields: list[tuple[str, Any]] = list(request.query.items())
    if request.content_type == "application/json":
        fields += (await _read_json(request)).items()
    elif request.content_type.startswith("multipart/"):
        fields += (await read_multipart(request)).items()
    elif request.method == "POST":
        fields += (await request.post()).items()
    return decoded(fields)


async def _read_json(request: web.Request) -> Params:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise bad_request("can't parse JSON object") from error
    if not isinstance(body, dict):
        raise bad_request("object expected")
    return body


def decoded(fields: Iterable[tuple[str, Any]]) -> Params:
    """Every parameter in its own type, where the service knows one."""
    return {name: _decoded(name, value) for name, value in fields if value is not None}


def _decoded(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in STRUCTURED:
        return _structure(name, value)
    if name in FLAGS:
        return value.lower() in {"true", "yes", "1"}
    if name in NUMBERS:
        return _number(value)
    return value


def _structure(name: str, value: str) -> Any:
    if not value:
        return None
    try:
        return json.loads(value)
    except ValueError as error:
        label = name.replace("reply_markup", "reply_keyboard_markup").replace("_", " ")
        raise bad_request(f"can't parse {label} JSON object") from error


def _number(value: str) -> int | str:
    try:
        return int(value)
    except ValueError:
        return value


def number(params: Params, name: str, least: int, most: int, default: int = 0) -> int:
    """A whole number forced into its range, as the service does it; junk is 0."""
    value = params.get(name, default)
    return max(least, min(most, value if isinstance(value, int) else 0))
