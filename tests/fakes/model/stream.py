"""A streamed answer on its way: its pace, its delays and its faults."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NoReturn

from aiohttp import web

from tests.fakes.model.script import Answer
from tests.fakes.model.wording import Events

BATCH = 32
"""Deltas per write where nothing asks for less: a thousand streams share one process."""


class Stream:
    """The body of one streamed response. `said` is called after every write of deltas."""

    def __init__(
        self,
        http: web.Request,
        response: web.StreamResponse,
        answer: Answer,
        *,
        pace: float,
        gate: asyncio.Event,
        said: Callable[[], None],
        rewrite: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._http = http
        self._response = response
        self._answer = answer
        self._pace = pace
        self._gate = gate
        self._said = said
        self._rewrite = rewrite
        self._begun = False
        self._unsent = b""

    async def say(self, events: Events, pieces: list[str]) -> bool:
        """Say everything but the ending; False if an error has taken its place."""
        fault, at = accident(self._answer)
        before, after = split(pieces, at)
        await self._send(events.opening())
        await self._say(map(events.text, before))
        await self._happen(fault, events)
        if fault == "error":
            return False
        await self._say(map(events.text, after))
        await self._say(events.tool_calls())
        return True

    async def end(self, data: bytes) -> None:
        """Send the last bytes of the answer."""
        await self._send(data)
        await self._flush()

    async def _say(self, deltas: Iterator[bytes]) -> None:
        while batch := list(islice(deltas, self._step())):
            await asyncio.sleep(self._pace if self._begun else 0)
            self._begun = True
            await self._send(b"".join(batch))
            self._said()
            await self._gate.wait()

    def _step(self) -> int:
        return 1 if self._pace or not self._gate.is_set() else BATCH

    async def _happen(self, fault: str | None, events: Events) -> None:
        if fault == "malformed":
            await self._send(events.event('{"id": "chatcmpl-'))
        if fault in ("cut", "stall"):
            await self._flush()
            await (cut(self._http) if fault == "cut" else silence())

    async def _send(self, data: bytes) -> None:
        size = self._answer.chunk
        if self._rewrite is not None:
            data = self._rewrite(data)
        if size is None:
            await self._response.write(data)
            return
        self._unsent += data
        while len(self._unsent) >= size:
            piece, self._unsent = self._unsent[:size], self._unsent[size:]
            await self._response.write(piece)

    async def _flush(self) -> None:
        if self._unsent:
            await self._response.write(self._unsent)
        self._unsent = b""


def accident(answer: Answer) -> tuple[str | None, int]:
    """The first thing that is scripted to go wrong, and after how many characters."""
    faults = (
        ("cut", answer.cut_after),
        ("stall", answer.stall_after),
        ("error", answer.error_after),
        ("malformed", answer.malformed_after),
    )
    return next(((name, at) for name, at in faults if at is not None), (None, 0))


def split(pieces: list[str], at: int) -> tuple[list[str], list[str]]:
    """Part the pieces after so many characters, through a piece if need be."""
    for index, piece in enumerate(pieces):
        if at < len(piece):
            halves = ([piece[:at]] if at else []), [piece[at:]]
            return pieces[:index] + halves[0], halves[1] + pieces[index + 1 :]
        at -= len(piece)
    return pieces, []


async def cut(http: web.Request) -> NoReturn:
    """Close the connection after the bytes written so far."""
    if http.transport is not None:
        http.transport.close()
    await silence()


async def silence() -> NoReturn:
    """Do nothing until the connection is lost, which cancels this task."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")
