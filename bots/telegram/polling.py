"""Long polling. Asking for the next update acknowledges the last one."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable

import httpx

from bots.telegram.answers import Json, description, parsed, retry_after, unreadable
from core.errors import RetryAfter, SettingsError, Unreachable

log = logging.getLogger(__name__)

WAIT = 30
"""The seconds for which Telegram holds a poll open without updates."""
AT_LEAST = 0.3
"""The seconds between two polls if the first brought nothing new, because a server that does not
hold polls would be asked without end."""
ANSWER_WITHIN = 20.0
"""The seconds in which Telegram answers anything but a poll."""
LONGEST_PAUSE = 30.0
LAST_ID = 2**53
"""Larger ids are taken for errors: what they acknowledge could not come any more."""
KINDS = ["message", "edited_message", "callback_query", "my_chat_member"]
"""The kinds of updates that the bot wants, polled or posted."""
REVOKED = "TELEGRAM_TOKEN is no longer valid; @BotFather shows the new one"


class _WebhookStands(Unreachable):
    """Telegram posts updates to a webhook, and answers no poll until that is removed."""


async def updates(
    client: httpx.AsyncClient, url: str, hears: Callable[[bool], None] = lambda _: None
) -> AsyncGenerator[Json, None]:
    """Yield raw updates for ever, in the order of their ids.

    A webhook is removed, and the updates that wait for it are polled. `hears` is told whether
    Telegram answers. Raises SettingsError if the token is refused.

    python-telegram-bot's `get_updates` is not used: it loses a whole batch for one update that it
    cannot read, and logs the texts.
    """
    clock = asyncio.get_running_loop().time
    offset: int | None = None
    failures, may_stand = 0, True
    while True:
        before, again_at = offset, clock() + AT_LEAST
        try:
            if may_stand:
                await _remove_webhook(client, url)
                may_stand = False
                if not failures:
                    hears(True)
            # The first answer after a failure tells that it is over, so it must not be held back.
            batch = await _poll(client, url, offset, 0 if failures else WAIT)
        except (Unreachable, RetryAfter) as error:
            failures += 1
            may_stand = may_stand or isinstance(error, _WebhookStands)
            hears(False)
            if failures == 1:
                log.warning("no updates from Telegram, trying again: %s", error)
            await asyncio.sleep(_pause(error, failures))
            continue
        failures = 0
        hears(True)
        for update in batch:
            yield update
            offset = update["update_id"] + 1
        if offset == before:
            await asyncio.sleep(again_at - clock())


async def _poll(
    client: httpx.AsyncClient, url: str, offset: int | None, seconds: int
) -> list[Json]:
    query: Json = {"timeout": seconds, "allowed_updates": KINDS}
    if offset is not None:
        query["offset"] = offset
    return _batch(await _call(client, f"{url}/getUpdates", query, seconds + 10))


async def _remove_webhook(client: httpx.AsyncClient, url: str) -> None:
    """Remove the webhook if there is one."""
    found = await _call(client, f"{url}/getWebhookInfo", {}, ANSWER_WITHIN)
    if not isinstance(found, dict):
        raise Unreachable("getWebhookInfo tells of no webhook")
    if found.get("url"):
        log.warning("Removing the webhook of this bot, because updates are polled")
        await _call(client, f"{url}/deleteWebhook", {}, ANSWER_WITHIN)


async def _call(client: httpx.AsyncClient, method: str, query: Json, timeout: float) -> object:  # noqa: ASYNC109 - the client keeps it
    """Return the result of a method, by its URL."""
    try:
        response = await client.post(method, json=query, timeout=timeout)
    except httpx.HTTPError as error:
        raise Unreachable(type(error).__name__) from error
    answer = parsed(response.content)
    if answer is None:
        raise Unreachable(unreadable(response.status_code, response.content))
    if not answer["ok"]:
        raise _refusal(response.status_code, answer)
    return answer.get("result")


def _batch(result: object) -> list[Json]:
    """Return the updates that can be acknowledged; raises Unreachable if there are only others."""
    if not isinstance(result, list):
        raise Unreachable("the updates are no list")
    batch = [update for update in result if isinstance(update, dict) and has_id(update)]
    if others := len(result) - len(batch):
        if not batch:
            raise Unreachable(f"{others} updates without an id")
        log.error("%d updates without an id are passed over", others)
    return batch


def has_id(update: Json) -> bool:
    """Return whether an update has an id that can be acknowledged."""
    number = update.get("update_id")
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < LAST_ID


def _refusal(status: int, answer: Json) -> Exception:
    match status:
        case 401:
            return SettingsError(REVOKED)
        case 409 if "webhook is active" in description(answer):
            return _WebhookStands("a webhook is set")
        case 409:
            return Unreachable(f"another process polls with this token: {description(answer)}")
        case 429:
            return RetryAfter(retry_after(answer))
        case _:
            return Unreachable(f"{status} {description(answer)}")


def _pause(error: Unreachable | RetryAfter, failures: int) -> float:
    if isinstance(error, RetryAfter):
        return error.retry_after
    return min(LONGEST_PAUSE, 2.0 ** min(failures, 5)) * random.uniform(0.25, 0.75)
