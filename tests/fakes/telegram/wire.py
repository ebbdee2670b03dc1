"""The bot's side: the Bot API over HTTP."""

import gzip
import json
import time
from typing import Any

from aiohttp import web

from tests.fakes.rubbish import Rubbish
from tests.fakes.telegram.errors import Refused
from tests.fakes.telegram.faults import FILE, Fault, Faults
from tests.fakes.telegram.flood import EVERYWHERE, Flood
from tests.fakes.telegram.methods import METHODS, RATED
from tests.fakes.telegram.params import Params, read_params
from tests.fakes.telegram.spans import Json
from tests.fakes.telegram.state import Call, State
from tests.fakes.telegram.updates import Updates

LARGEST_BODY = 60 * 1024 * 1024
NAMES = {name.lower(): name for name in METHODS}
"""Methods are found whatever the case of their letters."""


class Cut(Exception):
    """The connection is to be cut, after so many bytes of the body of an answer, or without one."""

    def __init__(self, answer: web.Response | None = None, keep: int = 0) -> None:
        super().__init__()
        self.answer = answer
        self.keep = keep


class Wire:
    """Answers requests, remembers them, and lets the faults on order happen."""

    def __init__(self, state: State, updates: Updates, flood: Flood) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self.rubbish = Rubbish()
        self._state = state
        self._updates = updates
        self._flood = flood

    def app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/bot{token:[^/]+}/{method}", self._method)
        app.router.add_get("/file/bot{token:[^/]+}/{path:.+}", self._file)
        return app

    async def _method(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_token(request)
            name = NAMES.get(request.match_info["method"].lower())
            if name is None:
                raise Refused(404, "Not Found: method not found")
            params = await read_params(request)
        except Refused as refused:
            return _refusal(refused)
        return await self._answer(request, Call(name, params, time.monotonic()))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_token(request)
        except Refused as refused:
            return _refusal(refused)
        path = {"file_path": request.match_info["path"]}
        return await self._answer(request, Call(FILE, path, time.monotonic()))

    def _check_token(self, request: web.Request) -> None:
        token = request.match_info["token"]
        if ":" not in token:
            raise Refused(404, "Not Found")
        if token != self._state.token:
            raise Refused(401, "Unauthorized")

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        self.calls.append(call)
        self._state.pulse.beat()
        try:
            response = await self._outcome(call)
        except Refused as refused:
            response = _refusal(refused)
        except Cut as cut:
            return await _cut(request, cut)
        finally:
            self._state.pulse.beat()
        call.status = response.status
        return response

    async def _outcome(self, call: Call) -> web.Response:
        self._admit(call)
        if rubbish := self.rubbish.take(call.method):
            return rubbish
        fault = self.faults.take(call)
        if fault is None:
            return await self._carry_out(call)
        if fault.drop == "before":
            raise Cut
        refusal = fault.refusal()
        if refusal is not None:
            self._begin_wait(call, fault)
            await self.faults.delay(fault)
            raise refusal
        return await self._fail_after(call, fault)

    async def _fail_after(self, call: Call, fault: Fault) -> web.Response:
        response = await self._carry_out(call)
        self._state.pulse.beat()
        await self.faults.delay(fault)
        if fault.drop == "after":
            raise Cut
        if fault.drop == "within":
            raise Cut(response, fault.keep)
        return response

    async def _carry_out(self, call: Call) -> web.Response:
        if call.method == FILE:
            return self._download(call.params)
        method = METHODS[call.method]
        return _success(await method(self._state, self._updates, call.params))

    def _download(self, params: Params) -> web.Response:
        file = self._state.paths.get(params["file_path"])
        if file is None:
            raise Refused(404, "Not Found")
        if self._state.packs_files:
            packed = {"Content-Encoding": "gzip"}
            return web.Response(body=gzip.compress(file.data), headers=packed)
        return web.Response(body=file.data, content_type="application/octet-stream")

    def _admit(self, call: Call) -> None:
        chat = self._state.chats.get(call.chat or 0)
        if chat is not None and call.method in RATED:
            self._flood.admit(call.method, chat, call.at)

    def _begin_wait(self, call: Call, fault: Fault) -> None:
        if fault.status == 429 and call.method in RATED:
            self._flood.pause(call.chat or EVERYWHERE, fault.retry_after, call.at)


async def _cut(request: web.Request, cut: Cut) -> web.StreamResponse:
    """Cut the connection of a request, perhaps in the middle of the answer."""
    if request.transport is None:
        return web.Response()
    if cut.answer is None:
        request.transport.abort()
        return web.Response()
    assert isinstance(cut.answer.body, bytes)
    begun = web.StreamResponse(status=cut.answer.status)
    begun.content_length = len(cut.answer.body)
    begun.content_type = cut.answer.content_type
    await begun.prepare(request)
    await begun.write(cut.answer.body[: cut.keep])
    request.transport.close()
    return begun


def _success(result: Any) -> web.Response:
    return _json(200, {"ok": True, "result": result})


def _refusal(refused: Refused) -> web.Response:
    """A refusal as JSON, or as the page of the proxy in front of the service."""
    if refused.status > 500:
        page = f"<html><body><h1>{refused.status} {refused.description}</h1></body></html>"
        return web.Response(status=refused.status, text=page, content_type="text/html")
    body: Json = {"ok": False, "error_code": refused.status, "description": refused.description}
    if refused.parameters:
        body["parameters"] = refused.parameters
    return _json(refused.status, body)


def _json(status: int, body: Json) -> web.Response:
    data = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return web.Response(status=status, body=data, content_type="application/json")
