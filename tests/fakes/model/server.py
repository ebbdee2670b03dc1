"""The model API on loopback, as strict as the service. See `ModelServer`."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.model import schema
from tests.fakes.model.brain import converse
from tests.fakes.model.checks import Invalid
from tests.fakes.model.envelope import EVENT_STREAM, cost_headers, error, parse, traced
from tests.fakes.model.script import Answer, Fault, ModelRequest, Raw, Reply
from tests.fakes.model.services import Service, plain
from tests.fakes.model.stream import Stream, accident, cut, silence
from tests.fakes.model.usage import Prompt, PromptCache, credits_for
from tests.fakes.model.wording import BROKEN, Events, Wording, completion, word

MODEL = "x-ai/grok-4-fast-non-reasoning"
REQUEST_LIMIT = 64 * 1024 * 1024


class ModelServer:
    """A server for the model API.

    `api_key=None` takes any key; `pace` and `first_token` are seconds between the deltas of a
    stream and before the first; with `standin` it introduces itself as what it is. It speaks the
    dialect of `service`.
    """

    def __init__(
        self,
        api_key: str | None = "test-key",
        *,
        pace: float = 0.0,
        first_token: float = 0.0,
        models: tuple[str, ...] = (MODEL,),
        port: int = 0,
        standin: bool = False,
        service: Service | None = None,
    ) -> None:
        self.url = ""
        self.requests: list[ModelRequest] = []
        self.respond: Callable[[ModelRequest], Reply] = partial(converse, standin=standin)
        self.balance = Decimal(100)
        self._api_key = api_key
        self._pace = pace
        self._first_token = first_token
        self._models = models
        self._port = port
        self.catalogue: dict[str, Any] = {}
        """The answers to `/models` and `/models/deprecations`; without one they are not there."""
        self._service = service
        self._script: deque[Reply] = deque()
        self._cache = PromptCache()
        self._numbers = count(1)
        self._gate = asyncio.Event()
        self._gate.set()
        self._waiting: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=REQUEST_LIMIT)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list)
        app.router.add_get("/v1/models/deprecations", self._list)
        app.router.add_get("/v2/billing", self._billing)
        app.router.add_route("*", "/{path:.*}", self._nowhere)
        # Cancellation tells a silent answer that its client has gone; no answer outlives a test.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.05, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=2048).start()
        self.url = "http://{}:{}/v1".format(*self._runner.addresses[0])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    def enqueue(self, *replies: Reply) -> None:
        """Script the next replies; valid requests take them in the order of their arrival."""
        self._script.extend(replies)

    def hold(self) -> ExitStack:
        """Stop every answer after its next delta, until `release` or the end of the context."""
        self._gate.clear()
        held = ExitStack()
        held.callback(self.release)
        return held

    def release(self) -> None:
        """Let held answers go on."""
        self._gate.set()

    async def seen(self, number: int, within: float = 60.0) -> None:
        """Wait until so many requests have arrived; TimeoutError after `within` seconds."""
        await self.wait(lambda: len(self.requests) >= number, within)

    async def wait(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        """Wait until something holds, asked again whenever a request arrives or moves on."""
        async with asyncio.timeout(within):
            while not condition():
                moved = asyncio.get_running_loop().create_future()
                self._waiting.append(moved)
                await moved

    def _moved(self) -> None:
        waiting, self._waiting = self._waiting, []
        for moved in waiting:
            if not moved.done():
                moved.set_result(None)

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        body = parse(await http.read())
        call = ModelRequest(body, http.headers, traced(http.headers))
        self.requests.append(call)
        self._moved()
        try:
            return await self._answer(http, call)
        except asyncio.CancelledError:
            call.cut = True
            raise
        except ConnectionResetError:
            # The client has gone while we wrote; the cancellation that says so is on its way.
            call.cut = True
            await silence()
        finally:
            self._moved()

    async def _answer(self, http: web.Request, call: ModelRequest) -> web.StreamResponse:
        if refused := self._refuse(call):
            return await self._fail(http, call, refused)
        prompt = self._cache.measure(call.headers["Authorization"], plain(call.body))
        call.prompt_tokens, call.cached_tokens = prompt.total, prompt.cached
        reply = self._script.popleft() if self._script else self.respond(call)
        if isinstance(reply, Fault):
            return await self._fail(http, call, reply)
        if isinstance(reply, Raw):
            return self._send(call, reply)
        self._cache.remember(prompt)
        answer = Answer(reply) if isinstance(reply, str) else reply
        return await self._tell(http, call, answer, prompt)

    async def _tell(
        self, http: web.Request, call: ModelRequest, answer: Answer, prompt: Prompt
    ) -> web.StreamResponse:
        number, now = next(self._numbers), int(time.time())
        wording = word(answer, call.body, prompt, number=number, now=now)
        wait = self._first_token if answer.first_token is None else answer.first_token
        await asyncio.sleep(wait)
        call.status = 200
        tell = self._stream if call.body.get("stream") else self._whole
        return await tell(http, call, answer, wording)

    async def _stream(
        self, http: web.Request, call: ModelRequest, answer: Answer, wording: Wording
    ) -> web.StreamResponse:
        kind = {**EVENT_STREAM, **(self._service.headers if self._service else {})}
        response = web.StreamResponse(headers=self._headers(http) | kind)
        await response.prepare(http)
        events = Events(wording, crlf=answer.crlf, comments=answer.comments)
        pace, said = self._pace_of(answer), partial(self._said, call)
        rewrite = self._service.rewrite if self._service else None
        stream = Stream(
            http, response, answer, pace=pace, gate=self._gate, said=said, rewrite=rewrite
        )
        if not await stream.say(events, wording.pieces):
            call.finished = True
            await stream.end(events.error())
            return response
        self._settle(call, wording)
        options = call.body.get("stream_options", {})
        done = events.event("[DONE]") if answer.done else b""
        await stream.end(events.ending(usage=options.get("include_usage", False)) + done)
        return response

    async def _whole(
        self, http: web.Request, call: ModelRequest, answer: Answer, wording: Wording
    ) -> web.StreamResponse:
        await asyncio.sleep(self._pace_of(answer) * len(wording.pieces))
        await self._gate.wait()
        self._said(call)
        body = json.dumps(completion(wording)).encode()
        fault, _ = accident(answer)
        if fault is not None:
            return await self._spoil(http, call, fault, body)
        self._settle(call, wording)
        headers = self._headers(http) | cost_headers(wording)
        return web.Response(body=body, headers=headers, content_type="application/json")

    async def _spoil(
        self, http: web.Request, call: ModelRequest, fault: str, body: bytes
    ) -> web.StreamResponse:
        if fault == "stall":
            await silence()
        if fault == "cut":
            response = web.StreamResponse(headers=self._headers(http))
            response.content_length = len(body)
            await response.prepare(http)
            await response.write(body[: len(body) // 2])
            await cut(http)
        call.finished = True
        spoilt = json.dumps(BROKEN).encode() if fault == "error" else body[: len(body) // 2]
        headers = self._headers(http)
        return web.Response(body=spoilt, headers=headers, content_type="application/json")

    def _pace_of(self, answer: Answer) -> float:
        return self._pace if answer.pace is None else answer.pace

    def _said(self, call: ModelRequest) -> None:
        call.last_token_at = time.monotonic()
        if call.first_token_at is None:
            call.first_token_at = call.last_token_at
        self._moved()

    def _settle(self, call: ModelRequest, wording: Wording) -> None:
        call.usd_spent = wording.usd_spent
        self.balance -= wording.usd_spent
        call.finished = True

    def _refuse(self, call: ModelRequest) -> Fault | None:
        if not self._knows(call.headers):
            return Fault(401, message="Invalid API key")
        if self._service and (complaint := self._service.complain(call.body)):
            return Fault(complaint[0], body=json.dumps(complaint[1]).encode())
        try:
            schema.check(plain(call.body) if self._service else call.body)
        except Invalid as problem:
            return Fault(400, message=str(problem))
        if call.body["model"] not in self._models:
            return Fault(404, message=f"Model {call.body['model']} not found")
        return None

    def _knows(self, headers: Mapping[str, str]) -> bool:
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and bool(key) and self._api_key in (None, key)

    async def _fail(self, http: web.Request, call: ModelRequest, fault: Fault) -> web.Response:
        if fault.drop:
            await cut(http)
        if fault.stall:
            await silence()
        call.status = fault.status
        call.finished = True
        return self._error(http, fault)

    def _send(self, call: ModelRequest, raw: Raw) -> web.Response:
        call.status, call.finished = raw.status, True
        return web.Response(status=raw.status, body=raw.body, headers=dict(raw.headers))

    def _error(self, http: web.Request, fault: Fault) -> web.Response:
        if self._service and fault.body is None:
            told = json.dumps(self._service.error(fault.status, fault.message)).encode()
            fault = replace(fault, body=told)
        return error(fault, http.path, self._headers(http))

    def _headers(self, http: web.Request) -> dict[str, str]:
        sent = traced(http.headers)
        echo = {} if sent is None else {"X-Client-Request-Id": sent}
        return {"x-inference-id": f"inference-{next(self._numbers):08d}", **echo}

    async def _billing(self, http: web.Request) -> web.Response:
        if not self._knows(http.headers):
            return self._error(http, Fault(401, message="Invalid API key"))
        body = {
            "balance": credits_for(self.balance),
            "lowBalance": self.balance <= 0,
            "lastUpdated": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "status": "current",
        }
        return web.json_response(body, headers=self._headers(http))

    async def _list(self, http: web.Request) -> web.Response:
        told = self.catalogue.get(http.path.removeprefix("/v1"))
        return await self._nowhere(http) if told is None else web.json_response(told)

    async def _nowhere(self, http: web.Request) -> web.Response:
        return self._error(http, Fault(404, message=f"Cannot {http.method} {http.path}"))
