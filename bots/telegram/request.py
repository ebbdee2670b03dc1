"""The requests of python-telegram-bot, which read of an answer only what is needed.

An answer may be cut off or garbled after the call took effect. As long as it tells that the call
succeeded, and the id of a new message, it counts: a repeat would make a second message.
"""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import cache
from typing import Any

import httpx
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData

from bots.downloads import PLAIN
from bots.telegram.answers import checked

TIMEOUT = httpx.Timeout(20, connect=10, pool=10)
"""The seconds for each read and write; to connect; to get a connection of the pool."""

ENOUGH = 64 * 1024
"""The bytes of an answer that are read when only its beginning is needed."""

CREATES = frozenset({"sendMessage", "sendDocument", "sendPhoto"})
"""The methods of which only the new message's id is needed."""
DEEDS = frozenset(
    {
        *("editMessageText", "editMessageCaption", "editMessageReplyMarkup", "deleteMessage"),
        *("sendChatAction", "answerCallbackQuery"),
        *("setMyCommands", "deleteMyCommands", "deleteWebhook"),
    }
)
"""The methods of which only the success is needed."""

_DONE = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\b')
# The comma or brace shows that the id is whole.
_MADE = re.compile(
    rb'\s*\{\s*"ok"\s*:\s*true\s*,\s*"result"\s*:\s*\{\s*"message_id"\s*:\s*(\d+)[,}\s]'
)
_DATE = re.compile(rb'"date"\s*:\s*(\d{1,12})')
_NUMBER = re.compile(rb'"ephemeral_message_id"\s*:\s*(\d{1,18})')
_MESSAGE = (
    b'{"ok":true,"result":{"message_id":%s,"date":%s,"ephemeral_message_id":%s,'
    b'"chat":{"id":0,"type":"private"}}}'
)


_url = cache(httpx.URL)
"""The parsed URL of each method."""


_HEADERS = {"User-Agent": BaseRequest.USER_AGENT, **PLAIN}
_TIMEOUT = {"timeout": TIMEOUT.as_dict()}


class Request(BaseRequest):
    """Requests through a transport that somebody else opens and closes.

    There is no client between, because nothing is needed of what it does, such as cookies and
    redirects: that would take 0.6 million instructions of each request's 1.5 million.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def initialize(self) -> None:
        """Do nothing: the transport is open."""

    async def shutdown(self) -> None:
        """Do nothing: somebody else closes the transport."""

    @property
    def read_timeout(self) -> float | None:
        """The seconds that a read may take."""
        return TIMEOUT.read

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        *_timeouts: object,
        **_more_timeouts: object,
    ) -> tuple[int, bytes]:
        """Return status and body; raises NetworkError.

        Of some methods, the body of a success is reduced to what is needed.
        """
        request = httpx.Request(
            method, _url(url), headers=_HEADERS, extensions=_TIMEOUT, **_body(request_data)
        )
        try:
            async with aclosing(await self._transport.handle_async_request(request)) as response:
                name = url.rpartition("/")[2]
                if response.status_code == httpx.codes.OK and name in CREATES | DEEDS:
                    return response.status_code, await _needed(name, response.aiter_bytes())
                return response.status_code, checked(response.status_code, await response.aread())
        except httpx.TimeoutException as error:
            raise TimedOut(type(error).__name__) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise NetworkError(f"httpx.{type(error).__name__}: {error}") from error


def _body(data: RequestData | None) -> dict[str, Any]:
    """Return the parameters of a call as httpx takes them: in JSON, or in a form with files."""
    if data is None:
        return {}
    if data.contains_files:
        return {"data": data.json_parameters, "files": data.multipart_data}
    return {"json": data.parameters}


async def _needed(name: str, body: AsyncIterator[bytes]) -> bytes:
    """Return what is needed of the body of a success, although the rest may not come."""
    came = b""
    try:
        async for piece in body:
            came += piece
            if len(came) > ENOUGH:
                break
    except httpx.HTTPError:
        if (needed := reduced(name, came)) is not None:
            return needed
        raise
    if (needed := reduced(name, came)) is None:
        raise NetworkError(f"{name}: the answer does not tell what was done")
    return needed


def reduced(name: str, body: bytes) -> bytes | None:
    """Return the body of a success in its least form; None if it does not tell enough."""
    if name in DEEDS:
        return b'{"ok":true,"result":true}' if _DONE.match(body) else None
    made = _MADE.match(body)
    if made is None:
        return None
    # A message that one person sees has the id 0, and another number.
    date, number = (each.search(body) if made[1] == b"0" else None for each in (_DATE, _NUMBER))
    return _MESSAGE % (made[1], date[1] if date else b"0", number[1] if number else b"0")
