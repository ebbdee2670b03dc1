"""The gateway: HELLO, IDENTIFY or RESUME, heartbeats, and the events of a world."""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.discord import wire
from tests.fakes.discord.records import Event, Guild, Json
from tests.fakes.discord.sessions import DISPATCH, Close, Connection, Session
from tests.fakes.discord.world import (
    GUILD_MEMBERS,
    GUILDS,
    MESSAGE_CONTENT,
    PRESENCES,
    World,
)

HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 1, 2, 3, 4, 6
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11
"""Opcodes."""
PRIVILEGED = {"members": GUILD_MEMBERS, "presences": PRESENCES, "message_content": MESSAGE_CONTENT}
ALL_INTENTS = (1 << 26) - 1
SESSION_LIFE = 180.0
"""Seconds that a session without a connection can be resumed."""
IDENTIFIES, IDENTIFIES_WINDOW = 16, 5.0
"""Sessions that may start in so many seconds, over all connections."""
FAULTY = {4001, 4002, 4003, 4005, 4008, 4009, 4010, 4012, 4013}
"""Closes that a correct client never earns."""


class Gateway:
    """All connections and sessions, fed by the events of a world."""

    def __init__(self, world: World, heartbeat_interval: float) -> None:
        self.open = True
        self.refused = 0
        """Websockets that were not let in while it was closed."""
        self.refuse_with: list[Close] = []
        self.garbled: dict[str, list[object]] = {"HELLO": [], "READY": []}
        """What the next connections get in place of these."""
        self.connections: list[Connection] = []
        self.sessions: dict[str, Session] = {}
        self._world = world
        self._interval = heartbeat_interval
        self._identified: deque[float] = deque(maxlen=IDENTIFIES)
        world.subscribers.append(self._deliver)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket from its HELLO to its end."""
        if not self.open:
            self.refused += 1
            self._world.changed()
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(max_msg_size=4096)
        await socket.prepare(request)
        connection = Connection(request, socket)
        self.connections.append(connection)
        pump = asyncio.create_task(connection.pump())
        try:
            await self._converse(connection, request)
        except Close as close:
            self._world.violations += [f"gateway: {close}"] if close.code in FAULTY else []
            await socket.close(code=close.code, message=close.reason.encode())
        finally:
            pump.cancel()
            self.connections.remove(connection)
            self._leave(connection)
        return socket

    async def _converse(self, connection: Connection, request: web.Request) -> None:
        if request.query.get("v") != "10":
            raise Close(4012, "Invalid API version.")
        if request.query.get("encoding") != "json":
            raise Close(4002, "Error while decoding payload.")
        hello = {"heartbeat_interval": int(self._interval * 1000)}
        connection.tell(HELLO, self._or_garbled("HELLO", hello))
        connection.alive_at = asyncio.get_running_loop().time()
        while payload := await self._receive(connection):
            self._obey(connection, payload)
            self._world.changed()

    async def _receive(self, connection: Connection) -> Json | None:
        """The next payload; None when the client has gone."""
        loop = asyncio.get_running_loop()
        patience = connection.alive_at + 1.5 * self._interval - loop.time()
        try:
            message = await connection.socket.receive(timeout=max(patience, 0.001))
        except TimeoutError:
            raise Close(4009, "Session timed out.") from None
        if message.type is not WSMsgType.TEXT:
            return None
        connection.count(loop.time())
        return _parsed(message.data)

    def _obey(self, connection: Connection, payload: Json) -> None:
        op: int = payload["op"]
        data: Any = payload.get("d")
        if op == HEARTBEAT:
            self._beat(connection, data)
        elif op in {IDENTIFY, RESUME}:
            if connection.session:
                raise Close(4005, "Already authenticated.")
            self._identify(connection, data) if op == IDENTIFY else self._resume(connection, data)
        elif op not in {PRESENCE, VOICE, REQUEST_MEMBERS}:
            raise Close(4001, "Unknown opcode.")
        elif not connection.session:
            raise Close(4003, "Not authenticated.")
        elif op == REQUEST_MEMBERS:
            self._tell_members(connection.session, data)

    def _beat(self, connection: Connection, sequence: int | None) -> None:
        connection.alive_at = asyncio.get_running_loop().time()
        if connection.session and sequence:
            connection.session.seen(sequence)
        connection.tell(HEARTBEAT_ACK)

    # Sessions

    def _identify(self, connection: Connection, data: Json) -> None:
        if self.refuse_with:
            raise self.refuse_with.pop(0)
        self._check_token(data)
        shard = (*data.get("shard", (0, 1)),)
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            raise Close(4010, "Invalid shard.")
        self._check_intents(data.get("intents"))
        if self._may_start():
            self._start(connection, Session(shard, data["intents"]))
        else:
            connection.tell(INVALID_SESSION, False)

    def _start(self, connection: Connection, session: Session) -> None:
        self.sessions = {key: it for key, it in self.sessions.items() if not self._forgotten(it)}
        self.sessions[session.id] = session
        self._join(connection, session)
        self._greet(session)

    def _check_token(self, data: Json) -> None:
        if str(data.get("token", "")).removeprefix("Bot ") != self._world.token:
            raise Close(4004, "Authentication failed.")

    def _check_intents(self, intents: Any) -> None:
        if not isinstance(intents, int) or not 0 <= intents <= ALL_INTENTS:
            raise Close(4013, "Invalid intent(s).")
        for name, bit in PRIVILEGED.items():
            if intents & bit and name not in self._world.intents_allowed:
                raise Close(4014, "Disallowed intent(s).")

    def _may_start(self) -> bool:
        now = self._world.clock()
        recent = [at for at in self._identified if now - at < IDENTIFIES_WINDOW]
        if len(recent) >= IDENTIFIES or self._world.identifies_left == 0:
            self._world.violations.append("gateway: too many sessions started")
            return False
        self._identified.append(now)
        self._world.identifies_left -= 1
        return True

    def _greet(self, session: Session) -> None:
        guilds = [item for item in self._world.guilds.values() if session.serves(item.id)]
        session.push("READY", self._or_garbled("READY", self._ready(session, guilds)))
        for guild in guilds if session.intents & GUILDS else ():
            session.push("GUILD_CREATE", wire.guild(guild, self._world.bot))

    def _or_garbled(self, name: str, sound: Json) -> object:
        garbled = self.garbled[name]
        return garbled.pop(0) if garbled else sound

    def _ready(self, session: Session, guilds: Iterable[Guild]) -> Json:
        return {
            "v": 10,
            "user": {**wire.user(self._world.bot), "verified": True, "mfa_enabled": False},
            "guilds": [{"id": guild.id, "unavailable": True} for guild in guilds],
            "private_channels": [],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self._world.gateway_url,
            "shard": list(session.shard),
            "application": {"id": self._world.application_id, "flags": 0},
        }

    def _resume(self, connection: Connection, data: Json) -> None:
        self._check_token(data)
        session = self.sessions.get(data.get("session_id", ""))
        missed = session.since(data.get("seq") or 0) if session else None
        if not session or missed is None or self._forgotten(session):
            connection.tell(INVALID_SESSION, False)
            return
        self._join(connection, session)
        for event in missed:
            connection.tell(DISPATCH, event["d"], t=event["t"], s=event["s"])
        session.push("RESUMED", {})

    def _forgotten(self, session: Session) -> bool:
        gone = session.connection is None
        return gone and self._world.clock() - session.left_at > SESSION_LIFE

    def _join(self, connection: Connection, session: Session) -> None:
        if session.connection:
            session.connection.session = None
            session.connection.cut()
        connection.session, session.connection = session, connection

    def _leave(self, connection: Connection) -> None:
        """A connection ended; a client that closed it in good order ended its session too."""
        session, connection.session = connection.session, None
        if not session:
            return
        session.connection, session.left_at = None, self._world.clock()
        if connection.socket.close_code in {1000, 1001}:
            self.sessions.pop(session.id, None)

    # Events

    def _deliver(self, event: Event) -> None:
        for session in self.sessions.values():
            wanted = not event.intent or session.intents & event.intent
            if wanted and session.serves(event.guild_id):
                readable = event.bare is None or session.intents & MESSAGE_CONTENT
                session.push(event.name, event.data if readable else event.bare or {})

    def _tell_members(self, session: Session, data: Json) -> None:
        guild = self._world.guilds.get(str(data["guild_id"]))
        if not guild:
            return
        wanted = data.get("user_ids") or list(guild.members)
        found = [guild.members[str(item)] for item in wanted if str(item) in guild.members]
        chunk = {
            "guild_id": guild.id,
            "members": [wire.member_user(guild, person) for person in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "nonce": data.get("nonce"),
        }
        session.push("GUILD_MEMBERS_CHUNK", chunk)

    # What a test orders

    def drop(self, resumable: bool) -> None:
        """Cut every connection at once, and keep the events for a RESUME if one may come."""
        for connection in list(self.connections):
            self._leave(connection)
            connection.cut()
        if not resumable:
            self.sessions.clear()

    def ask_to_reconnect(self) -> None:
        """Tell every connection to come again, as before a deploy of Discord's."""
        for connection in self.connections:
            connection.tell(RECONNECT)


def _parsed(text: str) -> Json:
    try:
        payload = json.loads(text)
    except json.JSONDecodeError:
        payload = None
    if not isinstance(payload, dict) or "op" not in payload:
        raise Close(4002, "Error while decoding payload.")
    return payload
