"""Answers of a wrong shape, on order for the next calls to a fake."""

import re
from dataclasses import dataclass, field

from aiohttp import web

SHAPES = {
    "nothing": b"",
    "an empty object": b"{}",
    "an empty list": b"[]",
    "null": b"null",
    "a text": b'"x"',
    "a number": b"7",
    "an infinite number": b"1e999",
    "a page": b"<html><body><h1>200 OK</h1></body></html>",
    "half": b'{"ok": true, "result": {"id": 1',
    "no UTF-8": b'{"ok": true, "result": "\xff\xfe"}',
    "a deep one": b"[" * 100_000,
    "ten megabytes": b'"' + b"x" * 10_000_000 + b'"',
    "no result": b'{"ok": true}',
    "a result of null": b'{"ok": true, "result": null}',
    "a result of a text": b'{"ok": true, "result": "x"}',
    "a result of a list": b'{"ok": true, "result": [null, 1, "x", {}, [[]]]}',
    "an empty result": b'{"ok": true, "result": {}}',
    "wrong types": b'{"ok": 1, "result": {"id": [], "message_id": "x"}, "id": 5, "url": 5}',
}
"""Bodies that are no answer of any of the services."""


@dataclass(slots=True)
class _Order:
    call: re.Pattern[str]
    body: bytes
    status: int
    headers: dict[str, str]
    times: int


@dataclass(slots=True)
class Rubbish:
    """The answers on order, the oldest first."""

    _orders: list[_Order] = field(default_factory=list)

    def order(
        self,
        call: str,
        body: bytes,
        *,
        status: int = 200,
        times: int = 1,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer the next calls with a body; `{anything}` in a call stands for one part of it."""
        pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(call))
        self._orders.append(_Order(re.compile(pattern), body, status, headers or {}, times))

    def clear(self) -> None:
        """Answer as ever from now on."""
        self._orders.clear()

    def take(self, call: str) -> web.Response | None:
        """Return the answer that is on order for a call."""
        for order in self._orders:
            if order.call.fullmatch(call):
                order.times -= 1
                if not order.times:
                    self._orders.remove(order)
                headers = {"Content-Type": "application/json", **order.headers}
                return web.Response(status=order.status, body=order.body, headers=headers)
        return None
