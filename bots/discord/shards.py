"""The connections of the gateway's shards, and their heartbeats."""

import time

import discord

BEATS = (1.0, 600.0)
"""The least and the most seconds between two heartbeats, whatever the server says."""


class Shards:
    """The shards of a client that hear events."""

    def __init__(self, client: discord.AutoShardedClient) -> None:
        self._client = client
        self._connected: set[int] = set()
        self._known: set[int] = set()
        self._heard_at: float | None = None
        self.reconnects = 0
        """The number of connections that followed a lost one."""

    @property
    def hear(self) -> bool:
        """True while all shards are connected."""
        return 0 < (self._client.shard_count or 0) == len(self._connected)

    @property
    def heard_at(self) -> float | None:
        """The time by `time.monotonic` since which every shard has had a heartbeat acknowledged.

        A new connection counts as one. While no shard is connected, the time is the last known one.
        """
        sockets = [self._client._get_websocket(shard_id=shard) for shard in self._connected]
        beats = [socket._keep_alive for socket in sockets]
        ages = [time.perf_counter() - beat._last_ack for beat in beats if beat]
        if ages:
            self._heard_at = time.monotonic() - max(ages)
        return self._heard_at

    def connect(self, shard_id: int) -> None:
        """Note that a shard hears events, and bound the time between two of its heartbeats.

        None at all would keep a thread busy.
        """
        self.reconnects += shard_id in self._known
        self._known.add(shard_id)
        self._connected.add(shard_id)
        if beat := self._client._get_websocket(shard_id=shard_id)._keep_alive:
            beat.interval = min(max(beat.interval or 0.0, BEATS[0]), BEATS[1])

    def disconnect(self, shard_id: int) -> None:
        """Note that a shard hears nothing."""
        self._connected.discard(shard_id)

    def disconnect_all(self) -> None:
        """Note that the gateway is closed."""
        self._connected.clear()
