"""Connections to the gateway, and the sessions that outlive them."""

import asyncio
import json
import secrets
from collections import deque
from typing import Any

from aiohttp import ClientConnectionError, web

from tests.fakes.discord.compression import Compress, compressor
from tests.fakes.discord.records import Json

DISPATCH = 0
KEPT_EVENTS = 10_000
"""Events that are kept for a replay."""
COMMANDS, COMMANDS_WINDOW = 120, 60.0
"""Payloads that a client may send in so many seconds."""


class Close(Exception):
    """Close the connection with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Connection:
    """One websocket; events to send wait in a queue, so that sending never blocks."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.session: Session | None = None
        self.alive_at = 0.0
        self.commands: deque[float] = deque(maxlen=COMMANDS)
        self._request = request
        self._queue: asyncio.Queue[object] = asyncio.Queue()
        self._compress: Compress | None = compressor(request.query.get("compress"))

    def tell(self, op: int, data: Any = None, **more: Any) -> None:
        """Send a payload after all that wait already."""
        self.send({"op": op, "d": data, "s": None, "t": None, **more})

    def send(self, frame: object) -> None:
        """Send anything after all that waits already; a text is sent as it is."""
        self._queue.put_nowait(frame)

    def count(self, now: float) -> None:
        """A payload came; too many in a minute end the connection."""
        if len(self.commands) == COMMANDS and now - self.commands[0] < COMMANDS_WINDOW:
            raise Close(4008, "You are being rate limited.")
        self.commands.append(now)

    async def pump(self) -> None:
        """Send the queued events until the connection is gone."""
        while True:
            frame = await self._queue.get()
            text = frame if isinstance(frame, str) else json.dumps(frame)
            try:
                if self._compress:
                    await self.socket.send_bytes(self._compress(text.encode()))
                else:
                    await self.socket.send_str(text)
            except ClientConnectionError:
                return

    def cut(self) -> None:
        """Drop the line without a word, as a network does."""
        if self._request.transport:
            self._request.transport.abort()


class Session:
    """A session of a client: a shard, its intents, and the events that were sent to it."""

    def __init__(self, shard: tuple[int, int], intents: int) -> None:
        self.id = secrets.token_hex(16)
        self.shard = shard
        self.intents = intents
        self.sequence = 0
        self.events: deque[Json] = deque(maxlen=KEPT_EVENTS)
        self.connection: Connection | None = None
        self.left_at = 0.0

    def serves(self, guild_id: str | None) -> bool:
        """Return True if events of this guild, or private ones (None), go to its shard."""
        number, count = self.shard
        return number == ((int(guild_id) >> 22) % count if guild_id else 0)

    def push(self, name: str, data: object) -> None:
        """Send an event now, and keep it for a replay."""
        self.sequence += 1
        self.events.append({"op": DISPATCH, "t": name, "s": self.sequence, "d": data})
        if self.connection:
            self.connection.tell(DISPATCH, data, t=name, s=self.sequence)

    def since(self, sequence: int) -> list[Json] | None:
        """The events after this one; None if they are kept no longer or never were."""
        missed = [event for event in self.events if event["s"] > sequence]
        known = sequence <= self.sequence and len(missed) == self.sequence - sequence
        return missed if known else None

    def seen(self, sequence: int) -> None:
        """The client has all up to this one: no replay will ask for it."""
        while self.events and self.events[0]["s"] <= sequence:
            self.events.popleft()
