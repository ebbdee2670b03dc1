"""The way to the gateway: its address, the number of shards, and how many sessions may start."""

import asyncio
import logging
from dataclasses import dataclass

import discord
from yarl import URL

from bots.discord.rest import call, field
from core.errors import DeliveryError, RetryAfter, Unreachable

log = logging.getLogger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""The seconds before Discord is asked again; each pause is twice the one before."""
MOST = 10_000
"""The most shards, and the most sessions that may start at once."""
LONGEST_WAIT = 24 * 3600.0
"""The most seconds for which Discord can forbid new sessions; it counts them by the day."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """The answer to "where is the gateway?"."""

    url: URL
    shards: int
    at_once: int
    """The sessions that may start in five seconds."""
    remaining: int
    """The sessions that may start until the limit is reset."""
    reset_after: float
    """The seconds until then."""


async def find(client: discord.Client) -> Entrance:
    """Ask Discord for the gateway until it answers, with growing pauses."""
    pause = SHORTEST_PAUSE
    while True:
        try:
            return read(await call(client, "GET", "/gateway/bot"))
        except DeliveryError as error:
            wait = max(pause, error.retry_after) if isinstance(error, RetryAfter) else pause
            log.warning("No gateway from Discord; trying again in %g s: %s", wait, error)
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)


def read(found: object) -> Entrance:
    """Return Discord's answer; raises Unreachable if it does not have the shape of one."""
    address, shards = field(found, "url", str), field(found, "shards", int)
    limit = field(found, "session_start_limit", dict)
    if not (address.startswith(("ws://", "wss://")) and 0 < shards <= MOST):
        raise Unreachable("an answer without a gateway")
    return Entrance(
        URL(address),
        shards,
        at_once=min(max(field(limit, "max_concurrency", int), 1), MOST),
        remaining=field(limit, "remaining", int),
        reset_after=min(max(field(limit, "reset_after", int) / 1000, 1.0), LONGEST_WAIT),
    )
