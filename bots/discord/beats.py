"""The heartbeats of the gateway: how often they are sent, and when one was acknowledged."""

import time
from collections.abc import Iterable

import discord

BEATS = (1.0, 600.0)
"""The least and the most seconds between two heartbeats, whatever the server says."""


def bound(client: discord.AutoShardedClient, shard_id: int) -> None:
    """Bound the time between two heartbeats of a shard: none at all would keep a thread busy."""
    if beat := client._get_websocket(shard_id=shard_id)._keep_alive:
        beat.interval = min(max(beat.interval or 0.0, BEATS[0]), BEATS[1])


def acknowledged_at(client: discord.AutoShardedClient, shards: Iterable[int]) -> float | None:
    """Return the time by `time.monotonic` since which every shard has had one acknowledged.

    A new connection counts as one. None if no shard is connected.
    """
    beats = [client._get_websocket(shard_id=shard_id)._keep_alive for shard_id in shards]
    ages = [time.perf_counter() - beat._last_ack for beat in beats if beat]
    return time.monotonic() - max(ages) if ages else None
