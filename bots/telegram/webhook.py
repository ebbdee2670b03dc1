"""The webhook: the route to which Telegram posts updates."""

import hmac
import logging
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from bots.telegram.answers import Json, value_in
from bots.telegram.polling import has_id
from bots.telegram.subscription import Webhook

log = logging.getLogger(__name__)

HEADER = "X-Telegram-Bot-Api-Secret-Token"
AGAIN = "1"
"""The seconds after which Telegram sends again what is not stored."""


def routes(webhook: Webhook) -> list[web.RouteDef]:
    """Return the route of a webhook; only requests with its secret are read."""

    async def receive(request: web.Request) -> web.Response:
        told = request.headers.get(HEADER, "")
        if not hmac.compare_digest(_bytes(told), _bytes(webhook.secret)):
            return _answer(HTTPStatus.UNAUTHORIZED)
        update = _update(await request.read())
        if update is None:
            log.warning("a request to the webhook is no update: it is refused")
            return _answer(HTTPStatus.BAD_REQUEST)
        if await webhook.mailbox.put(update):
            return _answer(HTTPStatus.OK)
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": AGAIN})

    return [web.post(urlsplit(webhook.url).path, receive)]


def _update(body: bytes) -> Json | None:
    """Return the update in a body; None if it is none that can be acknowledged."""
    value = value_in(body)
    return value if isinstance(value, dict) and has_id(value) else None


def _answer(status: HTTPStatus, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{status.phrase}\n", headers=headers)


def _bytes(told: str) -> bytes:
    return told.encode(errors="surrogateescape")
