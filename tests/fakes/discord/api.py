"""The HTTP side: reads a request, applies faults and limits, runs its route, writes the answer."""

import asyncio
import gzip
import json
import mimetypes
import socket
import struct
from functools import partial
from typing import Any

from aiohttp import web

from tests.fakes.discord import application, channels, interactions
from tests.fakes.discord.faults import Fault, Faults
from tests.fakes.discord.forms import File
from tests.fakes.discord.limits import Headers, Limits
from tests.fakes.discord.records import Call
from tests.fakes.discord.refusals import Refusal, refusal
from tests.fakes.discord.routes import Reply, Request, Route
from tests.fakes.discord.world import World
from tests.fakes.rubbish import Rubbish
from tests.fakes.uploads import Upload, read_multipart

PREFIX = "/api/v10"
BODY_LIMIT = 12 * 1024 * 1024


class Api:
    """The REST API over a world, with the faults and limits of this server."""

    def __init__(self, world: World, limits: Limits, faults: Faults) -> None:
        self._world = world
        self._limits = limits
        self._faults = faults
        self.rubbish = Rubbish()

    def add_to(self, app: web.Application) -> None:
        """Register every route, and an answer for all that is none."""
        for route in (*application.ROUTES, *channels.ROUTES, *interactions.ROUTES):
            handler = partial(self._serve, route)
            app.router.add_route(route.method, PREFIX + route.path, handler)
        app.router.add_get("/attachments/{channel}/{upload}/{name}", self._download)
        app.router.add_route("*", PREFIX + "/{unknown:.*}", self._missing)

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        call = Call(request.method, path, dict(request.query), None, self._world.clock())
        self._world.calls.append(call)
        try:
            response = await self._answer(route, request, call)
        except Refusal as no:
            response = _written(Reply(no.body, no.status), getattr(no, "headers", {}))
        if response:
            call.status = response.status
        self._world.changed()
        return response or _cut(request)

    async def _answer(
        self, route: Route, request: web.Request, call: Call
    ) -> web.StreamResponse | None:
        """The response; None to cut the connection instead."""
        call.body, files = await _body(request)
        self._authorise(route, request)
        line = f"{call.method} {call.path}"
        if rubbish := self.rubbish.take(line):
            return rubbish
        self._limits.arrive(line, counted=not route.by_token)
        fault = self._faults.next(line)
        if fault and await self._suffer(fault, line):
            return None
        headers = self._take(route, request, line)
        ids = dict(request.match_info)
        reply = route.action(self._world, Request(ids, call.query, call.body, files))
        return None if fault and fault.drop == "after" else _written(reply, headers)

    def _authorise(self, route: Route, request: web.Request) -> None:
        ours = request.headers.get("Authorization") == f"Bot {self._world.token}"
        if not ours and not route.by_token:
            raise Refusal(401, "401: Unauthorized")

    async def _suffer(self, fault: Fault, line: str) -> bool:
        """Wait or refuse as the fault wants; True when the connection is to be cut at once."""
        await asyncio.sleep(fault.delay)
        if fault.until:
            await fault.until.wait()
        if fault.status == 429 and not fault.drop:
            raise self._limits.order_to_wait(line, fault.retry_after or 1.0)
        if fault.refusal:
            raise fault.refusal
        return fault.drop == "before"

    def _take(self, route: Route, request: web.Request, line: str) -> Headers:
        if not route.major:
            return {}
        bucket = f"{route.method} {route.path}"
        return self._limits.take(line, bucket, request.match_info[route.major])

    async def _missing(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        self._world.violations.append(f"{request.method} {path}: no such route")
        return _written(Reply({"message": "404: Not Found", "code": 0}, 404), {})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        upload = self._world.uploads.get(request.match_info["upload"])
        if not upload or not self._world.opens(upload, dict(request.query)):
            return web.Response(status=404, text="This content is no longer available.")
        if fault := self._faults.next(f"GET {request.path}"):
            return await _trickle(request, upload.data, fault.delay)
        if self._world.packs_files:
            packed = {"Content-Encoding": "gzip"}
            return web.Response(body=gzip.compress(upload.data), headers=packed)
        return web.Response(body=upload.data, content_type=upload.content_type)


async def _trickle(request: web.Request, data: bytes, pause: float) -> web.StreamResponse:
    """Hand out a file byte by byte."""
    response = web.StreamResponse()
    await response.prepare(request)
    for byte in data:
        await response.write(bytes([byte]))
        await asyncio.sleep(pause)
    return response


def _written(reply: Reply, headers: Headers) -> web.StreamResponse:
    if reply.status == 204:
        return web.Response(status=204, headers=headers)
    # discord.py wants exactly this type, without a charset.
    headers = {**headers, "Content-Type": "application/json"}
    return web.Response(body=json.dumps(reply.body), status=reply.status, headers=headers)


def _cut(request: web.Request) -> web.StreamResponse:
    """Reset the connection, so that the caller cannot know whether the call was done."""
    if request.transport:
        plug = request.transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response(status=500)


async def _body(request: web.Request) -> tuple[Any, list[File]]:
    try:
        if request.content_type.startswith("multipart/"):
            return await _multipart(request)
        return json.loads(await request.read() or b"{}"), []
    except json.JSONDecodeError as error:
        raise refusal(50109) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise refusal(40005) from error


async def _multipart(request: web.Request) -> tuple[Any, list[File]]:
    form = await read_multipart(request)
    files = [
        File(part.filename, part.data, _media_type(part.filename))
        for name, part in form.items()
        if name.startswith("files[") and isinstance(part, Upload)
    ]
    return json.loads(str(form.get("payload_json", "{}"))), files


def _media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
