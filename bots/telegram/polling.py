"""Long polling. Asking for the next update acknowledges the last one."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import httpx

from core.errors import RetryAfter, SettingsError, Unreachable

log = logging.getLogger(__name__)

Json: TypeAlias = dict[str, Any]

WAIT = 30
"""The seconds for which Telegram holds a poll open without updates."""
LONGEST_PAUSE = 30.0
_KINDS = ["message", "edited_message", "callback_query", "my_chat_member"]


async def updates(client: httpx.AsyncClient, url: str) -> AsyncGenerator[Json, None]:
    """Yield raw updates in order, for ever. Raise SettingsError if the token is refused.

    python-telegram-bot's `get_updates` is not used: it loses a whole batch for one update that it
    cannot read, and logs the texts.
    """
    offset: int | None = None
    failures = 0
    while True:
        try:
            batch = await _poll(client, url, offset)
        except (Unreachable, RetryAfter) as error:
            failures += 1
            if failures == 1:
                log.warning("no updates from Telegram, trying again: %s", error)
            await asyncio.sleep(_pause(error, failures))
            continue
        failures = 0
        for update in batch:
            yield update
            offset = update["update_id"] + 1


async def _poll(client: httpx.AsyncClient, url: str, offset: int | None) -> list[Json]:
    query: Json = {"timeout": WAIT, "allowed_updates": _KINDS}
    if offset is not None:
        query["offset"] = offset
    try:
        response = await client.post(f"{url}/getUpdates", json=query, timeout=WAIT + 10)
        answer: Json = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(type(error).__name__) from error
    if not answer.get("ok"):
        raise _refusal(response.status_code, answer)
    batch: list[Json] = answer["result"]
    return batch


def _refusal(status: int, answer: Json) -> Exception:
    description = answer.get("description", "")
    match status:
        case 401:
            return SettingsError("TELEGRAM_TOKEN is no longer valid; @BotFather shows the new one")
        case 409:
            return Unreachable(f"another process polls with this token: {description}")
        case 429:
            return RetryAfter(float(answer.get("parameters", {}).get("retry_after", 1)))
        case _:
            return Unreachable(f"{status} {description}")


def _pause(error: Unreachable | RetryAfter, failures: int) -> float:
    if isinstance(error, RetryAfter):
        return error.retry_after
    return min(LONGEST_PAUSE, 2.0 ** min(failures, 5)) * random.uniform(0.25, 0.75)
